# METADATA
# title: Card numbers are shown masked unless the role is entitled to more
# description: |
#   Whoever is shown account data sees it masked. The whole number is for the roles that need it, and is asked for
#   openly.
# custom:
#   id: account_data.pan_display
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:3.4.1
#     - nist-800-53-r5:ac-3
#     - nist-800-53-r5:ac-6
#   severity: high
#   mode: gate
package domains.payment.account_data.pan_display

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.account_data_show

needs := {"action.properties.unmasked", "subject.properties.role"}

satisfied if input.action.properties.unmasked == false

satisfied if input.subject.properties.role in data.domains.payment.terms.parameters.unmasked_roles

duties contains object.union(data.domains.payment.terms.parameters.mask, {"id": "mask_pan"}) if {
	input.action.properties.unmasked == false
}
