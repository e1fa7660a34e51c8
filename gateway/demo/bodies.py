# SPDX-License-Identifier: Apache-2.0
"""What the demonstration's callers ask when all is well: one function per question, each of which would be allowed.

Payment services and people send the providers' own objects along. Bodies carry card numbers, card codes and track data
on purpose, in members of their own and within sentences, so that taking them out has real work.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any, Final

TENANT: Final = "default"
DAY: Final = 86_400  # seconds

TEST_PANS: Final = (
    "4242424242424242",
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "5555555555554444",
    "5555 5555 5555 4444",
    "378282246310005",
    "3782-822463-10005",
    "4111111111111111",
    "4539148803436467",
)
"""Every spelling of every card number that is sent. The last is on no provider's list of test numbers, so it counts as
real; it fits the Luhn check and belongs to nobody known to us."""
TEST_CVVS: Final = ("737", "9071", "424")
"""Every card code that is sent, each as a whole string."""
TEST_TRACKS: Final = (";4111111111111111=30122010000012345678?",)
"""Every track that is sent."""

ABSENT: Final = object()
"""Stands for the value of a fact that is left out."""

Request = dict[str, Any]
Make = Callable[[int], Request]
"""Makes a request for a present, in seconds since 1970-01-01 UTC."""


@cache
def _stored(name: str) -> Any:
    return json.loads((files("gateway.demo") / "data" / f"{name}.json").read_text("utf-8"))


def _object(name: str) -> Any:
    return deepcopy(_stored(name))


def changed(request: Request, changes: dict[str, Any]) -> Request:
    """Put facts, named by their paths, into a request, or take those out that are ABSENT; return the request."""
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = request
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
    return request


def _service(name: str, role: str) -> Request:
    return {
        "type": "service",
        "id": name,
        "properties": {"role": role, "shared": False, "account": {"status": "active"}},
    }


def _person(name: str, role: str, now: int, *entitlements: str) -> Request:
    account = {"status": "active", "last_active_unix": now - DAY, "failed_attempts": 0}
    properties = {"role": role, "shared": False, "entitlements": list(entitlements), "account": account}
    return {"type": "user", "id": name, "properties": properties}


def _request(
    subject: Request,
    call: str,
    identity: str,
    now: int,
    *,
    environment: str = "production",
    action: Request | None = None,
    **resource: Any,
) -> Request:
    kind, _, name = call.partition(".")
    session: Request = {"interactive": False, "remote": False}
    context: Request = {
        "environment": environment,
        "session": session,
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "certificate_not_after_unix": now + 60 * DAY,
            "certificate_revoked": False,
        },
    }
    if subject["type"] == "user":
        session |= {"interactive": True, "idle_seconds": 45}
        context["authentication"] = {"methods": ["pwd", "otp"]}
    return {
        "subject": subject,
        "action": {"name": name, "properties": action or {}},
        "resource": {
            "type": kind,
            "id": identity,
            "properties": {"cde": True, "environment": environment, "tenant": TENANT, **resource},
        },
        "context": context,
    }


# What a checkout service asks.


def _stripe(call: str, name: str, now: int, **more: Any) -> Request:
    thing = _object(f"stripe_{name}")
    return _request(_service("checkout-1", "checkout"), call, thing["id"], now, object=thing, **more)


def intent_created(now: int) -> Request:
    """Ask to begin a payment by card and code."""
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "737"}
    return _stripe("payment_intent.create", "payment_intent", now, payment_method_data={"type": "card", "card": card})


def intent_confirmed(now: int) -> Request:
    """Ask to confirm a payment by another card."""
    card = {"number": "378282246310005", "exp_month": 1, "exp_year": 2031, "cvc": "9071"}
    return _stripe("payment_intent.confirm", "payment_intent", now, payment_method_data={"type": "card", "card": card})


def intent_by_telephone(now: int) -> Request:
    """Ask to begin a payment whose card numbers stand within a sentence, in the test environment."""
    note = "Ordered by telephone, card 4242 4242 4242 4242 good until 12/30, or else 5555 5555 5555 4444."
    return _stripe("payment_intent.create", "payment_intent", now, environment="test", note=note)


def intent_cancelled(now: int) -> Request:
    """Ask to call a payment off."""
    return _stripe("payment_intent.cancel", "payment_intent", now, reason="requested_by_customer")


def charge_created(now: int) -> Request:
    """Ask to charge a card, in the staging environment."""
    source = {"object": "card", "number": "5555555555554444", "exp_month": 9, "exp_year": 2029, "cvc": "424"}
    return _stripe("charge.create", "charge", now, environment="staging", source=source)


def charge_swiped(now: int) -> Request:
    """Ask to charge a card by its track, before the authorisation."""
    return _stripe("charge.create", "charge", now, source={"object": "card", "track2": TEST_TRACKS[0]})


def charge_captured(now: int) -> Request:
    """Ask to capture an authorised charge."""
    return _stripe("charge.capture", "charge", now)


def sale_recorded(which: int) -> Make:
    """Return the maker of a request to record one of three wallet sales."""

    def make(now: int) -> Request:
        event = _object("paypal_sales")[which]
        identity = event["resource"]["id"]
        return _request(_service("checkout-1", "checkout"), "sale.create", identity, now, object=event)

    return make


def wallet_charge(now: int) -> Request:
    """Ask to begin a charge in a cryptocurrency."""
    event = _object("coinbase_charge_created")["event"]
    identity = event["data"]["code"]
    return _request(_service("checkout-1", "checkout"), "charge.create", identity, now, object=event)


def card_stored(now: int) -> Request:
    """Ask to put a card on file as a token."""
    card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    checkout = _service("checkout-1", "checkout")
    return _request(checkout, "customer_card.create", "card_1", now, pan_form="token", object=card)


def card_hashed(now: int) -> Request:
    """Ask to put a card on file as a keyed hash."""
    hashed = {"algorithm": "HMAC-SHA-256", "key_id": "pan-hash-7"}
    return changed(
        card_stored(now),
        {"resource.properties.pan_form": "keyed_hash", "resource.properties.pan_hash": hashed},
    )


# What people ask in the course of their jobs.


def _support(call: str, name: str, now: int, action: Request | None = None, **more: Any) -> Request:
    thing = _object(f"stripe_{name}")
    return _request(_person("sam", "support_agent", now), call, thing["id"], now, action=action, object=thing, **more)


def refund_given(now: int) -> Request:
    """Ask, in support, to give money back; the note holds a card number."""
    note = "Payer wrote: please refund to 4242-4242-4242-4242 as agreed."
    return _support("refund.create", "refund", now, note=note)


def dispute_answered(now: int) -> Request:
    """Ask, in support, to answer a dispute; the evidence holds a card number."""
    evidence = {"uncategorized_text": "The slip shows 3782-822463-10005 and the signature of the payer."}
    return _support("dispute.submit", "dispute", now, evidence=evidence)


def dispute_read(now: int) -> Request:
    """Ask, in support, to see a dispute."""
    return _support("dispute.read", "dispute", now, {"unmasked": False})


def charge_read(now: int) -> Request:
    """Ask, in support, to see a charge."""
    return _support("charge.read", "charge", now, {"unmasked": False})


def charge_exported(now: int) -> Request:
    """Ask, as a fraud analyst on site, to take charges out."""
    analyst = _person("fay", "fraud_analyst", now)
    return _request(
        analyst, "charge.export", "export-1", now, action={"unmasked": True}, object=_object("stripe_charge")
    )


def payout_made(now: int) -> Request:
    """Ask, as a treasurer, to pay out."""
    payout = _object("stripe_payout")
    return _request(_person("tia", "treasurer", now), "payout.create", payout["id"], now, object=payout)


def report_read(now: int) -> Request:
    """Ask, as a treasurer, for a report outside the cardholder data environment."""
    return _request(_person("tia", "treasurer", now), "report.read", "settlement-7", now, cde=False)


# What administrators ask.


def key(call: str) -> Make:
    """Return the maker of a request to do something to a key, approved by two others."""

    def make(now: int) -> Request:
        action = {"approvers": ["bea", "cal"]}
        return _request(_person("kim", "key_custodian", now), call, "pan-vault-9", now, action=action, protection="hsm")

    return make


def deployed(now: int) -> Request:
    """Ask to put software into production by the book."""
    request = _request(_person("rob", "release_engineer", now), "deployment.create", "checkout-5.3.1", now)
    request["context"]["change"] = {
        "ticket": "CHG-1042",
        "impact": "payers see a new page",
        "author": "ann",
        "approver": "bea",
        "tests_passed": True,
        "rollback_tested": True,
    }
    return request


def deployed_for_test(now: int) -> Request:
    """Ask to put software into the test environment, without papers."""
    request = _request(
        _person("rob", "release_engineer", now), "deployment.create", "checkout-5.4.0", now, environment="test"
    )
    request["context"]["change"] = {"author": "ann"}
    return request


def rights_granted(now: int) -> Request:
    """Ask to grant rights that a head of department approved."""
    action = {"approver": {"id": "dee", "role": "department_head"}, "grants": ["support_agent"]}
    return _request(_person("ida", "identity_admin", now), "user_account.grant", "sam", now, action=action, cde=False)


def log_read(now: int) -> Request:
    """Ask, as an auditor, for the audit log."""
    return _request(_person("oda", "auditor", now, "audit.read"), "audit_log.read", "ledger", now, cde=False)


def log_written(now: int) -> Request:
    """Ask, as a program, to add to the audit log."""
    shipper = _service("shipper-1", "log_shipper")
    return _request(shipper, "audit_log.write", "ledger", now, action={"mode": "append"}, cde=False)


def log_deleted(now: int) -> Request:
    """Ask to delete a log that has outlived its time."""
    return _request(
        _person("lea", "log_custodian", now), "audit_log.delete", "log-2019", now, newest_entry_unix=now - 700 * DAY
    )
