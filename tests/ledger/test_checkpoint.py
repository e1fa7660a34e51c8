# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: signed by both keys of this log, in one form only, with room for witnesses."""

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import (
    MAX_NOTE_SIZE,
    Checkpoint,
    key_hash,
    open_checkpoint,
    parse_note,
    parse_verifier_key,
    sign,
    verifier_key,
)
from ledger.errors import CheckpointInvalid, KeyUnusable, LedgerError, Malformed, SignatureInvalid
from ledger.keys import ED25519, ML_DSA_87
from ledger.tree import EMPTY_ROOT
from support.ledgers import LOG_KEYS, LOG_PUBLIC, ORIGIN, key

ROOT = sha256(b"root").digest()
POINT = Checkpoint(ORIGIN, 20_852_163, ROOT)
NOTE = sign(POINT, LOG_KEYS).note
BODY = POINT.text()
LINES = NOTE[len(BODY) + 1 :].splitlines(keepends=True)
WITNESS = key(ED25519, "witness")


def signed(body: bytes) -> bytes:
    """Return a note over any body, properly signed by both keys."""
    lines = []
    for signer in LOG_KEYS:
        blob = base64.b64encode(key_hash(ORIGIN, signer.public) + signer.sign(body))
        lines.append(b"\xe2\x80\x94 " + ORIGIN.encode() + b" " + blob + b"\n")
    return body + b"\n" + b"".join(lines)


def witness(name: str = "witness.example", blob: bytes = b"") -> bytes:
    blob = blob or key_hash(name, WITNESS.public) + WITNESS.sign(BODY)
    return f"\u2014 {name} ".encode() + base64.b64encode(blob) + b"\n"


def test_a_signed_checkpoint_opens_again() -> None:
    for point in (POINT, Checkpoint(ORIGIN, 0, EMPTY_ROOT), Checkpoint(ORIGIN, 10**16 - 1, ROOT)):
        made = sign(point, LOG_KEYS)
        opened = open_checkpoint(made.note, ORIGIN, LOG_PUBLIC)
        assert opened == made
        assert opened.checkpoint == point


def test_the_note_is_laid_out_as_c2sp_says() -> None:
    text, _, signatures = NOTE.partition(b"\n\n")
    assert text.decode().split("\n") == [ORIGIN, "20852163", base64.b64encode(ROOT).decode()]
    assert [line[: len(ORIGIN) + 5] for line in LINES] == [f"\u2014 {ORIGIN} ".encode()] * 2
    assert signatures.endswith(b"\n")


def test_a_stranger_verifies_both_signatures_from_the_standard_alone() -> None:
    blobs = [base64.b64decode(line.split(b" ")[2]) for line in LINES]
    raw = LOG_PUBLIC[0].raw
    assert blobs[0][:4] == sha256(ORIGIN.encode() + b"\n\x01" + raw).digest()[:4]
    ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(blobs[0][4:], BODY)
    raw = LOG_PUBLIC[1].raw
    typed = b"\xffurn:assay:signed-note:ml-dsa-87:1" + raw
    assert blobs[1][:4] == sha256(ORIGIN.encode() + b"\n" + typed).digest()[:4]
    mldsa.MLDSA87PublicKey.from_public_bytes(raw).verify(blobs[1][4:], BODY)


def test_the_ed25519_line_is_the_one_published_with_the_note_format() -> None:
    # The example of golang.org/x/mod/sumdb/note: PeterNeumann's key and his signature.
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, public = parse_verifier_key(text)
    assert (name, verifier_key(name, public)) == ("PeterNeumann", text)
    said = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    blob = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert blob[:4] == key_hash(name, public)
    public.verify(blob[4:], said.encode())


@pytest.mark.parametrize("left_out", [0, 1])
def test_each_of_the_two_signatures_is_needed(left_out: int) -> None:
    note = BODY + b"\n" + LINES[1 - left_out]
    with pytest.raises(CheckpointInvalid, match=f"no {LOG_PUBLIC[left_out].algorithm} signature"):
        open_checkpoint(note, ORIGIN, LOG_PUBLIC)
    open_checkpoint(note, ORIGIN, [LOG_PUBLIC[1 - left_out]])


