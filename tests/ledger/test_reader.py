# SPDX-License-Identifier: Apache-2.0
"""Reading a ledger under its newest checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import envelope
from ledger.errors import ProofInvalid, StoreCorrupt
from ledger.proof import verify_consistency, verify_inclusion
from ledger.reader import LedgerReader
from ledger.sqlite import SqliteCheckpoints
from ledger.tiles import Tile, decode_bundle
from ledger.tree import leaf_hash
from support import reference
from support.ledgers import EVENT_KEYS, Home, disclosed, sealed, unsigned


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.create(tmp_path_factory.mktemp("log") / "home")
    home.filled([unsigned(0), disclosed(1)])
    sequencer = home.opened()
    sequencer.append([unsigned(number) for number in range(2, 260)])
    sequencer.close()
    # One more that no checkpoint covers yet.
    home.entries.append(260, [sealed(unsigned(260))], [])
    yield home
    home.close()


@pytest.fixture(scope="module")
def reader(home: Home) -> LedgerReader:
    return LedgerReader(home.entries, home.checkpoints)


def test_an_entry_is_read_and_proved_under_the_newest_checkpoint(reader: LedgerReader) -> None:
    point = reader.checkpoint().checkpoint
    assert point.size == 260
    for index in (0, 1, 255, 256, 259):
        entry = reader.entry(index)
        assert envelope.open_entry(entry, EVENT_KEYS) == (disclosed(1) if index == 1 else unsigned(index)).payload
        verify_inclusion(index, point.size, leaf_hash(entry), reader.inclusion(index, point.size), point.root)
    assert [leaf_hash(entry) for entry in reader.entries(3, 9)] == reader.leaves(3, 9)
    assert reader.disclosure(1) == disclosed(1).disclosure
    assert reader.disclosure(2) is None


@pytest.mark.parametrize("index", [-1, 260, 261, 2**70])
def test_what_no_checkpoint_covers_is_not_shown(reader: LedgerReader, index: int) -> None:
    with pytest.raises(ProofInvalid, match="under the checkpoint of size 260"):
        reader.entry(index)


def test_published_checkpoints_prove_consistent(reader: LedgerReader) -> None:
    older, middle, newest = (signed.checkpoint for signed in reader.checkpoints(0, 1000, 10))
    assert [older.size, middle.size, newest.size] == [0, 2, 260]
    path = reader.consistency(2, 260)
    verify_consistency(2, 260, middle.root, newest.root, path)
    assert reader.consistency(0, 260) == []


def test_tiles_hold_what_their_names_say(reader: LedgerReader, home: Home) -> None:
    entries = list(home.entries.entries(0, 260))
    assert decode_bundle(reader.tile(Tile(None, 0))) == entries[:256]
    assert decode_bundle(reader.tile(Tile(None, 1, 4))) == entries[256:]
    assert reader.tile(Tile(0, 0)) == b"".join(map(leaf_hash, entries[:256]))
    assert reader.tile(Tile(0, 1, 3)) == b"".join(map(leaf_hash, entries[256:259]))
    assert reader.tile(Tile(1, 0, 1)) == reference.mth(entries[:256])


def test_a_tile_that_is_not_full_is_not_served(reader: LedgerReader) -> None:
    for tile in (Tile(0, 1), Tile(1, 0), Tile(2, 0, 1)):
        with pytest.raises(StoreCorrupt, match="is incomplete"):
            reader.tile(tile)
    with pytest.raises(StoreCorrupt, match="is missing"):
        reader.tile(Tile(None, 1))


def test_a_log_that_never_published_has_no_checkpoint(home: Home, tmp_path: Path) -> None:
    empty = SqliteCheckpoints(tmp_path / "c.sqlite", create=True)
    with pytest.raises(StoreCorrupt, match="no checkpoint was ever published"):
        LedgerReader(home.entries, empty).checkpoint()
    empty.close()


def test_one_entry_is_read_without_counting_all(
    reader: LedgerReader, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count() -> int:
        raise AssertionError("all entries were counted")

    monkeypatch.setattr(home.entries, "size", count)
    assert reader.entry(7) == next(home.entries.entries(7, 8))


def test_a_covered_entry_that_is_gone_is_corruption(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home").filled([unsigned(0), unsigned(1)])
    home.edit("DELETE FROM entries WHERE idx = 0")
    with pytest.raises(StoreCorrupt, match="entry 0 is missing"):
        LedgerReader(home.entries, home.checkpoints).entry(0)
    home.close()
