# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys on the running service."""

import base64
import hmac
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import algorithms_guaranteed, new
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.home import Home
from support.service import Service, add_caller, new_home, serving

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


# What is kept of a key and its body.

KEY = "order 4711 of the shop"
ROUTE = SINGLE.encode()
UNKEYED = (b"", b"key", b"body", b"till", b"assay", bytes(32), KEY.encode())
"""What somebody without the home's secret could try as the key of an HMAC."""


def _framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _guesses(body: bytes) -> Iterator[bytes]:
    """Yield what a key and a body are, and what anyone could compute of them."""
    framed = (_framed(b"key", KEY.encode()), _framed(b"body", ROUTE, body))
    for text in (KEY.encode(), f'"{KEY}"'.encode(), body, ROUTE + body, *framed):
        yield text
        for name in algorithms_guaranteed:
            if not name.startswith("shake"):
                yield new(name, text, usedforsecurity=False).digest()
        for key in UNKEYED:
            yield hmac.digest(key, text, "sha256")


def _forms(value: bytes) -> Iterator[bytes]:
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    yield base64.b64encode(value).rstrip(b"=")
    yield base64.urlsafe_b64encode(value).rstrip(b"=")


def _files(home: Path) -> bytes:
    """Return the bytes of the databases and of what SQLite keeps beside them."""
    return b"".join(path.read_bytes() for path in sorted((home / "ledger").iterdir()))


def _memos(home: Path) -> list[tuple[bytes, bytes]]:
    with closing(sqlite3.connect(home / "ledger/entries.sqlite")) as database:
        return database.execute("SELECT key, fingerprint FROM memos ORDER BY first").fetchall()


@pytest.mark.live
@pytest.mark.enable_socket
def test_key_and_body_are_kept_only_as_digests_under_a_secret_of_the_home(
    tmp_path: Path, question: dict[str, Any]
) -> None:
    # Facts are kept, so what is looked for is the body as it was sent; of one that is refused nothing at all is kept.
    sent = {KEY: json.dumps(question, indent=3).encode(), "another": b"pay 12.30 to bea, no JSON"}
    kept: dict[str, list[tuple[bytes, bytes]]] = {}
    for name in ("one", "other"):
        home = new_home(tmp_path / name)
        with serving(home, {"gateway": add_caller(home, "till", "gateway")}) as service, service.client() as client:
            headers = {"Content-Type": "application/json"}
            answers = [
                client.post(SINGLE, content=body, headers={**headers, "Idempotency-Key": key})
                for key, body in sent.items()
            ]
            assert [answer.status_code for answer in answers] == [200, 400]
            files = _files(home)
        files += _files(home)
        kept[name] = _memos(home)
        for body in sent.values():
            assert not [guess for guess in _guesses(body) for form in _forms(guess) if form in files]
        # The search does find what is there: the same digests under the secret, which is not beside the databases.
        secret = Home(home).secret("idempotency")
        assert kept[name] == [
            tuple(
                hmac.digest(secret, _framed(*parts), "sha256")
                for parts in ((b"key", key.encode()), (b"body", ROUTE, b))
            )
            for key, b in sent.items()
        ]
        assert all(digest in files for row in kept[name] for digest in row)
        assert not [form for form in _forms(secret) if form in files]
    assert {digest for row in kept["one"] for digest in row}.isdisjoint(d for row in kept["other"] for d in row)
    assert len({digest for rows in kept.values() for row in rows for digest in row}) == 8
