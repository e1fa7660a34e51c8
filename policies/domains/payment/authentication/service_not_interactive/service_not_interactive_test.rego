package domains.payment.authentication.service_not_interactive_test

import data.assay.payment_test as fixture

_rule := "authentication.service_not_interactive"

_charge := fixture.service("charge.capture")

_read := fixture.person("customer_card.read")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_program_by_itself_is_allowed if _verdict(_charge, {}) == "allowed"

test_person_behind_a_program_is_denied if _verdict(_charge, {"context.session.interactive": true}) == "rule_violated"

test_person_is_out_of_scope if _verdict(_read, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 1)
