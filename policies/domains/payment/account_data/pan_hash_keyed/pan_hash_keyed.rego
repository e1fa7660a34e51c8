# METADATA
# title: A hash of a card number is a keyed one
# description: |
#   Card numbers are few enough to try them all, so a hash that hides one must depend on a secret key.
# custom:
#   id: account_data.pan_hash_keyed
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:3.5.1.1
#     - nist-800-53-r5:sc-13
#     - nist-800-53-r5:sc-28.1
#   severity: high
#   mode: gate
package domains.payment.account_data.pan_hash_keyed

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.account_data_store

needs contains "resource.properties.pan_form"

needs contains fact if {
	input.resource.properties.pan_form == "keyed_hash"
	some fact in {"resource.properties.pan_hash.algorithm", "resource.properties.pan_hash.key_id"}
}

satisfied if input.resource.properties.pan_form != "keyed_hash"

satisfied if input.resource.properties.pan_hash.algorithm in data.domains.payment.terms.parameters.pan_hash_algorithms
