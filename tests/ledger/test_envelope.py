# SPDX-License-Identifier: Apache-2.0
"""The envelope of a signed event: one encoding, one algorithm, and a stranger's tools read it too."""

import os
import time
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import envelope
from ledger.errors import KeyUnusable, LedgerError, Malformed, SignatureInvalid
from ledger.keys import ED25519, ML_DSA_87, PublicKey
from support.ledgers import EVENT_KEY, EVENT_KEYS, key

PAYLOAD = b'{"format":"assay-event/1","n":1}'
ENTRY = envelope.seal(PAYLOAD, EVENT_KEY)
KEY_ID = EVENT_KEY.public.key_id
HEADER = {1: -50, 3: envelope.CONTENT_TYPE, 4: KEY_ID}
SIGNATURE = ENTRY[-4627:]


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 257, 4096, 60_000])
def test_a_sealed_payload_opens_again(size: int) -> None:
    payload = os.urandom(size)
    entry = envelope.seal(payload, EVENT_KEY)
    assert envelope.open_entry(entry, EVENT_KEYS) == payload
    assert envelope.parse(entry) == envelope.Envelope(KEY_ID, payload, entry[-4627:])


def test_a_stranger_decodes_and_verifies_an_entry_from_the_standards_alone() -> None:
    tagged = cbor2.loads(ENTRY)
    assert (type(tagged), tagged.tag) == (cbor2.CBORTag, 18)
    protected, unprotected, payload, signature = tagged.value
    assert cbor2.loads(protected) == {
        1: -50,
        3: "application/vnd.assay.event+json",
        4: sha256(EVENT_KEY.public.spki).digest(),
    }
    assert unprotected == {}
    assert payload == PAYLOAD
    # ["Signature1", protected, external_aad, payload], written out by hand.
    signed = (
        b"\x84\x6aSignature1\x58" + bytes([len(protected)]) + protected + b"\x40\x58" + bytes([len(payload)]) + payload
    )
    mldsa.MLDSA87PublicKey.from_public_bytes(EVENT_KEY.public.raw).verify(signature, signed)
    assert cbor2.dumps(tagged, canonical=True) == ENTRY


def test_every_single_spoilt_byte_is_refused() -> None:
    for at in range(len(ENTRY)):
        spoilt = ENTRY[:at] + bytes([ENTRY[at] ^ (1 << at % 8)]) + ENTRY[at + 1 :]
        with pytest.raises((Malformed, SignatureInvalid)):
            envelope.open_entry(spoilt, EVENT_KEYS)


def test_every_shortened_and_lengthened_entry_is_malformed() -> None:
    for cut in (*range(130), *range(len(ENTRY) - 30, len(ENTRY))):
        with pytest.raises(Malformed):
            envelope.parse(ENTRY[:cut])
    for entry in (ENTRY + b"\0", ENTRY + ENTRY, b"\0" + ENTRY, ENTRY[1:]):
        with pytest.raises(Malformed):
            envelope.parse(entry)


def sign1(protected: bytes, unprotected: Any, payload: Any, signature: Any) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, payload, signature]))


def wider(entry: bytes, at: int, head: bytes) -> bytes:
    """Return the entry with the one-byte head at `at` replaced by another encoding of the same number."""
    return entry[:at] + head + entry[at + 1 :]


