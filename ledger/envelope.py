# SPDX-License-Identifier: Apache-2.0
"""The signed event: a COSE_Sign1 envelope (RFC 9052, section 4.2) with ML-DSA-87 (RFC 9964, alg -50).

    d2                                tag 18, COSE_Sign1
      84                              array of 4
        58 .. a3                      protected header, a byte string that holds a map:
              01 38 31                  1 (alg): -50
              03 78 .. "application/…"  3 (content type)
              04 58 20 ..               4 (key id): SHA-256 of the DER SubjectPublicKeyInfo
        a0                            unprotected header: empty
        59 .. ..                      payload: the canonical JSON of the event
        59 12 13 ..                   signature, 4,627 bytes

What is signed is the deterministic CBOR of ["Signature1", protected, h'', payload]. An envelope has exactly one
encoding; any other bytes are Malformed, so an entry cannot be changed without changing what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cbor2

from ledger.errors import KeyUnusable, Malformed, SignatureInvalid
from ledger.keys import ML_DSA_87, ML_DSA_87_SIGNATURE_SIZE, PublicKey, Signer, Verifier

MAX_ENTRY_SIZE = 65_535
"""Bytes; an entry's length is written as uint16 in an entry bundle (C2SP tlog-tiles)."""

CONTENT_TYPE = "application/vnd.assay.event+json"
_TAG_SIGN1 = 18
_ALG, _ALG_ML_DSA_87 = 1, -50
_TYPE, _KEY_ID = 3, 4
_KEY_ID_SIZE = 32
_UNPROTECTED_SIZE = 1
_SIGNATURE_PART_SIZE = 3 + ML_DSA_87_SIGNATURE_SIZE
_LENGTH_SIZE = {0x58: 2, 0x59: 3}
"""Bytes before a byte string of 24 to 255 and of 256 to 65,535 bytes, by their first; 1 before a shorter one."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed, not yet verified signed event."""

    key_id: bytes
    payload: bytes
    signature: bytes


@lru_cache(maxsize=64)
def protected_header(key_id: bytes) -> bytes:
    """Return the encoded protected header for a key id of 32 bytes."""
    return cbor2.dumps({_ALG: _ALG_ML_DSA_87, _TYPE: CONTENT_TYPE, _KEY_ID: key_id})


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure (RFC 9052, section 4.4)."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def seal(payload: bytes, signer: Signer) -> bytes:
    """Sign a payload and return the envelope's bytes; see `seal_many`."""
    return seal_many([payload], signer)[0]


def seal_many(payloads: Sequence[bytes], signer: Signer) -> list[bytes]:
    """Sign payloads in one call and return their envelopes' bytes.

    Requires an ML-DSA-87 signer. Raises KeyUnusable for any other, Malformed if an entry would exceed 65,535 bytes.
    """
    if signer.public.algorithm != ML_DSA_87:
        raise KeyUnusable(f"events are signed with {ML_DSA_87}, not {signer.public.algorithm}")
    protected = protected_header(signer.public.key_id)
    signatures = signer.sign_many([to_be_signed(protected, payload) for payload in payloads])
    entries = [_encode(protected, *parts) for parts in zip(payloads, signatures, strict=True)]
    for entry in entries:
        if len(entry) > MAX_ENTRY_SIZE:
            raise Malformed(f"a signed event of {len(entry)} bytes; at most {MAX_ENTRY_SIZE} fit")
    return entries


def parse(entry: bytes) -> Envelope:
    """Return the parts of a signed event's bytes; raises Malformed."""
    if len(entry) > MAX_ENTRY_SIZE:
        raise Malformed(f"a signed event of {len(entry)} bytes; at most {MAX_ENTRY_SIZE} fit")
    if len(entry) < len(_HEAD) + _KEY_ID_SIZE + _UNPROTECTED_SIZE + 1 + _SIGNATURE_PART_SIZE:
        raise Malformed(f"not the envelope of a signed event: {len(entry)} bytes are too few")
    # No CBOR decoder sees hostile bytes (their tags can make one work for minutes): an envelope has one layout, so
    # its parts are cut out by position, encoded again and compared.
    after_key_id = len(_HEAD) + _KEY_ID_SIZE
    key_id, signature = entry[len(_HEAD) : after_key_id], entry[-ML_DSA_87_SIGNATURE_SIZE:]
    part = entry[after_key_id + _UNPROTECTED_SIZE : -_SIGNATURE_PART_SIZE]
    payload = part[_LENGTH_SIZE.get(part[0], 1) :]
    if _encode(protected_header(key_id), payload, signature) != entry:
        raise Malformed("not the one encoding of a signed event's envelope with alg -50 (ML-DSA-87)")
    return Envelope(key_id, payload, signature)


def open_entry(entry: bytes, keys: Mapping[bytes, PublicKey]) -> bytes:
    """Verify a signed event under one of `keys` (by key id) and return its payload.

    Raises Malformed or SignatureInvalid; a key id that is not among `keys` is a SignatureInvalid.
    """
    envelope = parse(entry)
    _trusted(envelope, keys).verify(*_signed(envelope))
    return envelope.payload


def verify_all(
    envelopes: Sequence[Envelope], keys: Mapping[bytes, PublicKey], verifier: Verifier, threads: int = 1
) -> None:
    """Verify parsed events, those of each key in one call; raises SignatureInvalid with the first bad one's place."""
    bad: list[SignatureInvalid] = []
    for key_id in {envelope.key_id for envelope in envelopes}:
        places = [place for place, envelope in enumerate(envelopes) if envelope.key_id == key_id]
        try:
            key = _trusted(envelopes[places[0]], keys)
            verifier.verify_many(key, [_signed(envelopes[place]) for place in places], threads)
        except SignatureInvalid as error:
            bad.append(SignatureInvalid(str(error), places[error.place]))
    if bad:
        raise min(bad, key=lambda error: error.place)


def _trusted(envelope: Envelope, keys: Mapping[bytes, PublicKey]) -> PublicKey:
    key = keys.get(envelope.key_id)
    if key is None:
        raise SignatureInvalid(f"signed with key {envelope.key_id.hex()[:16]}…, which is not a trusted event key")
    return key


def _signed(envelope: Envelope) -> tuple[bytes, bytes]:
    return envelope.signature, to_be_signed(protected_header(envelope.key_id), envelope.payload)


def _encode(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(_TAG_SIGN1, [protected, {}, payload, signature]))


_HEAD = _encode(protected_header(bytes(_KEY_ID_SIZE)), b"", b"")[: -_KEY_ID_SIZE - 3]
"""What comes before the key id."""
