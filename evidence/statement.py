# SPDX-License-Identifier: Apache-2.0
"""The statement: an in-toto Statement v1 over every file of the payload, signed by DSSE with both pack keys.

The subjects are all files below data/ but the statement itself, each with SHA-256 and SHA-512; the predicate names the
log, the range, and size and root of the tree they were taken from. What is signed is DSSE's plain pre-authentication
encoding:  "DSSEv1" SP len(type) SP type SP len(payload) SP payload.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from evidence.bag import Digest
from evidence.documents import MAX_DOCUMENT, Document, read, write
from evidence.errors import PackMalformed, PackUntrue, about
from ledger.checkpoint import Checkpoint
from ledger.keys import PublicKey, Signer

NAME = "data/statement.json"
DSSE_NAME = "signatures/statement.dsse.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:assay:evidence-pack:1"


class Subject(Document, frozen=True, kw_only=True):
    """A file and its digests by algorithm."""

    name: str
    digest: dict[str, str]


class Predicate(Document, frozen=True, kw_only=True):
    """The log and range of a pack, and the tree that it was taken from."""

    origin: str
    first: int
    last: int
    size: int
    root: str


class Statement(Document, frozen=True, kw_only=True):
    """An in-toto statement about a pack."""

    type: str = msgspec.field(name="_type")
    subject: tuple[Subject, ...]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: Predicate


class _Signature(Document, frozen=True, kw_only=True):
    keyid: str
    sig: str


class _Envelope(Document, frozen=True, kw_only=True):
    payload: str
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[_Signature, ...]


def make(digests: Mapping[str, Digest], checkpoint: Checkpoint, first: int, last: int) -> bytes:
    """Return data/statement.json over files."""
    return write(
        Statement(
            type=STATEMENT_TYPE,
            subject=_subjects(digests),
            predicate_type=PREDICATE_TYPE,
            predicate=Predicate(
                origin=checkpoint.origin, first=first, last=last, size=checkpoint.size, root=checkpoint.root.hex()
            ),
        )
    )


def sign(statement: bytes, signers: Sequence[Signer]) -> bytes:
    """Return the DSSE envelope of a statement, signed by every one of `signers`."""
    text = pae(PAYLOAD_TYPE, statement)
    signatures = [_Signature(keyid=s.public.key_id.hex(), sig=_base64(s.sign(text))) for s in signers]
    return write(
        _Envelope(payload=_base64(statement), payload_type=PAYLOAD_TYPE, signatures=tuple(signatures)),
    )


def open_statement(envelope: bytes, statement: bytes, keys: Sequence[PublicKey]) -> Statement:
    """Verify the envelope of `statement`: every one of `keys` must have signed it, and nobody else.

    Raises PackMalformed or PackUntrue.
    """
    opened = read(envelope, _Envelope, DSSE_NAME, max_bytes=2 * MAX_DOCUMENT)
    if opened.payload_type != PAYLOAD_TYPE:
        raise PackMalformed(f"carries {opened.payload_type!r}, want {PAYLOAD_TYPE!r}", where=DSSE_NAME)
    if opened.payload != _base64(statement):
        raise PackUntrue(f"carries another statement than {NAME}", where=DSSE_NAME)
    made = {signature.keyid: signature.sig for signature in opened.signatures}
    if len(made) != len(opened.signatures) or len(made) != len(keys):
        raise PackUntrue(f"{len(opened.signatures)} signatures, want one by each of {len(keys)} keys", where=DSSE_NAME)
    text = pae(opened.payload_type, statement)
    for key in keys:
        if key.key_id.hex() not in made:
            raise PackUntrue(f"no {key.algorithm} signature of key {key.key_id.hex()}", where=DSSE_NAME)
        with about(DSSE_NAME):
            key.verify(_raw(made[key.key_id.hex()]), text)
    parsed = read(statement, Statement, NAME)
    if (parsed.type, parsed.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise PackMalformed("not a statement about an evidence pack", where=NAME)
    return parsed


def check_subjects(statement: Statement, digests: Mapping[str, Digest]) -> None:
    """Raise PackUntrue unless the statement is about exactly the files that have `digests`."""
    stated = {subject.name: subject for subject in statement.subject}
    for want in _subjects(digests):
        subject = stated.pop(want.name, None)
        if subject is None:
            raise PackUntrue("the statement does not name this file", where=want.name)
        if subject != want:
            raise PackUntrue("is not the file that the statement is about: its digests differ", where=want.name)
    for name in stated:
        raise PackUntrue("the statement names a file that is not in the pack", where=name)
    if len(statement.subject) != len(digests):
        raise PackMalformed("names a file twice", where=NAME)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _subjects(digests: Mapping[str, Digest]) -> tuple[Subject, ...]:
    named = sorted((name, digest) for name, digest in digests.items() if name != NAME)
    return tuple(Subject(name=name, digest={"sha256": d.sha256, "sha512": d.sha512}) for name, d in named)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _raw(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or _base64(raw) != text:
        raise PackMalformed("a signature is not base64", where=DSSE_NAME)
    return raw
