package domains.payment.logging.log_readers_test

import data.assay.payment_test as fixture

_rule := "logging.log_readers"

_read := fixture.person("customer_card.read")

_log := fixture.person("audit_log.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_entitled_reader_is_allowed if _verdict(_log, {}) == "allowed"

test_anyone_else_is_denied if {
	every entitlements in [[], ["report.read"]] {
		_verdict(_log, {"subject.properties.entitlements": entitlements}) == "rule_violated"
	}
}

test_other_calls_are_out_of_scope if _verdict(_read, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_log, {}), 1)
