# SPDX-License-Identifier: Apache-2.0
"""The AuthZEN "Todo" interop scenario: its domain is a folder, and answers as the scenario expects."""

import json
from typing import Any

from tests.policies import engine

VECTORS = json.loads((engine.ROOT / "tests/vectors/authzen/todo-decisions-1_0-02.json").read_text("utf-8"))
USERS = json.loads((engine.ROOT / "tests/vectors/authzen/todo-users.json").read_text("utf-8"))


def test_all_single_evaluations_are_decided_as_expected() -> None:
    cases = VECTORS["evaluation"]
    assert len(cases) == 40
    decisions = engine.decide([engine.facts(case["request"]) for case in cases])
    assert [decision["allow"] for decision in decisions] == [case["expected"] for case in cases]
    assert {decision["domain"] for decision in decisions} == {"todo"}


def test_all_batches_are_decided_as_expected() -> None:
    batches = VECTORS["evaluations"]
    assert len(batches) == 3
    for batch in batches:
        defaults = {name: value for name, value in batch["request"].items() if name != "evaluations"}
        items = [{**defaults, **item} for item in batch["request"]["evaluations"]]
        decisions = engine.decide([engine.facts(item) for item in items])
        expected: list[dict[str, Any]] = batch["expected"]
        assert [{"decision": decision["allow"]} for decision in decisions] == expected


def test_the_request_alone_is_enough() -> None:
    requests = [case["request"] for case in VECTORS["evaluation"]]
    decisions = engine.decide(requests)
    assert [decision["allow"] for decision in decisions] == [case["expected"] for case in VECTORS["evaluation"]]


def test_unknown_users_and_actions_are_denied() -> None:
    allowed = [case["request"] for case in VECTORS["evaluation"] if case["expected"]]
    strangers = [{**request, "subject": {"type": "user", "id": "stranger"}} for request in allowed]
    oddities = [{**request, "action": {"name": "can_vanish"}} for request in allowed]
    decisions = engine.decide([engine.facts(request) for request in (*strangers, *oddities)])
    assert {decision["allow"] for decision in decisions} == {False}
    assert all("access.todo_roles" in engine.denying(decision) for decision in decisions)


def test_the_users_of_the_domain_are_those_of_the_scenario() -> None:
    data = json.loads((engine.POLICIES / "domains/todo/data.json").read_text("utf-8"))
    assert data["terms"]["users"] == USERS
