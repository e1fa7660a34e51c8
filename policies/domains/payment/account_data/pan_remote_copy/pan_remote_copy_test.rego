package domains.payment.account_data.pan_remote_copy_test

import data.assay.payment_test as fixture

_rule := "account_data.pan_remote_copy"

_create := fixture.service("charge.create")

_export := fixture.person("charge.export")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_export_on_site_is_allowed if _verdict(_export, {}) == "allowed"

test_export_over_remote_access_is_denied if _verdict(_export, {"context.session.remote": true}) == "rule_violated"

test_a_call_that_copies_nothing_is_out_of_scope if _verdict(_create, {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_export, {}), 1)
