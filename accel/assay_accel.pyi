# SPDX-License-Identifier: Apache-2.0
"""ML-DSA-87 (FIPS 204, pure variant, empty context, hedged) by AWS-LC. The interpreter's lock is released meanwhile."""

from typing import Final, final

VERSION: Final[str]
IMPLEMENTATION: Final[str]
"""The library and the code path taken on this CPU, such as "aws-lc-rs 1.19.0, AVX2"."""

@final
class SigningKey:
    """A private key; safe to use from several threads."""

    def __new__(cls, seed: bytes) -> SigningKey:
        """The key of a seed of 32 bytes (FIPS 204, algorithm 6); raises ValueError for any other size."""

    def public_bytes(self) -> bytes:
        """The raw public key, 2,592 bytes."""

    def sign(self, data: bytes) -> bytes:
        """A signature over `data`, 4,627 bytes; raises RuntimeError if there was none to be had."""

    def sign_many(self, messages: list[bytes], threads: int = 0) -> list[bytes]:
        """A signature over each message, by up to `threads` threads (0: one for each core); raises RuntimeError."""

@final
class VerifyingKey:
    """A public key; safe to use from several threads."""

    def __new__(cls, raw: bytes) -> VerifyingKey:
        """The key of its 2,592 raw bytes; raises ValueError for any other size."""

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is valid; one of a wrong size is not."""

    def verify_many(self, pairs: list[tuple[bytes, bytes]], threads: int = 0) -> int | None:
        """The index of the first of the pairs (signature, data) that is not valid, or None if all are.

        By up to `threads` threads (0: one for each core). Raises RuntimeError if not all could be looked at.
        """
