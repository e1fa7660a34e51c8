package domains.payment.change.environment_separation_test

import data.assay.payment_test as fixture

_rule := "change.environment_separation"

_charge := fixture.service("charge.capture")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_same_environment_is_allowed if _verdict(_charge, {}) == "allowed"

test_staging_that_reaches_into_production_is_denied if {
	_verdict(_charge, {"context.environment": "staging"}) == "rule_violated"
}

test_unknown_environment_is_denied if {
	changes := {"context.environment": "attic", "resource.properties.environment": "attic"}
	_verdict(_charge, changes) == "rule_violated"
}

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 2)
