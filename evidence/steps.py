# SPDX-License-Identifier: Apache-2.0
"""The steps of verification, under the numbers of evidence/verify.py; each relies on those before it."""

from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from evidence import bag, layout, statement
from evidence.archive import PackFiles
from evidence.bag import Digest
from evidence.documents import lines, read, read_json
from evidence.errors import EvidenceError, PackMalformed, PackUntrue, about
from evidence.names import PAYLOAD
from evidence.policy import policy_digest
from evidence.rules import bears_on, check_mapped, rule_controls
from evidence.scope import NAME as SCOPE
from evidence.scope import is_time, parse_scope
from evidence.span import LeafRange
from evidence.trust import Trust
from ledger import envelope
from ledger import event as events
from ledger.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.commitment import Disclosure
from ledger.keys import PublicKey
from ledger.proof import verify_consistency, verify_inclusion
from ledger.tiles import WIDTH, decode_bundle
from ledger.tree import HASH_SIZE, leaf_hash

_MAX_LINE = 2**20


class _Listed:
    """Files that were compared with the manifests: reading one again gives the same bytes or an error."""

    def __init__(self, files: PackFiles, digests: Mapping[str, Digest]) -> None:
        self._files, self._digests = files, digests

    def names(self) -> list[str]:
        return list(self._digests)

    def size(self, name: str) -> int:
        return self._digest(name).size

    def read(self, name: str) -> bytes:
        digest, content = self._digest(name), self._files.read(name)
        if sha256(content).hexdigest() != digest.sha256:
            raise PackUntrue("was changed while the pack was being read", where=name)
        return content

    def _digest(self, name: str) -> Digest:
        try:
            return self._digests[name]
        except KeyError:
            raise PackMalformed("is missing from the pack", where=name) from None


