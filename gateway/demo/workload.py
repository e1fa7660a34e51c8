# SPDX-License-Identifier: Apache-2.0
"""The demonstration's calls: real payment objects, put as the questions that a payment service would ask.

Every call is either allowed or breaks exactly one rule, and says which. Two of three are allowed, and among the first
hundred or so every rule of the payment domain is broken at least once. The calls depend on nothing but the
arguments: same count and same present, same calls.

Bodies carry card numbers, card codes and track data on purpose, in members of their own and within sentences, so that
taking them out has real work. `TEST_PANS`, `TEST_CVVS` and `TEST_TRACKS` list every spelling that is sent; none of them
may be found in anything that is kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.demo import bodies
from gateway.demo.bodies import ABSENT, DAY, TEST_CVVS, TEST_PANS, TEST_TRACKS, Make, Request

__all__ = ["TEST_CVVS", "TEST_PANS", "TEST_TRACKS", "Call", "calls", "rules_broken"]

_REAL_PAN: Final = TEST_PANS[-1]

# How a call differs from one that is allowed: facts by path.
Changes = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A question in the form of AuthZEN, and the rule that must deny it; None if it must be allowed."""

    label: str
    request: Request
    expected_rule: str | None


def calls(count: int, now_unix: int) -> Iterator[Call]:
    """Yield `count` calls for the present `now_unix` (seconds since 1970-01-01 UTC)."""
    for index in range(count):
        turn, place = divmod(index, 3)
        if place < 2:  # noqa: PLR2004 - two of three are allowed
            label, make = _ALLOWED[(turn * 2 + place) % len(_ALLOWED)]
            request, rule = make(now_unix), None
        else:
            rule, make, what, change = _DENIED[turn % len(_DENIED)]
            label, request = f"{rule}: {what}", bodies.changed(make(now_unix), change(now_unix))
        if "id" in request["resource"]["properties"].get("object", {}):
            request["resource"]["properties"]["object"]["metadata"] = {"order": f"order-{index}"}
        yield Call(label, request, rule)


def rules_broken() -> frozenset[str]:
    """Return the ids of the rules that the calls break."""
    return frozenset(rule for rule, *_ in _DENIED)


_ALLOWED: Final[tuple[tuple[str, Make], ...]] = (
    ("payment intent with a card", bodies.intent_created),
    ("sale of a wallet, 2015", bodies.sale_recorded(0)),
    ("charge captured", bodies.charge_captured),
    ("refund with a note", bodies.refund_given),
    ("wallet charge", bodies.wallet_charge),
    ("payment intent by telephone, test environment", bodies.intent_by_telephone),
    ("charge with a card, staging", bodies.charge_created),
    ("dispute answered", bodies.dispute_answered),
    ("audit log read", bodies.log_read),
    ("payment intent confirmed", bodies.intent_confirmed),
    ("sale of a wallet, October 2016", bodies.sale_recorded(1)),
    ("charge from a swiped card", bodies.charge_swiped),
    ("card put on file", bodies.card_stored),
    ("charge shown masked", bodies.charge_read),
    ("key rotated", bodies.key("key.rotate")),
    ("payment intent cancelled", bodies.intent_cancelled),
    ("sale of a wallet, September 2016", bodies.sale_recorded(2)),
    ("card put on file as a keyed hash", bodies.card_hashed),
    ("dispute shown masked", bodies.dispute_read),
    ("software deployed", bodies.deployed),
    ("charges exported on site", bodies.charge_exported),
    ("payout made", bodies.payout_made),
    ("rights granted", bodies.rights_granted),
    ("software deployed for test", bodies.deployed_for_test),
    ("report read", bodies.report_read),
    ("audit log written", bodies.log_written),
    ("key created", bodies.key("key.create")),
    ("old audit log deleted", bodies.log_deleted),
)


def _set(path: str, value: Any) -> Callable[[int], Changes]:
    return lambda _: {path: value}


def _ago(path: str, seconds: int, **more: Any) -> Callable[[int], Changes]:
    return lambda now: {path: now - seconds, **more}


def _single_password(age: int, *, cde: bool, methods: tuple[str, ...]) -> Callable[[int], Changes]:
    return lambda now: {
        "resource.properties.cde": cde,
        "context.authentication.methods": list(methods),
        "subject.properties.account.password_changed_unix": now - age,
    }


def _lockout(now: int) -> Changes:
    account = "subject.properties.account"
    return {f"{account}.failed_attempts": 12, f"{account}.last_failure_unix": now - 60}


def _real_card_in_staging(_: int) -> Changes:
    card = {"number": _REAL_PAN, "exp_month": 3, "exp_year": 2030}
    return {
        "context.environment": "staging",
        "resource.properties.environment": "staging",
        "resource.properties.payment_method_data.card": card,
    }


