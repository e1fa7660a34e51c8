# SPDX-License-Identifier: Apache-2.0
"""Proofs that are valid, in another tree, at another index or for another size."""

import json
from collections.abc import Iterator
from itertools import islice

import pytest

from evidence.errors import PackMalformed
from support.packs import Log, Pack, caught, edit_lines, story

PROOFS, CONSISTENCY, RANGE = "ledger/inclusion/000000.jsonl", "ledger/consistency.json", "ledger/range.json"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pack]:
    log = Log(tmp_path_factory.mktemp("other")).append(islice(story(99), 43))
    yield log.pack()
    log.close()


def test_inclusion_proofs_of_a_log_with_the_same_events(whole: Pack, other: Pack) -> None:
    pack = whole.copy()
    pack.files[PROOFS] = other.files[PROOFS]
    caught(pack.rebag(), 7, "entry 0")


def test_the_inclusion_proof_of_another_entry(whole: Pack) -> None:
    pack = whole.copy()
    proofs = [line["path"] for line in map(json.loads, pack.files[PROOFS].splitlines())]
    pack.files[PROOFS] = edit_lines(pack.files[PROOFS], lambda i, line: line | {"path": proofs[4 if i == 5 else i]})
    caught(pack.rebag(), 7, "entry 5")


def test_an_inclusion_proof_that_is_too_long(whole: Pack) -> None:
    pack = whole.copy()
    pack.files[PROOFS] = edit_lines(
        pack.files[PROOFS], lambda i, line: line | {"path": line["path"] + line["path"][:1] * (i == 8)}
    )
    caught(pack.rebag(), 7, "entry 8")


def test_consistency_proofs_of_a_log_with_the_same_events(whole: Pack, other: Pack) -> None:
    pack = whole.copy()
    pack.files[CONSISTENCY] = other.files[CONSISTENCY]
    caught(pack.rebag(), 9, "ledger/checkpoints/001")


def test_a_consistency_proof_between_other_sizes(whole: Pack) -> None:
    pack = whole.copy()
    proofs = pack.json(CONSISTENCY)["proofs"]
    proofs[0]["second"] += 1
    pack.put_json(CONSISTENCY, {"proofs": proofs})
    caught(pack.rebag(), 9, CONSISTENCY)


def test_subtrees_that_the_tree_does_not_have(whole: Pack) -> None:
    pack = whole.copy()
    pack.put_json(RANGE, {"left": ["A" * 43 + "="], "right": []})
    caught(pack.rebag(), 8, RANGE, PackMalformed)


def test_facts_of_another_decision(whole: Pack) -> None:
    pack = whole.copy()
    name = "data/facts/000000.jsonl"
    first, second = pack.files[name].splitlines()[:2]
    swapped = first.replace(b'"index":2', b'"index":3'), second.replace(b'"index":3', b'"index":2')
    pack.files[name] = b"\n".join([swapped[1], swapped[0], *pack.files[name].split(b"\n")[2:]])
    caught(pack.resign(), 10, "facts of entry 2")
