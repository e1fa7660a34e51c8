# METADATA
# title: Tests of who may ask OPA
package system.authz_test

import data.system.authz

_question := {"identity": "t0ken", "method": "POST", "path": ["v1", "data", "assay", "decision"]}

_runtime := {"env": {"ASSAY_OPA_TOKEN": "t0ken"}}

test_the_service_may_ask if {
	authz.allow with input as _question with opa.runtime as _runtime
}

test_another_token_may_not if {
	not authz.allow with input as object.union(_question, {"identity": "other"}) with opa.runtime as _runtime
}

test_no_token_opens_nothing if {
	not authz.allow with input as object.union(_question, {"identity": ""}) with opa.runtime as {"env": {}}
}

test_nothing_else_may_be_asked if {
	every change in [{"method": "PUT"}, {"path": ["v1", "policies"]}, {"path": ["v1", "data"]}] {
		not authz.allow with input as object.union(_question, change) with opa.runtime as _runtime
	}
}
