package domains.payment.authentication.password_age_test

import data.assay.payment_test as fixture

_rule := "authentication.password_age"

_charge := fixture.service("charge.capture")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_alone(days) := {
	"resource.properties.cde": false,
	"context.authentication.methods": ["pwd"],
	"subject.properties.account.password_changed_unix": fixture.now - (days * 86400),
}

test_second_factor_is_allowed if _verdict(_read, {}) == "allowed"

test_fresh_password_is_allowed if _verdict(_read, _alone(90)) == "allowed"

test_old_password_is_denied if _verdict(_read, _alone(91)) == "rule_violated"

test_password_changed_in_the_future_is_denied if _verdict(_read, _alone(-1)) == "rule_violated"

test_no_known_factor_is_denied if {
	changes := {"resource.properties.cde": false, "context.authentication.methods": ["smoke"]}
	_verdict(_read, changes) == "rule_violated"
}

test_the_age_is_needed_when_the_password_stands_alone if {
	fixture.needs_are_needed(_rule, fixture.facts(_read, _alone(1)), 3)
}

test_service_is_out_of_scope if _verdict(_charge, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 1)
