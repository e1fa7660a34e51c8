# METADATA
# title: Keys that protect account data are protected themselves
# description: |
#   A key comes into use only inside a hardware module, wrapped by another key, or as shares held by several people.
# custom:
#   id: account_data.key_protection
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:3.6.1.2
#     - nist-800-53-r5:sc-12
#     - nist-800-53-r5:sc-28.3
#   severity: critical
#   mode: gate
package domains.payment.account_data.key_protection

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.key_store

needs := {"resource.properties.protection"}

satisfied if input.resource.properties.protection in data.domains.payment.terms.parameters.key_protections
