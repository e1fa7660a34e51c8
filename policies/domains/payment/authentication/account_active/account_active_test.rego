package domains.payment.authentication.account_active_test

import data.assay.payment_test as fixture

_rule := "authentication.account_active"

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_active_account_is_allowed if _verdict(_read, {}) == "allowed"

test_each_other_status_is_denied if {
	every status in ["terminated", "suspended", "ACTIVE"] {
		_verdict(_read, {"subject.properties.account.status": status}) == "rule_violated"
	}
}

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 1)
