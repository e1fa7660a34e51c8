# SPDX-License-Identifier: Apache-2.0
"""Signing side by side: every unit that is put comes out once, signed whole or with the reason why not."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import envelope
from ledger.errors import LedgerError, Malformed, SequencerError
from ledger.keys import PublicKey
from ledger.sealing import Sealers, Signed
from ledger.unit import Outcome, Unit, Unsigned
from support.ledgers import EVENT_KEY, EVENT_KEYS

BAD = b"bad"


class Picky:
    """A signer that counts its calls, holds the first one until told, and fails on what is bad."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls, self.go = error, list[int](), threading.Event()

    @property
    def public(self) -> PublicKey:
        return EVENT_KEY.public

    def sign(self, data: bytes) -> bytes:
        return self.sign_many([data])[0]

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        self.go.wait(20)
        self.calls.append(len(messages))
        if any(message.endswith(BAD) for message in messages):
            raise self.error
        return EVENT_KEY.sign_many(messages)


def sealed(
    signer: Picky, threads: int, units: Sequence[Sequence[bytes]]
) -> tuple[dict[int, list[bytes]], dict[int, LedgerError]]:
    """Return the entries of the units that were signed and the errors of the others, by the units' numbers."""
    made: dict[int, list[bytes]] = {}
    refused: dict[int, LedgerError] = {}
    numbers: dict[int, int] = {}

    def signed(done: Signed) -> None:
        for unit, rows in done:
            assert numbers[id(unit)] not in made
            made[numbers[id(unit)]] = [row.entry for row in rows]

    def failed(done: list[tuple[Unit, Outcome]]) -> None:
        for unit, outcome in done:
            assert isinstance(outcome, LedgerError)
            refused[numbers[id(unit)]] = outcome

    sealers = Sealers(signer, threads, signed, failed)
    sealers.start()
    kept = [Unit([Unsigned(payload) for payload in payloads], lambda _: None) for payloads in units]
    numbers.update({id(unit): number for number, unit in enumerate(kept)})
    for unit in kept:
        sealers.put(unit)
    signer.go.set()
    sealers.finish()
    return made, refused


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.sampled_from([b"a", b"b", BAD]), min_size=1, max_size=3), max_size=12), st.integers(1, 3))
def test_every_unit_comes_out_once_and_a_bad_one_takes_no_other_along(units: list[list[bytes]], threads: int) -> None:
    made, refused = sealed(Picky(Malformed("no")), threads, units)
    bad = {number for number, payloads in enumerate(units) if BAD in payloads}
    assert refused.keys() == bad
    assert made.keys() == set(range(len(units))) - bad
    for number, entries in made.items():
        assert [envelope.open_entry(entry, EVENT_KEYS) for entry in entries] == units[number]


def test_what_waits_is_signed_in_one_call_a_thread_and_no_call_signs_too_much() -> None:
    signer = Picky(Malformed("no"))
    made, _ = sealed(signer, 1, [[b"a"]] * 200)
    assert len(made) == 200
    assert len(signer.calls) < 10
    assert max(signer.calls) <= 64


@pytest.mark.parametrize("error", [OSError("token removed: secret"), ValueError("secret"), MemoryError()])
def test_what_a_signer_raises_becomes_an_outcome_without_its_text(error: Exception) -> None:
    _, refused = sealed(Picky(error), 1, [[BAD]])
    assert isinstance(refused[0], SequencerError)
    assert "secret" not in str(refused[0])
