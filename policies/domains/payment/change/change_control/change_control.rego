# METADATA
# title: A change to production follows the procedure
# description: |
#   It has a ticket, its impact is written down, it was tested, it can be rolled back, and another than its author
#   approved it.
# custom:
#   id: change.change_control
#   family: change
#   controls:
#     - pci-dss-4.0.1:6.5.1
#     - nist-800-53-r5:cm-3
#     - nist-800-53-r5:cm-3.2
#     - nist-800-53-r5:cm-4
#   severity: high
#   mode: gate
package domains.payment.change.change_control

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.change

needs contains "resource.properties.environment"

needs contains fact if {
	_live
	some fact in {
		"context.change.approver",
		"context.change.author",
		"context.change.impact",
		"context.change.rollback_tested",
		"context.change.tests_passed",
		"context.change.ticket",
	}
}

satisfied if not _live

satisfied if {
	input.context.change.tests_passed
	input.context.change.rollback_tested
	input.context.change.approver != input.context.change.author
}

_live if input.resource.properties.environment in data.domains.payment.terms.parameters.environments_live
