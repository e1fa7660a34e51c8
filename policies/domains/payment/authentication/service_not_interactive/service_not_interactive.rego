# METADATA
# title: An account of a program is not used by a person
# description: |
#   A program acts through its interface only; a session in which someone types under its name is refused.
# custom:
#   id: authentication.service_not_interactive
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.6.1
#     - nist-800-53-r5:ac-2
#     - nist-800-53-r5:ac-6.5
#   severity: high
#   mode: gate
package domains.payment.authentication.service_not_interactive

about := rego.metadata.chain()

in_scope := object.get(data.domains.payment.terms.parameters.subject_kinds, input.subject.type, "person") == "program"

needs := {"context.session.interactive"}

satisfied if input.context.session.interactive == false
