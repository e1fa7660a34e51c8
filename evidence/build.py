# SPDX-License-Identifier: Apache-2.0
"""Building a pack from a ledger: the files of an archive in its order, made as they are asked for.

One published checkpoint is taken first and everything is of that tree: the same checkpoint, scope, policies, controls
and facts give the same bytes below data/. What a ledger hands over is not believed: the checkpoint is verified, and
every entry and every leaf of the range is hashed up to its root before the first file is given.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any, Protocol

import msgspec

from evidence import bag, layout, statement
from evidence.bag import Digest
from evidence.documents import write
from evidence.errors import PackMalformed, PackUntrue, ScopeUnusable, about
from evidence.policy import policy_digest
from evidence.rules import bears_on, check_mapped, rule_controls
from evidence.scope import FORMAT, Counts, Period, Request, Scope, is_time, normal_period
from evidence.scope import NAME as SCOPE
from evidence.span import LeafRange, subtrees
from evidence.steps import Progress
from evidence.trust import Trust
from ledger import envelope
from ledger import event as events
from ledger.canonical import encode
from ledger.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.commitment import Disclosure
from ledger.keys import Signer
from ledger.tiles import WIDTH, encode_bundle
from ledger.tree import leaf_hash


class LedgerView(Protocol):
    """What a pack needs of a ledger; ledger.reader.LedgerReader is one."""

    def checkpoint(self) -> SignedCheckpoint:
        """Return the newest published checkpoint."""

    def checkpoints(self, start: int, stop: int, most: int) -> list[SignedCheckpoint]:
        """Return at most `most` published checkpoints of sizes in [start, stop), spread evenly."""

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the entries [start, stop)."""

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes [start, stop)."""

    def disclosure(self, index: int) -> Disclosure | None:
        """Return salt and facts of an entry, if they are kept."""

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of an entry in the tree of `size` entries."""

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return the consistency proof between two sizes."""


def build(
    ledger: LedgerView,
    request: Request,
    *,
    trust: Trust,
    signers: Sequence[Signer],
    policies: Callable[[str], Mapping[str, bytes]],
    mapping: Any,
    catalogue: Any,
    progress: Progress = lambda _what, _done, _of: None,
) -> Iterator[tuple[str, bytes]]:
    """Return the files of a pack in an archive's order.

    Requires the pack keys of `trust` as `signers`; `policies` returns the files of the bundle with a digest.
    Raises ScopeUnusable for a request that this ledger cannot serve, PackUntrue and PackMalformed for a ledger that
    is not what its checkpoint says, and whatever errors ledger and `policies` have of their own. No later than the
    first file is asked for, it is known that entries and leaves lead to the checkpoint's root.
    """
    if sorted(s.public.key_id for s in signers) != sorted(key.key_id for key in trust.pack_keys):
        raise ScopeUnusable("a pack is signed with exactly the pack keys that auditors trust", where="pack_keys")
    signed = ledger.checkpoint()
    with about(layout.CHECKPOINT):
        signed = open_checkpoint(signed.note, trust.origin, trust.log_keys)
    size = signed.checkpoint.size
    first, last, period = _range(ledger, request, size, progress)
    rules = rule_controls(mapping)
    controls = tuple(sorted(set(request.controls)))
    if unknown := set(controls) - {control for bears in rules.values() for control in bears}:
        raise ScopeUnusable(f"no rule bears on {min(unknown)}", where="controls")
    ends = (ledger.inclusion(first, size), ledger.inclusion(last - 1, size)) if first < last else ([], [])
    beside = subtrees(size, first, last, *ends)
    hashes = ledger.leaves(first, last)
    if len(hashes) != last - first:
        raise PackUntrue(f"the ledger has {len(hashes)} leaf hashes of {last - first}", where=layout.LEAVES)
    leaves = LeafRange(size, first, hashes, *beside)
    if hashes and leaves.root() != signed.checkpoint.root:
        raise PackUntrue(f"leaf hashes do not lead to the root of checkpoint {size}", where=layout.LEAVES)
    pack = _Pack(ledger, leaves, trust, signed, progress)
    pack.choose(frozenset(controls), rules)
    scope = Scope(
        format=FORMAT,
        origin=trust.origin,
        first=first,
        last=last,
        counts=pack.counts(),
        facts=request.facts,
        period=period,
        controls=controls,
    )
    documents = {layout.MAPPING: mapping, layout.CATALOGUE: catalogue}
    payload = pack.payload(scope, documents, policies)
    return bag.wrap(
        pack.members(scope, payload, layout.Span(left=_b64(beside[0]), right=_b64(beside[1])), signers),
        scope.identifier(),
    )


class _Pack:
    """One pack in the making."""

    def __init__(
        self, ledger: LedgerView, leaves: LeafRange, trust: Trust, signed: SignedCheckpoint, progress: Progress
    ) -> None:
        self._ledger, self._leaves, self._trust, self._signed = ledger, leaves, trust, signed
        self._progress = progress
        self._included = array("Q")
        self._decided = dict[int, str]()
        self._outcomes = {"allow": 0, "deny": 0}
        self._policies = set[str]()
        self._history: list[bytes] = []

    def choose(self, controls: frozenset[str], rules: Mapping[str, frozenset[str]]) -> None:
        """Read the range once: compare each entry with its leaf and note which are included."""
        first, last = self._leaves.first, self._leaves.last
        entries = self._ledger.entries(first, last)
        for index in range(first, last):
            entry = next(entries, b"")
            if index % WIDTH == 0:
                self._progress("choosing entries", index - first, last - first)
            if leaf_hash(entry) != self._leaves.leaf(index):
                raise PackUntrue("is not the entry that its leaf hash is of", where=f"entry {index}")
            body = _event(entry, index).body
            if isinstance(body, events.KeyActivated):
                self._history.append(layout.history_line(index, body))
            elif controls and not _bears_on(body, controls, rules, index):
                continue
            self._included.append(index)
            if isinstance(body, events.DecisionRecorded):
                self._decided[index] = body.facts_commitment
                self._outcomes[body.outcome] += 1
                self._policies.add(body.policy)

    def counts(self) -> Counts:
        """Return what came out."""
        return Counts(
            entries=self._leaves.last - self._leaves.first,
            included=len(self._included),
            decisions=len(self._decided),
            allowed=self._outcomes["allow"],
            denied=self._outcomes["deny"],
        )

    def payload(
        self, scope: Scope, documents: Mapping[str, Any], policies: Callable[[str], Mapping[str, bytes]]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the files below data/ but the statement."""
        for name in sorted(documents):
            yield name, encode(documents[name])
        yield from self._entries()
        if scope.facts:
            yield from self._facts()
        kept = {layout.KEYS + name: pem for name, pem in self._trust.keys().items()}
        yield from sorted({**kept, layout.HISTORY: b"".join(self._history)}.items())
        for digest in sorted(self._policies):
            bundle = policies(digest)
            if policy_digest(bundle) != digest:
                raise PackUntrue("these are not the files of this policy bundle", where=f"{layout.POLICIES}{digest}")
            for path in sorted(bundle):
                yield f"{layout.POLICIES}{digest}/{path}", bundle[path]
        yield SCOPE, scope.to_json()
        yield layout.SPEC, files("evidence").joinpath("VERIFY.md").read_bytes()

    def members(
        self, scope: Scope, payload: Iterable[tuple[str, bytes]], span: layout.Span, signers: Sequence[Signer]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield every file but those of the bag."""
        digests: dict[str, Digest] = {}
        for name, content in payload:
            digests[name] = Digest.of(content)
            yield name, content
        stated = statement.make(digests, self._signed.checkpoint, scope.first, scope.last)
        yield statement.NAME, stated
        yield layout.CHECKPOINT, self._signed.note
        yield from self._checkpoints()
        yield from self._inclusion()
        yield layout.LEAVES, b"".join(map(self._leaves.leaf, range(scope.first, scope.last)))
        if scope.period is not None:
            yield layout.NEIGHBOURS, self._neighbours()
        yield layout.RANGE, write(span)
        yield statement.DSSE_NAME, statement.sign(stated, signers)

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        for number in range(layout.chunks(len(self._included))):
            self._progress("writing entries", number * WIDTH, len(self._included))
            indexes = self._included[number * WIDTH : (number + 1) * WIDTH]
            whole = indexes[-1] - indexes[0] + 1 == len(indexes)
            entries = self._ledger.entries(indexes[0], indexes[-1] + 1) if whole else map(self._entry, indexes)
            chunk = list(zip(indexes, entries, strict=True))
            yield layout.bundle(number), encode_bundle([entry for _, entry in chunk])
            lines = (layout.index_line(i, self._leaves.leaf(i), _event(entry, i)) for i, entry in chunk)
            yield layout.index(number), b"".join(lines)

    def _facts(self) -> Iterator[tuple[str, bytes]]:
        for number in range(layout.chunks(len(self._included))):
            self._progress("writing facts", number * WIDTH, len(self._included))
            chunk = self._included[number * WIDTH : (number + 1) * WIDTH]
            yield layout.facts(number), b"".join(self._facts_line(index) for index in chunk if index in self._decided)

    def _facts_line(self, index: int) -> bytes:
        disclosure = self._ledger.disclosure(index)
        if disclosure is None:
            return b""
        with about(f"facts of entry {index}"):
            disclosure.verify(self._decided[index])
        return layout.facts_line(index, disclosure.salt, disclosure.facts)

    def _checkpoints(self) -> Iterator[tuple[str, bytes]]:
        newest = self._signed.checkpoint.size
        spread = self._ledger.checkpoints(self._leaves.first + 1, newest, layout.MOST_CHECKPOINTS - 1)
        chosen = [(signed.checkpoint.size, signed.note) for signed in spread] + [(newest, self._signed.note)]
        for number, (_, note) in enumerate(chosen):
            yield layout.checkpoint(number), note
        sizes = [size for size, _ in chosen]
        proofs = [
            layout.Proof(first=a, second=b, path=_b64(self._ledger.consistency(a, b))) for a, b in pairwise(sizes)
        ]
        yield layout.CONSISTENCY, write(layout.Consistency(proofs=tuple(proofs)))

    def _inclusion(self) -> Iterator[tuple[str, bytes]]:
        for number in range(layout.chunks(len(self._included))):
            self._progress("writing proofs", number * WIDTH, len(self._included))
            chunk = self._included[number * WIDTH : (number + 1) * WIDTH]
            lines = (layout.inclusion_line(index, self._leaves.path(index)) for index in chunk)
            yield layout.inclusion(number), b"".join(lines)

    def _neighbours(self) -> bytes:
        size, last = self._signed.checkpoint.size, self._leaves.last
        return write(
            layout.Neighbours(
                before=self._neighbour(self._leaves.first - 1) if self._leaves.first else None,
                after=self._neighbour(last) if last < size else None,
            )
        )

    def _neighbour(self, index: int) -> layout.Neighbour:
        (entry,) = _b64([self._entry(index)])
        return layout.Neighbour(entry=entry, path=_b64(self._ledger.inclusion(index, self._signed.checkpoint.size)))

    def _entry(self, index: int) -> bytes:
        (entry,) = self._ledger.entries(index, index + 1)
        return entry


def _bears_on(body: events.Body, controls: frozenset[str], rules: Mapping[str, frozenset[str]], index: int) -> bool:
    """Return whether a control asks for an event; raises PackUntrue for a decision whose rules are not known."""
    if not isinstance(body, events.DecisionRecorded):
        return False
    # Of a rule that no mapping names, nobody can say that it does not bear on them.
    check_mapped(body, rules, f"entry {index}")
    return bears_on(body, controls, rules)


class _Time(msgspec.Struct, frozen=True):
    time: str


def _range(ledger: LedgerView, request: Request, size: int, progress: Progress) -> tuple[int, int, Period | None]:
    first, last = request.first or 0, size if request.last is None else request.last
    if not 0 <= first <= last <= size:
        raise ScopeUnusable(f"[{first},{last}) is not a range of a ledger of {size} entries", where="range")
    if request.period is None:
        return first, last, None
    if request.first is not None or request.last is not None:
        raise ScopeUnusable("a pack is asked for by range or by period, not both", where="period")
    period = normal_period(request.period)
    first, last = size, 0
    for index, entry in enumerate(ledger.entries(0, size)):
        if index % 1024 == 0:
            progress("finding the period", index, size)
        time = _time(entry, index)
        if time >= period.begin and first == size:
            first = index
        if time < period.end:
            last = index + 1
    return first, max(first, last), period


def _time(entry: bytes, index: int) -> str:
    with about(f"entry {index}"):
        payload = envelope.parse(entry).payload
    try:
        time = msgspec.json.decode(payload, type=_Time).time
    except (msgspec.DecodeError, UnicodeDecodeError):
        time = ""
    if not is_time(time):
        raise PackMalformed("its time is not RFC 3339 in UTC with microseconds", where=f"entry {index}")
    return time


def _event(entry: bytes, index: int) -> events.Event:
    with about(f"entry {index}"):
        return events.decode(envelope.parse(entry).payload)


_b64 = layout.to_base64
