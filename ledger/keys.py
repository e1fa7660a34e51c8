# SPDX-License-Identifier: Apache-2.0
"""Signing and verifying keys: ML-DSA-87 (FIPS 204) and Ed25519 (RFC 8032).

Verification raises SignatureInvalid and returns nothing. Private keys never show in a repr. A key id is the
SHA-256 of the DER SubjectPublicKeyInfo (RFC 9881 for ML-DSA), which `openssl pkey -pubin -outform DER | sha256sum`
prints as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ledger.backends.port import Backend, Signed, SigningKey
from ledger.errors import KeyUnusable, SignatureInvalid

ML_DSA_87 = "ML-DSA-87"
ED25519 = "Ed25519"
ML_DSA_87_SIGNATURE_SIZE = 4627
ML_DSA_87_PUBLIC_SIZE = 2592
ED25519_SIGNATURE_SIZE = 64


class Signer(Protocol):
    """Something that holds a private key and signs with it; safe to use from several threads."""

    @property
    def public(self) -> "PublicKey":
        """The key that verifies what this signs."""

    def sign(self, data: bytes) -> bytes:
        """Return a signature over `data` (for ML-DSA: the pure variant, empty context, hedged)."""

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return a signature over each of `messages`."""


class Verifier(Protocol):
    """Something that checks many signatures at once."""

    def verify_many(self, key: "PublicKey", pairs: Sequence[Signed], threads: int = 1) -> None:
        """Check signatures under one key; raises SignatureInvalid with the place of the first that does not verify."""


@dataclass(frozen=True)
class PublicKey:
    """A public key and the one algorithm it is used with."""

    algorithm: str
    raw: bytes
    _key: mldsa.MLDSA87PublicKey | ed25519.Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, algorithm: str, raw: bytes) -> "PublicKey":
        """Return the key from its raw bytes (2,592 for ML-DSA-87, 32 for Ed25519); raises KeyUnusable."""
        try:
            if algorithm == ML_DSA_87:
                return cls(algorithm, raw, mldsa.MLDSA87PublicKey.from_public_bytes(raw))
            if algorithm == ED25519:
                return cls(algorithm, raw, ed25519.Ed25519PublicKey.from_public_bytes(raw))
        except ValueError:
            raise KeyUnusable(f"{len(raw)} bytes are not an {algorithm} public key") from None
        raise KeyUnusable(f"{algorithm!r} is not an algorithm of this ledger")

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """Return the key of a PEM SubjectPublicKeyInfo; raises KeyUnusable."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyUnusable("not a PEM public key of a known algorithm") from None
        if isinstance(key, mldsa.MLDSA87PublicKey):
            return cls(ML_DSA_87, key.public_bytes_raw(), key)
        if isinstance(key, ed25519.Ed25519PublicKey):
            return cls(ED25519, key.public_bytes_raw(), key)
        raise KeyUnusable(f"a key of type {type(key).__name__} is neither ML-DSA-87 nor Ed25519")

    @property
    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo."""
        return self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> str:
        """The PEM SubjectPublicKeyInfo."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @cached_property
    def key_id(self) -> bytes:
        """SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes."""
        return sha256(self.spki).digest()

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check a signature over `data`; raises SignatureInvalid."""
        try:
            self._key.verify(signature, data)
        except (InvalidSignature, ValueError):
            raise self.refusal() from None

    def refusal(self, place: int = 0) -> SignatureInvalid:
        """Return the error of a signature that does not verify under this key."""
        return SignatureInvalid(
            f"{self.algorithm} signature does not verify under key {self.key_id.hex()[:16]}…", place
        )


class SoftwareKey:
    """A private key held in this process's memory."""

    __slots__ = ("_key", "public")

    def __init__(self, key: mldsa.MLDSA87PrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self._key = key
        algorithm = ML_DSA_87 if isinstance(key, mldsa.MLDSA87PrivateKey) else ED25519
        self.public = PublicKey.from_raw(algorithm, key.public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, algorithm: str, seed: bytes) -> "SoftwareKey":
        """Return the key of a 32-byte seed (FIPS 204 algorithm 6; RFC 8032 section 5.1.5); raises KeyUnusable."""
        try:
            if algorithm == ML_DSA_87:
                return cls(mldsa.MLDSA87PrivateKey.from_seed_bytes(seed))
            if algorithm == ED25519:
                return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
        except ValueError:
            raise KeyUnusable(f"a {algorithm} seed has 32 bytes") from None
        raise KeyUnusable(f"{algorithm!r} is not an algorithm of this ledger")

    @classmethod
    def from_pem(cls, pem: bytes) -> "SoftwareKey":
        """Return the key of a PKCS#8 PEM (ML-DSA in the seed form of RFC 9881); raises KeyUnusable."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyUnusable("not a PEM private key of a known algorithm") from None
        if not isinstance(key, mldsa.MLDSA87PrivateKey | ed25519.Ed25519PrivateKey):
            raise KeyUnusable(f"a key of type {type(key).__name__} is neither ML-DSA-87 nor Ed25519")
        return cls(key)

    def to_pem(self) -> bytes:
        """Return the PKCS#8 PEM (ML-DSA in seed form). This is the secret itself: write it to private files only."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, data: bytes) -> bytes:
        """Return a signature over `data`."""
        return self._key.sign(data)

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return a signature over each of `messages`."""
        return [self._key.sign(message) for message in messages]

    def loaded(self, backend: Backend) -> SigningKey:
        """Return this ML-DSA-87 key as one of a backend; raises KeyUnusable for any other key."""
        if not isinstance(self._key, mldsa.MLDSA87PrivateKey):
            raise KeyUnusable(f"backends sign with {ML_DSA_87}, not {self.public.algorithm}")
        return backend.signing_key(self._key.private_bytes_raw())

    def __repr__(self) -> str:
        return f"<SoftwareKey {self.public.algorithm} {self.public.key_id.hex()[:16]}…>"
