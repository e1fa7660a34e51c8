package domains.payment.access.dual_control_test

import data.assay.payment_test as fixture

_rule := "access.dual_control"

_key := fixture.person("key.rotate")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_two_others_are_enough if _verdict(_key, {}) == "allowed"

test_one_is_not_enough if _verdict(_key, {"action.properties.approvers": ["bea"]}) == "rule_violated"

test_the_same_person_twice_is_not_enough if {
	_verdict(_key, {"action.properties.approvers": ["bea", "bea"]}) == "rule_violated"
}

test_the_requester_does_not_count if {
	_verdict(_key, {"action.properties.approvers": ["bea", "ada"]}) == "rule_violated"
}

test_reading_about_a_key_is_out_of_scope if _verdict(fixture.person("key.read"), {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_key, {}), 2)
