package domains.payment.authentication.session_idle_test

import data.assay.payment_test as fixture

_rule := "authentication.session_idle"

_charge := fixture.service("charge.capture")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_idle_up_to_the_limit_is_allowed if _verdict(_read, {"context.session.idle_seconds": 900}) == "allowed"

test_idle_beyond_the_limit_is_denied if {
	_verdict(_read, {"context.session.idle_seconds": 901}) == "rule_violated"
}

test_number_written_as_text_is_missing if {
	_verdict(_read, {"context.session.idle_seconds": "900"}) == "fact_missing"
}

test_negative_and_broken_numbers_are_missing if {
	every value in [-1, 1.5] {
		_verdict(_read, {"context.session.idle_seconds": value}) == "fact_missing"
	}
}

test_service_is_out_of_scope if _verdict(_charge, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 1)
