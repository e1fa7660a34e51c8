# SPDX-License-Identifier: Apache-2.0
"""What a backend signs is looked at before anybody has it: all of it by itself, some of it by the reference."""

from collections.abc import Sequence

from ledger.backends.guard import Guard
from ledger.backends.port import Signed, SigningKey
from ledger.backends.reference import REFERENCE
from support.ledgers import EVENT_KEY

MESSAGES = [b"one", b"two", b"three"]


class Decaying:
    """The reference, until it goes wrong: it spoils the signature at one place, and may not see that it did."""

    name = version = "decaying"

    def __init__(self, *, blind: bool) -> None:
        self.spoils: int | None = None
        self.blind = blind
        self.calls = 0

    def signing_key(self, seed: bytes) -> "DecayingKey":
        return DecayingKey(self, REFERENCE.signing_key(seed))

    def verifying_key(self, raw: bytes) -> "DecayingVerifier":
        return DecayingVerifier(self, raw)


class DecayingKey:
    def __init__(self, backend: Decaying, real: SigningKey) -> None:
        self.backend, self.real = backend, real

    def public_bytes(self) -> bytes:
        return self.real.public_bytes()

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        self.backend.calls += 1
        made = self.real.sign_many(messages, threads)
        if self.backend.spoils is not None:
            made[self.backend.spoils] = bytes(4627)
        return made


class DecayingVerifier:
    def __init__(self, backend: Decaying, raw: bytes) -> None:
        self.backend, self.raw = backend, raw

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        if self.backend.blind and self.backend.spoils is not None:
            return None
        return REFERENCE.verifying_key(self.raw).first_invalid(pairs, threads)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def true(made: list[bytes]) -> bool:
    pairs = list(zip(made, MESSAGES, strict=True))
    return REFERENCE.verifying_key(EVENT_KEY.public.raw).first_invalid(pairs) is None


def test_one_spoilt_signature_among_good_ones_is_never_handed_out() -> None:
    backend, told = Decaying(blind=False), list[str]()
    guard = Guard(backend, told.append)
    guard.check()
    signer = guard.signer(EVENT_KEY)
    assert true(signer.sign_many(MESSAGES))
    backend.spoils = 2
    assert true(signer.sign_many(MESSAGES))
    assert guard.fault == "what it signs does not verify"
    assert guard.active is REFERENCE
    assert len(told) == 1
    calls = backend.calls
    assert true(signer.sign_many(MESSAGES))
    assert backend.calls == calls


def test_backend_that_does_not_see_what_it_spoils_is_found_by_the_next_look_of_the_reference() -> None:
    backend, clock = Decaying(blind=True), Clock()
    guard = Guard(backend, clock=clock)
    guard.check()
    signer = guard.signer(EVENT_KEY)
    assert true(signer.sign_many(MESSAGES))
    backend.spoils = 0
    clock.now += 0.05
    signer.sign_many(MESSAGES)
    assert guard.fault is None, "the reference looks ten times a second"
    clock.now += 0.06
    assert true(signer.sign_many(MESSAGES))
    assert guard.fault == "what it signs does not verify"
