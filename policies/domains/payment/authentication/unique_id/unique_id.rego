# METADATA
# title: Every actor has an identity of its own
# description: |
#   A shared identity hides who acted, so it may not act.
# custom:
#   id: authentication.unique_id
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.2.1
#     - nist-800-53-r5:ia-2
#     - nist-800-53-r5:ia-4
#   severity: high
#   mode: gate
package domains.payment.authentication.unique_id

about := rego.metadata.chain()

in_scope := true

needs := {"subject.id", "subject.properties.shared"}

satisfied if input.subject.properties.shared == false
