# METADATA
# title: A stored card number is unreadable
# description: |
#   A card is put on file only in a form from which its number cannot be read without a key or a vault.
# custom:
#   id: account_data.pan_unreadable
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:3.5.1
#     - nist-800-53-r5:sc-28
#     - nist-800-53-r5:sc-28.1
#   severity: critical
#   mode: gate
package domains.payment.account_data.pan_unreadable

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.account_data_store

needs := {"resource.properties.pan_form"}

satisfied if input.resource.properties.pan_form in data.domains.payment.terms.parameters.pan_forms
