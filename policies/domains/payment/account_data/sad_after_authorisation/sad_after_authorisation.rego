# METADATA
# title: Card codes, track data and PINs are not kept after authorisation
# description: |
#   Sensitive authentication data may travel only in the calls that lead to an authorisation, and a clear PIN in
#   none.
# custom:
#   id: account_data.sad_after_authorisation
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:3.3.1
#     - pci-dss-4.0.1:3.3.1.1
#     - pci-dss-4.0.1:3.3.1.2
#     - pci-dss-4.0.1:3.3.1.3
#     - nist-800-53-r5:mp-6
#     - nist-800-53-r5:si-12
#   severity: critical
#   mode: gate
package domains.payment.account_data.sad_after_authorisation

import data.assay.facts

about := rego.metadata.chain()

in_scope := true

needs := {"card_data.sad", "card_data.truncated"}

satisfied if {
	input.card_data.truncated == false
	count(input.card_data.sad) == 0
}

satisfied if {
	input.card_data.truncated == false
	facts.call in data.domains.payment.terms.calls.before_authorisation
	every found in input.card_data.sad {
		found.kind in data.domains.payment.terms.parameters.sad_before_authorisation
	}
}
