package domains.payment.access.rights_approved_test

import data.assay.payment_test as fixture

_rule := "access.rights_approved"

_grant := fixture.person("user_account.grant")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_grant_with_approval_is_allowed if _verdict(_grant, {}) == "allowed"

test_own_approval_is_denied if _verdict(_grant, {"action.properties.approver.id": "ada"}) == "rule_violated"

test_approval_in_another_role_is_denied if {
	_verdict(_grant, {"action.properties.approver.role": "colleague"}) == "rule_violated"
}

test_taking_rights_away_is_out_of_scope if _verdict(fixture.person("user_account.revoke"), {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_grant, {}), 3)
