package domains.payment.authentication.unique_id_test

import data.assay.payment_test as fixture

_rule := "authentication.unique_id"

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_own_identity_is_allowed if _verdict(_read, {}) == "allowed"

test_shared_identity_is_denied if _verdict(_read, {"subject.properties.shared": true}) == "rule_violated"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_read, {}), 2)
