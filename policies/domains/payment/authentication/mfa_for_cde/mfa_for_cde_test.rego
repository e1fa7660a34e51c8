package domains.payment.authentication.mfa_for_cde_test

import data.assay.payment_test as fixture

_rule := "authentication.mfa_for_cde"

_charge := fixture.service("charge.capture")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_methods(methods) := {"context.authentication.methods": methods}

test_two_kinds_are_allowed if _verdict(_read, _methods(["pwd", "otp"])) == "allowed"

test_one_kind_outside_the_environment_is_allowed if {
	outside := {
		"resource.properties.cde": false,
		"subject.properties.account.password_changed_unix": fixture.now,
	}
	_verdict(_read, object.union(_methods(["pwd"]), outside)) == "allowed"
}

test_too_few_kinds_are_denied if {
	every methods in [["pwd"], ["pwd", "pin"], ["otp", "smoke"], []] {
		_verdict(_read, _methods(methods)) == "rule_violated"
	}
}

test_service_is_out_of_scope if _verdict(_charge, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 2)
