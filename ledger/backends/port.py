# SPDX-License-Identifier: Apache-2.0
"""The port that implementations of ML-DSA-87 are used through: the pure variant of FIPS 204, empty context, hedged.

Batches are the form, for one call that leaves Python's lock costs the same for one signature as for a hundred. Whether
signatures are true is told by the place of the first that is not; `ledger.keys` turns that into SignatureInvalid, and
nothing else asks a backend.
"""

from collections.abc import Sequence
from typing import Protocol

Signed = tuple[bytes, bytes]
"""A signature (4,627 bytes if it can be one) and the data it is over."""


class SigningKey(Protocol):
    """A private key, ready to sign; shows its seed to nobody. Safe to use from several threads."""

    def public_bytes(self) -> bytes:
        """Return the public key, 2,592 bytes."""

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        """Return a signature over each message, made by `threads` threads with Python's lock let go."""


class VerifyingKey(Protocol):
    """A public key, ready to verify. Safe to use from several threads."""

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        """Return the place of the first signature that does not verify, or None if all do."""


class Backend(Protocol):
    """An implementation of ML-DSA-87."""

    @property
    def name(self) -> str:
        """What settings call it: cryptography, liboqs or accelerator."""

    @property
    def version(self) -> str:
        """Library, version and processor path, for people."""

    def signing_key(self, seed: bytes) -> SigningKey:
        """Return the key of a 32-byte seed (FIPS 204, algorithm 6); raises KeyUnusable."""

    def verifying_key(self, raw: bytes) -> VerifyingKey:
        """Return the key of 2,592 bytes; raises KeyUnusable."""
