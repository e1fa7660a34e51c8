package domains.payment.logging.log_append_only_test

import data.assay.payment_test as fixture

_rule := "logging.log_append_only"

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

_write := fixture.service("audit_log.write")

test_adding_is_allowed if _verdict(_write, {}) == "allowed"

test_overwriting_is_denied if _verdict(_write, {"action.properties.mode": "overwrite"}) == "rule_violated"

test_other_calls_are_out_of_scope if _verdict(_read, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_write, {}), 1)