PROTECTED = envelope.protected_header(KEY_ID)
PAYLOAD_AT = 3 + 1 + len(PROTECTED) + 1
OTHER_ENCODINGS: dict[str, bytes] = {
    "tag in two bytes": wider(ENTRY, 0, b"\xd8\x12"),
    "tag in three bytes": wider(ENTRY, 0, b"\xd9\x00\x12"),
    "array length in two bytes": wider(ENTRY, 1, b"\x98\x04"),
    "indefinite array": b"\xd2\x9f" + ENTRY[2:] + b"\xff",
    "protected length in three bytes": wider(ENTRY, 2, b"\x59\x00"),
    "indefinite protected": b"\xd2\x84\x5f" + ENTRY[2 : 4 + len(PROTECTED)] + b"\xff" + ENTRY[4 + len(PROTECTED) :],
    "empty map in two bytes": wider(ENTRY, PAYLOAD_AT - 1, b"\xb8\x00"),
    "indefinite empty map": wider(ENTRY, PAYLOAD_AT - 1, b"\xbf\xff"),
    "payload length in three bytes": ENTRY[:PAYLOAD_AT] + b"\x59\x00" + ENTRY[PAYLOAD_AT + 1 :],
    "payload length in five bytes": ENTRY[:PAYLOAD_AT] + b"\x5a\x00\x00\x00" + ENTRY[PAYLOAD_AT + 1 :],
    "signature length in five bytes": ENTRY[:-4630] + b"\x5a\x00\x00\x12\x13" + SIGNATURE,
    "no tag": ENTRY[1:],
    "self-described": cbor2.dumps(cbor2.CBORTag(55799, cbor2.loads(ENTRY))),
    "another tag": b"\xd1" + ENTRY[1:],
    "five parts": b"\xd2\x85" + ENTRY[2:] + b"\xf6",
    "header keys in another order": sign1(
        cbor2.dumps({4: KEY_ID, 1: -50, 3: envelope.CONTENT_TYPE}), {}, PAYLOAD, SIGNATURE
    ),
    "header key twice": sign1(b"\xa4\x01\x38\x31" + PROTECTED[1:], {}, PAYLOAD, SIGNATURE),
    "alg in three bytes": sign1(PROTECTED.replace(b"\x01\x38\x31", b"\x01\x39\x00\x31"), {}, PAYLOAD, SIGNATURE),
    "key id in the unprotected header": sign1(
        cbor2.dumps({1: -50, 3: envelope.CONTENT_TYPE}), {4: KEY_ID}, PAYLOAD, SIGNATURE
    ),
    "something unprotected": sign1(PROTECTED, {5: b""}, PAYLOAD, SIGNATURE),
    "protected header as a map": cbor2.dumps(cbor2.CBORTag(18, [HEADER, {}, PAYLOAD, SIGNATURE])),
    "detached payload": sign1(PROTECTED, {}, None, SIGNATURE),
    "payload as text": sign1(PROTECTED, {}, PAYLOAD.decode(), SIGNATURE),
    "alg missing": sign1(cbor2.dumps({3: envelope.CONTENT_TYPE, 4: KEY_ID}), {}, PAYLOAD, SIGNATURE),
    "content type missing": sign1(cbor2.dumps({1: -50, 4: KEY_ID}), {}, PAYLOAD, SIGNATURE),
    "another content type": sign1(cbor2.dumps(HEADER | {3: "application/json"}), {}, PAYLOAD, SIGNATURE),
    "critical header": sign1(cbor2.dumps(HEADER | {2: [5]}), {}, PAYLOAD, SIGNATURE),
    "short key id": sign1(cbor2.dumps(HEADER | {4: KEY_ID[:8]}), {}, PAYLOAD, SIGNATURE),
    "long key id": sign1(cbor2.dumps(HEADER | {4: KEY_ID + b"\0"}), {}, PAYLOAD, SIGNATURE),
    "key id as text": sign1(cbor2.dumps(HEADER | {4: "a" * 32}), {}, PAYLOAD, SIGNATURE),
    "round-3 signature size": sign1(PROTECTED, {}, PAYLOAD, SIGNATURE[:4595]),
    "ML-DSA-65 signature size": sign1(PROTECTED, {}, PAYLOAD, SIGNATURE[:3309]),
    "signature with a byte more": sign1(PROTECTED, {}, PAYLOAD, SIGNATURE + b"\0"),
    "no signature": sign1(PROTECTED, {}, PAYLOAD, b""),
    "empty": b"",
    "null": b"\xf6",
    "array": b"\x84",
}


@pytest.mark.parametrize("entry", OTHER_ENCODINGS.values(), ids=OTHER_ENCODINGS)
def test_another_encoding_of_the_same_envelope_is_malformed(entry: bytes) -> None:
    with pytest.raises(Malformed):
        envelope.open_entry(entry, EVENT_KEYS)


