# SPDX-License-Identifier: Apache-2.0
"""Load on the running service, what its callers were told, and what the ledger on disk says of it."""

import json
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest

from ledger import envelope, event
from ledger.sqlite import SqliteEntries
from support.service import Service

ASK = "/access/v1/evaluation"
VECTORS = Path(__file__).parent.parent / "vectors/authzen/todo-decisions-1_0-02.json"


@dataclass(frozen=True)
class Told:
    """One answered decision, under which idempotency key it was asked for, and how many seconds it took."""

    index: int
    decision_id: str
    allow: bool
    codes: tuple[str, ...]
    key: str
    seconds: float


class Load:
    """Several connections that ask without pause, and one that reads checkpoints; all remember what they heard."""

    def __init__(self, service: Service, question: dict[str, Any], connections: int = 4) -> None:
        self.told: list[Told] = []
        self.refused: list[tuple[int, str]] = []
        self.broken: list[float] = []
        """When each request was sent that got no answer."""
        self.notes: set[str] = set()
        self._service, self._question, self._over = service, question, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(connections)]
        self._threads.append(threading.Thread(target=self._read))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with self._service.client() as client:
            while not self._over.is_set():
                key, sent = str(uuid4()), time.monotonic()
                try:
                    answer = client.post(ASK, json=self._question, headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    self.broken.append(sent)
                    self._over.wait(0.02)
                    continue
                if answer.status_code == 200:
                    self.told.append(told(answer, key, time.monotonic() - sent))
                else:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert "decision" not in answer.json()
                    self.refused.append((answer.status_code, answer.json()["code"]))
                    self._over.wait(0.02)

    def _read(self) -> None:
        with self._service.client("") as client:
            while not self._over.wait(0.02):
                try:
                    answer = client.get("/checkpoint")
                except httpx.TransportError:
                    continue
                if answer.status_code == 200:
                    self.notes.add(answer.text)


def told(answer: httpx.Response, key: str = "", seconds: float = 0.0) -> Told:
    """Return what an answer of status 200 says."""
    context = answer.json()["context"]
    return Told(
        index=context["entry_index"],
        decision_id=context["decision_id"],
        allow=answer.json()["decision"],
        codes=tuple(reason["code"] for reason in context["reasons"]),
        key=key,
        seconds=seconds,
    )


def recorded(home: Path, start: int = 0) -> list[event.Event]:
    """Return the events in a home's database from `start` on."""
    with closing(SqliteEntries(home / "ledger/entries.sqlite")) as entries:
        return [event.decode(envelope.parse(entry).payload) for entry in entries.entries(start, entries.size())]


def unrecorded(home: Path, answers: list[Told]) -> list[Told]:
    """Return the answers that are not, as they were told, entries at the index they were told with."""
    if not answers:
        return []
    start = min(answer.index for answer in answers)
    events = dict(enumerate(recorded(home, start), start))
    return [answer for answer in answers if not _is(events.get(answer.index), answer)]


def _is(found: event.Event | None, answer: Told) -> bool:
    if found is None or not isinstance(found.body, event.DecisionRecorded):
        return False
    codes = tuple(reason.code for reason in found.body.reasons)
    return (found.id, found.body.outcome == "allow", codes) == (answer.decision_id, answer.allow, answer.codes)


def processes(home: Path) -> dict[int, str]:
    """Return the programs whose arguments name a home, by process id."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = place.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if any(str(home).encode() in argument for argument in arguments):
            found[int(place.parent.name)] = Path(arguments[0].decode()).name
    return found


class Tools:
    """What the tests of this folder share."""

    Load = Load
    told = staticmethod(told)
    recorded = staticmethod(recorded)
    unrecorded = staticmethod(unrecorded)
    processes = staticmethod(processes)


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Return what the tests of this folder share."""
    return Tools()


@pytest.fixture(scope="session")
def question() -> dict[str, Any]:
    """Return a request that is allowed."""
    request: dict[str, Any] = json.loads(VECTORS.read_text())["evaluation"][0]["request"]
    return request
