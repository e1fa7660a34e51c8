# SPDX-License-Identifier: Apache-2.0
"""The embedded stores: all or nothing, durable, and honest about what they hold."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as hooks

from ledger.checkpoint import Checkpoint, SignedCheckpoint, sign
from ledger.commitment import Disclosure
from ledger.errors import StoreConflict, StoreCorrupt, StoreError, StoreUnavailable
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from ledger.store import Memo, Sealed
from ledger.tiles import WIDTH
from ledger.tree import EMPTY_ROOT, leaf_hash
from support import reference
from support.ledgers import LOG_KEYS, ORIGIN, plain

MEMO = Memo("till", b"k" * 32, b"f" * 32, b"answer", 1000, 0)


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[SqliteEntries]:
    store = SqliteEntries(tmp_path / "entries.sqlite", create=True)
    yield store
    store.close()


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[SqliteCheckpoints]:
    store = SqliteCheckpoints(tmp_path / "checkpoints.sqlite", create=True)
    yield store
    store.close()


def change(folder: Path, statement: str, *values: Any, file: str = "entries.sqlite") -> None:
    """Edit a database behind the store's back."""
    connection = sqlite3.connect(folder / file)
    with connection:
        assert connection.execute(statement, values).rowcount != 0
    connection.close()


def rows(start: int, stop: int) -> list[Sealed]:
    return [plain(number) for number in range(start, stop)]


def test_what_was_appended_is_there_in_order(entries: SqliteEntries) -> None:
    assert entries.size() == 0
    assert list(entries.entries(0, 0)) == entries.hashes(0, 0, 5) == []
    entries.append(0, rows(0, 3), [])
    entries.append(3, rows(3, 700), [])
    assert entries.size() == 700
    assert list(entries.entries(0, 700)) == [row.entry for row in rows(0, 700)]
    assert list(entries.entries(255, 513)) == [row.entry for row in rows(255, 513)]
    assert entries.hashes(0, 690, 800) == [row.leaf for row in rows(690, 700)]


def test_it_is_all_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    first = SqliteEntries(tmp_path / "e.sqlite", create=True)
    first.append(0, rows(0, 5), [MEMO])
    first.close()
    assert not (tmp_path / "e.sqlite-wal").exists()
    again = SqliteEntries(tmp_path / "e.sqlite")
    assert list(again.entries(0, 5)) == [row.entry for row in rows(0, 5)]
    assert again.memo("till", b"k" * 32) == MEMO
    again.close()


def test_a_file_that_is_not_there_is_not_made_by_opening_it(tmp_path: Path) -> None:
    for kind in (SqliteEntries, SqliteCheckpoints):
        with pytest.raises(StoreUnavailable, match=r"gone\.sqlite is not there"):
            kind(tmp_path / "gone.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_vanished_or_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "e.sqlite").write_bytes(b"not a database at all" * 500)
    with pytest.raises(StoreCorrupt, match="the database says"):
        SqliteEntries(tmp_path / "e.sqlite").size()
    (tmp_path / "empty.sqlite").touch()
    empty = SqliteEntries(tmp_path / "empty.sqlite")
    with pytest.raises(StoreCorrupt, match="no such table"):
        empty.size()
    empty.close()
    with pytest.raises(StoreUnavailable):
        SqliteEntries(tmp_path / "no" / "folder.sqlite", create=True)


def test_a_commit_is_flushed_and_deleted_facts_are_overwritten(entries: SqliteEntries) -> None:
    with entries._engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "secure_delete", "trusted_schema")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "trusted_schema": 0}


def test_writes_take_the_lock_before_they_read(tmp_path: Path) -> None:
    # A transaction that begins as a reader cannot become a writer once another one has committed.
    entries = SqliteEntries(tmp_path / "e.sqlite", create=True)
    checkpoints = SqliteCheckpoints(tmp_path / "c.sqlite", create=True)
    seen: list[str] = []

    def spy(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    for store in (entries, checkpoints):
        hooks.listen(store._engine, "before_cursor_execute", spy)
    writes: list[Callable[[], None]] = [
        lambda: entries.append(0, rows(0, 1), []),
        lambda: entries.forget_memos(0),
        lambda: checkpoints.publish(None, sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT), LOG_KEYS)),
    ]
    for write in writes:
        seen.clear()
        write()
        assert seen[0] == "BEGIN IMMEDIATE"
    reads: list[Callable[[], object]] = [entries.size, checkpoints.latest]
    for read in reads:
        seen.clear()
        read()
        assert seen[0] == "BEGIN"
    entries.close()
    checkpoints.close()


