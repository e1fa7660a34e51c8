# SPDX-License-Identifier: Apache-2.0
"""Trust files: strict, and with exactly the keys that are needed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import TrustUnusable
from evidence.trust import Trust
from support.packs import KEYS, Keys

TRUST = KEYS.trust()
OTHER = Keys.of("other").trust()


def test_a_trust_file_gives_back_what_was_written() -> None:
    assert Trust.from_json(TRUST.to_json()) == TRUST
    assert Trust.from_json(json.dumps(json.loads(TRUST.to_json()), indent=2).encode() + b"\n") == TRUST


def test_several_event_keys_are_fine() -> None:
    trust = replace(TRUST, event_keys=TRUST.event_keys + OTHER.event_keys)
    assert Trust.from_json(trust.to_json()) == trust


@pytest.mark.parametrize(
    "changes",
    [
        {"log_keys": TRUST.log_keys[:1]},
        {"log_keys": TRUST.log_keys + OTHER.log_keys},
        {"log_keys": (TRUST.log_keys[0], OTHER.log_keys[0])},
        {"pack_keys": ()},
        {"pack_keys": TRUST.pack_keys[1:]},
        {"event_keys": ()},
        {"event_keys": TRUST.log_keys[:1]},
        {"event_keys": TRUST.event_keys * 2},
        {"pack_keys": TRUST.log_keys},
        {"origin": ""},
        {"origin": "two words"},
        {"origin": "a+b"},
        {"origin": "x" * 256},
    ],
)
def test_missing_doubled_and_wrong_keys(changes: dict[str, Any]) -> None:
    with pytest.raises(TrustUnusable):
        replace(TRUST, **changes)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("format", "assay-trust/2"),
        ("origin", "other.example.com"),
        ("log_keys", []),
        ("log_keys", ["x"] * 101),
        ("log_keys", ["example.com+00000000+AAAA", "x"]),
        ("event_keys", ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]),
        ("event_keys", [7]),
        ("pack_keys", None),
        ("more", True),
    ],
)
def test_members_that_are_not_as_they_must_be(member: str, value: Any) -> None:
    with pytest.raises(TrustUnusable):
        Trust.from_json(json.dumps(json.loads(TRUST.to_json()) | {member: value}).encode())


@given(st.binary())
def test_arbitrary_bytes_are_no_trust(data: bytes) -> None:
    with pytest.raises(TrustUnusable):
        Trust.from_json(data)


def test_a_file_without_end() -> None:
    with pytest.raises(TrustUnusable, match="at most"):
        Trust.from_json(b" " * 2**21)
