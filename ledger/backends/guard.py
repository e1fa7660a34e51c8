# SPDX-License-Identifier: Apache-2.0
"""A backend is used only while it agrees with the reference.

Each check shows, with a key made from one seed by both:

1. Both have the same public key.
2. The reference verifies what the backend signs, and the backend what the reference signs.
3. Neither takes a spoilt signature, one over another message or one of another key.
4. Both draw the same limits: a response as long as it may be and one longer by one, and a hint at nought.
5. The backend names the first of several that do not verify, wherever they stand and with two threads.

A backend that fails once is not used again before the next start: signing and verifying go on with the reference.
Between the checks, a signature that the backend refuses is shown to the reference before it is called invalid. What
the backend signs it verifies itself, all of it, before anyone has it, and the reference one of it every so often.
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from ledger.backends.port import Backend, Signed, SigningKey, VerifyingKey
from ledger.backends.reference import REFERENCE
from ledger.errors import SignatureInvalid
from ledger.keys import ML_DSA_87, PublicKey, SoftwareKey

_SEED, _OTHER_SEED = b"assay backend self-test key one!", b"assay backend self-test key two!"
_MESSAGES = (b"", b"assay", bytes(range(256)) * 8)
_SPOILT_AT = (0, 64, 2500, 4600, 4626)
"""Bytes of a signature: both ends of the commitment hash, the response, the hint, its counts (FIPS 204, 7.2)."""

_SECOND_LOOK = 0.1
"""Seconds between two signatures that the reference verifies: it takes as long for one as the backend for four."""

_ZERO_KEY = bytes(2592)
"""A public key with a t1 of nought, under which anybody can make signatures: some that lie at the limits were made."""


def _limit(hint: bytes, response: str, *commitment: str) -> Signed:
    """Return a signature of `_ZERO_KEY` whose response, but for its first two coefficients, is nought."""
    rest = bytes.fromhex("0000080080") * 895
    return bytes.fromhex("".join(commitment)) + bytes.fromhex(response) + rest + hint, b"assay"


_LIMITS = (
    _limit(
        bytes(83),
        "7900000080",
        "6d2bae3a6e47323e42dd3c92fd40fdf9e764892e7827629924ade025d733bcfd",
        "2aab586015fb76d5cee2e1fa23c59772a14ef3f72f87ed78446d04af64ce7ba4",
    ),
    _limit(
        bytes(83),
        "7800000080",
        "14767735250e4ae30e091d724bef2cc9d2a9e2c73441e086d30664db472a4cb7",
        "395e80b491a7caf2d1953a85808fadf12a5bacdef65cd96848fd75082fbf4bd7",
    ),
    _limit(
        bytes(75) + b"\1" * 8,
        "0000080080",
        "305d83cf3bbba364b01a90a1be09d6a97f94d5599880a50fcdd0bb2fb3cf8afb",
        "e5bba2ad0862d4a28c86fd722f78128afd8c5342ea5a7646867d1d2e5979a6c7",
    ),
)
"""Valid; invalid, for it is too long by one (FIPS 204, algorithm 8, line 13); valid, with a hint at 0 (algorithm 40).

