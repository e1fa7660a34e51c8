package domains.payment.transport.certificate_valid_test

import data.assay.payment_test as fixture

_rule := "transport.certificate_valid"

_charge := fixture.service("charge.capture")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_certificate_in_its_last_second_is_allowed if {
	_verdict(_charge, {"context.tls.certificate_not_after_unix": fixture.now}) == "allowed"
}

test_certificate_that_ran_out_is_denied if {
	_verdict(_charge, {"context.tls.certificate_not_after_unix": fixture.now - 1}) == "rule_violated"
}

test_revoked_certificate_is_denied if _verdict(_charge, {"context.tls.certificate_revoked": true}) == "rule_violated"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 3)