@pytest.mark.parametrize("first", [0, 2, 4])
def test_an_append_at_another_place_is_a_conflict_and_changes_nothing(entries: SqliteEntries, first: int) -> None:
    entries.append(0, rows(0, 3), [])
    with pytest.raises(StoreConflict, match=f"the next entry is 3, not {first}"):
        entries.append(first, rows(9, 11), [MEMO])
    assert entries.size() == 3
    assert entries.memo("till", b"k" * 32) is None


def test_an_append_is_all_or_nothing(entries: SqliteEntries, tmp_path: Path) -> None:
    entries.append(0, rows(0, 254), [])
    change(tmp_path, "INSERT INTO subtrees VALUES (1, 0, x'00')")
    with pytest.raises(StoreError):
        entries.append(254, rows(254, 300), [MEMO])
    assert entries.size() == 254
    assert entries.memo("till", b"k" * 32) is None


def test_a_second_writer_is_waited_for(tmp_path: Path) -> None:
    first, second = (SqliteEntries(tmp_path / "e.sqlite", create=True) for _ in range(2))
    first.append(0, rows(0, 2), [])
    second.append(2, rows(2, 4), [])
    with pytest.raises(StoreConflict):
        first.append(2, rows(2, 3), [])
    assert list(first.entries(0, 4)) == [row.entry for row in rows(0, 4)]
    first.close()
    second.close()


@pytest.mark.parametrize("batches", [[255, 1, 1], [256], [1, 511], [256, 256], [300, 300, 300]])
def test_the_root_over_256_entries_is_written_when_they_are_full(entries: SqliteEntries, batches: list[int]) -> None:
    size = 0
    for batch in batches:
        entries.append(size, rows(size, size + batch), [])
        size += batch
        full = size // WIDTH
        want = [reference.mth([b"entry %d" % n for n in range(i * WIDTH, (i + 1) * WIDTH)]) for i in range(full)]
        assert entries.hashes(1, 0, 10) == want


def test_the_root_over_65536_entries_is_written_when_they_are_full(entries: SqliteEntries) -> None:
    data = [b"%d" % number for number in range(65_537)]
    everything = [Sealed(entry, leaf_hash(entry)) for entry in data]
    entries.append(0, everything[:65_535], [])
    assert len(entries.hashes(1, 0, 300)) == 255
    assert entries.hashes(2, 0, 2) == []
    entries.append(65_535, everything[65_535:], [])
    assert len(entries.hashes(1, 0, 300)) == 256
    assert entries.hashes(2, 0, 2) == [reference.mth(data[:65_536])]
    assert entries.hashes(3, 0, 2) == []


def test_facts_are_kept_beside_their_entry(entries: SqliteEntries) -> None:
    disclosure = Disclosure(bytes(32), b'{"mfa":true}')
    entries.append(0, [plain(0), Sealed(b"e", leaf_hash(b"e"), disclosure)], [])
    assert entries.disclosure(0) is None
    assert entries.disclosure(1) == disclosure
    assert entries.disclosure(2) is None


def test_answers_are_kept_by_caller_and_key_until_they_are_old(entries: SqliteEntries) -> None:
    other = Memo("till 2", MEMO.key, b"g" * 32, b"other", 2000, 1)
    entries.append(0, rows(0, 2), [MEMO, other])
    assert entries.memo("till", MEMO.key) == MEMO
    assert entries.memo("till 2", MEMO.key) == other
    assert entries.memo("till", b"x" * 32) is None
    entries.append(2, rows(2, 3), [Memo("till", MEMO.key, MEMO.fingerprint, b"newer", 1500, 2)])
    kept = entries.memo("till", MEMO.key)
    assert kept is not None
    assert (kept.content, kept.first) == (b"newer", 2)
    entries.forget_memos(1500)
    assert entries.memo("till", MEMO.key) is not None
    entries.forget_memos(1501)
    assert entries.memo("till", MEMO.key) is None
    assert entries.memo("till 2", MEMO.key) == other


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries WHERE idx = 1",
        "UPDATE entries SET idx = 9 WHERE idx = 2",
        "UPDATE entries SET idx = -1 WHERE idx = 0",
    ],
)
def test_a_gap_is_corruption(entries: SqliteEntries, tmp_path: Path, statement: str) -> None:
    entries.append(0, rows(0, 4), [])
    change(tmp_path, statement)
    with pytest.raises(StoreCorrupt, match="are expected by their indexes"):
        entries.size()
    with pytest.raises(StoreCorrupt, match="is missing"):
        list(entries.entries(0, 4))


def test_the_end_is_missed_as_well(entries: SqliteEntries) -> None:
    entries.append(0, rows(0, 4), [])
    with pytest.raises(StoreCorrupt, match="entry 4 is missing"):
        list(entries.entries(2, 6))


