# SPDX-License-Identifier: Apache-2.0
"""Where things are in a pack, and the lines of its readable files.

data/controls/catalogue.json, mapping.json      controls in force, and which rule bears on which
data/entries/NNNNNN.bundle                      256 signed events, each as uint16 length || bytes (C2SP entry bundle)
data/entries/NNNNNN.jsonl                       a line on each of them: index, leaf hash, id, time, type, outcome, rules
data/facts/NNNNNN.jsonl                         facts of the decisions among them, with the salts of their commitments
data/keys/*.pem, history.jsonl                  public keys, and the entries by which keys came into use
data/policies/DIGEST/…                          every policy bundle that decided
data/scope.json, data/spec/VERIFY.md, data/statement.json
ledger/checkpoint                               the newest, and in checkpoints/ some before it
ledger/consistency.json                         proofs between these, each to the next
ledger/inclusion/NNNNNN.jsonl                   a proof for each signed event
ledger/leaves, range.json                       leaf hashes of the whole range, and the subtrees beside it
ledger/neighbours.json                          for a period: the entries just before and just after the range
signatures/statement.dsse.json

Chunk NNNNNN is of the included entries from number 256 * NNNNNN, counted within the pack.
"""

import base64
import binascii
import re

import msgspec

from evidence.documents import Document
from evidence.errors import PackMalformed
from ledger.canonical import encode
from ledger.event import DecisionRecorded, Event, KeyActivated
from ledger.tiles import WIDTH

MAPPING, CATALOGUE = "data/controls/mapping.json", "data/controls/catalogue.json"
KEYS, HISTORY = "data/keys/", "data/keys/history.jsonl"
POLICIES, SPEC = "data/policies/", "data/spec/VERIFY.md"
CHECKPOINT, CONSISTENCY = "ledger/checkpoint", "ledger/consistency.json"
LEAVES, RANGE, NEIGHBOURS = "ledger/leaves", "ledger/range.json", "ledger/neighbours.json"
MOST_CHECKPOINTS = 16

_LINES = msgspec.json.Encoder(order="sorted")
_KNOWN = re.compile(
    r"bagit\.txt|bag-info\.txt|(tag)?manifest-sha(256|512)\.txt"
    r"|data/controls/(catalogue|mapping)\.json"
    r"|data/entries/\d{6}\.(bundle|jsonl)|data/facts/\d{6}\.jsonl"
    r"|data/keys/((event|log|pack)-[0-9a-f]{64}\.pem|history\.jsonl)"
    r"|data/policies/[0-9a-f]{64}/.+"
    r"|data/(scope|statement)\.json|data/spec/VERIFY\.md"
    r"|ledger/(checkpoint|leaves|(consistency|range|neighbours)\.json)"
    r"|ledger/checkpoints/\d{3}|ledger/inclusion/\d{6}\.jsonl"
    r"|signatures/statement\.dsse\.json"
    r"|(anchors|renewals)/.+",
    re.ASCII,
)


class Span(Document, frozen=True, kw_only=True):
    """ledger/range.json: roots of the subtrees left and right of the range, from left to right, in base64."""

    left: tuple[str, ...]
    right: tuple[str, ...]


class Neighbour(Document, frozen=True, kw_only=True):
    """An entry beside the range and its inclusion proof, in base64."""

    entry: str
    path: tuple[str, ...]


class Neighbours(Document, frozen=True, kw_only=True):
    """ledger/neighbours.json: the entries `first` - 1 and `last`, where there are such."""

    before: Neighbour | None = None
    after: Neighbour | None = None


class Proof(Document, frozen=True, kw_only=True):
    """One consistency proof, in base64."""

    first: int
    second: int
    path: tuple[str, ...]


class Consistency(Document, frozen=True, kw_only=True):
    """ledger/consistency.json."""

    proofs: tuple[Proof, ...]


def is_known(name: str) -> bool:
    """Return whether a file of this name belongs in a pack; anchors and renewals may be added to it later."""
    return _KNOWN.fullmatch(name) is not None


