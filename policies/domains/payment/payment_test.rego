# What the tests of the payment rules share: requests that are allowed, and one fact changed at a time.
package assay.payment_test

import data.assay.tables_test

now := 1764000000

# A call by a person, in the role whose job it is.
person(call) := _request(call, {
	"type": "user",
	"id": "ada",
	"properties": {
		"role": _role(call),
		"entitlements": ["audit.read"],
		"shared": false,
		"account": {"status": "active", "last_active_unix": now - 86400, "failed_attempts": 0},
	},
})

# A call by a program.
service(call) := _request(call, {
	"type": "service",
	"id": "checkout-1",
	"properties": {"role": _service_role(call), "shared": false, "account": {"status": "active"}},
})

# The request with some facts, named by their paths, put in or changed.
facts(request, changes) := tables_test.changed(request, changes)

decision(request, changes) := answer if {
	answer := data.assay.decision with input as facts(request, changes)
}

verdict(rule, request) := tables_test.verdict(rule, request)

needs_are_needed(rule, request, number) if tables_test.needs_are_needed("payment", rule, request, number)

_role(call) := sort([role |
	some role, calls in data.domains.payment.terms.roles
	not role in {"checkout", "reconciler", "log_shipper", "fraud_analyst", "log_custodian"}
	call in calls
])[0]

_role("charge.export") := "fraud_analyst"

_role("audit_log.delete") := "log_custodian"

_service_role(call) := "checkout" if call in data.domains.payment.terms.roles.checkout

_service_role("audit_log.write") := "log_shipper"

_request(call, subject) := {
	"schema": "assay-facts/1",
	"time": "2025-11-24T16:00:00.000Z",
	"time_unix": now,
	"caller": {"id": "demo-gateway", "role": "gateway", "tenant": "default"},
	"subject": subject,
	"action": {"name": split(call, ".")[1], "properties": {
		"approvers": ["bea", "cal"],
		"approver": {"id": "dee", "role": "department_head"},
		"mode": "append",
		"unmasked": false,
	}},
	"resource": {"type": split(call, ".")[0], "id": "r-1", "properties": {
		"cde": true,
		"environment": "production",
		"newest_entry_unix": now - ((365 * 86400) + 1),
		"pan_form": "token",
		"protection": "hsm",
		"tenant": "default",
	}},
	"context": {
		"authentication": {"methods": ["pwd", "otp"]},
		"change": {
			"approver": "bea",
			"author": "cal",
			"impact": "none for payers",
			"rollback_tested": true,
			"tests_passed": true,
			"ticket": "CHG-1",
		},
		"environment": "production",
		"session": {"idle_seconds": 30, "interactive": false, "remote": false},
		"tls": {
			"certificate_not_after_unix": now + 86400,
			"certificate_revoked": false,
			"cipher": "TLS_AES_256_GCM_SHA384",
			"version": "TLSv1.3",
		},
	},
	"card_data": {"pans": [], "sad": [], "truncated": false},
}
