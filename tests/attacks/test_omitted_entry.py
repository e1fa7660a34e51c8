# SPDX-License-Identifier: Apache-2.0
"""A denial is left out of the evidence, by somebody who can sign packs."""

import json

import pytest

from evidence.errors import PackMalformed
from evidence.layout import to_base64
from evidence.scope import Period, Request
from ledger.tiles import decode_bundle, encode_bundle
from support.packs import KEYS, Log, Pack, caught, edit_lines

BUNDLE, LINES, PROOFS = "data/entries/000000.bundle", "data/entries/000000.jsonl", "ledger/inclusion/000000.jsonl"
FACTS, SCOPE, LEAVES = "data/facts/000000.jsonl", "data/scope.json", "ledger/leaves"


def without(pack: Pack, index: int) -> Pack:
    """Leave out an entry wherever it is mentioned but in the leaves."""
    entries = decode_bundle(pack.files[BUNDLE])
    del entries[index]
    pack.files[BUNDLE] = encode_bundle(entries)
    for name in (LINES, PROOFS, FACTS):
        lines = pack.files[name].splitlines(keepends=True)
        pack.files[name] = b"".join(line for line in lines if json.loads(line)["index"] != index)
    scope = pack.json(SCOPE)
    counts = scope["counts"]
    for name in ("included", "decisions", "denied"):
        counts[name] -= 1
    pack.put_json(SCOPE, scope)
    return pack


def test_a_count_that_admits_it_contradicts_the_scope(whole: Pack) -> None:
    caught(without(whole.copy(), 7).resign(), 5, SCOPE, PackMalformed)


def test_a_filter_that_explains_it_is_not_one_the_others_pass(whole: Pack) -> None:
    pack = without(whole.copy(), 7)
    pack.put_json(SCOPE, pack.json(SCOPE) | {"controls": ["pci-dss-4.0.1:8.4.2"]})
    caught(pack.resign(), 6, "entry 1")


def test_a_shorter_range_moves_what_follows(whole: Pack) -> None:
    pack = without(whole.copy(), 7)
    scope = pack.json(SCOPE)
    scope["last"] -= 1
    scope["counts"]["entries"] -= 1
    pack.put_json(SCOPE, scope)
    for name in (LINES, PROOFS):
        pack.files[name] = edit_lines(pack.files[name], lambda i, line: line | {"index": i})
    pack.files[LEAVES] = pack.files[LEAVES][: 32 * 7] + pack.files[LEAVES][32 * 8 :]
    caught(pack.resign(), 7, "entry 7")


def test_a_count_that_denies_it(whole: Pack) -> None:
    pack = whole.copy()
    scope = pack.json(SCOPE)
    scope["counts"] |= {"allowed": scope["counts"]["allowed"] + 1, "denied": scope["counts"]["denied"] - 1}
    pack.put_json(SCOPE, scope)
    caught(pack.resign(), 8, SCOPE)


@pytest.mark.parametrize(("first", "last", "left_out"), [(6, 15, 5), (5, 14, 14), (8, 8, 7)])
def test_a_range_that_is_narrower_than_its_period(log: Log, first: int, last: int, left_out: int) -> None:
    period = Period(begin="2026-03-01T09:05:00Z", end="2026-03-01T09:15:00Z")
    honest = log.pack(Request(period=period))
    honest.verify()
    pack = log.pack(Request(first=first, last=last))
    pack.put_json(SCOPE, pack.json(SCOPE) | {"period": honest.json(SCOPE)["period"]})
    around = log.pack(Request(first=first - 1, last=last + 1))
    entries = decode_bundle(around.files[BUNDLE])
    paths = [json.loads(line)["path"] for line in around.files[PROOFS].splitlines()]
    neighbours = [{"entry": to_base64([entries[i]])[0], "path": paths[i]} for i in (0, -1)]
    pack.put_json("ledger/neighbours.json", {"before": neighbours[0], "after": neighbours[1]})
    caught(pack.resign(), 8, f"entry {left_out}")


def test_a_neighbour_that_is_kept_back(log: Log) -> None:
    pack = log.pack(Request(period=Period(begin="2026-03-01T09:05:00Z", end="2026-03-01T09:15:00Z")))
    pack.put_json("ledger/neighbours.json", {"after": pack.json("ledger/neighbours.json")["after"]})
    caught(pack.rebag(), 8, "ledger/neighbours.json", trust=KEYS.trust())
