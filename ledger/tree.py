# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 9162 (and RFC 6962): hashes, ranges and the growing right edge.

    leaf   SHA-256(0x00 || entry)            node   SHA-256(0x01 || left || right)            empty   SHA-256("")

A *perfect* subtree is named by (level, index): it covers the 2^level leaves from index * 2^level. Ranges of leaves
are half-open.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""Returns the hash of the perfect subtree (level, index)."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the leaf hash of an entry's bytes (RFC 9162, section 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162, section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Return the largest power of two smaller than `size`, where RFC 9162 splits a tree of `size` > 1 leaves."""
    return 1 << ((size - 1).bit_length() - 1)


def perfect_root(hashes: Iterable[bytes]) -> bytes:
    """Return the root over 2^k neighbouring hashes of one level."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def range_root(begin: int, end: int, node: NodeReader) -> bytes:
    """Return the Merkle tree hash over the leaves [begin, end) of a larger tree.

    Requires begin < end and that [begin, end) is a subtree that RFC 9162's recursion visits, which makes `begin` a
    multiple of the smallest power of two that is at least end - begin.
    """
    root: bytes | None = None
    # Perfect subtrees from the right; each joins what lies to its right.
    for level, index in reversed(perfect_cover(begin, end)):
        root = node(level, index) if root is None else node_hash(node(level, index), root)
    if root is None:
        raise ValueError("an empty range has no subtree")
    return root


def perfect_cover(begin: int, end: int) -> list[tuple[int, int]]:
    """Return the fewest perfect subtrees, left to right, that cover the leaves [begin, end)."""
    cover: list[tuple[int, int]] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        cover.append((level, begin >> level))
        begin += 1 << level
    return cover


class Frontier:
    """The right edge of a growing tree: one hash per set bit of its size, so O(log n) memory."""

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """Take the size and the hashes of the perfect subtrees that cover it, left to right."""
        self.size = size
        self._edge = list(edge)
        if len(self._edge) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} edge hashes, got {len(self._edge)}")

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash on the right."""
        merges = (~self.size & (self.size + 1)).bit_length() - 1
        for _ in range(merges):
            leaf = node_hash(self._edge.pop(), leaf)
        self._edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> "Frontier":
        """Return another frontier in the same state."""
        return Frontier(self.size, self._edge)
