# METADATA
# title: The audit log is kept for its time
# description: |
#   A log may be deleted only when even its newest entry is older than the set number of days.
# custom:
#   id: logging.log_retention
#   family: logging
#   controls:
#     - pci-dss-4.0.1:10.5.1
#     - nist-800-53-r5:au-11
#     - nist-800-53-r5:si-12
#   severity: high
#   mode: gate
package domains.payment.logging.log_retention

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.log_delete

needs := {"resource.properties.newest_entry_unix", "time_unix"}

satisfied if {
	age := input.time_unix - input.resource.properties.newest_entry_unix
	age > data.domains.payment.terms.parameters.log_retention_days * 86400
}
