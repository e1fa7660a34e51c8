package domains.payment.change.change_control_test

import data.assay.payment_test as fixture

_rule := "change.change_control"

_deploy := fixture.person("deployment.create")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_change_by_the_book_is_allowed if _verdict(_deploy, {}) == "allowed"

test_change_outside_production_is_allowed_without_papers if {
	_verdict(_deploy, {"resource.properties.environment": "test", "context.environment": "test"}) == "allowed"
}

test_each_step_left_out_is_denied if {
	every changes in [
		{"context.change.tests_passed": false},
		{"context.change.rollback_tested": false},
		{"context.change.approver": "cal"},
	] {
		_verdict(_deploy, changes) == "rule_violated"
	}
}

test_reading_is_out_of_scope if _verdict(fixture.person("configuration.read"), {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_deploy, {}), 7)
