# SPDX-License-Identifier: Apache-2.0
"""The tree, its proofs and its right edge, held against the naive transcription of the RFC."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import proof
from ledger.errors import Malformed, ProofInvalid
from ledger.proof import (
    InclusionChecker,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from ledger.tiles import WIDTH, node_reader
from ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    NodeReader,
    leaf_hash,
    node_hash,
    perfect_cover,
    perfect_root,
    range_root,
    split,
)
from support import reference

ENTRIES = [b"entry %d" % number for number in range(1100)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def hashes(level: int, start: int, stop: int) -> list[bytes]:
    width = WIDTH**level
    return [perfect_root(LEAVES[i * width : (i + 1) * width]) for i in range(start, stop) if (i + 1) * width <= 1100]


READER: NodeReader = node_reader(hashes)
sizes = st.integers(1, 70) | st.integers(250, 260) | st.integers(1, 1100)


def test_the_hashes_are_those_of_the_rfc() -> None:
    assert leaf_hash(b"") == sha256(b"\x00").digest()
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [split(n) for n in (2, 3, 4, 5, 8, 9)] == [1, 2, 2, 4, 4, 8]


def test_every_small_tree_and_each_of_its_proofs_is_that_of_the_reference() -> None:
    for size in range(1, 18):
        data = ENTRIES[:size]
        root = reference.mth(data)
        for index in range(size):
            path = inclusion_proof(index, size, READER)
            assert path == reference.path(index, data)
            verify_inclusion(index, size, LEAVES[index], path, root)
        for first in range(1, size):
            path = consistency_proof(first, size, READER)
            assert path == reference.proof(first, data)
            verify_consistency(first, size, reference.mth(data[:first]), root, path)


@settings(deadline=None, max_examples=60)
@given(sizes, st.data())
def test_any_tree_and_its_proofs_are_those_of_the_reference(size: int, data: st.DataObject) -> None:
    entries = ENTRIES[:size]
    root = reference.mth(entries)
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    path = inclusion_proof(index, size, READER)
    assert path == reference.path(index, entries)
    verify_inclusion(index, size, LEAVES[index], path, root)
    steps = consistency_proof(first, size, READER)
    assert steps == reference.proof(first, entries)
    verify_consistency(first, size, reference.mth(entries[:first]), root, steps)
    assert range_root(0, size, READER) == root


@settings(deadline=None, max_examples=40)
@given(sizes)
def test_the_frontier_grows_to_the_root_of_the_reference(size: int) -> None:
    frontier = Frontier()
    for leaf in LEAVES[: size - 1]:
        frontier.append(leaf)
    older = frontier.copy()
    frontier.append(LEAVES[size - 1])
    assert (frontier.size, frontier.root()) == (size, reference.mth(ENTRIES[:size]))
    assert (older.size, older.root()) == (size - 1, reference.mth(ENTRIES[: size - 1]))


def test_a_frontier_continues_from_its_edge() -> None:
    edge = [range_root(0, 8, READER), range_root(8, 10, READER), LEAVES[10]]
    frontier = Frontier(11, edge)
    frontier.append(LEAVES[11])
    assert frontier.root() == reference.mth(ENTRIES[:12])
    with pytest.raises(ValueError, match="edge hashes"):
        Frontier(3, edge)


def test_an_empty_frontier_has_the_empty_root() -> None:
    assert Frontier().root() == EMPTY_ROOT


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_cover_is_perfect_subtrees_side_by_side(begin: int, length: int) -> None:
    at = begin
    for level, index in perfect_cover(begin, begin + length):
        assert index << level == at
        at += 1 << level
    assert at == begin + length


def test_an_empty_range_has_no_root() -> None:
    with pytest.raises(ValueError, match="empty range"):
        range_root(3, 3, READER)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 300), st.data())
def test_a_spoilt_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = range_root(0, size, READER)
    path = inclusion_proof(index, size, READER)
    for wrong in (-1, size, index ^ 1):
        with pytest.raises(ProofInvalid):
            verify_inclusion(wrong, size, LEAVES[index], path, root)
    for spoilt in (path[:-1], [*path, root], [root, *path], [*path, b""]):
        if spoilt != path:
            with pytest.raises(ProofInvalid):
                verify_inclusion(index, size, LEAVES[index], spoilt, root)
    if path:
        place, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[place], "big") ^ (1 << bit)).to_bytes(32, "big")
        with pytest.raises(ProofInvalid, match="leads to root"):
            verify_inclusion(index, size, LEAVES[index], [*path[:place], flipped, *path[place + 1 :]], root)


@settings(deadline=None, max_examples=150)
@given(st.integers(2, 300), st.data())
def test_a_spoilt_consistency_proof_is_refused(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second - 1))
    roots = range_root(0, first, READER), range_root(0, second, READER)
    path = consistency_proof(first, second, READER)
    for spoilt in ([], path[:-1], [*path, roots[1]], [roots[0], *path], [*path, b"short"]):
        with pytest.raises(ProofInvalid):
            verify_consistency(first, second, *roots, spoilt)
    for wrong in ((roots[1], roots[0]), (roots[0], EMPTY_ROOT), (EMPTY_ROOT, roots[1])):
        with pytest.raises(ProofInvalid):
            verify_consistency(first, second, *wrong, path)


def test_every_tree_begins_with_the_empty_one_and_with_itself() -> None:
    one, two = range_root(0, 1, READER), range_root(0, 2, READER)
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    verify_consistency(0, 2, EMPTY_ROOT, two, [])
    verify_consistency(2, 2, two, two, [])
    for case in ((0, 2, one, two, []), (2, 2, one, two, []), (2, 2, two, two, [one]), (0, 2, EMPTY_ROOT, two, [one])):
        with pytest.raises(ProofInvalid):
            verify_consistency(*case)


def test_the_empty_tree_has_one_root_only() -> None:
    with pytest.raises(ProofInvalid, match="leads to root"):
        verify_consistency(0, 0, EMPTY_ROOT, LEAVES[0], [])


def test_proofs_are_asked_for_within_the_tree() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ProofInvalid, match="is not in a tree"):
            inclusion_proof(index, size, READER)
        with pytest.raises(ProofInvalid, match="is not in a tree"):
            verify_inclusion(index, size, LEAVES[0], [], LEAVES[0])
    for first, second in ((-1, 3), (4, 3)):
        with pytest.raises(ProofInvalid, match="no consistency proof"):
            consistency_proof(first, second, READER)
        with pytest.raises(ProofInvalid, match="no consistency proof"):
            verify_consistency(first, second, EMPTY_ROOT, EMPTY_ROOT, [])
    assert consistency_proof(0, 3, READER) == consistency_proof(3, 3, READER) == []


def test_a_reader_without_the_hashes_is_malformed() -> None:
    with pytest.raises(Malformed, match="no hashes"):
        node_reader(lambda _level, _start, _stop: [])(3, 0)
    with pytest.raises(Malformed, match="no hashes"):
        node_reader(lambda _level, _start, _stop: [b"short"])(0, 0)


def verdict(check: Callable[[], None]) -> str:
    try:
        check()
    except ProofInvalid as error:
        return str(error)
    return "holds"


@settings(deadline=None, max_examples=150)
@given(sizes, st.data())
def test_proofs_checked_in_a_row_are_judged_as_each_alone(size: int, data: st.DataObject) -> None:
    root = reference.mth(ENTRIES[:size])
    checker = InclusionChecker(size, root)
    near = data.draw(st.integers(0, size - 1))
    for _ in range(12):
        near = data.draw(st.integers(0, size - 1) | st.just(min(near + 1, size - 1)))
        path, leaf = inclusion_proof(near, size, READER), LEAVES[near]
        index = data.draw(st.sampled_from([near] * 6 + [near ^ 1, near + size, -1]))
        match data.draw(st.sampled_from(["good"] * 6 + ["cut", "longer", "leaf", "flip", "swap", "short hash"])):
            case "cut":
                path = path[:-1]
            case "longer":
                path = [*path, root]
            case "leaf":
                leaf = LEAVES[(near + 1) % 1100]
            case "flip" if path:
                place = data.draw(st.integers(0, len(path) - 1))
                path = [*path[:place], path[place][::-1], *path[place + 1 :]]
            case "swap":
                path = path[::-1]
            case "short hash" if path:
                path = [*path[:-1], path[-1][:31]]
        alone = verdict(lambda: verify_inclusion(index, size, leaf, path, root))  # noqa: B023 - called at once
        assert verdict(lambda: checker.check(index, leaf, path)) == alone  # noqa: B023 - called at once


def test_a_row_of_neighbours_is_hashed_but_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(left: bytes, right: bytes) -> bytes:
        nonlocal calls
        calls += 1
        return node_hash(left, right)

    paths = [inclusion_proof(index, 1024, READER) for index in range(1024)]
    root = reference.mth(ENTRIES[:1024])
    monkeypatch.setattr(proof, "node_hash", counted)
    checker = InclusionChecker(1024, root)
    for index, path in enumerate(paths):
        checker.check(index, LEAVES[index], path)
    assert calls < 3 * 1024
    with pytest.raises(ProofInvalid):
        checker.check(3, LEAVES[4], paths[3])
