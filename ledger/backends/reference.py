# SPDX-License-Identifier: Apache-2.0
"""The reference: OpenSSL's ML-DSA-87 by way of `cryptography`. It is always there."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat
from typing import TypeVar

import cryptography
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.backends.openssl import backend as openssl
from cryptography.hazmat.primitives.asymmetric import mldsa

from ledger.backends.port import Signed
from ledger.errors import KeyUnusable

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class _SigningKey:
    __slots__ = ("_key",)

    def __init__(self, key: mldsa.MLDSA87PrivateKey) -> None:
        self._key = key

    def public_bytes(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        return side_by_side(self._key.sign, messages, threads)


class _VerifyingKey:
    __slots__ = ("_key",)

    def __init__(self, key: mldsa.MLDSA87PublicKey) -> None:
        self._key = key

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        return first_false(side_by_side(self._verifies, pairs, threads))

    def _verifies(self, pair: Signed) -> bool:
        with suppress(InvalidSignature, ValueError):
            self._key.verify(*pair)
            return True
        return False


class Reference:
    """A Backend over `cryptography`."""

    name = "cryptography"

    @property
    def version(self) -> str:
        """Library and version."""
        return f"cryptography {cryptography.__version__}, {openssl.openssl_version_text()}"

    def signing_key(self, seed: bytes) -> _SigningKey:
        """Return the key of a seed."""
        try:
            return _SigningKey(mldsa.MLDSA87PrivateKey.from_seed_bytes(seed))
        except ValueError:
            raise KeyUnusable("an ML-DSA-87 seed has 32 bytes") from None

    def verifying_key(self, raw: bytes) -> _VerifyingKey:
        """Return the key of its raw bytes."""
        try:
            return _VerifyingKey(mldsa.MLDSA87PublicKey.from_public_bytes(raw))
        except ValueError:
            raise KeyUnusable(f"{len(raw)} bytes are not an ML-DSA-87 public key") from None


def side_by_side(work: Callable[[_In], _Out], items: Sequence[_In], threads: int) -> list[_Out]:
    """Return `work` of each item, done by `threads` threads that take turns in runs of neighbours."""
    if threads <= 1 or len(items) <= 1:
        return [work(item) for item in items]
    share = -(-len(items) // threads)
    runs = [items[start : start + share] for start in range(0, len(items), share)]
    with ThreadPoolExecutor(len(runs)) as pool:
        return [done for run in pool.map(_each, repeat(work), runs) for done in run]


def first_false(results: Iterable[bool]) -> int | None:
    """Return the place of the first False."""
    return next((place for place, result in enumerate(results) if not result), None)


def _each(work: Callable[[_In], _Out], run: Sequence[_In]) -> list[_Out]:
    return [work(item) for item in run]


REFERENCE = Reference()
