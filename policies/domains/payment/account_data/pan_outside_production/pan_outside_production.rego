# METADATA
# title: Card numbers of real cards stay in production
# description: |
#   A call that touches an environment other than a live one may carry test card numbers only.
# custom:
#   id: account_data.pan_outside_production
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:6.5.5
#     - nist-800-53-r5:sa-3.2
#   severity: high
#   mode: gate
package domains.payment.account_data.pan_outside_production

about := rego.metadata.chain()

in_scope := true

needs := {"card_data.pans", "card_data.truncated", "resource.properties.environment"}

satisfied if {
	input.resource.properties.environment in data.domains.payment.terms.parameters.environments_live
}

satisfied if {
	input.card_data.truncated == false
	every pan in input.card_data.pans {
		pan.test == true
	}
}
