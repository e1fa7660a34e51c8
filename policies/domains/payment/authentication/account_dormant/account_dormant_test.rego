package domains.payment.authentication.account_dormant_test

import data.assay.payment_test as fixture

_rule := "authentication.account_dormant"

_charge := fixture.service("charge.capture")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_account_used_within_the_days_is_allowed if {
	_verdict(_read, {"subject.properties.account.last_active_unix": fixture.now - (90 * 86400)}) == "allowed"
}

test_account_unused_for_longer_is_denied if {
	_verdict(_read, {"subject.properties.account.last_active_unix": (fixture.now - (90 * 86400)) - 1}) == "rule_violated"
}

test_account_used_in_the_future_is_denied if {
	_verdict(_read, {"subject.properties.account.last_active_unix": fixture.now + 300}) == "allowed"
	_verdict(_read, {"subject.properties.account.last_active_unix": fixture.now + 301}) == "rule_violated"
}

test_service_is_out_of_scope if _verdict(_charge, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 2)
