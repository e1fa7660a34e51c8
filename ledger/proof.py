# SPDX-License-Identifier: Apache-2.0
"""Inclusion and consistency proofs of RFC 9162, section 2.1: made from a node reader, checked from bytes.

Checking computes the root that the proof leads to and then compares; it returns nothing and raises ProofInvalid.
"""

import hmac
from collections.abc import Sequence

from ledger.errors import ProofInvalid
from ledger.tree import EMPTY_ROOT, HASH_SIZE, NodeReader, node_hash, range_root, split

_Node = tuple[int, bytes, Sequence[bytes]]
"""Index in its level and hash of a node that was computed, and the path from there to the root."""


def inclusion_proof(index: int, size: int, node: NodeReader) -> list[bytes]:
    """Return the path from leaf `index` to the root of the tree of `size` leaves, leaf end first (section 2.1.3.1).

    Requires 0 <= index < size. Raises ProofInvalid otherwise.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"index {index} is not in a tree of size {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(begin, middle, node))
            begin = middle
    path.reverse()
    return path


def consistency_proof(first: int, second: int, node: NodeReader) -> list[bytes]:
    """Return the proof that the tree of `second` leaves begins with the tree of `first` (section 2.1.4.1).

    Requires 0 <= first <= second; the proof is empty where first is 0 or equals second.
    Raises ProofInvalid otherwise.
    """
    if not 0 <= first <= second:
        raise ProofInvalid(f"no consistency proof from size {first} to size {second}")
    if first in (0, second):
        return []
    path: list[bytes] = []
    begin, end = 0, second
    while end != first:
        middle = begin + split(end - begin)
        if first <= middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(begin, middle, node))
            begin = middle
    if begin:
        # The subtree where both trees end alike is not the whole first tree, so the verifier has to be told it.
        path.append(range_root(begin, end, node))
    path.reverse()
    return path


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` is number `index` of the tree of `size` leaves with `root` (section 2.1.3.2).

    Raises ProofInvalid.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"index {index} is not in a tree of size {size}")
    _hashes("inclusion proof", leaf, root, *path)
    fn, sn, computed = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise ProofInvalid(f"inclusion proof of {len(path)} hashes is too long for index {index}, size {size}")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            computed = node_hash(computed, sibling)
        fn >>= 1
        sn >>= 1
    if sn:
        raise ProofInvalid(f"inclusion proof of {len(path)} hashes is too short for index {index}, size {size}")
    _same_root("inclusion proof", computed, root)


class InclusionChecker:
    """Checks inclusion proofs in one tree; neighbours share their way to the root, which is hashed but once.

    Where a proof meets a node that the proof before it led through, the rest of its path must be the rest of that one:
    from there on both are the same computation.
    """

    def __init__(self, size: int, root: bytes) -> None:
        """Take the tree's size and root."""
        self._size, self._root = size, root
        self._way: dict[int, _Node] = {}
        """The nodes that the last good proof led through, by level."""

    def check(self, index: int, leaf: bytes, path: Sequence[bytes]) -> None:
        """Check that `leaf` is number `index` of the tree, as `verify_inclusion` does; raises ProofInvalid."""
        way: dict[int, _Node] = {}
        fn, sn, computed, level = index, self._size - 1, leaf, 0
        # Each level asks for a hash at most, so a path that is too long is left to `verify_inclusion`.
        for at, sibling in enumerate(path if 0 <= index < self._size else ()):
            node = (fn, computed, path[at:])
            if self._way.get(level) == node:
                self._way.update(way)
                return
            way[level] = node
            if fn & 1 or fn == sn:
                computed = node_hash(sibling, computed)
                while not fn & 1 and fn:
                    fn, sn, level = fn >> 1, sn >> 1, level + 1
            else:
                computed = node_hash(computed, sibling)
            fn, sn, level = fn >> 1, sn >> 1, level + 1
            if level > self._size.bit_length():
                break
        verify_inclusion(index, self._size, leaf, path, self._root)
        self._way = way


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree (second, second_root) begins with the tree (first, first_root) (section 2.1.4.2).

    Raises ProofInvalid.
    """
    if not 0 <= first <= second:
        raise ProofInvalid(f"no consistency proof from size {first} to size {second}")
    _hashes("consistency proof", first_root, second_root, *path)
    if first in (0, second):
        if path:
            raise ProofInvalid(f"a consistency proof from {first} to {second} is empty, got {len(path)} hashes")
        # Every tree begins with the empty one, which itself has just one root.
        for got, size in ((first_root, first), (second_root, second)):
            _same_root("consistency proof", got, second_root if size else EMPTY_ROOT)
        return
    if not path:
        raise ProofInvalid(f"the consistency proof from {first} to {second} is missing")
    # A first tree that is perfect is itself the node where the proof begins, so it is not sent.
    hashes = list(path) if first & (first - 1) else [first_root, *path]
    first_computed, second_computed = _both_roots(first, second, hashes)
    _same_root("consistency proof (first root)", first_computed, first_root)
    _same_root("consistency proof (second root)", second_computed, second_root)


def _both_roots(first: int, second: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of the first and the second tree that the proof leads to (section 2.1.4.2, steps 3 to 6)."""
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    first_computed = second_computed = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            raise ProofInvalid(f"the consistency proof from {first} to {second} is too long")
        if fn & 1 or fn == sn:
            first_computed = node_hash(sibling, first_computed)
            second_computed = node_hash(sibling, second_computed)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            second_computed = node_hash(second_computed, sibling)
        fn >>= 1
        sn >>= 1
    if sn:
        raise ProofInvalid(f"the consistency proof from {first} to {second} is too short")
    return first_computed, second_computed


def _hashes(what: str, *values: bytes) -> None:
    for value in values:
        if len(value) != HASH_SIZE:
            raise ProofInvalid(f"{what}: a hash has {len(value)} bytes, want {HASH_SIZE}")


def _same_root(what: str, got: bytes, want: bytes) -> None:
    if not hmac.compare_digest(got, want):
        raise ProofInvalid(f"{what} leads to root {got.hex()}, want {want.hex()}")
