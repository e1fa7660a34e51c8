package domains.payment.access.role_permits_test

import data.assay.payment_test as fixture

_rule := "access.role_permits"

_charge := fixture.service("charge.capture")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_call_of_the_job_is_allowed if _verdict(_charge, {}) == "allowed"

test_call_of_another_job_is_denied if _verdict(_charge, {"subject.properties.role": "auditor"}) == "rule_violated"

test_unknown_role_is_denied if _verdict(_charge, {"subject.properties.role": "owner"}) == "rule_violated"

test_unknown_call_is_denied if _verdict(_charge, {"action.name": "vanish"}) == "rule_violated"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 3)
