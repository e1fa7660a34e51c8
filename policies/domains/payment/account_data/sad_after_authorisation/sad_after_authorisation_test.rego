package domains.payment.account_data.sad_after_authorisation_test

import data.assay.payment_test as fixture

_rule := "account_data.sad_after_authorisation"

_charge := fixture.service("charge.capture")

_create := fixture.service("charge.create")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_nothing_found_is_allowed if _verdict(_charge, {}) == "allowed"

test_card_code_that_leads_to_an_authorisation_is_allowed if {
	_verdict(_create, {"card_data.sad": [{"path": "/context/cvv", "kind": "card_code"}]}) == "allowed"
}

test_card_code_after_authorisation_is_denied if {
	_verdict(_charge, {"card_data.sad": [{"path": "/context/cvv", "kind": "card_code"}]}) == "rule_violated"
}

test_clear_pin_is_always_denied if {
	_verdict(_create, {"card_data.sad": [{"path": "/context/pin", "kind": "pin"}]}) == "rule_violated"
}

test_find_of_no_kind_is_denied if _verdict(_create, {"card_data.sad": [{"path": "/context/x"}]}) == "rule_violated"

test_body_not_seen_whole_is_denied if _verdict(_create, {"card_data.truncated": true}) == "rule_violated"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 2)
