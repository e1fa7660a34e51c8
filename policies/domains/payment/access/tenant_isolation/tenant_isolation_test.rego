package domains.payment.access.tenant_isolation_test

import data.assay.payment_test as fixture

_rule := "access.tenant_isolation"

_charge := fixture.service("charge.capture")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_own_resource_is_allowed if _verdict(_charge, {}) == "allowed"

test_resource_of_another_tenant_is_denied if {
	_verdict(_charge, {"resource.properties.tenant": "other"}) == "rule_violated"
}

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 2)