@pytest.mark.parametrize("value", ["text", 7, 2.5])
def test_what_is_no_longer_bytes_is_corruption(entries: SqliteEntries, tmp_path: Path, value: Any) -> None:
    entries.append(0, [Sealed(b"e", leaf_hash(b"e"), Disclosure(bytes(32), b"{}"))], [])
    entries.append(1, rows(1, 255), [])
    change(tmp_path, "UPDATE entries SET entry = ?, leaf = ? WHERE idx = 0", value, value)
    change(tmp_path, "UPDATE facts SET facts = ?", value)
    for read in (
        lambda: list(entries.entries(0, 1)),
        lambda: entries.hashes(0, 0, 1),
        lambda: entries.disclosure(0),
        lambda: entries.append(255, rows(255, 256), []),
    ):
        with pytest.raises(StoreCorrupt):
            read()


@pytest.mark.parametrize("gone", [1, 128])
def test_a_subtree_is_not_computed_over_hashes_that_were_lost(
    entries: SqliteEntries, tmp_path: Path, gone: int
) -> None:
    entries.append(0, rows(0, 255), [])
    change(tmp_path, "DELETE FROM entries WHERE idx < ?", gone)
    with pytest.raises(StoreCorrupt, match="has lost hashes"):
        entries.append(255, rows(255, 256), [])


def point(size: int) -> SignedCheckpoint:
    return sign(Checkpoint(ORIGIN, size, EMPTY_ROOT), LOG_KEYS[:1])


def test_a_checkpoint_is_published_after_the_one_it_follows(checkpoints: SqliteCheckpoints) -> None:
    assert checkpoints.latest() is None
    assert checkpoints.spread(0, 10, 10) == []
    first, second = point(0), point(3)
    checkpoints.publish(None, first)
    checkpoints.publish(first, second)
    assert checkpoints.latest() == second
    for expected in (None, first, point(4)):
        with pytest.raises(StoreConflict):
            checkpoints.publish(expected, point(5))
    assert checkpoints.latest() == second
    with pytest.raises(StoreError):
        checkpoints.publish(second, point(3))
    assert checkpoints.spread(0, 10, 10) == [first, second]


def test_checkpoints_are_spread_evenly_with_first_and_last(checkpoints: SqliteCheckpoints) -> None:
    published = [point(size) for size in range(0, 40, 2)]
    checkpoints.publish(None, published[0])
    for older, newer in pairwise(published):
        checkpoints.publish(older, newer)
    assert checkpoints.spread(0, 40, 100) == published
    assert checkpoints.spread(4, 11, 100) == published[2:6]
    for most in range(1, 20):
        found = checkpoints.spread(0, 40, most)
        assert len(found) == most
        assert found[-1] == published[-1]
        assert most == 1 or found[0] == published[0]
        sizes = [signed.checkpoint.size for signed in found]
        assert sizes == sorted(set(sizes))
    assert checkpoints.spread(0, 40, 0) == []


def test_a_log_may_have_more_checkpoints_than_a_statement_has_parameters(
    checkpoints: SqliteCheckpoints, tmp_path: Path
) -> None:
    notes = [
        (size, Checkpoint("a", size, EMPTY_ROOT).text() + "\n\u2014 a AAAAAAAA\n".encode()) for size in range(33_000)
    ]
    connection = sqlite3.connect(tmp_path / "checkpoints.sqlite")
    with connection:
        connection.executemany("INSERT INTO checkpoints VALUES (?, ?)", notes)
    connection.close()
    # The number of parameters that SQLite is built with by default.
    hooks.listen(
        checkpoints._engine,
        "connect",
        lambda connection, _: connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766),
    )
    checkpoints.close()
    found = checkpoints.spread(0, 2**62, 1_000_000)
    assert [signed.checkpoint.size for signed in found] == list(range(33_000))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checkpoints SET note = x'00'",
        "UPDATE checkpoints SET note = CAST(note AS TEXT)",
        "UPDATE checkpoints SET note = 5",
        "UPDATE checkpoints SET size = 8",
    ],
)
def test_a_stored_checkpoint_that_is_not_what_it_was_is_corruption(
    checkpoints: SqliteCheckpoints, tmp_path: Path, statement: str
) -> None:
    checkpoints.publish(None, point(7))
    change(tmp_path, statement, file="checkpoints.sqlite")
    with pytest.raises(StoreCorrupt, match="checkpoint"):
        checkpoints.latest()
    with pytest.raises(StoreCorrupt, match="checkpoint"):
        checkpoints.spread(0, 10, 10)


def test_a_locked_database_is_unavailable_not_corrupt(entries: SqliteEntries, tmp_path: Path) -> None:
    entries.append(0, rows(0, 1), [])
    hooks.listen(entries._engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=50"))
    entries.close()
    other = sqlite3.connect(tmp_path / "entries.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        entries.append(1, rows(1, 2), [])
    assert entries.size() == 1
    other.execute("ROLLBACK")
    other.close()
    entries.append(1, rows(1, 2), [])