_PLAIN_HASH = {"algorithm": "SHA-256", "key_id": "none"}

# Rule, a call that would be allowed, what is wrong with it, and the facts that make it so.
_DENIED: Final[tuple[tuple[str, Make, str, Callable[[int], Changes]], ...]] = (
    ("account_data.sad_after_authorisation", bodies.charge_captured, "card code", _set("context.cvv", "737")),
    ("authentication.session_idle", bodies.charge_read, "an hour idle", _set("context.session.idle_seconds", 3600)),
    ("access.role_permits", bodies.payout_made, "support pays out", _set("subject.properties.role", "support_agent")),
    ("transport.tls_strength", bodies.charge_captured, "old protocol", _set("context.tls.version", "TLSv1.0")),
    (
        "authentication.mfa_for_cde",
        bodies.dispute_read,
        "two secrets are one kind",
        _single_password(DAY, cde=True, methods=("pwd", "pin")),
    ),
    ("change.change_control", bodies.deployed, "tests failed", _set("context.change.tests_passed", value=False)),
    ("access.tenant_isolation", bodies.charge_read, "charge of another", _set("resource.properties.tenant", "rival")),
    ("account_data.pan_outside_production", bodies.intent_created, "real card in staging", _real_card_in_staging),
    ("access.dual_control", bodies.key("key.rotate"), "one approver", _set("action.properties.approvers", ["bea"])),
    ("logging.log_readers", bodies.log_read, "not entitled", _set("subject.properties.entitlements", [])),
    ("authentication.session_idle", bodies.refund_given, "fact left out", _set("context.session.idle_seconds", ABSENT)),
    (
        "authentication.account_active",
        bodies.refund_given,
        "left",
        _set("subject.properties.account.status", "terminated"),
    ),
    (
        "authentication.account_dormant",
        bodies.report_read,
        "120 days unused",
        _ago("subject.properties.account.last_active_unix", 120 * DAY),
    ),
    ("account_data.pan_display", bodies.charge_read, "whole number", _set("action.properties.unmasked", value=True)),
    ("account_data.pan_remote_copy", bodies.charge_exported, "remote", _set("context.session.remote", value=True)),
    ("account_data.pan_unreadable", bodies.card_stored, "clear number", _set("resource.properties.pan_form", "clear")),
    (
        "account_data.pan_hash_keyed",
        bodies.card_hashed,
        "plain hash",
        _set("resource.properties.pan_hash", _PLAIN_HASH),
    ),
    (
        "account_data.key_protection",
        bodies.key("key.create"),
        "in a file",
        _set("resource.properties.protection", "file"),
    ),
    (
        "transport.certificate_valid",
        bodies.wallet_charge,
        "ran out yesterday",
        _ago("context.tls.certificate_not_after_unix", DAY),
    ),
    ("access.rights_approved", bodies.rights_granted, "own approval", _set("action.properties.approver.id", "ida")),
    (
        "authentication.unique_id",
        bodies.dispute_answered,
        "shared identity",
        _set("subject.properties.shared", value=True),
    ),
    ("authentication.lockout", bodies.charge_read, "twelve failed attempts", _lockout),
    (
        "authentication.password_age",
        bodies.report_read,
        "password of 200 days",
        _single_password(200 * DAY, cde=False, methods=("pwd",)),
    ),
    (
        "authentication.service_not_interactive",
        bodies.intent_cancelled,
        "someone types",
        _set("context.session.interactive", value=True),
    ),
    ("change.environment_separation", bodies.charge_captured, "from staging", _set("context.environment", "staging")),
    ("change.duties_separated", bodies.deployed_for_test, "own work", _set("context.change.author", "rob")),
    ("logging.log_append_only", bodies.log_written, "overwrites", _set("action.properties.mode", "overwrite")),
    (
        "logging.log_retention",
        bodies.log_deleted,
        "30 days old",
        _ago("resource.properties.newest_entry_unix", 30 * DAY),
    ),
    (
        "account_data.sad_after_authorisation",
        bodies.refund_given,
        "track data",
        _set("resource.properties.track2", TEST_TRACKS[0]),
    ),
    ("transport.tls_strength", bodies.sale_recorded(0), "fact left out", _set("context.tls.version", ABSENT)),
    ("access.tenant_isolation", bodies.wallet_charge, "fact left out", _set("resource.properties.tenant", ABSENT)),
    ("authentication.session_idle", bodies.dispute_read, "number as text", _set("context.session.idle_seconds", "45")),
    ("change.change_control", bodies.deployed, "fact left out", _set("context.change.ticket", ABSENT)),
    ("access.dual_control", bodies.key("key.create"), "null", _set("action.properties.approvers", None)),
    (
        "authentication.account_active",
        bodies.intent_confirmed,
        "fact left out",
        _set("subject.properties.account.status", ABSENT),
    ),
)