def chunks(included: int) -> int:
    """Return how many chunks there are for a number of included entries."""
    return -(-included // WIDTH)


def bundle(number: int) -> str:
    """Return the name of a bundle of signed events."""
    return f"data/entries/{number:06d}.bundle"


def index(number: int) -> str:
    """Return the name of the lines on a bundle's events."""
    return f"data/entries/{number:06d}.jsonl"


def facts(number: int) -> str:
    """Return the name of the facts of a bundle's decisions."""
    return f"data/facts/{number:06d}.jsonl"


def inclusion(number: int) -> str:
    """Return the name of the inclusion proofs of a bundle's events."""
    return f"ledger/inclusion/{number:06d}.jsonl"


def checkpoint(number: int) -> str:
    """Return the name of one of the checkpoints of the range."""
    return f"ledger/checkpoints/{number:03d}"


def index_line(at: int, leaf: bytes, event: Event) -> bytes:
    """Return the readable line on an included entry."""
    body, parts = event.body, {"id": event.id, "index": at, "leaf": leaf.hex(), "time": event.time, "type": event.type}
    if isinstance(body, DecisionRecorded):
        parts |= {"outcome": body.outcome, "rules": body.evaluated}
    # Texts and whole numbers only: sorted, this is the JSON of RFC 8785.
    return _LINES.encode(parts) + b"\n"


def history_line(at: int, body: KeyActivated) -> bytes:
    """Return the line on an entry by which a key came into use."""
    return encode({"index": at, "use": body.use, "algorithm": body.algorithm, "key_id": body.key_id}) + b"\n"


_FACTS_HEAD = b'{"facts":'
_FACTS_TAIL = re.compile(rb',"index":(0|[1-9][0-9]{0,15}),"salt":"([0-9a-f]{64})"\}')
_TAIL_MOST = 112


def facts_line(at: int, salt: bytes, text: bytes) -> bytes:
    """Return the line on a decision's facts: canonical JSON that holds the exact canonical JSON `text`."""
    return b'%s%s,"index":%d,"salt":"%s"}\n' % (_FACTS_HEAD, text, at, salt.hex().encode())


def parse_facts_line(line: bytes, where: str) -> tuple[int, bytes, bytes]:
    """Return index, salt and the facts' exact text; raises PackMalformed."""
    tail = line.rfind(b',"index":', max(0, len(line) - _TAIL_MOST))
    found = _FACTS_TAIL.fullmatch(line, tail) if tail >= 0 and line.startswith(_FACTS_HEAD) else None
    if found is None:
        raise PackMalformed("not a line of facts, index and salt", where=where)
    return int(found[1]), bytes.fromhex(found[2].decode()), line[len(_FACTS_HEAD) : tail]


def to_base64(hashes: list[bytes]) -> tuple[str, ...]:
    """Return values in base64."""
    return tuple(base64.b64encode(value).decode() for value in hashes)


def from_base64(texts: tuple[str, ...], where: str) -> list[bytes]:
    """Return the values of base64 texts; raises PackMalformed unless each is the one base64 form of its bytes."""
    try:
        values = [base64.b64decode(text, validate=True) for text in texts]
    except (binascii.Error, ValueError):
        raise PackMalformed("not base64", where=where) from None
    if to_base64(values) != texts:
        raise PackMalformed("not the one base64 form of its bytes", where=where)
    return values


_INCLUSION = re.compile(rb'\{"index":(0|[1-9][0-9]{0,15}),"path":\[((?:"[A-Za-z0-9+/]{43}="(?:,(?="))?){0,64})\]\}')


def inclusion_line(at: int, path: list[bytes]) -> bytes:
    """Return the line on an inclusion proof, leaf end first."""
    return b'{"index":%d,"path":[%s]}\n' % (at, b",".join(b'"%s"' % base64.b64encode(value) for value in path))


def parse_inclusion_line(line: bytes, where: str, known: dict[bytes, bytes]) -> tuple[int, list[bytes]]:
    """Return index and path of an inclusion proof; raises PackMalformed unless the line is the one form of it.

    `known` remembers what base64 texts stand for: neighbours share most of their paths.
    """
    found = _INCLUSION.fullmatch(line)
    if found is None:
        raise PackMalformed("not a line of index and path", where=where)
    path: list[bytes] = []
    for text in found[2].split(b",") if found[2] else ():
        value = known.get(text)
        if value is None:
            value = binascii.a2b_base64(text[1:-1])
            if binascii.b2a_base64(value, newline=False) != text[1:-1]:
                raise PackMalformed("not the one base64 form of its bytes", where=where)
            known[text] = value
        path.append(value)
    return int(found[1]), path
