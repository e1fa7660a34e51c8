# METADATA
# title: The audit log only ever grows
# description: |
#   What was written stays as it was: a write may add to the log and change nothing in it.
# custom:
#   id: logging.log_append_only
#   family: logging
#   controls:
#     - pci-dss-4.0.1:10.3.2
#     - nist-800-53-r5:au-9
#     - nist-800-53-r5:au-9.3
#   severity: critical
#   mode: gate
package domains.payment.logging.log_append_only

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.log_write

needs := {"action.properties.mode"}

satisfied if input.action.properties.mode == "append"
