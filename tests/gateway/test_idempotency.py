# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys on the running service."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx

from support.service import Service

SINGLE = "/access/v1/evaluation"


def _ask(service: Service, body: dict[str, Any], key: str, role: str = "gateway") -> httpx.Response:
    with service.client(role) as client:
        return client.post(SINGLE, json=body, headers={"Idempotency-Key": key})


def test_second_request_gets_the_first_answer_and_records_nothing(service: Service, question: dict[str, Any]) -> None:
    key = str(uuid4())
    first, second = _ask(service, question, key), _ask(service, question, key)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    other = _ask(service, question, str(uuid4())).json()["context"]["entry_index"]
    assert other == first.json()["context"]["entry_index"] + 1


def test_quoted_and_bare_keys_are_the_same(service: Service, question: dict[str, Any]) -> None:
    key = str(uuid4())
    assert _ask(service, question, key).json() == _ask(service, question, f'"{key}"').json()


def test_another_body_under_the_same_key_is_refused(service: Service, question: dict[str, Any]) -> None:
    key = str(uuid4())
    _ask(service, question, key)
    question["resource"]["id"] = "another"
    answer = _ask(service, question, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_another_caller_under_the_same_key_is_another_request(service: Service, question: dict[str, Any]) -> None:
    key = str(uuid4())
    one, other = _ask(service, question, key), _ask(service, question, key, "admin")
    assert one.json()["context"]["decision_id"] != other.json()["context"]["decision_id"]


def test_refused_input_is_answered_the_same_way_again(service: Service) -> None:
    key = str(uuid4())
    first, second = _ask(service, {}, key), _ask(service, {}, key)
    assert first.status_code == second.status_code == 400
    assert first.json() == second.json()


def test_key_that_is_no_key_is_bad_input(service: Service, question: dict[str, Any]) -> None:
    assert _ask(service, question, "x" * 300).json()["code"] == "idempotency_key_invalid"


def test_simultaneous_requests_give_one_answer_or_a_conflict(service: Service, question: dict[str, Any]) -> None:
    key = str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _ask(service, question, key), range(24)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    told = {answer.json()["context"]["decision_id"] for answer in answers if answer.status_code == 200}
    assert len(told) == 1
