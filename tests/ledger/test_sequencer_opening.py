# SPDX-License-Identifier: Apache-2.0
"""What the writer refuses to open: after a refusal nothing has been written, and it still takes nothing."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint, sign
from ledger.errors import LedgerError, SequencerClosed, StoreCorrupt, StoreRolledBack, StoreUnavailable
from ledger.keys import ED25519, ML_DSA_87
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from ledger.tree import EMPTY_ROOT
from support.ledgers import EVENT_KEYS, LOG_KEYS, ORIGIN, Home, Witnessed, key, sealed, unsigned


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.create(tmp_path / "home")
    yield home
    home.close()


def test_an_unopened_writer_takes_nothing(home: Home) -> None:
    sequencer = home.sequencer()
    assert sequencer.halted == "it has not been opened"
    with pytest.raises(SequencerClosed, match="not been opened"):
        sequencer.append([unsigned(0)])
    with pytest.raises(SequencerClosed, match="not been opened"):
        _ = sequencer.published
    sequencer.close()


def refused(home: Home, kind: type[LedgerError], words: str, **changes: Any) -> None:
    sequencer = home.sequencer(**changes)
    before = dump(home)
    with pytest.raises(kind, match=words):
        sequencer.open()
    with pytest.raises(SequencerClosed):
        sequencer.append([unsigned(99)])
    sequencer.close()
    assert dump(home) == before


def dump(home: Home) -> list[list[Any]]:
    found = []
    for file, table in (("entries", "entries"), ("entries", "facts"), ("checkpoints", "checkpoints")):
        connection = sqlite3.connect(home.folder / f"{file}.sqlite")
        found.append(connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall())  # noqa: S608 - our own names
        connection.close()
    return found


EVENTS = [unsigned(number) for number in range(6)]


def test_a_restored_older_database_is_refused(home: Home) -> None:
    home.filled(EVENTS[:3])
    home.close()
    shutil.copy(home.folder / "entries.sqlite", home.folder / "backup")
    newer = Home(home.folder).filled(EVENTS[3:])
    newer.close()
    shutil.copy(home.folder / "backup", home.folder / "entries.sqlite")
    restored = Home(home.folder)
    refused(restored, StoreRolledBack, "holds 3 entries, but a checkpoint over 6 was signed")
    restored.close()


def test_a_lost_checkpoint_store_is_refused(home: Home) -> None:
    home.filled(EVENTS)
    home.close()
    (home.folder / "checkpoints.sqlite").unlink()
    with pytest.raises(StoreUnavailable, match=r"checkpoints\.sqlite is not there"):
        Home(home.folder)
    SqliteCheckpoints(home.folder / "checkpoints.sqlite", create=True).close()
    emptied = Home(home.folder)
    refused(emptied, StoreRolledBack, "there is no signed checkpoint")
    emptied.close()


def test_a_lost_database_is_refused(home: Home) -> None:
    home.filled(EVENTS)
    home.close()
    (home.folder / "entries.sqlite").unlink()
    SqliteEntries(home.folder / "entries.sqlite", create=True).close()
    emptied = Home(home.folder)
    refused(emptied, StoreRolledBack, "holds 0 entries")
    emptied.close()


@pytest.mark.parametrize(
    "note",
    [
        sign(Checkpoint("other.example/log", 6, EMPTY_ROOT), LOG_KEYS).note,
        sign(Checkpoint(ORIGIN, 6, EMPTY_ROOT), LOG_KEYS[:1]).note,
        sign(Checkpoint(ORIGIN, 6, EMPTY_ROOT), [key(ED25519, "x"), key(ML_DSA_87, "x")]).note,
    ],
    ids=["another log's", "one signature only", "other keys"],
)
def test_a_checkpoint_that_is_not_ours_is_refused(home: Home, note: bytes) -> None:
    home.filled(EVENTS)
    home.edit("UPDATE checkpoints SET note = ? WHERE size = 6", note, file="checkpoints.sqlite")
    refused(home, StoreCorrupt, "was not signed by this log's keys")


def test_a_checkpoint_of_ours_over_other_entries_is_refused(home: Home) -> None:
    home.filled(EVENTS)
    note = sign(Checkpoint(ORIGIN, 6, EMPTY_ROOT), LOG_KEYS).note
    home.edit("UPDATE checkpoints SET note = ? WHERE size = 6", note, file="checkpoints.sqlite")
    refused(home, StoreRolledBack, "lead to root")


@pytest.mark.parametrize("tail", [0, 2])
def test_a_changed_entry_below_the_checkpoint_is_refused(home: Home, tail: int) -> None:
    home.filled(EVENTS[:3])
    other = sealed(unsigned(77))
    home.edit("UPDATE entries SET entry = ?, leaf = ? WHERE idx = 1", other.entry, other.leaf)
    if tail:
        home.entries.append(3, [sealed(item) for item in EVENTS[3:5]], [])
    refused(home, StoreRolledBack, "the database was changed or is another one")


def test_a_first_checkpoint_of_an_empty_log_has_the_empty_root(home: Home) -> None:
    note = sign(Checkpoint(ORIGIN, 0, bytes(32)), LOG_KEYS).note
    home.edit("UPDATE checkpoints SET note = ?", note, file="checkpoints.sqlite")
    refused(home, StoreRolledBack, "the first 0 entries")
    home.entries.append(0, [sealed(EVENTS[0])], [])
    refused(home, StoreRolledBack, "the first 0 entries")


def test_a_newer_entry_of_a_foreign_key_is_refused(home: Home) -> None:
    home.filled(EVENTS[:3])
    home.entries.append(3, [sealed(EVENTS[3]), sealed(EVENTS[4], key(ML_DSA_87, "thief"))], [])
    refused(home, StoreCorrupt, "entry 4, newer than the last checkpoint, is not ours")


def test_a_newer_entry_that_is_no_envelope_is_refused(home: Home) -> None:
    home.filled(EVENTS[:3])
    home.edit("INSERT INTO entries VALUES (3, zeroblob(32), x'00')")
    refused(home, StoreCorrupt, "entry 3, newer than the last checkpoint, is not ours")


@pytest.mark.parametrize("gap", [0, 2, 4])
def test_a_gap_is_refused(home: Home, gap: int) -> None:
    home.filled(EVENTS)
    home.edit("DELETE FROM entries WHERE idx = ?", gap)
    refused(home, StoreCorrupt, "are expected by their indexes")


def test_entries_that_a_crash_left_without_a_checkpoint_are_continued(home: Home) -> None:
    home.filled(EVENTS[:2])
    home.entries.append(2, [sealed(item) for item in EVENTS[2:4]], [])
    sequencer = home.opened()
    assert sequencer.published.checkpoint.size == 4
    assert sequencer.lag == 0
    assert sequencer.append([EVENTS[4]]) == 4
    sequencer.close()
    assert home.payloads() == [item.payload for item in EVENTS[:5]]
    assert home.consistent() == 4
    assert home.flaws() == []


def test_entries_of_an_earlier_event_key_are_continued(home: Home) -> None:
    old = key(ML_DSA_87, "last year")
    home.entries.append(0, [sealed(EVENTS[0], old)], [])
    keys = EVENT_KEYS | {old.public.key_id: old.public}
    sequencer = home.opened(event_keys=keys)
    assert sequencer.append([EVENTS[1]]) == 1
    sequencer.close()


def test_a_writer_that_cannot_publish_when_it_opens_does_not_open(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.entries.append(0, [sealed(EVENTS[0])], [])

    def fail(*_: Any) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(home.checkpoints, "publish", fail)
    refused(home, StoreUnavailable, "disk full")
    monkeypatch.undo()
    sequencer = home.opened()
    assert sequencer.published.checkpoint.size == 1
    sequencer.close()


def test_a_second_writer_stops_at_its_first_write(tmp_path: Path) -> None:
    one = Home.create(tmp_path / "home")
    two = Home(tmp_path / "home")
    first, second = one.opened(), two.opened()
    witnessed = Witnessed()
    assert first.append([EVENTS[0]]) == 0
    assert isinstance(witnessed.record(second, [EVENTS[1]]), LedgerError)
    assert "did not write" in str(second.halted)
    assert first.append([EVENTS[2]]) == 1
    first.close()
    second.close()
    witnessed.check(one)
    assert one.payloads() == [EVENTS[0].payload, EVENTS[2].payload]
    one.close()
    two.close()
