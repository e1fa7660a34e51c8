# METADATA
# title: New rights are approved by someone who may
# description: |
#   An account is made or given rights only with the approval of another person in an approving role.
# custom:
#   id: access.rights_approved
#   family: access
#   controls:
#     - pci-dss-4.0.1:7.2.3
#     - pci-dss-4.0.1:8.2.4
#     - nist-800-53-r5:ac-2
#     - nist-800-53-r5:ac-5
#   severity: high
#   mode: gate
package domains.payment.access.rights_approved

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.rights_change

needs := {"action.properties.approver.id", "action.properties.approver.role", "subject.id"}

satisfied if {
	input.action.properties.approver.id != input.subject.id
	input.action.properties.approver.role in data.domains.payment.terms.parameters.rights_approver_roles
}
