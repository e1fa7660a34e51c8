# SPDX-License-Identifier: Apache-2.0
"""What the ledger asks of storage, in promises.

Entries and checkpoints are kept in two stores so that restoring one of them to an older state cannot go unnoticed.
Neither is trusted: whoever edits them can make verification fail, never make it pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.checkpoint import SignedCheckpoint
from ledger.commitment import Disclosure


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed event ready for the tree: its bytes, its leaf hash, and the facts to keep beside it."""

    entry: bytes
    leaf: bytes
    disclosure: Disclosure | None = None


@dataclass(frozen=True, slots=True)
class Memo:
    """The answer given under an idempotency key, kept with the entries it rests on.

    `key` and `fingerprint` are digests, `content` is the answer without its entry index, which is `first`.
    """

    caller: str
    key: bytes
    fingerprint: bytes
    content: bytes
    time: int
    first: int = -1


class EntryStore(Protocol):
    """Entries, their facts and the hashes over them. One writer; any number of readers."""

    def append(self, first: int, rows: Sequence[Sealed], memos: Sequence[Memo]) -> None:
        """Store `rows` as the entries from index `first`, with `memos`: all of it or nothing, durable on return.

        Raises StoreConflict unless the store holds exactly `first` entries. Any other StoreError leaves open
        whether the rows were stored; the caller finds out by asking for the size.
        """

    def size(self) -> int:
        """Return the number of entries; raises StoreCorrupt if their indexes have a gap."""

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the entries [start, stop) in order; raises StoreCorrupt at the first one that is missing."""

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return the hashes [start, stop) of a tile level: leaf hashes at 0, full subtrees of 256^level above."""

    def disclosure(self, index: int) -> Disclosure | None:
        """Return salt and facts of entry `index`, or None where there are none (any more)."""

    def memo(self, caller: str, key: bytes) -> Memo | None:
        """Return the answer kept for a caller's idempotency key."""

    def forget_memos(self, before: int) -> None:
        """Drop answers older than `before` (Unix seconds)."""


class CheckpointStore(Protocol):
    """The checkpoints this log has signed, oldest to newest."""

    def latest(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint, unverified, or None if none was ever published."""

    def publish(self, expected: SignedCheckpoint | None, new: SignedCheckpoint) -> None:
        """Make `new` the newest, durably, if `expected` still is the newest; raises StoreConflict otherwise."""

    def spread(self, start: int, stop: int, most: int) -> list[SignedCheckpoint]:
        """Return at most `most` checkpoints of sizes in [start, stop), spread evenly, with first and last."""
