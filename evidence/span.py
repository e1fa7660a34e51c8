# SPDX-License-Identifier: Apache-2.0
"""A range of leaves in its tree: what lies beside it is known only as roots of subtrees.

        root                RFC 9162's recursion from the root stops at subtrees that lie wholly beside the range
  ┌───────┴───────┐         [first, last): those left of it and those right of it. With the leaf hash of every
left  first…last  right     entry in between they lead to the root, so none can be missing and none another.
"""

from collections.abc import Sequence

from evidence.errors import PackMalformed, PackUntrue
from ledger.tree import EMPTY_ROOT, HASH_SIZE, Frontier, node_hash, range_root, split


class LeafRange:
    """The leaves [first, first + len(leaves)) of a tree of `size`, and the subtrees beside them, left to right."""

    def __init__(
        self, size: int, first: int, leaves: Sequence[bytes], left: Sequence[bytes], right: Sequence[bytes]
    ) -> None:
        """Take leaf hashes and subtree roots; raises PackMalformed if their number is not what this tree has."""
        self.size, self.first, self.last = size, first, first + len(leaves)
        self._left = list(left)
        before, after = beside(size, first, self.last)
        if (len(left), len(right)) != (len(before), len(after)):
            raise PackMalformed(
                f"{len(left)} subtrees left and {len(right)} right of the range; "
                f"a tree of {size} has {len(before)} and {len(after)}"
            )
        if any(len(value) != HASH_SIZE for value in (*left, *leaves, *right)):
            raise PackMalformed(f"a hash has {HASH_SIZE} bytes")
        self._known = dict(zip((*before, *after), (*left, *right), strict=True))
        self._levels = [(first, list(leaves))]
        while len(self._levels[-1][1]) > 1:
            start, row = self._levels[-1]
            above = (start + 1) // 2
            pairs = range(2 * above - start, len(row) - 1, 2)
            self._levels.append((above, [node_hash(row[i], row[i + 1]) for i in pairs]))

    def root(self) -> bytes:
        """Return the root that leaves and subtrees lead to."""
        return self._hash(0, self.size) if self.size else EMPTY_ROOT

    def root_at(self, size: int) -> bytes:
        """Return the root that the log had at a size within [first, last]."""
        frontier = Frontier(self.first, self._left)
        for leaf in self._levels[0][1][: size - self.first]:
            frontier.append(leaf)
        return frontier.root()

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash of an index in the range."""
        return self._levels[0][1][index - self.first]

    def path(self, index: int) -> list[bytes]:
        """Return the inclusion proof of an index in the range, leaf end first."""
        path: list[bytes] = []
        begin, end = 0, self.size
        while end - begin > 1:
            middle = begin + split(end - begin)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(begin, middle))
                begin = middle
        path.reverse()
        return path

    def _hash(self, begin: int, end: int) -> bytes:
        known = self._known.get((begin, end))
        if known is not None:
            return known
        if self.first <= begin and end <= self.last:
            known = range_root(begin, end, self._node)
        else:
            middle = begin + split(end - begin)
            known = node_hash(self._hash(begin, middle), self._hash(middle, end))
        if end - begin > 1:
            self._known[begin, end] = known
        return known

    def _node(self, level: int, index: int) -> bytes:
        start, row = self._levels[level]
        return row[index - start]


def beside(size: int, first: int, last: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the subtrees wholly left and wholly right of a range, each as a range of leaves, left to right.

    An empty range has none: nothing of the tree is shown.
    """
    if not 0 <= first <= last <= size:
        raise PackUntrue(f"[{first},{last}) is not a range of a tree of {size}")
    left: list[tuple[int, int]] = []
    right: list[tuple[int, int]] = []
    ahead = [(0, size)] if first < last else []
    while ahead:
        begin, end = ahead.pop()
        if end <= first:
            left.append((begin, end))
        elif begin >= last:
            right.append((begin, end))
        elif begin < first or end > last:
            middle = begin + split(end - begin)
            ahead += [(middle, end), (begin, middle)]
    return left, right


def subtrees(
    size: int, first: int, last: int, first_path: Sequence[bytes], last_path: Sequence[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Return the roots of the subtrees beside a range, which are in the inclusion proofs of its two ends.

    Requires the proofs of `first` and `last` - 1 in the tree of `size`.
    """
    if first == last:
        return [], []
    left, _ = _siblings(size, first, first_path)
    _, right = _siblings(size, last - 1, last_path)
    return left, right


def _siblings(size: int, index: int, path: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    left: list[bytes] = []
    right: list[bytes] = []
    begin, end = 0, size
    for sibling in reversed(path):
        if end - begin == 1:
            raise PackMalformed(f"an inclusion proof of {len(path)} hashes is too long for index {index}, size {size}")
        middle = begin + split(end - begin)
        if index < middle:
            right.insert(0, sibling)
            end = middle
        else:
            left.append(sibling)
            begin = middle
    return left, right
