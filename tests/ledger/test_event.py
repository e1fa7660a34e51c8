# SPDX-License-Identifier: Apache-2.0
"""Events: each type goes to canonical JSON and back, and nothing else is taken for one."""

import json
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import event as events
from ledger.canonical import encode as canonical
from ledger.errors import Malformed
from support.ledgers import decision, event

BODIES: dict[str, events.Body] = {
    "gateway:decision:recorded": decision(1),
    "gateway:input:refused": events.InputRefused(caller="c", tenant="t", route="/r", code="json", size=3),
    "gateway:access:refused": events.AccessRefused(since="2026-01-01T00:00:00Z", unauthenticated=1, forbidden=2),
    "gateway:caller:changed": events.CallerChanged(caller="c", tenant="t", role="gateway", change="added"),
    "gateway:service:changed": events.ServiceChanged(change="started", version="1", policy="p", engine="e"),
    "gateway:engine:changed": events.EngineChanged(change="down", restarts=2),
    "ledger:backend:changed": events.BackendChanged(backend="cryptography", version="1", reason="disagreement"),
    "ledger:key:activated": events.KeyActivated(use="event", algorithm="ML-DSA-87", key_id="00"),
}


def test_there_is_one_case_here_for_every_event_type() -> None:
    tags = [body.__struct_config__.tag for body in events.Body.__args__]
    assert sorted(BODIES) == sorted(tags)


@pytest.mark.parametrize("kind", BODIES)
def test_an_event_survives_its_canonical_json(kind: str) -> None:
    made = event(7, BODIES[kind])
    payload = events.encode(made)
    assert events.decode(payload) == made
    assert made.type == kind == json.loads(payload)["body"]["type"]
    assert canonical(events.to_json(made)) == payload == canonical(json.loads(payload))


@settings(deadline=None, max_examples=100)
@given(st.from_type(events.Event))
def test_any_event_survives_or_has_no_canonical_json(made: events.Event) -> None:
    try:
        payload = events.encode(made)
    except Malformed:
        return  # lone surrogates
    assert events.decode(payload) == made
    assert payload == rfc8785.dumps(events.to_json(made))


def changed(path: str, value: Any) -> bytes:
    """Return the canonical JSON of a decision with one value set, or taken out if `value` is ..."""
    whole = events.to_json(event(1, decision(1)))
    place: Any = whole
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step)] if isinstance(place, list | tuple) else place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return canonical(whole)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extra", 1),
        ("body.extra", 1),
        ("body.subject.extra", 1),
        ("body.reasons.0.extra", 1),
        ("body.type", "gateway:decision:made"),
        ("body.type", 1),
        ("body.type", ...),
        ("body", []),
        ("body", None),
        ("body.outcome", "maybe"),
        ("body.outcome", None),
        ("body.pans", "1"),
        ("body.pans", 1.5),
        ("body.pans", True),
        ("body.domain", 1),
        ("body.evaluated", "mfa"),
        ("body.reasons", {}),
        ("body.previous", ...),
        ("body.reasons.0.severity", ...),
        ("format", "assay-event/2"),
        ("format", ...),
        ("id", ...),
        ("time", None),
    ],
)
def test_an_event_with_something_else_in_it_is_malformed(path: str, value: Any) -> None:
    with pytest.raises(Malformed):
        events.decode(changed(path, value))


PAYLOAD = events.encode(event(1))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        PAYLOAD + b"\n",
        b" " + PAYLOAD,
        PAYLOAD.replace(b",", b", ", 1),
        PAYLOAD.replace(b'"restarts":1', b'"restarts":1.0'),
        PAYLOAD.replace(b'"restarts":1', b'"restarts":1e0'),
        PAYLOAD.replace(b'"restarts":1', b'"restarts":-1'),
        PAYLOAD.replace(b'"up"', rb'"\u0075p"'),
        PAYLOAD.replace(b'"id":"', b'"id":"\xff'),
        PAYLOAD.replace(b'"id":"', rb'"id":"\ud800'),
        PAYLOAD.replace(b'"id":"', b'"id":"\xed\xa0\x80'),
        PAYLOAD.replace(b'"id":"', rb'"id":"\ud83d\ude00'),
        json.dumps(dict(reversed(json.loads(PAYLOAD).items())), separators=(",", ":")).encode(),
        PAYLOAD.replace(b'{"body"', b'{"body":1,"body"'),
        PAYLOAD.replace(b'"restarts":1', b'"restarts":9007199254740992'),
        PAYLOAD[:-1],
        b"\xef\xbb\xbf" + PAYLOAD,
    ],
)
def test_the_same_event_written_otherwise_is_malformed(payload: bytes) -> None:
    assert payload != PAYLOAD
    with pytest.raises(Malformed):
        events.decode(payload)


def test_an_event_has_at_most_60000_bytes() -> None:
    room = events.MAX_EVENT_SIZE - len(
        events.encode(event(1, events.InputRefused(caller="", tenant="", route="", code="", size=0)))
    )
    fits = events.InputRefused(caller="", tenant="", route="r" * room, code="", size=0)
    payload = events.encode(event(1, fits))
    assert len(payload) == 60_000
    assert events.decode(payload).body == fits
    with pytest.raises(Malformed, match="60001 bytes"):
        events.encode(event(1, msgspec.structs.replace(fits, code="c")))
    with pytest.raises(Malformed, match="60001 bytes"):
        events.decode(payload + b" ")


def test_an_event_does_not_change() -> None:
    with pytest.raises(AttributeError):
        event(1).id = "another"  # type: ignore[misc]
