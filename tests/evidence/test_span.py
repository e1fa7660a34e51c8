# SPDX-License-Identifier: Apache-2.0
"""Ranges of leaves: with the subtrees beside them they lead to the root, and to every inclusion proof."""

import pytest

from evidence.errors import EvidenceError
from evidence.span import LeafRange, subtrees
from ledger.proof import inclusion_proof
from ledger.tree import Frontier, leaf_hash, perfect_root

LEAVES = [leaf_hash(bytes([number])) for number in range(20)]


def node(level: int, index: int) -> bytes:
    return perfect_root(LEAVES[index << level : (index + 1) << level])


def roots() -> list[bytes]:
    frontier, found = Frontier(), []
    for leaf in LEAVES:
        found.append(frontier.root())
        frontier.append(leaf)
    return [*found, frontier.root()]


def span(size: int, first: int, last: int) -> LeafRange:
    ends = [inclusion_proof(index, size, node) if first < last else [] for index in (first, last - 1)]
    return LeafRange(size, first, LEAVES[first:last], *subtrees(size, first, last, ends[0], ends[1]))


def test_every_range_of_every_tree_leads_to_its_root_and_its_proofs() -> None:
    want = roots()
    for size in range(1, len(LEAVES) + 1):
        for first in range(size):
            for last in range(first + 1, size + 1):
                there = span(size, first, last)
                assert there.root() == want[size]
                assert [there.path(i) for i in range(first, last)] == [
                    inclusion_proof(i, size, node) for i in range(first, last)
                ]
                assert [there.root_at(at) for at in range(first, last + 1)] == want[first : last + 1]


def test_another_leaf_leads_elsewhere() -> None:
    there = span(13, 3, 9)
    for index in range(3, 9):
        changed = list(LEAVES[3:9])
        changed[index - 3] = bytes(32)
        left, right = subtrees(13, 3, 9, inclusion_proof(3, 13, node), inclusion_proof(8, 13, node))
        assert LeafRange(13, 3, changed, left, right).root() != there.root()


def test_an_empty_tree_and_empty_ranges() -> None:
    assert LeafRange(0, 0, [], [], []).root() == roots()[0]
    for first in range(5):
        assert span(5, first, first).last == first


@pytest.mark.parametrize("arguments", [(5, 4, 2), (5, -1, 1), (2**53, 2**53, 1)])
def test_ranges_outside_the_tree(arguments: tuple[int, int, int]) -> None:
    size, first, count = arguments
    with pytest.raises(EvidenceError):
        LeafRange(size, first, [bytes(32)] * count, [], [])


def test_hashes_of_another_length() -> None:
    with pytest.raises(EvidenceError):
        LeafRange(1, 0, [b"short"], [], [])
