# METADATA
# title: A session left alone must be opened anew
# description: |
#   After the set number of idle seconds a person proves again who they are.
# custom:
#   id: authentication.session_idle
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.2.8
#     - nist-800-53-r5:ac-11
#     - nist-800-53-r5:ac-12
#     - nist-800-53-r5:ia-11
#   severity: high
#   mode: gate
package domains.payment.authentication.session_idle

about := rego.metadata.chain()

in_scope := object.get(data.domains.payment.terms.parameters.subject_kinds, input.subject.type, "person") == "person"

needs := {"context.session.idle_seconds"}

satisfied if input.context.session.idle_seconds <= data.domains.payment.terms.parameters.idle_seconds
