package domains.payment.transport.tls_strength_test

import data.assay.payment_test as fixture

_rule := "transport.tls_strength"

_charge := fixture.service("charge.capture")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_modern_connection_is_allowed if _verdict(_charge, {}) == "allowed"

test_old_protocol_is_denied if _verdict(_charge, {"context.tls.version": "TLSv1.1"}) == "rule_violated"

test_weak_cipher_is_denied if {
	_verdict(_charge, {"context.tls.cipher": "TLS_RSA_WITH_3DES_EDE_CBC_SHA"}) == "rule_violated"
}

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_charge, {}), 2)