@pytest.mark.parametrize("spoilt", [0, 1])
def test_a_spoilt_signature_is_refused(spoilt: int) -> None:
    blob = bytearray(base64.b64decode(LINES[spoilt].split(b" ")[2]))
    for at in (4, 20, len(blob) - 1):
        changed = bytes(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :])
        lines = list(LINES)
        lines[spoilt] = witness(ORIGIN, changed)
        with pytest.raises(SignatureInvalid, match="checkpoint of size 20852163"):
            open_checkpoint(BODY + b"\n" + b"".join(lines), ORIGIN, LOG_PUBLIC)


def test_a_second_signature_of_a_log_key_has_to_be_good_as_well() -> None:
    bad = witness(ORIGIN, key_hash(ORIGIN, LOG_PUBLIC[0]) + bytes(64))
    with pytest.raises(SignatureInvalid):
        open_checkpoint(NOTE + bad, ORIGIN, LOG_PUBLIC)
    assert open_checkpoint(NOTE + LINES[0], ORIGIN, LOG_PUBLIC).checkpoint == POINT


def test_changed_contents_are_refused() -> None:
    for other in (Checkpoint(ORIGIN, 20_852_164, ROOT), Checkpoint(ORIGIN, 20_852_163, EMPTY_ROOT)):
        with pytest.raises(SignatureInvalid):
            open_checkpoint(other.text() + b"\n" + b"".join(LINES), ORIGIN, LOG_PUBLIC)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = sign(Checkpoint("other.example/log", 1, ROOT), LOG_KEYS).note
    with pytest.raises(CheckpointInvalid, match=r"of log 'other\.example/log'"):
        open_checkpoint(other, ORIGIN, LOG_PUBLIC)
    # The other log's signatures under our text do not help: a key id depends on the name.
    renamed = other.replace(b"other.example/log\n", ORIGIN.encode() + b"\n", 1)
    with pytest.raises(CheckpointInvalid, match="no Ed25519 signature"):
        open_checkpoint(renamed, ORIGIN, LOG_PUBLIC)


def test_other_keys_of_the_same_log_name_do_not_count() -> None:
    with pytest.raises(CheckpointInvalid):
        open_checkpoint(NOTE, ORIGIN, [key(ED25519, "other").public])
    with pytest.raises(KeyUnusable, match="without keys"):
        open_checkpoint(NOTE, ORIGIN, [])


def test_signatures_of_witnesses_are_ignored_wherever_they_stand() -> None:
    for lines in ([witness(), *LINES], [*LINES, witness()], [LINES[1], witness("w", bytes(300)), LINES[0]]):
        opened = open_checkpoint(BODY + b"\n" + b"".join(lines), ORIGIN, LOG_PUBLIC)
        assert opened.checkpoint == POINT


def test_sixteen_signatures_are_read_and_seventeen_are_not() -> None:
    assert open_checkpoint(NOTE + witness() * 14, ORIGIN, LOG_PUBLIC).checkpoint == POINT
    with pytest.raises(Malformed, match="17 signatures"):
        open_checkpoint(NOTE + witness() * 15, ORIGIN, LOG_PUBLIC)


