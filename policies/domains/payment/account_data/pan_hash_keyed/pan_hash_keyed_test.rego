package domains.payment.account_data.pan_hash_keyed_test

import data.assay.payment_test as fixture

_rule := "account_data.pan_hash_keyed"

_create := fixture.service("charge.create")

_store := fixture.service("customer_card.create")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_hash(algorithm) := {
	"resource.properties.pan_form": "keyed_hash",
	"resource.properties.pan_hash": {"algorithm": algorithm, "key_id": "k-7"},
}

test_no_hash_is_allowed if _verdict(_store, {}) == "allowed"

test_keyed_hash_is_allowed if _verdict(_store, _hash("HMAC-SHA-256")) == "allowed"

test_plain_hash_is_denied if _verdict(_store, _hash("SHA-256")) == "rule_violated"

test_a_hash_must_name_its_key_and_algorithm if {
	fixture.needs_are_needed(_rule, fixture.facts(_store, _hash("HMAC-SHA-256")), 3)
}

test_a_call_that_stores_nothing_is_out_of_scope if _verdict(_create, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_store, {}), 1)
