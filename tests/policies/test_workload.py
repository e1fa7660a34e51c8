# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest

from gateway.demo.workload import TEST_CVVS, TEST_PANS, TEST_TRACKS, calls, rules_broken
from tests.policies import engine

CALLS = list(calls(200, engine.NOW))


@pytest.fixture(scope="module")
def decisions() -> list[dict[str, Any]]:
    return engine.decide([engine.facts(call.request) for call in CALLS])


def test_each_call_is_allowed_or_denied_by_the_one_rule_that_it_breaks(decisions: list[dict[str, Any]]) -> None:
    for call, decision in zip(CALLS, decisions, strict=True):
        expected = set() if call.expected_rule is None else {call.expected_rule}
        assert engine.denying(decision) == expected, (call.label, decision["reasons"])
        assert decision["allow"] is (call.expected_rule is None), call.label


def test_every_rule_of_the_payment_domain_is_broken_at_least_once() -> None:
    families = engine.POLICIES / "domains/payment"
    rules = {f"{folder.parent.name}.{folder.name}" for folder in families.glob("*/*") if folder.is_dir()}
    assert {call.expected_rule for call in CALLS} - {None} == rules == rules_broken()


def test_missing_facts_are_among_the_reasons(decisions: list[dict[str, Any]]) -> None:
    codes = [reason["code"] for decision in decisions for reason in decision["reasons"]]
    assert codes.count("fact_missing") >= 5
    assert codes.count("rule_violated") >= 27


def test_most_calls_are_allowed() -> None:
    assert sum(call.expected_rule is None for call in CALLS) >= 0.6 * len(CALLS)


def test_payments_and_administration_are_both_asked_about() -> None:
    kinds = {call.request["resource"]["type"] for call in CALLS}
    assert kinds >= {"payment_intent", "charge", "refund", "dispute", "sale", "payout", "customer_card"}
    assert kinds >= {"key", "deployment", "user_account", "audit_log", "report"}


def test_same_arguments_give_the_same_calls_and_a_later_present_shifts_the_times() -> None:
    assert list(calls(200, engine.NOW)) == CALLS
    later = list(calls(200, engine.NOW + 10_000_000))
    answers = engine.decide([engine.facts(call.request, engine.NOW + 10_000_000) for call in later])
    assert [answer["allow"] for answer in answers] == [call.expected_rule is None for call in CALLS]


def test_calls_do_not_share_their_parts() -> None:
    first, second = (next(iter(calls(1, engine.NOW))) for _ in range(2))
    first.request["resource"]["properties"].clear()
    assert second.request["resource"]["properties"]


def test_every_card_number_code_and_track_is_sent_and_listed() -> None:
    text = json.dumps([call.request for call in CALLS])
    for secret in (*TEST_PANS, *TEST_TRACKS):
        assert secret in text
    for code in TEST_CVVS:
        assert f'"{code}"' in text
    without = text
    for secret in (*TEST_TRACKS, *TEST_PANS):
        without = without.replace(secret, "")
    assert engine.facts({"rest": json.loads(without)})["card_data"]["pans"] == []


def test_a_call_says_what_it_is() -> None:
    assert all(call.label for call in CALLS)
    assert all(set(call.request) == {"subject", "action", "resource", "context"} for call in CALLS)