ROOT_64 = base64.b64encode(ROOT)
HEAD = ORIGIN.encode() + b"\n7\n"
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "no signatures": BODY + b"\n",
    "no blank line": BODY + b"".join(LINES),
    "no newline at the end": NOTE[:-1],
    "two newlines at the end": NOTE + b"\n",
    "CRLF": NOTE.replace(b"\n", b"\r\n"),
    "CRLF in the body, signed": signed(HEAD.replace(b"\n", b"\r\n") + ROOT_64 + b"\r\n"),
    "tab": signed(HEAD + ROOT_64 + b"\t\n"),
    "NUL": NOTE + b"\0\n",
    "invalid UTF-8": signed(b"caf\xe9\n7\n" + ROOT_64 + b"\n"),
    "invalid UTF-8 in a signature line": NOTE + b"\xe2\x80\x94 caf\xe9 AAAAAAAA\n",
    "extension line": signed(BODY + b"extension\n"),
    "blank line in the body": signed(HEAD + b"\n" + ROOT_64 + b"\n"),
    "body cut short": signed(HEAD),
    "empty body": b"\n" + b"".join(LINES),
    "no origin": signed(b"\n7\n" + ROOT_64 + b"\n"),
    "origin with a space": signed(b"a b\n7\n" + ROOT_64 + b"\n"),
    "origin with a plus": signed(b"a+b\n7\n" + ROOT_64 + b"\n"),
    "leading zero": signed(ORIGIN.encode() + b"\n07\n" + ROOT_64 + b"\n"),
    "zero twice": signed(ORIGIN.encode() + b"\n00\n" + ROOT_64 + b"\n"),
    "negative": signed(ORIGIN.encode() + b"\n-7\n" + ROOT_64 + b"\n"),
    "plus sign": signed(ORIGIN.encode() + b"\n+7\n" + ROOT_64 + b"\n"),
    "hex size": signed(ORIGIN.encode() + b"\n0x7\n" + ROOT_64 + b"\n"),
    "underscore": signed(ORIGIN.encode() + b"\n1_0\n" + ROOT_64 + b"\n"),
    "space before the size": signed(ORIGIN.encode() + b"\n 7\n" + ROOT_64 + b"\n"),
    "arabic digits": signed(ORIGIN.encode() + "\n\u0667\n".encode() + ROOT_64 + b"\n"),
    "superscript digit": signed(ORIGIN.encode() + "\n\u00b2\n".encode() + ROOT_64 + b"\n"),
    "huge size": signed(ORIGIN.encode() + b"\n1" + b"0" * 16 + b"\n" + ROOT_64 + b"\n"),
    "enormous size": signed(ORIGIN.encode() + b"\n" + b"9" * 5000 + b"\n" + ROOT_64 + b"\n"),
    "root of 31 bytes": signed(HEAD + base64.b64encode(ROOT[:31]) + b"\n"),
    "root of 33 bytes": signed(HEAD + base64.b64encode(ROOT + b"\0") + b"\n"),
    "root in base64url": signed(HEAD + base64.urlsafe_b64encode(b"\xff" * 32) + b"\n"),
    "root without padding": signed(HEAD + ROOT_64.rstrip(b"=") + b"\n"),
    "root with stray bits": signed(HEAD + ROOT_64[:-2] + bytes([ROOT_64[-2] + 1]) + b"=\n"),
    "root with a space": signed(HEAD + ROOT_64[:4] + b" " + ROOT_64[4:] + b"\n"),
    "signature not base64": NOTE + "\u2014 w !!!!\n".encode(),
    "signature with stray bits": NOTE + "\u2014 w AAAAAAB=\n".encode(),
    "signature without bytes": NOTE + "\u2014 w \n".encode(),
    "signature of a key id only": NOTE + witness("w", bytes(4)),
    "hyphen for dash": NOTE + b"- w AAAAAAAA\n",
    "no dash": NOTE + b"w AAAAAAAA\n",
    "no name": NOTE + "\u2014  AAAAAAAA\n".encode(),
    "name with a plus": NOTE + "\u2014 a+b AAAAAAAA\n".encode(),
    "no space": NOTE + "\u2014 w\n".encode(),
    "two spaces": NOTE + "\u2014 w  AAAAAAAA\n".encode(),
    "something behind": NOTE + "\u2014 w AAAAAAAA x\n".encode(),
    "blank line between signatures": BODY + b"\n" + LINES[0] + b"\n" + LINES[1],
    "too large": NOTE + witness("w" * MAX_NOTE_SIZE),
}


