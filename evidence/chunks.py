# SPDX-License-Identifier: Apache-2.0
"""What a pack holds in chunks of 256: entries, their inclusion proofs and their facts, looked at once, side by side.

A chunk is checked by itself, under the numbers of evidence/verify.py: the entries at once (6), and what of the proofs
(7) and the facts (10) is not true is kept for its step. What a chunk showed is a few kilobytes, whatever its size.
"""

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence import layout
from evidence.archive import PackFiles
from evidence.documents import lines, read_json
from evidence.errors import EvidenceError, PackMalformed, PackUntrue, about
from evidence.scope import Scope, is_time
from evidence.trust import Trust
from ledger import envelope
from ledger import event as events
from ledger.checkpoint import Checkpoint
from ledger.commitment import Disclosure
from ledger.errors import SignatureInvalid
from ledger.keys import Verifier
from ledger.proof import InclusionChecker
from ledger.tiles import WIDTH, decode_bundle
from ledger.tree import leaf_hash

_INDEX = re.compile(rb'"index":(0|[1-9][0-9]{0,15}),')


@dataclass(slots=True)
class Shown:
    """What the entries of a chunk showed, and what its proofs and facts did not."""

    indexes: "array[int]" = field(default_factory=lambda: array("Q"))
    leaves: bytearray = field(default_factory=bytearray)
    """Leaf hashes, one behind the other."""
    decided: int = 0
    allowed: int = 0
    policies: dict[str, int] = field(default_factory=dict)
    """Digest of each bundle that decided, with the first entry."""
    decisions: dict[tuple[object, ...], tuple[int, events.DecisionRecorded]] = field(default_factory=dict)
    """One decision, with its entry, for each set of rules and controls that any decision names."""
    history: list[bytes] = field(default_factory=list)
    signed_by: set[bytes] = field(default_factory=set)
    untrue_proof: EvidenceError | None = None
    untrue_facts: EvidenceError | None = None

    def add(self, other: "Shown") -> None:
        """Add what a later chunk showed."""
        self.indexes += other.indexes
        self.leaves += other.leaves
        self.decided += other.decided
        self.allowed += other.allowed
        self.policies = other.policies | self.policies
        self.decisions = other.decisions | self.decisions
        self.history += other.history
        self.signed_by |= other.signed_by
        self.untrue_proof = self.untrue_proof or other.untrue_proof
        self.untrue_facts = self.untrue_facts or other.untrue_facts


class _Entry(NamedTuple):
    at: int
    leaf: bytes
    key_id: bytes
    event: events.Event


