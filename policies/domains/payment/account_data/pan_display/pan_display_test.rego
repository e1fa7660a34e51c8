package domains.payment.account_data.pan_display_test

import data.assay.payment_test as fixture

_rule := "account_data.pan_display"

_create := fixture.service("charge.create")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_masked_view_is_allowed_and_the_mask_is_a_duty if {
	_verdict(_read, {}) == "allowed"
	fixture.decision(_read, {}).obligations == [{"id": "mask_pan", "first": 6, "last": 4}]
}

test_whole_number_for_an_entitled_role_is_allowed_without_a_duty if {
	changes := {"subject.properties.role": "fraud_analyst", "action.properties.unmasked": true}
	_verdict(_read, changes) == "allowed"
	fixture.decision(_read, changes).obligations == []
}

test_whole_number_for_another_role_is_denied if {
	_verdict(_read, {"action.properties.unmasked": true}) == "rule_violated"
}

test_a_call_that_shows_nothing_is_out_of_scope if _verdict(_create, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 2)