@pytest.mark.parametrize("note", MALFORMED.values(), ids=MALFORMED)
def test_anything_but_the_one_form_is_malformed(note: bytes) -> None:
    with pytest.raises(Malformed):
        parse_note(note)
    with pytest.raises(Malformed):
        open_checkpoint(note, ORIGIN, LOG_PUBLIC)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\x7f\u2028", "a\u00a0b", "\x00", "a\ud800"])
def test_a_log_is_not_named_so_that_nobody_can_read_its_notes(origin: str) -> None:
    with pytest.raises(Malformed, match="an origin is"):
        sign(Checkpoint(origin, 0, EMPTY_ROOT), LOG_KEYS)


def test_every_spoilt_byte_of_a_note_is_refused_or_changes_nothing() -> None:
    for at in range(len(BODY) + 120):
        spoilt = NOTE[:at] + bytes([NOTE[at] ^ 1]) + NOTE[at + 1 :]
        with pytest.raises(LedgerError):
            open_checkpoint(spoilt, ORIGIN, LOG_PUBLIC)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 200), st.booleans())
def test_random_notes_end_in_our_own_errors(data: bytes, at: int, insert: bool) -> None:
    for note in (data, data + b"\n\n" + data, NOTE[:at] + data + NOTE[at + (0 if insert else len(data)) :]):
        try:
            point, text, _ = parse_note(note)
        except LedgerError as error:
            assert isinstance(error, Malformed)  # noqa: PT017
        else:
            assert note.startswith(text + b"\n")
            assert point.text() == text


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)


@settings(deadline=None, max_examples=60)
@given(names, st.integers(0, 10**16 - 1), st.binary(min_size=32, max_size=32))
def test_any_named_log_signs_what_it_can_open(origin: str, size: int, root: bytes) -> None:
    made = sign(Checkpoint(origin, size, root), LOG_KEYS[:1])
    assert open_checkpoint(made.note, origin, LOG_PUBLIC[:1]) == made


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_87])
def test_a_verifier_key_survives_its_text(algorithm: str) -> None:
    public = key(algorithm, "log").public
    text = verifier_key(ORIGIN, public)
    assert parse_verifier_key(text) == (ORIGIN, public)
    name, hashed, typed = text.split("+", 2)
    assert (name, hashed) == (ORIGIN, key_hash(ORIGIN, public).hex())
    assert base64.b64decode(typed).endswith(public.raw)


def test_a_verifier_key_with_anything_else_in_it_is_unusable() -> None:
    text = verifier_key(ORIGIN, LOG_PUBLIC[0])
    name, hashed, typed = text.split("+", 2)
    raw = base64.b64decode(typed)
    others = (b"\x02" + raw[1:], b"\xffelse" + raw[1:], raw + b"\0")
    for wrong in (
        "",
        name,
        f"{name}+{hashed}",
        f"{name}+{hashed}+",
        f"{name}+00000000+{typed}",
        f"{name}+{hashed.upper()}x+{typed}",
        f"other+{hashed}+{typed}",
        f"a b+{key_hash('a b', LOG_PUBLIC[0]).hex()}+{typed}",
        f"+{key_hash('', LOG_PUBLIC[0]).hex()}+{typed}",
        f"{name}+{hashed}+{typed[:-4]}",
        f"{name}+{hashed}+{typed}\n",
        f"{name}+{hashed}+{typed}=",
        f"{name}\ud800+{hashed}+{typed}",
        f"{name}++{typed}",
        f"{name}+{hashed}+{typed[:-1]}",
        f"{name}+{hashed}+é",
        *(f"{name}+{hashed}+{base64.b64encode(other).decode()}" for other in others),
    ):
        with pytest.raises(KeyUnusable):
            parse_verifier_key(wrong)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_random_verifier_keys_are_unusable(text: str) -> None:
    for wrong in (text, f"{text}+00000000+AQ==", f"log+{text}", verifier_key("log", LOG_PUBLIC[0]) + text):
        if wrong != verifier_key("log", LOG_PUBLIC[0]):
            with pytest.raises(KeyUnusable):
                parse_verifier_key(wrong)
