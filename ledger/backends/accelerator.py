# SPDX-License-Identifier: Apache-2.0
"""The accelerator: the Rust extension in accel/, built and installed by `make accel`."""

from collections.abc import Sequence

from ledger.backends.port import Signed
from ledger.errors import BackendUnusable, KeyUnusable

try:
    import assay_accel
except ImportError:
    assay_accel = None  # type: ignore[assignment]


class _SigningKey:
    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        self._key = assay_accel.SigningKey(seed)

    def public_bytes(self) -> bytes:
        return self._key.public_bytes()

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        return self._key.sign_many(list(messages), threads)


class _VerifyingKey:
    __slots__ = ("_key",)

    def __init__(self, raw: bytes) -> None:
        self._key = assay_accel.VerifyingKey(raw)

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        return self._key.verify_many(list(pairs), threads)


class Accelerator:
    """A Backend over the extension."""

    name = "accelerator"

    @property
    def version(self) -> str:
        """The extension's version, the library in it and the processor path it takes."""
        return f"assay_accel {assay_accel.VERSION}, {assay_accel.IMPLEMENTATION}"

    def signing_key(self, seed: bytes) -> _SigningKey:
        """Return the key of a seed."""
        try:
            return _SigningKey(seed)
        except ValueError:
            raise KeyUnusable("an ML-DSA-87 seed has 32 bytes") from None

    def verifying_key(self, raw: bytes) -> _VerifyingKey:
        """Return the key of its raw bytes."""
        try:
            return _VerifyingKey(raw)
        except ValueError:
            raise KeyUnusable(f"{len(raw)} bytes are not an ML-DSA-87 public key") from None


def load() -> Accelerator:
    """Return the backend; raises BackendUnusable where the extension is not installed."""
    if assay_accel is None:
        raise BackendUnusable(
            "the accelerator is not installed; in a source folder `make accel` builds it (needs Rust)"
        )
    return Accelerator()
