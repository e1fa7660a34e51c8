package domains.payment.logging.log_retention_test

import data.assay.payment_test as fixture

_rule := "logging.log_retention"

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_delete := fixture.person("audit_log.delete")

test_old_log_may_go if _verdict(_delete, {}) == "allowed"

test_log_within_its_time_stays if {
	_verdict(_delete, {"resource.properties.newest_entry_unix": fixture.now - (365 * 86400)}) == "rule_violated"
}

test_other_calls_are_out_of_scope if _verdict(_read, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_delete, {}), 2)
