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

from collections.abc import Mapping
from dataclasses import dataclass

import cbor2

from ledger.errors import KeyUnusable, Malformed, SignatureInvalid
from ledger.keys import ML_DSA_87, ML_DSA_87_SIGNATURE_SIZE, PublicKey, Signer

MAX_ENTRY_SIZE = 65_535
"""Bytes; an entry's length is written as uint16 in an entry bundle (C2SP tlog-tiles)."""

CONTENT_TYPE = "application/vnd.assay.event+json"
_TAG_SIGN1 = 18
_ALG, _ALG_ML_DSA_87 = 1, -50
_TYPE, _KEY_ID = 3, 4
_KEY_ID_SIZE = 32
_SIGN1_PARTS = 4


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed, not yet verified signed event."""

    key_id: bytes
    payload: bytes
    signature: bytes


def protected_header(key_id: bytes) -> bytes:
    """Return the encoded protected header for a key id of 32 bytes."""
    return cbor2.dumps({_ALG: _ALG_ML_DSA_87, _TYPE: CONTENT_TYPE, _KEY_ID: key_id})


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure (RFC 9052, section 4.4)."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def seal(payload: bytes, signer: Signer) -> bytes:
    """Sign a payload and return the envelope's bytes.

    Requires an ML-DSA-87 signer. Raises KeyUnusable for any other, Malformed if the entry would exceed 65,535 bytes.
    """
    if signer.public.algorithm != ML_DSA_87:
        raise KeyUnusable(f"events are signed with {ML_DSA_87}, not {signer.public.algorithm}")
    protected = protected_header(signer.public.key_id)
    entry = _encode(protected, payload, signer.sign(to_be_signed(protected, payload)))
    if len(entry) > MAX_ENTRY_SIZE:
        raise Malformed(f"a signed event of {len(entry)} bytes; at most {MAX_ENTRY_SIZE} fit")
    return entry


def parse(entry: bytes) -> Envelope:
    """Return the parts of a signed event's bytes; raises Malformed."""
    if len(entry) > MAX_ENTRY_SIZE:
        raise Malformed(f"a signed event of {len(entry)} bytes; at most {MAX_ENTRY_SIZE} fit")
    try:
        message = cbor2.loads(entry, max_depth=4, allow_indefinite=False)
        protected, unprotected, payload, signature = message.value
        header = cbor2.loads(protected, max_depth=2, allow_indefinite=False)
        key_id = header[_KEY_ID]
    except Exception as error:  # noqa: BLE001 - a decoder of hostile bytes raises many types; all mean the same here
        raise Malformed(f"not a COSE_Sign1 envelope ({type(error).__name__})") from None
    whole = isinstance(key_id, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)
    if not whole or len(key_id) != _KEY_ID_SIZE or len(signature) != ML_DSA_87_SIGNATURE_SIZE or unprotected != {}:
        raise Malformed("not the envelope of a signed event: wrong parts")
    if _encode(protected_header(key_id), payload, signature) != entry:
        raise Malformed("not the one encoding of this envelope, or not alg -50 (ML-DSA-87)")
    return Envelope(key_id, payload, signature)


def open_entry(entry: bytes, keys: Mapping[bytes, PublicKey]) -> bytes:
    """Verify a signed event under one of `keys` (by key id) and return its payload.

    Raises Malformed or SignatureInvalid; a key id that is not among `keys` is a SignatureInvalid.
    """
    envelope = parse(entry)
    key = keys.get(envelope.key_id)
    if key is None:
        raise SignatureInvalid(f"signed with key {envelope.key_id.hex()[:16]}…, which is not a trusted event key")
    key.verify(envelope.signature, to_be_signed(protected_header(envelope.key_id), envelope.payload))
    return envelope.payload


def _encode(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(_TAG_SIGN1, [protected, {}, payload, signature]))
