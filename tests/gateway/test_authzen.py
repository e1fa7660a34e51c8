# SPDX-License-Identifier: Apache-2.0
"""The decision API against OpenID AuthZEN 1.0, on the running service."""

from typing import Any

import pytest

from support.service import Service, eventually

SINGLE, SEVERAL = "/access/v1/evaluation", "/access/v1/evaluations"


@pytest.mark.parametrize("number", range(40))
def test_interop_case_is_decided_as_published(service: Service, vectors: dict[str, Any], number: int) -> None:
    case = vectors["evaluation"][number]
    with service.client() as client:
        answer = client.post(SINGLE, json=case["request"])
    assert answer.status_code == 200
    assert answer.json()["decision"] is case["expected"]


@pytest.mark.parametrize("number", range(3))
def test_interop_batch_is_decided_as_published(service: Service, vectors: dict[str, Any], number: int) -> None:
    case = vectors["evaluations"][number]
    with service.client() as client:
        answer = client.post(SEVERAL, json=case["request"])
    decisions = [{"decision": one["decision"]} for one in answer.json()["evaluations"]]
    assert decisions == case["expected"]


def test_interop_scenario_has_all_its_cases(vectors: dict[str, Any]) -> None:
    assert (len(vectors["evaluation"]), len(vectors["evaluations"])) == (40, 3)


def test_answer_says_what_decided_and_where_it_is_recorded(service: Service, vectors: dict[str, Any]) -> None:
    request = next(case["request"] for case in vectors["evaluation"] if not case["expected"])
    with service.client() as client:
        answer = client.post(SINGLE, json=request).json()
        context = answer["context"]
        assert answer["decision"] is False
        assert context["reasons"]
        assert all(reason["rule"] and reason["code"] and reason["controls"] for reason in context["reasons"])
        assert len(context["policy_revision"]) == 64
        eventually(lambda: client.get(context["proof"]).status_code == 200)
        assert client.get(context["proof"]).json()["index"] == context["entry_index"]
    with service.client("auditor") as auditor:
        event = auditor.get(f"/ledger/entries/{context['entry_index']}").json()["event"]
    assert event["id"] == context["decision_id"]
    assert event["body"]["outcome"] == "deny"
    assert event["body"]["reasons"] == context["reasons"]


def test_discovery_names_the_endpoints_without_a_key(service: Service) -> None:
    with service.client("") as client:
        document = client.get("/.well-known/authzen-configuration").json()
    assert document["policy_decision_point"] == service.url
    assert document["access_evaluation_endpoint"] == service.url + SINGLE
    assert document["access_evaluations_endpoint"] == service.url + SEVERAL


def test_request_id_is_echoed_and_is_no_key(service: Service, question: dict[str, Any]) -> None:
    with service.client() as client:
        answers = [client.post(SINGLE, json=question, headers={"X-Request-ID": "r-1"}) for _ in range(2)]
    assert [answer.headers["x-request-id"] for answer in answers] == ["r-1", "r-1"]
    indexes = {answer.json()["context"]["entry_index"] for answer in answers}
    assert len(indexes) == 2


def test_unknown_members_are_ignored(service: Service, question: dict[str, Any]) -> None:
    question["subject"]["surprise"] = 1
    question["surprise"] = {"deep": [1, 2, 3]}
    with service.client() as client:
        assert client.post(SINGLE, json=question).json()["decision"] is True


@pytest.mark.parametrize(
    ("semantic", "told"),
    [("execute_all", 3), ("deny_on_first_deny", 2), ("permit_on_first_permit", 1)],
)
def test_batch_semantics_end_the_batch_where_they_should(
    service: Service, vectors: dict[str, Any], semantic: str, told: int
) -> None:
    allowed = next(case["request"] for case in vectors["evaluation"] if case["expected"])
    denied = next(case["request"] for case in vectors["evaluation"] if not case["expected"])
    body = {"evaluations": [allowed, denied, allowed], "options": {"evaluations_semantic": semantic}}
    with service.client() as client:
        answers = client.post(SEVERAL, json=body).json()["evaluations"]
    assert [answer["decision"] for answer in answers] == [True, False, True][:told]


def test_batch_without_evaluations_is_a_single_request(service: Service, question: dict[str, Any]) -> None:
    with service.client() as client:
        assert client.post(SEVERAL, json={**question, "evaluations": []}).json()["decision"] is True


def test_bad_item_of_a_batch_is_denied_and_the_others_are_decided(service: Service, question: dict[str, Any]) -> None:
    with service.client() as client:
        answers = client.post(SEVERAL, json={"evaluations": [question, {"subject": 7}]}).json()["evaluations"]
    assert [answer["decision"] for answer in answers] == [True, False]
    assert answers[1]["context"]["error"]["status"] == 400


BAD_BODIES = {
    "empty": (b"", "body_empty"),
    "no subject": (b'{"action":{"name":"a"},"resource":{"type":"t","id":"i"}}', "request_invalid"),
    "mistyped id": (
        b'{"subject":{"type":"u","id":7},"action":{"name":"a"},"resource":{"type":"t","id":"i"}}',
        "request_invalid",
    ),
    "not an object": (b"[]", "request_invalid"),
    "not json": (b"{", "json_invalid"),
    "nan": (b'{"context":{"a":NaN}}', "json_invalid"),
    "infinity by exponent": (b'{"context":{"a":1e999}}', "json_invalid"),
    "duplicate key": (b'{"context":{},"context":{}}', "json_invalid"),
    "lone surrogate": (b'{"context":{"a":"\\ud800"}}', "json_invalid"),
    "not utf-8": (b'{"context":"\xff"}', "json_invalid"),
    "deep": (b"[" * 1000 + b"]" * 1000, "json_invalid"),
    "very deep": (b"[" * 100_000 + b"]" * 100_000, "json_invalid"),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_body_is_refused_with_a_reason_and_recorded(service: Service, case: str) -> None:
    body, code = BAD_BODIES[case]
    with service.client() as client:
        before = _entries(service)
        answer = client.post(SINGLE, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code
    eventually(lambda: code in _refusals(service, before))


def test_wrong_content_type_is_bad_input(service: Service) -> None:
    with service.client() as client:
        answer = client.post(SINGLE, content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (400, "content_type_invalid")


def test_body_beyond_the_limit_is_refused_however_it_is_sent(service: Service) -> None:
    large = b" " * 300_000
    with service.client() as client:
        headers = {"Content-Type": "application/json"}
        assert client.post(SINGLE, content=large, headers=headers).status_code == 413
        chunks = (large[i : i + 10_000] for i in range(0, len(large), 10_000))
        assert client.post(SINGLE, content=chunks, headers=headers).status_code == 413


def _entries(service: Service) -> int:
    with service.client("") as client:
        return int(client.get("/checkpoint").text.split("\n")[1])


def _refusals(service: Service, since: int) -> list[str]:
    with service.client("auditor") as auditor:
        entries = [auditor.get(f"/ledger/entries/{index}").json() for index in range(since, _entries(service))]
    bodies = [entry["event"]["body"] for entry in entries]
    return [body["code"] for body in bodies if body["type"] == "gateway:input:refused"]