@dataclass
class Verification:
    """What the steps have shown so far. Each raises PackMalformed or PackUntrue, or shows what it must."""

    files: PackFiles
    trust: Trust
    indexes: "array[int]" = field(default_factory=lambda: array("Q"))

    # 2. Bag

    def bag(self) -> None:
        """Compare every file with the manifests."""
        self.digests, self._identifier = bag.check(self.files)
        self.files = _Listed(self.files, self.digests)
        for name in self.digests:
            if not layout.is_known(name):
                raise PackMalformed("no file of this name belongs in a pack", where=name)

    # 3. Checkpoint

    def newest(self) -> None:
        """Verify the newest checkpoint."""
        self._note = self.files.read(layout.CHECKPOINT)
        self.checkpoint = self._open(self._note, layout.CHECKPOINT).checkpoint

    def _open(self, note: bytes, where: str) -> SignedCheckpoint:
        with about(where):
            return open_checkpoint(note, self.trust.origin, self.trust.log_keys)

    # 4. Statement

    def statement(self) -> None:
        """Verify the statement and what it is about."""
        stated = self.files.read(statement.NAME)
        opened = statement.open_statement(self.files.read(statement.DSSE_NAME), stated, self.trust.pack_keys)
        payload = {n: d for n, d in self.digests.items() if n.startswith(PAYLOAD) and n != statement.NAME}
        statement.check_subjects(opened, payload)
        said, is_ = opened.predicate, self.checkpoint
        if said.origin != is_.origin:
            raise PackUntrue(f"is about log {said.origin!r}, want {is_.origin!r}", where=statement.NAME)
        if (said.size, said.root) != (is_.size, is_.root.hex()):
            raise PackUntrue(
                f"is about the tree of size {said.size} and root {said.root}, "
                f"but {layout.CHECKPOINT} has size {is_.size} and root {is_.root.hex()}",
                where=statement.NAME,
            )
        self._range = said.first, said.last

    # 5. Scope

    def bounds(self) -> None:
        """Compare the scope with log, range and tree, and the files with the scope."""
        self.scope = scope = parse_scope(self.files.read(SCOPE))
        if scope.origin != self.trust.origin:
            raise PackUntrue(f"is of log {scope.origin!r}, want {self.trust.origin!r}", where=SCOPE)
        if (scope.first, scope.last) != self._range:
            raise PackUntrue(f"is of another range than {statement.NAME} says", where=SCOPE)
        if scope.last > self.checkpoint.size:
            raise PackUntrue(f"ends at {scope.last} in a tree of {self.checkpoint.size} entries", where=SCOPE)
        if self._identifier != scope.identifier():
            raise PackUntrue(f"names {self._identifier!r}, want {scope.identifier()!r}", where=bag.INFO)
        names = [layout.RANGE, layout.LEAVES, *([layout.NEIGHBOURS] if scope.period else [])]
        if layout.chunks(scope.counts.included) > len(self.digests):
            raise PackUntrue(f"counts {scope.counts.included} included entries, far more than there are", where=SCOPE)
        for kind in (layout.bundle, layout.index, layout.inclusion, *([layout.facts] if scope.facts else [])):
            names += map(kind, range(layout.chunks(scope.counts.included)))
        chunked = ("data/entries/", "data/facts/", "ledger/inclusion/", layout.NEIGHBOURS)
        for name in sorted(names):
            self.files.size(name)
        for name in sorted({name for name in self.digests if name.startswith(chunked)} - set(names)):
            raise PackUntrue("is in the pack although the scope does not ask for it", where=name)
        if self.files.size(layout.LEAVES) != HASH_SIZE * scope.counts.entries:
            raise PackUntrue(
                f"{self.files.size(layout.LEAVES)} bytes, want {HASH_SIZE} for each of {scope.counts.entries} entries",
                where=layout.LEAVES,
            )

    # 6. Entries

    def entries(self, threads: int) -> None:
        """Verify every included entry."""
        trusted = {key.key_id: key for key in self.trust.event_keys}
        self.leaves = list[bytes]()
        self._commitments = dict[int, str]()
        self._decisions = dict[tuple[object, ...], tuple[int, events.DecisionRecorded]]()
        self._policies = dict[str, int]()
        self._history: list[bytes] = []
        self._signed_by = set[bytes]()
        self._outcomes = {"allow": 0, "deny": 0}
        with ThreadPoolExecutor(threads) as pool:
            run = pool.map if threads > 1 else map
            for number in range(layout.chunks(self.scope.counts.included)):
                name = layout.bundle(number)
                with about(name):
                    bundle = decode_bundle(self.files.read(name))
                listed = lines(self.files.read(layout.index(number)), layout.index(number))
                if len(bundle) != min(WIDTH, self.scope.counts.included - number * WIDTH) or len(listed) != len(bundle):
                    raise PackUntrue(f"{len(bundle)} entries and {len(listed)} lines on them, want another", where=name)
                indexes = [self._index(line, layout.index(number)) for line in listed]
                opened = run(partial(_open_entry, trusted), bundle, indexes)
                for line, index, entry, event in zip(listed, indexes, bundle, opened, strict=True):
                    self._entry(index, entry, event, line)

    def _index(self, line: bytes, where: str) -> int:
        value = read_json(line, where, max_bytes=_MAX_LINE)
        index = value.get("index") if isinstance(value, dict) else None
        if not isinstance(index, int) or isinstance(index, bool):
            raise PackMalformed("a line without an index", where=where)
        if not self.scope.first <= index < self.scope.last:
            raise PackUntrue(f"is outside the range [{self.scope.first},{self.scope.last})", where=f"entry {index}")
        return index

    def _entry(self, index: int, entry: bytes, event: events.Event, line: bytes) -> None:
        where, body, scope = f"entry {index}", event.body, self.scope
        if self.indexes and index <= self.indexes[-1]:
            raise PackUntrue(f"comes after entry {self.indexes[-1]}", where=where)
        if event.origin != self.trust.origin:
            raise PackUntrue(f"is an event of log {event.origin!r}, want {self.trust.origin!r}", where=where)
        leaf = leaf_hash(entry)
        if layout.index_line(index, leaf, event) != line + b"\n":
            raise PackUntrue("the readable line on it does not say what the event says", where=where)
        if scope.period is not None:
            _timed(event, where)
            if index == scope.first and event.time < scope.period.begin:
                raise PackUntrue(f"is of {event.time}, before the period that it is to begin", where=where)
            if index == scope.last - 1 and event.time >= scope.period.end:
                raise PackUntrue(f"is of {event.time}, after the period that it is to end", where=where)
        self.indexes.append(index)
        self.leaves.append(leaf)
        self._signed_by.add(envelope.parse(entry).key_id)
        if isinstance(body, events.KeyActivated):
            self._history.append(layout.history_line(index, body))
        if isinstance(body, events.DecisionRecorded):
            self._commitments[index] = body.facts_commitment
            self._outcomes[body.outcome] += 1
            self._policies.setdefault(body.policy, index)
            named = (body.evaluated, *((reason.rule, reason.controls) for reason in body.reasons))
            self._decisions.setdefault(named, (index, body))
        elif scope.controls and not isinstance(body, events.KeyActivated):
            raise PackUntrue("is neither a decision nor a key, so no control asks for it", where=where)

    # 7. Inclusion

    def inclusion(self) -> None:
        """Verify every inclusion proof."""
        size, root = self.checkpoint.size, self.checkpoint.root
        for number in range(layout.chunks(len(self.indexes))):
            name = layout.inclusion(number)
            proofs = lines(self.files.read(name), name)
            begin, end = number * WIDTH, min((number + 1) * WIDTH, len(self.indexes))
            if len(proofs) != end - begin:
                raise PackUntrue(f"{len(proofs)} proofs, want {end - begin}", where=name)
            for line, index, leaf in zip(proofs, self.indexes[begin:end], self.leaves[begin:end], strict=True):
                proof = read(line, layout.Inclusion, name, max_bytes=_MAX_LINE)
                if proof.index != index:
                    raise PackUntrue(f"has the proof of entry {proof.index} in its place", where=f"entry {index}")
                with about(f"entry {index}"):
                    verify_inclusion(index, size, leaf, layout.from_base64(proof.path, name), root)

    # 8. Completeness

    def completeness(self) -> None:
        """Lead every leaf of the range to the root, and count."""
        scope, size = self.scope, self.checkpoint.size
        raw = self.files.read(layout.LEAVES)
        leaves = [raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)]
        for index, leaf in zip(self.indexes, self.leaves, strict=True):
            if leaves[index - scope.first] != leaf:
                raise PackUntrue(f"is not the entry of its leaf hash in {layout.LEAVES}", where=f"entry {index}")
        span = read(self.files.read(layout.RANGE), layout.Span, layout.RANGE)
        left, right = (layout.from_base64(side, layout.RANGE) for side in (span.left, span.right))
        try:
            self._span = LeafRange(size, scope.first, leaves, left, right)
        except EvidenceError as error:
            raise type(error)(error.message, where=layout.RANGE) from None
        if leaves and (root := self._span.root()) != self.checkpoint.root:
            raise PackUntrue(
                f"the leaves of the range lead to root {root.hex()}, want {self.checkpoint.root.hex()}: an entry is "
                "missing, added or another",
                where=layout.LEAVES,
            )
        counts = scope.counts
        came_out = (len(self.indexes), len(self._commitments), self._outcomes["allow"], self._outcomes["deny"])
        if came_out != (counts.included, counts.decisions, counts.allowed, counts.denied):
            raise PackUntrue(
                f"counts {counts.included} entries, {counts.decisions} decisions, {counts.allowed} allowed and "
                f"{counts.denied} denied; the pack has {came_out[0]}, {came_out[1]}, {came_out[2]} and {came_out[3]}",
                where=SCOPE,
            )
        if scope.period is not None:
            beside = read(self.files.read(layout.NEIGHBOURS), layout.Neighbours, layout.NEIGHBOURS)
            before = self._neighbour(scope.first - 1, beside.before)
            after = self._neighbour(scope.last, beside.after)
            if before is not None and before >= scope.period.begin:
                raise PackUntrue(f"is of {before}, in the period and left out", where=f"entry {scope.first - 1}")
            if after is not None and after < scope.period.end:
                raise PackUntrue(f"is of {after}, in the period and left out", where=f"entry {scope.last}")

    def _neighbour(self, index: int, neighbour: layout.Neighbour | None) -> str | None:
        """Return the time of the entry beside the range, or None where the log begins or ends there."""
        if (neighbour is not None) != (0 <= index < self.checkpoint.size):
            raise PackUntrue(f"entry {index} is missing or is not beside the range", where=layout.NEIGHBOURS)
        if neighbour is None:
            return None
        (entry,) = layout.from_base64((neighbour.entry,), layout.NEIGHBOURS)
        path = layout.from_base64(neighbour.path, layout.NEIGHBOURS)
        event = _open_entry({key.key_id: key for key in self.trust.event_keys}, entry, index)
        with about(f"entry {index}"):
            verify_inclusion(index, self.checkpoint.size, leaf_hash(entry), path, self.checkpoint.root)
        if event.origin != self.trust.origin:
            raise PackUntrue(f"is an event of log {event.origin!r}", where=f"entry {index}")
        return _timed(event, f"entry {index}")

    # 9. Consistency

    def consistency(self, known: Checkpoint | None) -> None:
        """Verify that each checkpoint continues the one before, and the newest the known one."""
        proofs = read(self.files.read(layout.CONSISTENCY), layout.Consistency, layout.CONSISTENCY).proofs
        names = sorted(name for name in self.digests if name.startswith("ledger/checkpoints/"))
        if names != [layout.checkpoint(number) for number in range(len(proofs) + 1)]:
            raise PackUntrue(
                f"{len(names)} checkpoints and {len(proofs)} proofs between them", where=layout.CONSISTENCY
            )
        opened = [self._open(self.files.read(name), name).checkpoint for name in names]
        if self.files.read(names[-1]) != self._note:
            raise PackUntrue(f"is not {layout.CHECKPOINT}, the newest", where=names[-1])
        for name, first, second, proof in zip(names[1:], opened, opened[1:], proofs, strict=False):
            if first.size >= second.size:
                raise PackUntrue(f"has size {second.size} and follows one of size {first.size}", where=name)
            if (proof.first, proof.second) != (first.size, second.size):
                raise PackUntrue(f"has no proof from {first.size} to {second.size}", where=layout.CONSISTENCY)
            path = layout.from_base64(proof.path, layout.CONSISTENCY)
            with about(name):
                verify_consistency(first.size, second.size, first.root, second.root, path)
        if known is not None:
            self._continues(known, opened)

    def _continues(self, known: Checkpoint, shown: Sequence[Checkpoint]) -> None:
        roots = {checkpoint.size: checkpoint.root for checkpoint in shown}
        if self.scope.first < self.scope.last and self.scope.first <= known.size <= self.scope.last:
            roots.setdefault(known.size, self._span.root_at(known.size))
        where = layout.CHECKPOINT
        if known.origin != self.checkpoint.origin:
            raise PackUntrue(f"the checkpoint known before is of log {known.origin!r}", where=where)
        if known.size > self.checkpoint.size:
            raise PackUntrue(
                f"has size {self.checkpoint.size}, but this log had {known.size} entries before: it was rolled back, "
                "or the pack is older than what is known",
                where=where,
            )
        if known.size and known.size not in roots:
            raise PackUntrue(f"the pack does not show how it continues the known size {known.size}", where=where)
        if known.size and roots[known.size] != known.root:
            raise PackUntrue(
                f"at size {known.size} this log had root {known.root.hex()}, in this pack it has "
                f"{roots[known.size].hex()}: the log was forked",
                where=where,
            )

    # 10. Facts

    def facts(self) -> None:
        """Compare disclosed facts with their commitments."""
        for number in range(layout.chunks(len(self.indexes)) if self.scope.facts else 0):
            name, last = layout.facts(number), -1
            begin, end = self.indexes[number * WIDTH], self.indexes[min((number + 1) * WIDTH, len(self.indexes)) - 1]
            for line in lines(self.files.read(name), name):
                index, salt, text = layout.parse_facts_line(line, name)
                where = f"facts of entry {index}"
                if not begin <= index <= end or index <= last or index not in self._commitments:
                    raise PackUntrue(f"are not of a decision that has its place in {name}", where=where)
                with about(where):
                    Disclosure(salt, text).verify(self._commitments[index])
                read_json(text, where)
                last = index

    # 11. Policies

    def policies(self) -> None:
        """Compare policy bundles with their digests."""
        prefixes = {name.split("/")[2] for name in self.digests if name.startswith(layout.POLICIES)}
        for digest, index in self._policies.items():
            if digest not in prefixes:
                raise PackUntrue(f"was decided by policy {digest}, which is not in the pack", where=f"entry {index}")
        for digest in sorted(prefixes):
            where = f"{layout.POLICIES}{digest}"
            if digest not in self._policies:
                raise PackUntrue("decided nothing in this pack", where=where)
            got = policy_digest(files_below(self.files, f"{where}/"))
            if got != digest:
                raise PackUntrue(f"its files have digest {got}", where=where)

    # 12. Controls

    def controls(self) -> None:
        """Compare decisions with the mapping, and the filter with the decisions."""
        rules = rule_controls(read_json(self.files.read(layout.MAPPING), layout.MAPPING))
        read_json(self.files.read(layout.CATALOGUE), layout.CATALOGUE)
        wanted = frozenset(self.scope.controls)
        for index, decision in self._decisions.values():
            check_mapped(decision, rules, f"entry {index}")
            if wanted and not bears_on(decision, wanted, rules):
                raise PackUntrue("bears on none of the controls that the pack was asked for", where=f"entry {index}")

    # 13. Keys

    def keys(self) -> None:
        """Compare the keys with the trusted ones."""
        trusted, used = self.trust.keys(), {f"event-{key_id.hex()}.pem" for key_id in self._signed_by}
        packed = {name.removeprefix(layout.KEYS) for name in self.digests if name.startswith(layout.KEYS)}
        packed.discard("history.jsonl")
        for name in sorted(packed):
            if trusted.get(name) != self.files.read(f"{layout.KEYS}{name}"):
                raise PackUntrue("is not a key that is trusted for this use", where=f"{layout.KEYS}{name}")
        needed = {name for name in trusted if not name.startswith("event-")} | used
        for name in sorted(needed - packed):
            raise PackUntrue("this trusted key signed here and is not in the pack", where=f"{layout.KEYS}{name}")
        if self.files.read(layout.HISTORY) != b"".join(self._history):
            raise PackUntrue("does not list the entries by which keys came into use", where=layout.HISTORY)


def _open_entry(keys: Mapping[bytes, PublicKey], entry: bytes, index: int) -> events.Event:
    with about(f"entry {index}"):
        return events.decode(envelope.open_entry(entry, keys))


def _timed(event: events.Event, where: str) -> str:
    if not is_time(event.time):
        raise PackMalformed("its time is not RFC 3339 in UTC with microseconds", where=where)
    return event.time


def files_below(files: PackFiles, folder: str) -> dict[str, bytes]:
    """Return the files below a folder, by their names within it."""
    return {name[len(folder) :]: files.read(name) for name in files.names() if name.startswith(folder)}