@pytest.mark.parametrize("alg", [-8, -7, -48, -49, -51, 50, -257, 0])
def test_another_algorithm_is_malformed_even_if_properly_signed(alg: int) -> None:
    protected = cbor2.dumps(HEADER | {1: alg})
    signature = EVENT_KEY.sign(envelope.to_be_signed(protected, PAYLOAD))
    with pytest.raises(Malformed, match="alg -50"):
        envelope.open_entry(sign1(protected, {}, PAYLOAD, signature), EVENT_KEYS)


def test_an_ml_dsa_65_signature_is_refused() -> None:
    signature = mldsa.MLDSA65PrivateKey.generate().sign(envelope.to_be_signed(PROTECTED, PAYLOAD))
    with pytest.raises(Malformed):
        envelope.parse(sign1(PROTECTED, {}, PAYLOAD, signature))


def test_a_signature_with_a_context_is_refused() -> None:
    private = mldsa.MLDSA87PrivateKey.from_seed_bytes(sha256(b"event").digest())
    signature = private.sign(envelope.to_be_signed(PROTECTED, PAYLOAD), b"context")
    with pytest.raises(SignatureInvalid):
        envelope.open_entry(sign1(PROTECTED, {}, PAYLOAD, signature), EVENT_KEYS)


def test_a_key_that_is_not_trusted_is_refused_by_its_id() -> None:
    entry = envelope.seal(PAYLOAD, key(ML_DSA_87, "stranger"))
    with pytest.raises(SignatureInvalid, match="not a trusted event key"):
        envelope.open_entry(entry, EVENT_KEYS)
    with pytest.raises(SignatureInvalid, match="not a trusted event key"):
        envelope.open_entry(ENTRY, {})


@pytest.mark.parametrize("other", [key(ML_DSA_87, "stranger").public, key(ED25519, "event").public])
def test_a_key_filed_under_another_ones_id_does_not_verify(other: PublicKey) -> None:
    with pytest.raises(SignatureInvalid):
        envelope.open_entry(ENTRY, {KEY_ID: other})


def test_only_ml_dsa_87_seals() -> None:
    with pytest.raises(KeyUnusable, match="not Ed25519"):
        envelope.seal(PAYLOAD, key(ED25519, "event"))


def test_an_entry_has_at_most_65535_bytes() -> None:
    overhead = len(envelope.seal(bytes(60_000), EVENT_KEY)) - 60_000
    most = envelope.MAX_ENTRY_SIZE - overhead
    assert len(envelope.seal(bytes(most), EVENT_KEY)) == 65_535
    with pytest.raises(Malformed, match="65536 bytes"):
        envelope.seal(bytes(most + 1), EVENT_KEY)
    with pytest.raises(Malformed, match="65536 bytes"):
        envelope.parse(bytes(65_536))


def test_hostile_tags_cost_no_time() -> None:
    # A decoder that knows tag 35 compiles this regular expression for half a minute.
    expression = "(?i)[" + "".join(f"{chr(0x100 + i * 2)}-\uffff" for i in range(6000)) + "]"
    hostile = [
        cbor2.dumps(cbor2.CBORTag(35, expression)),
        sign1(PROTECTED, {}, cbor2.CBORTag(35, expression), SIGNATURE),
    ]
    begun = time.process_time()
    for entry in hostile:
        with pytest.raises(Malformed):
            envelope.parse(entry)
    assert time.process_time() - begun < 1


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_with_our_own_errors(data: bytes) -> None:
    for entry in (
        data,
        ENTRY[: len(data)] + data,
        data + ENTRY[len(data) :],
        ENTRY[:PAYLOAD_AT] + data + ENTRY[-4630:],
    ):
        if entry != ENTRY:
            with pytest.raises(LedgerError):
                envelope.open_entry(entry, EVENT_KEYS)


leaves = st.none() | st.booleans() | st.integers() | st.binary(max_size=40) | st.text(max_size=10)
cbor_values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 9), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(cbor_values, max_size=5))
def test_any_other_cose_message_is_malformed(parts: list[Any]) -> None:
    with pytest.raises(Malformed):
        envelope.parse(cbor2.dumps(cbor2.CBORTag(18, parts)))
