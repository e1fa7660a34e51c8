# SPDX-License-Identifier: Apache-2.0
"""Keys: read, written, named, and never shown."""

import base64
import pickle
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import KeyUnusable, SignatureInvalid
from ledger.keys import (
    ED25519,
    ED25519_SIGNATURE_SIZE,
    ML_DSA_87,
    ML_DSA_87_PUBLIC_SIZE,
    ML_DSA_87_SIGNATURE_SIZE,
    PublicKey,
    SoftwareKey,
)
from support.ledgers import key

ALGORITHMS = [ML_DSA_87, ED25519]
SEED = sha256(b"seed").digest()

# DER written by hand (RFC 9881, section 4; RFC 8410, section 4): SEQUENCE { SEQUENCE { OID }, BIT STRING, 0 unused }.
SPKI_PREFIX = {
    ML_DSA_87: bytes.fromhex("30820a32300b06096086480165030403130382 0a2100".replace(" ", "")),
    ED25519: bytes.fromhex("302a300506032b6570032100"),
}

FOREIGN: dict[str, Any] = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "X25519": x25519.X25519PrivateKey.generate(),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate(),
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate(),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_private_key_survives_its_pem(algorithm: str) -> None:
    made = SoftwareKey.from_seed(algorithm, SEED)
    again = SoftwareKey.from_pem(made.to_pem())
    assert again.public == made.public
    assert again.to_pem() == made.to_pem()
    made.public.verify(again.sign(b"data"), b"data")
    assert SEED in base64.b64decode(b"".join(made.to_pem().splitlines()[1:-1])), "the PEM is not in seed form"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_survives_its_pem_and_its_raw_bytes(algorithm: str) -> None:
    public = key(algorithm, "a").public
    assert PublicKey.from_pem(public.pem.encode()) == public
    assert PublicKey.from_raw(algorithm, public.raw) == public
    assert hash(PublicKey.from_pem(public.pem.encode())) == hash(public)
    assert public != key(algorithm, "b").public


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_id_is_the_hash_of_the_der_that_a_stranger_would_write(algorithm: str) -> None:
    public = key(algorithm, "a").public
    der = SPKI_PREFIX[algorithm] + public.raw
    assert public.spki == der
    assert public.key_id == sha256(der).digest()
    pem_body = "".join(public.pem.splitlines()[1:-1])
    assert sha256(base64.b64decode(pem_body)).digest() == public.key_id


def test_keys_and_signatures_have_the_sizes_of_the_standards() -> None:
    for algorithm, public_size, signature_size in (
        (ML_DSA_87, ML_DSA_87_PUBLIC_SIZE, ML_DSA_87_SIGNATURE_SIZE),
        (ED25519, 32, ED25519_SIGNATURE_SIZE),
    ):
        made = SoftwareKey.from_seed(algorithm, SEED)
        assert (len(made.public.raw), len(made.sign(b""))) == (public_size, signature_size)


def test_ed25519_signs_as_in_rfc_8032() -> None:
    # Section 7.1, test 2.
    made = SoftwareKey.from_seed(
        ED25519, bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    assert made.public.raw.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert made.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_is_refused_once_anything_about_it_differs(algorithm: str) -> None:
    made = key(algorithm, "a")
    signature = made.sign(b"data")
    made.public.verify(signature, b"data")
    wrong = [
        (key(algorithm, "b").public, signature, b"data"),
        (made.public, signature, b"data "),
        (made.public, signature, b""),
        (made.public, signature[:-1], b"data"),
        (made.public, signature + b"\0", b"data"),
        (made.public, b"", b"data"),
        (made.public, bytes(len(signature)), b"data"),
        (made.public, signature[:7] + bytes([signature[7] ^ 1]) + signature[8:], b"data"),
    ]
    for public, spoilt, data in wrong:
        with pytest.raises(SignatureInvalid, match=algorithm):
            public.verify(spoilt, data)


def test_ml_dsa_is_pure_with_an_empty_context_and_hedged() -> None:
    made = key(ML_DSA_87, "a")
    stranger = mldsa.MLDSA87PublicKey.from_public_bytes(made.public.raw)
    stranger.verify(made.sign(b"data"), b"data")
    stranger.verify(made.sign(b"data"), b"data", b"")
    assert made.sign(b"data") != made.sign(b"data")
    with_context = mldsa.MLDSA87PrivateKey.from_seed_bytes(sha256(b"a").digest()).sign(b"data", b"context")
    with pytest.raises(SignatureInvalid):
        made.public.verify(with_context, b"data")


@pytest.mark.parametrize("name", FOREIGN)
def test_keys_of_other_algorithms_are_unusable(name: str) -> None:
    private = FOREIGN[name]
    with pytest.raises(KeyUnusable, match="neither ML-DSA-87 nor Ed25519"):
        SoftwareKey.from_pem(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyUnusable, match="neither ML-DSA-87 nor Ed25519"):
        PublicKey.from_pem(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_what_is_no_pem_key_is_unusable() -> None:
    made = key(ED25519, "a")
    locked = ed25519.Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    for pem in (
        b"",
        b"rubbish",
        made.public.pem.encode(),
        locked,
        made.to_pem()[:-40],
        made.to_pem().replace(b"M", b"N"),
    ):
        with pytest.raises(KeyUnusable) as caught:
            SoftwareKey.from_pem(pem)
        assert caught.value.__suppress_context__
    for pem in (b"", b"rubbish", made.to_pem(), locked, made.public.pem.encode()[:-40]):
        with pytest.raises(KeyUnusable):
            PublicKey.from_pem(pem)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_random_pem_bodies_are_unusable(body: bytes) -> None:
    for label, load in ((b"PRIVATE", SoftwareKey.from_pem), (b"PUBLIC", PublicKey.from_pem)):
        with pytest.raises(KeyUnusable):
            load(b"-----BEGIN %s KEY-----\n%s\n-----END %s KEY-----\n" % (label, base64.b64encode(body), label))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_raw_bytes_of_the_wrong_length_are_no_key(algorithm: str) -> None:
    raw = key(algorithm, "a").public.raw
    for wrong in (b"", raw[:-1], raw + b"\0"):
        with pytest.raises(KeyUnusable, match="are not an"):
            PublicKey.from_raw(algorithm, wrong)
        with pytest.raises(KeyUnusable, match="32 bytes"):
            SoftwareKey.from_seed(algorithm, wrong)


@pytest.mark.parametrize("algorithm", ["", "ed25519", "ML-DSA-65", "Dilithium5"])
def test_an_algorithm_that_is_not_ours_is_unusable(algorithm: str) -> None:
    with pytest.raises(KeyUnusable, match="is not an algorithm of this ledger"):
        PublicKey.from_raw(algorithm, bytes(32))
    with pytest.raises(KeyUnusable, match="is not an algorithm of this ledger"):
        SoftwareKey.from_seed(algorithm, SEED)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_private_key_never_shows_and_is_never_pickled(algorithm: str) -> None:
    made = SoftwareKey.from_seed(algorithm, SEED)
    shown = f"{made!r} {made} {made.public!r} {[made]}"
    assert SEED.hex() not in shown
    assert repr(SEED)[2:-1] not in shown
    assert made.public.key_id.hex()[:16] in repr(made)
    with pytest.raises(TypeError):
        pickle.dumps(made)
