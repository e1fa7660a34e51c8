# SPDX-License-Identifier: Apache-2.0
"""Two entries change places, so that a denial comes after the call it should have stopped."""

import pytest

from evidence.layout import index_line
from evidence.scope import Request
from ledger import envelope
from ledger.event import decode
from ledger.tiles import decode_bundle, encode_bundle
from ledger.tree import leaf_hash
from support.packs import Log, Pack, caught

BUNDLE, LINES = "data/entries/000000.bundle", "data/entries/000000.jsonl"


def swap(pack: Pack, one: int, two: int) -> Pack:
    entries = decode_bundle(pack.files[BUNDLE])
    entries[one], entries[two] = entries[two], entries[one]
    events = [decode(envelope.parse(entry).payload) for entry in entries]
    pack.files[BUNDLE] = encode_bundle(entries)
    pack.files[LINES] = b"".join(
        index_line(i, leaf_hash(entry), event) for i, (entry, event) in enumerate(zip(entries, events, strict=True))
    )
    return pack


def test_swapped_entries_are_not_what_the_statement_is_about(whole: Pack) -> None:
    caught(swap(whole.copy(), 5, 6).rebag(), 4, BUNDLE)


def test_swapped_entries_have_no_proof_even_if_the_pack_is_signed_again(whole: Pack) -> None:
    caught(swap(whole.copy(), 5, 6).resign(), 7, "entry 5")


def test_swapped_proofs_do_not_help(whole: Pack) -> None:
    pack = swap(whole.copy(), 5, 6)
    lines = pack.files["ledger/inclusion/000000.jsonl"].splitlines(keepends=True)
    lines[5], lines[6] = lines[6].replace(b'"index":6', b'"index":5'), lines[5].replace(b'"index":5', b'"index":6')
    pack.files["ledger/inclusion/000000.jsonl"] = b"".join(lines)
    caught(pack.resign(), 7, "entry 5")


@pytest.mark.parametrize("index", [0, 17, 42])
def test_another_leaf_hash_is_not_that_of_the_entry(whole: Pack, index: int) -> None:
    pack = whole.copy()
    leaves = bytearray(pack.files["ledger/leaves"])
    leaves[32 * index] ^= 1
    pack.files["ledger/leaves"] = bytes(leaves)
    caught(pack.rebag(), 8, f"entry {index}")


def test_another_leaf_hash_of_an_entry_that_is_not_shown_leads_to_another_root(log: Log) -> None:
    pack = log.pack(Request(controls=("pci-dss-4.0.1:8.4.2",)))
    leaves = bytearray(pack.files["ledger/leaves"])
    leaves[32 * 3] ^= 1
    pack.files["ledger/leaves"] = bytes(leaves)
    caught(pack.rebag(), 8, "ledger/leaves")
