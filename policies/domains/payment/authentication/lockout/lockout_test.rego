package domains.payment.authentication.lockout_test

import data.assay.payment_test as fixture

_rule := "authentication.lockout"

_charge := fixture.service("charge.capture")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_failures(attempts, ago) := {
	"subject.properties.account.failed_attempts": attempts,
	"subject.properties.account.last_failure_unix": fixture.now - ago,
}

test_few_failures_are_allowed if _verdict(_read, {"subject.properties.account.failed_attempts": 9}) == "allowed"

test_many_failures_long_ago_are_allowed if _verdict(_read, _failures(10, 1800)) == "allowed"

test_many_failures_just_now_are_denied if _verdict(_read, _failures(10, 1799)) == "rule_violated"

test_the_time_of_the_last_failure_is_needed_once_there_are_many if {
	fixture.needs_are_needed(_rule, fixture.facts(_read, _failures(10, 1800)), 3)
}

test_service_is_out_of_scope if _verdict(_charge, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 1)
