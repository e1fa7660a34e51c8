# SPDX-License-Identifier: Apache-2.0
"""More comes than can be recorded: what may wait waits, the rest is told to come again and is nowhere recorded."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger import envelope, event
from ledger.sqlite import SqliteEntries
from support.service import Service, add_caller, assay, eventually, new_home, serving

ASK = "/access/v1/evaluation"
MAY_WAIT, COME = 8, 24
WITHIN = 4.0
"""Seconds; a store that is locked for five is a fault of the store and no longer a matter of load."""

pytestmark = [pytest.mark.live, pytest.mark.enable_socket]


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Service]:
    """Run a service in which few events may wait."""
    settings: dict[str, dict[str, int | str]] = {
        "ledger": {"most_waiting": MAY_WAIT, "checkpoint_interval_ms": 100},
        "engine": {"timeout_ms": 5000},
    }
    home = new_home(tmp_path / "home", **settings)
    with serving(home, {role: add_caller(home, f"the-{role}", role) for role in ("gateway", "admin")}) as running:
        yield running


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the ledger's database so that nobody else can write to it."""
    with closing(sqlite3.connect(home / "ledger/entries.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def _metric(service: Service, name: str) -> float:
    with service.client("admin") as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _decisions(home: Path) -> dict[int, str]:
    """Return the ids of the decisions in a home's database, by index."""
    with closing(SqliteEntries(home / "ledger/entries.sqlite")) as entries:
        events = [event.decode(envelope.parse(entry).payload) for entry in entries.entries(0, entries.size())]
    return {index: one.id for index, one in enumerate(events) if isinstance(one.body, event.DecisionRecorded)}


def _told(answers: list[httpx.Response]) -> dict[int, str]:
    """Return the ids of decisions by index, as the answers say."""
    contexts = [answer.json()["context"] for answer in answers]
    return {context["entry_index"]: context["decision_id"] for context in contexts}


def test_beyond_what_may_wait_nothing_is_allowed_and_what_waits_is_recorded_once_the_ledger_is_free(
    narrow: Service, question: dict[str, Any]
) -> None:
    asked: list[Future[httpx.Response]] = []
    with narrow.client() as client, ThreadPoolExecutor(COME) as callers:

        def ask(number: int) -> httpx.Response:
            return client.post(ASK, json=question, headers={"Idempotency-Key": f"call-{number}"})

        ask(COME)  # so that everything is warm when it gets tight
        with _locked(narrow.home):
            asked = [callers.submit(ask, number) for number in range(COME)]
            eventually(lambda: len(_done(asked)) == COME - MAY_WAIT, WITHIN)
            refused = _done(asked)
            assert _metric(narrow, "assay_sequencer_waiting") == MAY_WAIT
        answers = [future.result() for future in asked]
        again = {number: ask(number) for number, answer in enumerate(answers) if answer.status_code == 503}

    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (503, "ledger_overloaded")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"
        assert "decision" not in answer.json()
    waited = [answer for answer in answers if answer.status_code == 200]
    assert len(waited) == MAY_WAIT
    assert all(answer.json()["decision"] is True for answer in [*waited, *again.values()])
    assert _metric(narrow, 'assay_fail_closed_total{cause="ledger_overloaded"}') == COME - MAY_WAIT
    assert _metric(narrow, "assay_fail_closed_total") == COME - MAY_WAIT
    # Everything that was told is recorded as it was told, and nothing of what was refused.
    told = _told([*waited, *again.values()])
    assert len(told) == COME
    recorded = _decisions(narrow.home)
    assert told.items() <= recorded.items()
    assert len(recorded) == COME + 1
    assert narrow.stop() == 0
    assert json.loads(assay("ledger", "recount", "--json", home=narrow.home).stdout)["clean"] is True


def test_ledger_that_is_locked_for_long_allows_nothing_and_goes_on_when_it_is_free(
    narrow: Service, question: dict[str, Any]
) -> None:
    with narrow.client() as client, ThreadPoolExecutor(COME) as callers:
        with _locked(narrow.home):
            asked = [callers.submit(client.post, ASK, json=question) for _ in range(COME)]
            answers = [future.result() for future in asked]
            assert _decisions(narrow.home) == {}
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (503, "ledger_overloaded"),
            (503, "ledger_unavailable"),
        }
        assert all(answer.headers["retry-after"] == "1" and "decision" not in answer.json() for answer in answers)
        after = client.post(ASK, json=question)
    assert after.json()["decision"] is True
    assert _decisions(narrow.home) == _told([after])


def _done(asked: list[Future[httpx.Response]]) -> list[httpx.Response]:
    return [future.result() for future in asked if future.done()]
