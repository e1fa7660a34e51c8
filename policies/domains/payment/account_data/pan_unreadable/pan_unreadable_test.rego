package domains.payment.account_data.pan_unreadable_test

import data.assay.payment_test as fixture

_rule := "account_data.pan_unreadable"

_create := fixture.service("charge.create")

_store := fixture.service("customer_card.create")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_each_unreadable_form_is_allowed if {
	every form in ["token", "truncated", "encrypted"] {
		_verdict(_store, {"resource.properties.pan_form": form}) == "allowed"
	}
}

test_clear_number_is_denied if _verdict(_store, {"resource.properties.pan_form": "clear"}) == "rule_violated"

test_a_call_that_stores_nothing_is_out_of_scope if _verdict(_create, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_store, {}), 1)
