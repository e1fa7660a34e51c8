# SPDX-License-Identifier: Apache-2.0
"""The steps of verification, under the numbers of evidence/verify.py; each relies on those before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from evidence import bag, layout, statement
from evidence.archive import PackFiles
from evidence.bag import Digest
from evidence.chunks import ChunkChecker, Shown, timed
from evidence.documents import read, read_json
from evidence.errors import EvidenceError, PackMalformed, PackUntrue, about
from evidence.names import PAYLOAD
from evidence.policy import policy_digest
from evidence.rules import bears_on, check_mapped, rule_controls
from evidence.scope import NAME as SCOPE
from evidence.scope import parse_scope
from evidence.span import LeafRange
from evidence.trust import Trust
from evidence.workers import each
from ledger import envelope
from ledger import event as events
from ledger.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.keys import Verifier
from ledger.proof import verify_consistency, verify_inclusion
from ledger.tree import HASH_SIZE, leaf_hash

Progress = Callable[[str, int, int], None]
"""Told what is being done, how far it is and of how many."""


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

    def indexes(self) -> Sequence[int]:
        """Return the indexes of the entries that the pack includes, in order."""
        return self._shown.indexes

    # 2. Bag

    def bag(self, threads: int) -> None:
        """Compare every file with the manifests."""
        self.digests, self._identifier = bag.check(self.files, threads)
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

    def entries(self, verifier: Verifier, processes: int, progress: Progress) -> None:
        """Verify every included entry; proofs and facts are looked at on the way, for the steps below."""
        included = self.scope.counts.included
        checker = ChunkChecker(self.files, self.scope, self.trust, self.checkpoint, verifier)
        self._shown = shown = Shown()
        for chunk in each(checker, layout.chunks(included), processes):
            if shown.indexes and chunk.indexes[0] <= shown.indexes[-1]:
                raise PackUntrue(f"comes after entry {shown.indexes[-1]}", where=f"entry {chunk.indexes[0]}")
            shown.add(chunk)
            progress("verifying entries", len(shown.indexes), included)

    # 7. Inclusion

    def inclusion(self) -> None:
        """Verify every inclusion proof."""
        if self._shown.untrue_proof is not None:
            raise self._shown.untrue_proof

    # 8. Completeness

    def completeness(self) -> None:
        """Lead every leaf of the range to the root, and count."""
        scope, size = self.scope, self.checkpoint.size
        raw = self.files.read(layout.LEAVES)
        leaves = [raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)]
        for place, index in enumerate(self._shown.indexes):
            if leaves[index - scope.first] != self._shown.leaves[place * HASH_SIZE : (place + 1) * HASH_SIZE]:
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
        counts, shown = scope.counts, self._shown
        came_out = (len(shown.indexes), shown.decided, shown.allowed, shown.decided - shown.allowed)
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
        with about(f"entry {index}"):
            event = events.decode(envelope.open_entry(entry, {key.key_id: key for key in self.trust.event_keys}))
            verify_inclusion(index, self.checkpoint.size, leaf_hash(entry), path, self.checkpoint.root)
        if event.origin != self.trust.origin:
            raise PackUntrue(f"is an event of log {event.origin!r}", where=f"entry {index}")
        return timed(event, f"entry {index}")

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
        if self._shown.untrue_facts is not None:
            raise self._shown.untrue_facts

    # 11. Policies

    def policies(self) -> None:
        """Compare policy bundles with their digests."""
        prefixes = {name.split("/")[2] for name in self.digests if name.startswith(layout.POLICIES)}
        for digest, index in self._shown.policies.items():
            if digest not in prefixes:
                raise PackUntrue(f"was decided by policy {digest}, which is not in the pack", where=f"entry {index}")
        for digest in sorted(prefixes):
            where = f"{layout.POLICIES}{digest}"
            if digest not in self._shown.policies:
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
        for index, decision in self._shown.decisions.values():
            check_mapped(decision, rules, f"entry {index}")
            if wanted and not bears_on(decision, wanted, rules):
                raise PackUntrue("bears on none of the controls that the pack was asked for", where=f"entry {index}")

    # 13. Keys

    def keys(self) -> None:
        """Compare the keys with the trusted ones."""
        trusted, used = self.trust.keys(), {f"event-{key_id.hex()}.pem" for key_id in self._shown.signed_by}
        packed = {name.removeprefix(layout.KEYS) for name in self.digests if name.startswith(layout.KEYS)}
        packed.discard("history.jsonl")
        for name in sorted(packed):
            if trusted.get(name) != self.files.read(f"{layout.KEYS}{name}"):
                raise PackUntrue("is not a key that is trusted for this use", where=f"{layout.KEYS}{name}")
        needed = {name for name in trusted if not name.startswith("event-")} | used
        for name in sorted(needed - packed):
            raise PackUntrue("this trusted key signed here and is not in the pack", where=f"{layout.KEYS}{name}")
        if self.files.read(layout.HISTORY) != b"".join(self._shown.history):
            raise PackUntrue("does not list the entries by which keys came into use", where=layout.HISTORY)


def files_below(files: PackFiles, folder: str) -> dict[str, bytes]:
    """Return the files below a folder, by their names within it."""
    return {name[len(folder) :]: files.read(name) for name in files.names() if name.startswith(folder)}
