package domains.payment.account_data.key_protection_test

import data.assay.payment_test as fixture

_rule := "account_data.key_protection"

_key := fixture.person("key.rotate")

_verdict(call, changes) := fixture.verdict(_rule, fixture.facts(call, changes))

test_key_in_a_hardware_module_is_allowed if _verdict(_key, {}) == "allowed"

test_key_in_a_file_is_denied if _verdict(_key, {"resource.properties.protection": "file"}) == "rule_violated"

test_destroying_a_key_is_out_of_scope if _verdict(fixture.person("key.destroy"), {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts(_key, {}), 1)
