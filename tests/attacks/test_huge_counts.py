# SPDX-License-Identifier: Apache-2.0
"""Numbers that would make a verifier count, allocate or recurse without end."""

import struct

import pytest

from evidence.archive import _end
from evidence.errors import PackMalformed
from evidence.scope import parse_scope
from support.packs import Pack, archive, caught, raw_archive

SCOPE = "data/scope.json"
HUGE = 2**53 - 1


def changed(pack: Pack, **members: int) -> Pack:
    pack = pack.copy()
    scope = pack.json(SCOPE)
    counts = {name: value for name, value in members.items() if name in scope["counts"]}
    scope |= {name: value for name, value in members.items() if name not in counts}
    scope["counts"] |= counts
    pack.put_json(SCOPE, scope)
    return pack.resign()


def test_a_range_of_nine_quadrillion_entries(whole: Pack) -> None:
    caught(changed(whole, last=HUGE, entries=HUGE, included=HUGE), 5, SCOPE)


def test_a_count_of_entries_that_is_not_the_range(whole: Pack) -> None:
    caught(changed(whole, entries=HUGE, included=HUGE), 5, SCOPE, PackMalformed)


def test_a_count_of_decisions_that_is_not_there(whole: Pack) -> None:
    caught(changed(whole, decisions=HUGE, allowed=HUGE, denied=0), 8, SCOPE)


def test_a_negative_count(whole: Pack) -> None:
    caught(changed(whole, decisions=-1, allowed=-2, denied=1), 5, SCOPE, PackMalformed)


def test_an_index_that_is_out_of_range(whole: Pack) -> None:
    pack = whole.copy()
    name = "data/entries/000000.jsonl"
    pack.files[name] = pack.files[name].replace(b'"index":42', b'"index":%d' % HUGE)
    caught(pack.resign(), 6, f"entry {HUGE}")


@pytest.mark.parametrize("number", [b"9" * 400, b"1e999", b"1.5", b'"1"', b"null", b"-1", b"[" * 99 + b"]" * 99])
def test_a_number_that_is_none(whole: Pack, number: bytes) -> None:
    scope = whole.files[SCOPE].replace(b'"last":43', b'"last":' + number)
    with pytest.raises(PackMalformed) as caught:
        parse_scope(scope)
    assert caught.value.where == SCOPE


def test_leaves_without_end(whole: Pack) -> None:
    pack = whole.copy()
    pack.files["ledger/leaves"] *= 1000
    caught(pack.rebag(), 5, "ledger/leaves")


def test_more_subtrees_than_a_tree_can_have(whole: Pack) -> None:
    pack = whole.copy()
    pack.put_json("ledger/range.json", {"left": ["A" * 43 + "="] * 100_000, "right": []})
    caught(pack.rebag(), 8, "ledger/range.json", PackMalformed)


@pytest.mark.parametrize("size", [2**32, 2**63])
def test_central_headers_of_four_gigabytes(size: int) -> None:
    data = raw_archive([("data/a", b"abc")])
    with pytest.raises(PackMalformed):
        archive(data[:-22] + _end(1, size, 0))
    with pytest.raises(PackMalformed):
        archive(data[:-22] + _end(1, 0, size))
    with pytest.raises(PackMalformed):
        archive(data[:-10] + struct.pack("<I", 2**31) + data[-6:])
