# SPDX-License-Identifier: Apache-2.0
"""Reading a ledger: entries, proofs and tiles, never beyond what a published checkpoint covers."""

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.checkpoint import SignedCheckpoint
from ledger.commitment import Disclosure
from ledger.errors import ProofInvalid, StoreCorrupt
from ledger.proof import consistency_proof, inclusion_proof
from ledger.store import CheckpointStore, EntryStore
from ledger.tiles import Tile, encode_bundle, node_reader


@dataclass(frozen=True, slots=True)
class LedgerReader:
    """A view of the stores at whatever checkpoint is newest when a method is called."""

    entry_store: EntryStore
    checkpoint_store: CheckpointStore

    def checkpoint(self) -> SignedCheckpoint:
        """Return the newest published checkpoint."""
        latest = self.checkpoint_store.latest()
        if latest is None:
            raise StoreCorrupt("no checkpoint was ever published")
        return latest

    def checkpoints(self, start: int, stop: int, most: int) -> list[SignedCheckpoint]:
        """Return at most `most` published checkpoints of sizes in [start, stop), spread evenly."""
        return self.checkpoint_store.spread(start, stop, most)

    def entry(self, index: int) -> bytes:
        """Return one entry's bytes; raises ProofInvalid if no published checkpoint covers it."""
        # The store's own size would be a count over all entries, far too slow for one request.
        size = self.checkpoint().checkpoint.size
        if not 0 <= index < size:
            raise ProofInvalid(f"there is no entry {index} under the checkpoint of size {size}")
        return next(self.entry_store.entries(index, index + 1))

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the entries [start, stop)."""
        return self.entry_store.entries(start, stop)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes [start, stop)."""
        return self.entry_store.hashes(0, start, stop)

    def disclosure(self, index: int) -> Disclosure | None:
        """Return salt and facts of an entry, if they are kept."""
        return self.entry_store.disclosure(index)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of an entry in the tree of `size` entries."""
        return inclusion_proof(index, size, node_reader(self.entry_store.hashes))

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return the consistency proof between two sizes."""
        return consistency_proof(first, second, node_reader(self.entry_store.hashes))

    def tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile that a published checkpoint covers."""
        if tile.level is None:
            return encode_bundle(list(self.entry_store.entries(tile.start, tile.start + tile.width)))
        hashes = self.entry_store.hashes(tile.level, tile.start, tile.start + tile.width)
        if len(hashes) != tile.width:
            raise StoreCorrupt(f"tile {tile.path()} is incomplete")
        return b"".join(hashes)
