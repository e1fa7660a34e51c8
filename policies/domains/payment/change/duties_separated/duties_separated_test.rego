package domains.payment.change.duties_separated_test

import data.assay.payment_test as fixture

_rule := "change.duties_separated"

_deploy := fixture.person("deployment.create")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_release_of_the_work_of_another_is_allowed if _verdict(_deploy, {}) == "allowed"

test_release_of_own_work_is_denied if _verdict(_deploy, {"context.change.author": "ada"}) == "rule_violated"

test_reading_is_out_of_scope if _verdict(fixture.person("configuration.read"), {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_deploy, {}), 2)