liboqs 0.13 with AVX2 takes the second and refuses the third (pq-crystals/dilithium, issue 113).
"""


class Guard:
    """What signs and verifies: a backend, or the reference from the moment the two disagree."""

    def __init__(
        self,
        backend: Backend,
        on_fault: Callable[[str], None] = lambda _why: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the backend, who is told, once, why it is no longer used, and a clock that counts seconds.

        Call `check` before the first use.
        """
        self._backend, self._on_fault, self._clock = backend, on_fault, clock
        self._last_look = float("-inf")
        self._verifying = lru_cache(maxsize=64)(backend.verifying_key)
        self._lock = threading.Lock()
        self.fault: str | None = None

    @property
    def active(self) -> Backend:
        """The backend in use."""
        return self._backend if self.fault is None else REFERENCE

    def check(self) -> None:
        """Hold the backend against the reference; afterwards `fault` tells whether and how they disagree."""
        if self.fault is not None:
            return
        try:
            found = self._disagreement()
        except Exception as error:  # noqa: BLE001 - a backend that fails in any way is not used
            found = f"it failed with {type(error).__name__}"
        if found is not None:
            self.fail(found)

    def fail(self, why: str) -> None:
        """Use the reference from now on."""
        with self._lock:
            known, self.fault = self.fault, self.fault or why
        if known is None:
            self._on_fault(f"{self._backend.name} ({self._backend.version}) is no longer used: {why}")

    def signer(self, key: SoftwareKey) -> "GuardedSigner":
        """Return a Signer for an ML-DSA-87 key; raises KeyUnusable for any other."""
        sure = key.loaded(REFERENCE)
        if self.fault is None:
            try:
                return GuardedSigner(self, key, key.loaded(self._backend))
            except Exception as error:  # noqa: BLE001 - a backend that fails in any way is not used
                self.fail(f"it failed with {type(error).__name__} when it took a key")
        return GuardedSigner(self, key, sure)

    def verify_many(self, key: PublicKey, pairs: Sequence[Signed], threads: int = 1) -> None:
        """Check signatures under one key; raises SignatureInvalid with the place of the first that does not verify."""
        if key.algorithm != ML_DSA_87:
            for place, (signature, data) in enumerate(pairs):
                try:
                    key.verify(signature, data)
                except SignatureInvalid:
                    raise key.refusal(place) from None
            return
        first = self._first_invalid(key.raw, pairs, threads)
        if first is not None:
            raise key.refusal(first)

    def holds(self, key: PublicKey, made: Sequence[Signed]) -> bool:
        """Return whether what the backend has just signed verifies, as far as it is looked at."""
        if self._verifying(key.raw).first_invalid(made) is not None:
            return False
        now = self._clock()
        if now - self._last_look < _SECOND_LOOK:
            return True
        self._last_look = now
        return REFERENCE.verifying_key(key.raw).first_invalid(made[:1]) is None

    def _first_invalid(self, raw: bytes, pairs: Sequence[Signed], threads: int) -> int | None:
        sure = REFERENCE.verifying_key(raw)
        if self.active is not REFERENCE:
            try:
                place = self._verifying(raw).first_invalid(pairs, threads)
            except Exception as error:  # noqa: BLE001 - a backend that fails in any way is not used
                self.fail(f"it failed with {type(error).__name__} when it verified")
            else:
                if place is None or (place in range(len(pairs)) and sure.first_invalid([pairs[place]]) == 0):
                    return place
                self.fail("it refused a signature that verifies")
        return sure.first_invalid(pairs, threads)

    def _disagreement(self) -> str | None:
        sure_key, key = REFERENCE.signing_key(_SEED), self._backend.signing_key(_SEED)
        raw = sure_key.public_bytes()
        if key.public_bytes() != raw:
            return "it makes another public key from the same seed"
        sure, fast = REFERENCE.verifying_key(raw), self._backend.verifying_key(raw)
        made, expected = key.sign_many(_MESSAGES), sure_key.sign_many(_MESSAGES)
        true = list(zip(expected, _MESSAGES, strict=True))
        if len(made) != len(_MESSAGES) or sure.first_invalid(list(zip(made, _MESSAGES, strict=True))) is not None:
            return "what it signs does not verify"
        if fast.first_invalid(true) is not None:
            return "it does not verify what the reference signs"
        zero_sure, zero_fast = (each.verifying_key(_ZERO_KEY) for each in (REFERENCE, self._backend))
        if any(zero_fast.first_invalid([pair]) != zero_sure.first_invalid([pair]) for pair in _LIMITS):
            return "it draws a limit of FIPS 204 elsewhere"
        return _takes_lies(fast, true, _lies(expected[-1], sure))


def _takes_lies(fast: VerifyingKey, true: list[Signed], lies: list[Signed]) -> str | None:
    if any(fast.first_invalid([pair]) is None for pair in lies):
        return "it verifies what is not true"
    if fast.first_invalid([*true, *lies, *true], 2) != len(true):
        return "it does not name the first signature that does not verify"
    return None


def _lies(signature: bytes, sure: VerifyingKey) -> list[Signed]:
    """Return signatures that must not verify, each of which the reference refuses."""
    spoilt = [signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :] for at in _SPOILT_AT]
    others = REFERENCE.signing_key(_OTHER_SEED).sign_many(_MESSAGES[-1:])
    lies = [(one, _MESSAGES[-1]) for one in (*spoilt, *others, b"", signature[:-1])]
    lies += [(signature, message) for message in _MESSAGES[:-1]]
    return [lie for lie in lies if sure.first_invalid([lie]) == 0]


class GuardedSigner:
    """A Signer whose key is held by the backend and by the reference; it signs with the one in use."""

    def __init__(self, guard: Guard, key: SoftwareKey, fast: SigningKey) -> None:
        """Take the guard, the key, and the same key as the backend holds it."""
        self.public = key.public
        self._guard, self._sure, self._fast = guard, key, fast

    def sign(self, data: bytes) -> bytes:
        """Return a signature over `data`."""
        return self.sign_many([data])[0]

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return a signature over each of `messages`."""
        if self._guard.fault is None:
            try:
                made = self._fast.sign_many(messages)
                if len(made) == len(messages) and self._guard.holds(
                    self.public, list(zip(made, messages, strict=True))
                ):
                    return made
                self._guard.fail("what it signs does not verify")
            except Exception as error:  # noqa: BLE001 - a backend that fails in any way is not used
                self._guard.fail(f"it failed with {type(error).__name__} when it signed")
        return self._sure.sign_many(messages)

    def __repr__(self) -> str:
        return f"<GuardedSigner {self.public.key_id.hex()[:16]}…>"
