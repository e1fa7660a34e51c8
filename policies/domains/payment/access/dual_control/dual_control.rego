# METADATA
# title: Handling a key by hand takes two other people
# description: |
#   Two distinct people who did not ask for it have approved the operation on the key.
# custom:
#   id: access.dual_control
#   family: access
#   controls:
#     - pci-dss-4.0.1:3.7.6
#     - nist-800-53-r5:ac-3.2
#     - nist-800-53-r5:ac-5
#   severity: critical
#   mode: gate
package domains.payment.access.dual_control

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.key_manual

needs := {"action.properties.approvers", "subject.id"}

satisfied if count({name | some name in input.action.properties.approvers} - {input.subject.id}) >= 2
