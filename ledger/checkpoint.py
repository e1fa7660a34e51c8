# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: a C2SP tlog-checkpoint in a signed note with two log signatures.

    example.com/payments                                     origin
    20852163                                                 size, decimal
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=              root, base64
                                                             (blank line)
    — example.com/payments Az3grl…                           base64(key id, 4 bytes || Ed25519 signature)
    — example.com/payments kP0a1b…                           base64(key id, 4 bytes || ML-DSA-87 signature)

A signature covers the text up to and including the newline before the blank line. A key id is the first 4 bytes of
SHA-256(name || 0x0A || type), where the type is 0x01 || public key for Ed25519 and, as C2SP assigns no type to
ML-DSA-87, 0xFF || identifier || public key (C2SP signed-note).
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import CheckpointInvalid, KeyUnusable, Malformed, SignatureInvalid
from ledger.keys import ED25519, ML_DSA_87, PublicKey, Signer
from ledger.tree import HASH_SIZE

MAX_NOTE_SIZE = 65_536
MAX_SIGNATURES = 16
ML_DSA_87_IDENTIFIER = b"urn:assay:signed-note:ml-dsa-87:1"

_TYPE_PREFIX = {ED25519: b"\x01", ML_DSA_87: b"\xff" + ML_DSA_87_IDENTIFIER}
_KEY_HASH_SIZE = 4
_DASH = "\u2014 "
_BODY_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its origin, its size in entries and its root hash."""

    origin: str
    size: int
    root: bytes

    def text(self) -> bytes:
        """Return the note text that gets signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose signatures were made or verified here, and the note that carries them."""

    checkpoint: Checkpoint
    note: bytes


def key_hash(name: str, key: PublicKey) -> bytes:
    """Return the 4-byte key id of a note key (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + _TYPE_PREFIX[key.algorithm] + key.raw).digest()[:_KEY_HASH_SIZE]


def verifier_key(name: str, key: PublicKey) -> str:
    """Return the vkey text of a note key: NAME+HASH+BASE64(type || public key)."""
    typed = base64.b64encode(_TYPE_PREFIX[key.algorithm] + key.raw).decode()
    return f"{name}+{key_hash(name, key).hex()}+{typed}"


def parse_verifier_key(text: str) -> tuple[str, PublicKey]:
    """Return the name and the key of a vkey text; raises KeyUnusable."""
    name, _, rest = text.partition("+")
    _, _, typed = rest.partition("+")
    try:
        raw = base64.b64decode(typed, validate=True)
    except (binascii.Error, ValueError):
        raise KeyUnusable("a verifier key is NAME+HASH+BASE64") from None
    for algorithm, prefix in _TYPE_PREFIX.items():
        if raw.startswith(prefix):
            key = PublicKey.from_raw(algorithm, raw[len(prefix) :])
            if not _is_name(name) or verifier_key(name, key) != text:
                raise KeyUnusable("not the verifier key of its name and key")
            return name, key
    raise KeyUnusable("a verifier key of an unknown signature type")


def sign(checkpoint: Checkpoint, signers: Sequence[Signer]) -> SignedCheckpoint:
    """Return the checkpoint signed by every one of `signers` under the log's origin as the key name."""
    if not _is_name(checkpoint.origin):
        raise Malformed("an origin is a non-empty text without spaces, plus signs and control characters")
    text = checkpoint.text()
    lines = [text, b"\n"]
    for signer in signers:
        blob = key_hash(checkpoint.origin, signer.public) + signer.sign(text)
        lines.append(f"{_DASH}{checkpoint.origin} {base64.b64encode(blob).decode()}\n".encode())
    return SignedCheckpoint(checkpoint, b"".join(lines))


def open_checkpoint(note: bytes, origin: str, keys: Sequence[PublicKey]) -> SignedCheckpoint:
    """Verify a signed checkpoint of the log `origin`: every one of `keys` must have signed it.

    Signatures of other keys (witnesses) are ignored, as C2SP signed-note asks.
    Raises Malformed, CheckpointInvalid (another log, a signature missing) or SignatureInvalid.
    """
    if not keys:
        raise KeyUnusable("a checkpoint cannot be verified without keys")
    checkpoint, text, signatures = parse_note(note)
    if checkpoint.origin != origin:
        raise CheckpointInvalid(f"the checkpoint is of log {checkpoint.origin!r}, want {origin!r}")
    for key in keys:
        wanted = (origin, key_hash(origin, key))
        made = [signature for name, key_id, signature in signatures if (name, key_id) == wanted]
        if not made:
            raise CheckpointInvalid(f"the checkpoint has no {key.algorithm} signature of key {wanted[1].hex()}")
        for signature in made:
            try:
                key.verify(signature, text)
            except SignatureInvalid as error:
                raise SignatureInvalid(f"checkpoint of size {checkpoint.size}: {error}") from None
    return SignedCheckpoint(checkpoint, note)


def parse_note(note: bytes) -> tuple[Checkpoint, bytes, list[tuple[str, bytes, bytes]]]:
    """Return checkpoint, signed text and (name, key id, signature) of each line, all unverified; raises Malformed."""
    if len(note) > MAX_NOTE_SIZE:
        raise Malformed(f"a note of {len(note)} bytes; at most {MAX_NOTE_SIZE} are accepted")
    text, gap, tail = note.rpartition(b"\n\n")
    text += b"\n"
    try:
        body, signed = text.decode("utf-8"), tail.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("a note is UTF-8") from None
    if not gap or not signed.endswith("\n") or any(c < " " and c != "\n" for c in body + signed):
        raise Malformed("not a signed note")
    lines = signed[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise Malformed(f"a note with {len(lines)} signatures; at most {MAX_SIGNATURES} are accepted")
    return _parse_body(body), text, [_parse_signature(line) for line in lines]


def _parse_body(body: str) -> Checkpoint:
    lines = body[:-1].split("\n")
    if len(lines) < _BODY_LINES or not all(lines) or not _is_name(lines[0]):
        raise Malformed("a checkpoint is at least origin, size and root, each on a line")
    size = lines[1]
    if not (size.isascii() and size.isdigit()) or (size != "0" and size.startswith("0")) or len(size) > 16:  # noqa: PLR2004
        raise Malformed("a checkpoint's size is a decimal number without leading zeros")
    checkpoint = Checkpoint(lines[0], int(size), _base64("a checkpoint's root", lines[2]))
    if len(checkpoint.root) != HASH_SIZE:
        raise Malformed(f"a checkpoint's root has {HASH_SIZE} bytes, got {len(checkpoint.root)}")
    if checkpoint.text() != body.encode():
        raise Malformed("a checkpoint of this log has no extension lines")
    return checkpoint


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    blob = _base64("a note signature", encoded) if gap and line.startswith(_DASH) and _is_name(name) else b""
    if len(blob) <= _KEY_HASH_SIZE:
        raise Malformed("a signature line is an em dash, a name and base64")
    return name, blob[:_KEY_HASH_SIZE], blob[_KEY_HASH_SIZE:]


def _base64(what: str, text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what} is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Malformed(f"{what} is not the one base64 form of its bytes")
    return raw


def _is_name(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name)
