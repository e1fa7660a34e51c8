# SPDX-License-Identifier: Apache-2.0
"""Recount: compute the whole ledger again from its entries and name everything that does not add up.

1. Every index from 0 is there and its entry can be read.
2. Every entry is the envelope of an event of this log, signed by a trusted event key.
3. The stored leaf hash and every stored subtree hash is the one computed here, and there are no others.
4. The facts kept beside an entry are those it commits to.
5. Every published checkpoint is signed by the log's keys and has the root computed here at its size.
6. The newest checkpoint is not larger than the log.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ledger import envelope
from ledger import event as events
from ledger.checkpoint import open_checkpoint
from ledger.errors import LedgerError, ProofInvalid, SignatureInvalid, StoreError
from ledger.keys import PublicKey, Verifier
from ledger.store import CheckpointStore, EntryStore
from ledger.tiles import HEIGHT, WIDTH
from ledger.tree import Frontier, leaf_hash, perfect_root

MOST_CHECKPOINTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that does not add up: where it is and what is wrong with it."""

    where: str
    what: str


def recount(
    entry_store: EntryStore,
    checkpoint_store: CheckpointStore,
    *,
    origin: str,
    event_keys: Mapping[bytes, PublicKey],
    log_keys: Sequence[PublicKey],
    verifier: Verifier,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Iterator[Flaw]:
    """Yield every flaw of a ledger; none means that entries, hashes, facts, signatures and checkpoints agree.

    `verifier` checks the signatures of entries, with so many `threads`.
    """
    # Checkpoints before the size: a log that grows meanwhile never has a checkpoint over more than it holds.
    roots, flaws = _checkpoints(checkpoint_store, origin, log_keys)
    yield from flaws
    try:
        size = entry_store.size()
    except StoreError as error:
        yield Flaw("entries", str(error))
        return
    if roots and max(roots) > size:
        yield Flaw(f"checkpoint {max(roots)}", f"covers {max(roots)} entries; the database holds {size}")
    frontier, levels = Frontier(), [[] for _ in range(8)]  # type: tuple[Frontier, list[list[bytes]]]
    signatures = _Signatures(event_keys, verifier, threads)
    for start in range(0, size, WIDTH):
        progress(start, size)
        entries, missing = _read(entry_store, start, min(start + WIDTH, size))
        unsigned = signatures.flaws(entries, start)
        for index, entry in enumerate(entries, start):
            if index in roots and frontier.root() != roots[index]:
                yield Flaw(f"checkpoint {index}", f"has root {roots[index].hex()}, want {frontier.root().hex()}")
            leaf = leaf_hash(entry)
            yield from _entry(entry_store, index, entry, leaf, origin, unsigned.get(index))
            frontier.append(leaf)
            yield from _subtrees(entry_store, levels, leaf, index)
        if missing is not None:
            yield missing
            yield Flaw(missing.where, "roots of later checkpoints cannot be computed without it")
            return
    if size in roots and frontier.root() != roots[size]:
        yield Flaw(f"checkpoint {size}", f"has root {roots[size].hex()}, want {frontier.root().hex()}")
    yield from _surplus(entry_store, size)


def _checkpoints(store: CheckpointStore, origin: str, keys: Sequence[PublicKey]) -> tuple[dict[int, bytes], list[Flaw]]:
    roots: dict[int, bytes] = {}
    flaws: list[Flaw] = []
    try:
        published = store.spread(0, 2**62, MOST_CHECKPOINTS)
    except StoreError as error:
        return {}, [Flaw("checkpoints", str(error))]
    if not published:
        flaws.append(Flaw("checkpoints", "none was ever published, or they were lost"))
    for signed in published:
        try:
            opened = open_checkpoint(signed.note, origin, keys).checkpoint
        except LedgerError as error:
            flaws.append(Flaw(f"checkpoint {signed.checkpoint.size}", str(error)))
            continue
        roots[opened.size] = opened.root
    return roots, flaws


def _read(store: EntryStore, start: int, stop: int) -> tuple[list[bytes], Flaw | None]:
    """Return the entries from `start` up to `stop`, or up to the first that cannot be read, and why it cannot."""
    with suppress(StoreError):
        return list(store.entries(start, stop)), None
    entries: list[bytes] = []
    for index in range(start, stop):
        try:
            entries += store.entries(index, index + 1)
        except StoreError as error:
            return entries, Flaw(f"entry {index}", str(error))
    return entries, None


@dataclass(frozen=True, slots=True)
class _Signatures:
    keys: Mapping[bytes, PublicKey]
    verifier: Verifier
    threads: int

    def flaws(self, entries: Sequence[bytes], start: int) -> dict[int, Flaw]:
        """Return what is wrong with envelopes and signatures of neighbouring entries, by index."""
        flaws: dict[int, Flaw] = {}
        parsed: list[tuple[int, envelope.Envelope]] = []
        for index, entry in enumerate(entries, start):
            try:
                parsed.append((index, envelope.parse(entry)))
            except LedgerError as error:
                flaws[index] = Flaw(f"entry {index}", str(error))
        while parsed:
            try:
                envelope.verify_all([one for _, one in parsed], self.keys, self.verifier, self.threads)
            except SignatureInvalid as error:
                index = parsed[error.place][0]
                flaws[index] = Flaw(f"entry {index}", str(error))
                parsed = parsed[error.place + 1 :]
            else:
                break
        return flaws


def _entry(store: EntryStore, index: int, entry: bytes, leaf: bytes, origin: str, unsigned: Flaw | None) -> list[Flaw]:
    where, flaws = f"entry {index}", []
    try:
        if store.hashes(0, index, index + 1) != [leaf]:
            flaws.append(Flaw(where, f"its bytes hash to {leaf.hex()}, which is not the leaf hash stored with it"))
        if unsigned is not None:
            return [*flaws, unsigned]
        event = events.decode(envelope.parse(entry).payload)
        if event.origin != origin:
            flaws.append(Flaw(where, f"is an event of log {event.origin!r}"))
        disclosure = store.disclosure(index)
        if disclosure is not None:
            if not isinstance(event.body, events.DecisionRecorded):
                raise ProofInvalid("there are facts beside an event that commits to none")
            disclosure.verify(event.body.facts_commitment)
    except LedgerError as error:
        flaws.append(Flaw(where, str(error)))
    return flaws


def _subtrees(store: EntryStore, levels: list[list[bytes]], leaf: bytes, index: int) -> Iterator[Flaw]:
    levels[0].append(leaf)
    level, number = 0, index
    while len(levels[level]) == WIDTH:
        number //= WIDTH
        root = perfect_root(levels[level])
        levels[level].clear()
        level += 1
        levels[level].append(root)
        try:
            stored = store.hashes(level, number, number + 1)
        except StoreError as error:
            yield Flaw(f"subtree {number} of tile level {level}", str(error))
            continue
        if stored != [root]:
            yield Flaw(f"subtree {number} of tile level {level}", f"is not {root.hex()}")


def _surplus(store: EntryStore, size: int) -> Iterator[Flaw]:
    try:
        full = {level: size >> (HEIGHT * level) for level in range(1, 8)}
        stored = {level: full[level] + len(store.hashes(level, full[level], 2**62)) for level in full}
        size = store.size()
    except StoreError as error:
        yield Flaw("subtrees", str(error))
        return
    for level, count in stored.items():
        if count > size >> (HEIGHT * level):
            yield Flaw(f"tile level {level}", "has the hash of a subtree that is not full")