@dataclass(frozen=True, slots=True)
class ChunkChecker:
    """Checks chunks of one pack."""

    files: PackFiles
    scope: Scope
    trust: Trust
    checkpoint: Checkpoint
    verifier: Verifier

    def __call__(self, number: int) -> Shown:
        """Return what a chunk shows; raises PackMalformed or PackUntrue for the first entry that is not right."""
        shown, entries = Shown(), self._entries(number)
        for entry in entries:
            self._note(entry, shown)
        shown.untrue_proof = _untrue(lambda: self._inclusion(number, entries))
        if self.scope.facts:
            shown.untrue_facts = _untrue(lambda: self._facts(number, entries))
        return shown

    # 6. Entries

    def _entries(self, number: int) -> list[_Entry]:
        name, count = layout.bundle(number), min(WIDTH, self.scope.counts.included - number * WIDTH)
        with about(name):
            bundle = decode_bundle(self.files.read(name))
        listed = lines(self.files.read(layout.index(number)), layout.index(number))
        if len(bundle) != count or len(listed) != count:
            raise PackUntrue(f"{len(bundle)} entries and {len(listed)} lines on them, want {count} of each", where=name)
        indexes = [_index(line, layout.index(number)) for line in listed]
        envelopes: list[envelope.Envelope] = []
        for index, entry in zip(indexes, bundle, strict=True):
            with about(f"entry {index}"):
                envelopes.append(envelope.parse(entry))
        keys = {key.key_id: key for key in self.trust.event_keys}
        try:
            envelope.verify_all(envelopes, keys, self.verifier)
        except SignatureInvalid as error:
            raise PackUntrue(str(error), where=f"entry {indexes[error.place]}") from None
        entries: list[_Entry] = []
        for index, entry, parts, line in zip(indexes, bundle, envelopes, listed, strict=True):
            with about(f"entry {index}"):
                entries.append(_Entry(index, leaf_hash(entry), parts.key_id, events.decode(parts.payload)))
            self._entry(entries[-1], line, entries[-2].at if len(entries) > 1 else -1)
        return entries

    def _entry(self, entry: _Entry, line: bytes, last: int) -> None:
        index, leaf, _, event = entry
        where, scope = f"entry {index}", self.scope
        if not scope.first <= index < scope.last:
            raise PackUntrue(f"is outside the range [{scope.first},{scope.last})", where=where)
        if index <= last:
            raise PackUntrue(f"comes after entry {last}", where=where)
        if event.origin != self.trust.origin:
            raise PackUntrue(f"is an event of log {event.origin!r}, want {self.trust.origin!r}", where=where)
        if layout.index_line(index, leaf, event) != line + b"\n":
            raise PackUntrue("the readable line on it does not say what the event says", where=where)
        if scope.controls and not isinstance(event.body, events.DecisionRecorded | events.KeyActivated):
            raise PackUntrue("is neither a decision nor a key, so no control asks for it", where=where)
        if scope.period is not None:
            time = timed(event, where)
            if index == scope.first and time < scope.period.begin:
                raise PackUntrue(f"is of {time}, before the period that it is to begin", where=where)
            if index == scope.last - 1 and time >= scope.period.end:
                raise PackUntrue(f"is of {time}, after the period that it is to end", where=where)

    def _note(self, entry: _Entry, shown: Shown) -> None:
        index, leaf, key_id, event = entry
        body = event.body
        shown.signed_by.add(key_id)
        shown.indexes.append(index)
        shown.leaves += leaf
        if isinstance(body, events.KeyActivated):
            shown.history.append(layout.history_line(index, body))
        elif isinstance(body, events.DecisionRecorded):
            shown.decided += 1
            shown.allowed += body.outcome == "allow"
            shown.policies.setdefault(body.policy, index)
            named = (body.evaluated, *((reason.rule, reason.controls) for reason in body.reasons))
            shown.decisions.setdefault(named, (index, body))

    # 7. Inclusion

    def _inclusion(self, number: int, entries: list[_Entry]) -> None:
        name = layout.inclusion(number)
        proofs = lines(self.files.read(name), name)
        if len(proofs) != len(entries):
            raise PackUntrue(f"{len(proofs)} proofs, want {len(entries)}", where=name)
        checker = InclusionChecker(self.checkpoint.size, self.checkpoint.root)
        known: dict[bytes, bytes] = {}
        for line, (index, leaf, *_) in zip(proofs, entries, strict=True):
            at, path = layout.parse_inclusion_line(line, name, known)
            if at != index:
                raise PackUntrue(f"has the proof of entry {at} in its place", where=f"entry {index}")
            with about(f"entry {index}"):
                checker.check(index, leaf, path)

    # 10. Facts

    def _facts(self, number: int, entries: list[_Entry]) -> None:
        name, last = layout.facts(number), -1
        commitments = {
            entry.at: entry.event.body.facts_commitment
            for entry in entries
            if isinstance(entry.event.body, events.DecisionRecorded)
        }
        for line in lines(self.files.read(name), name):
            index, salt, text = layout.parse_facts_line(line, name)
            where = f"facts of entry {index}"
            if index <= last or index not in commitments:
                raise PackUntrue(f"are not of a decision that has its place in {name}", where=where)
            with about(where):
                Disclosure(salt, text).verify(commitments[index])
            read_json(text, where)
            last = index


def timed(event: events.Event, where: str) -> str:
    """Return an event's time; raises PackMalformed unless it can be compared with others."""
    if not is_time(event.time):
        raise PackMalformed("its time is not RFC 3339 in UTC with microseconds", where=where)
    return event.time


def _index(line: bytes, where: str) -> int:
    found = _INDEX.search(line)
    if found is None:
        raise PackMalformed("a line without an index", where=where)
    return int(found[1])


def _untrue(check: Callable[[], None]) -> EvidenceError | None:
    try:
        check()
    except EvidenceError as error:
        return error
    return None
