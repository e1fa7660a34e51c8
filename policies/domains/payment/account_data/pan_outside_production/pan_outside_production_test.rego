package domains.payment.account_data.pan_outside_production_test

import data.assay.payment_test as fixture

_rule := "account_data.pan_outside_production"

_create := fixture.service("charge.create")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_real := [{"path": "/resource/properties/number", "token": "pan_1", "brand": "visa", "test": false}]

_test := [{"path": "/resource/properties/number", "token": "pan_1", "brand": "visa", "test": true}]

_staging := {"resource.properties.environment": "staging", "context.environment": "staging"}

test_real_card_in_production_is_allowed if _verdict(_create, {"card_data.pans": _real}) == "allowed"

test_test_card_in_staging_is_allowed if {
	_verdict(_create, object.union(_staging, {"card_data.pans": _test})) == "allowed"
}

test_real_card_in_staging_is_denied if {
	_verdict(_create, object.union(_staging, {"card_data.pans": array.concat(_test, _real)})) == "rule_violated"
}

test_card_not_said_to_be_a_test_card_is_denied if {
	_verdict(_create, object.union(_staging, {"card_data.pans": [{"token": "pan_1"}]})) == "rule_violated"
}

test_body_not_seen_whole_is_denied_in_staging if {
	_verdict(_create, object.union(_staging, {"card_data.truncated": true})) == "rule_violated"
}

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_create, {}), 3)
