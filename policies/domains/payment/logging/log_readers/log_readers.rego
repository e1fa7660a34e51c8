# METADATA
# title: Few may read the audit log
# description: |
#   To read the audit log takes an entitlement of its own beside the role, given to those who review or keep it.
# custom:
#   id: logging.log_readers
#   family: logging
#   controls:
#     - pci-dss-4.0.1:10.3.1
#     - nist-800-53-r5:au-9
#     - nist-800-53-r5:au-9.4
#     - nist-800-53-r5:au-9.6
#   severity: high
#   mode: gate
package domains.payment.logging.log_readers

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.log_read

needs := {"subject.properties.entitlements"}

satisfied if data.domains.payment.terms.parameters.log_read_entitlement in input.subject.properties.entitlements
