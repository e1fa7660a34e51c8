# SPDX-License-Identifier: Apache-2.0
"""The embedded stores: two SQLite files, each in WAL mode with synchronous=FULL.

A commit returns after the write-ahead log has been flushed to stable storage. Deleted facts are overwritten
(secure_delete).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, ExceptionContext, Table, delete, event, func, insert, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlmodel import Field, SQLModel, create_engine

from ledger.checkpoint import SignedCheckpoint, parse_note
from ledger.commitment import Disclosure
from ledger.errors import LedgerError, Malformed, StoreConflict, StoreCorrupt, StoreError, StoreUnavailable
from ledger.store import Memo, Sealed
from ledger.tiles import WIDTH
from ledger.tree import HASH_SIZE, perfect_root

CHUNK = 256
"""Entries read from the database at a time."""

_CORRUPT = ("malformed", "not a database", "corrupt", "database schema", "no such table")


class EntryRow(SQLModel, table=True):
    """One entry: the exact bytes of a signed event, and its leaf hash."""

    __tablename__ = "entries"
    idx: int = Field(primary_key=True)
    leaf: bytes
    entry: bytes


class FactsRow(SQLModel, table=True):
    """The facts vault: what opens the commitment of an entry."""

    __tablename__ = "facts"
    idx: int = Field(primary_key=True)
    salt: bytes
    facts: bytes


class SubtreeRow(SQLModel, table=True):
    """The root over 256 hashes of the tile level below."""

    __tablename__ = "subtrees"
    level: int = Field(primary_key=True)
    idx: int = Field(primary_key=True)
    hash: bytes


class MemoRow(SQLModel, table=True):
    """An answer given under an idempotency key."""

    __tablename__ = "memos"
    caller: str = Field(primary_key=True)
    key: bytes = Field(primary_key=True)
    fingerprint: bytes
    content: bytes
    time: int = Field(index=True)
    first: int


class CheckpointRow(SQLModel, table=True):
    """A signed checkpoint, in a database of its own."""

    __tablename__ = "checkpoints"
    size: int = Field(primary_key=True)
    note: bytes


def _table(row: type[SQLModel]) -> Table:
    return cast("Table", row.__table__)  # type: ignore[attr-defined]


_ENTRIES, _FACTS, _SUBTREES, _MEMOS = _table(EntryRow), _table(FactsRow), _table(SubtreeRow), _table(MemoRow)
_CHECKPOINTS = _table(CheckpointRow)


class SqliteEntries:
    """An EntryStore in one SQLite file."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open the file; with `create`, make it first. Raises StoreUnavailable if it is not there."""
        self._engine = _open(path, create=create, tables=(_ENTRIES, _FACTS, _SUBTREES, _MEMOS))
        self._writer = self._engine.execution_options(writes=True)

    def append(self, first: int, rows: Sequence[Sealed], memos: Sequence[Memo]) -> None:
        """Store rows and memos in one durable transaction; see EntryStore."""
        with _errors(), self._writer.begin() as connection:
            # Written as SQL, for this is the one path where the layers above the driver would cost as much as the disk.
            (following,) = connection.exec_driver_sql("SELECT coalesce(max(idx) + 1, 0) FROM entries").one()
            if first != following:
                raise StoreConflict(f"the next entry is {following}, not {first}: another writer is at work")
            numbered = list(enumerate(rows, first))
            entries = [(index, row.leaf, row.entry) for index, row in numbered]
            connection.exec_driver_sql("INSERT INTO entries (idx, leaf, entry) VALUES (?, ?, ?)", entries)
            kept = [(index, row.disclosure) for index, row in numbered if row.disclosure is not None]
            if kept:
                facts = [(index, disclosure.salt, disclosure.facts) for index, disclosure in kept]
                connection.exec_driver_sql("INSERT INTO facts (idx, salt, facts) VALUES (?, ?, ?)", facts)
            for memo in memos:
                values = {name: getattr(memo, name) for name in MemoRow.model_fields}
                connection.execute(insert(_MEMOS).prefix_with("OR REPLACE"), values)
            for number in range(first // WIDTH, (first + len(rows)) // WIDTH):
                _complete_tile(connection, 0, number)

    def size(self) -> int:
        """Return the number of entries."""
        with _errors(), self._engine.connect() as connection:
            size = _size(connection)
            count = connection.execute(select(func.count()).where(_ENTRIES.c.idx >= 0)).scalar_one()
        if count != size:
            raise StoreCorrupt(f"{size} entries are expected by their indexes, {count} are there")
        return size

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the entries [start, stop)."""
        for begin in range(start, stop, CHUNK):
            end = min(begin + CHUNK, stop)
            query = select(_ENTRIES.c.idx, _ENTRIES.c.entry).where(_ENTRIES.c.idx >= begin, _ENTRIES.c.idx < end)
            with _errors(), self._engine.connect() as connection:
                rows = connection.execute(query.order_by(_ENTRIES.c.idx)).all()
            for want, row in enumerate(rows, begin):
                if row.idx != want or not isinstance(row.entry, bytes):
                    raise StoreCorrupt(f"entry {want} is missing")
                yield row.entry
            if len(rows) != end - begin:
                raise StoreCorrupt(f"entry {begin + len(rows)} is missing")

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of a tile level."""
        if level == 0:
            query = select(_ENTRIES.c.leaf).where(_ENTRIES.c.idx >= start, _ENTRIES.c.idx < stop)
            query = query.order_by(_ENTRIES.c.idx)
        else:
            query = select(_SUBTREES.c.hash).where(_SUBTREES.c.level == level)
            query = query.where(_SUBTREES.c.idx >= start, _SUBTREES.c.idx < stop).order_by(_SUBTREES.c.idx)
        with _errors(), self._engine.connect() as connection:
            found = list(connection.execute(query).scalars())
        _blobs(f"hash of tile level {level} in [{start}, {stop})", *found)
        return found

    def disclosure(self, index: int) -> Disclosure | None:
        """Return salt and facts of an entry."""
        query = select(_FACTS.c.salt, _FACTS.c.facts).where(_FACTS.c.idx == index)
        with _errors(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        _blobs(f"disclosure of entry {index}", row.salt, row.facts)
        return Disclosure(row.salt, row.facts)

    def memo(self, caller: str, key: bytes) -> Memo | None:
        """Return the answer kept for a key."""
        query = select(_MEMOS).where(_MEMOS.c.caller == caller, _MEMOS.c.key == key)
        with _errors(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else Memo(**row)

    def forget_memos(self, before: int) -> None:
        """Drop old answers."""
        with _errors(), self._writer.begin() as connection:
            connection.execute(delete(_MEMOS).where(_MEMOS.c.time < before))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()


class SqliteCheckpoints:
    """A CheckpointStore in one SQLite file of its own."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open the file; with `create`, make it first. Raises StoreUnavailable if it is not there."""
        self._engine = _open(path, create=create, tables=(_CHECKPOINTS,))
        self._writer = self._engine.execution_options(writes=True)

    def latest(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint."""
        with _errors(), self._engine.connect() as connection:
            row = connection.execute(_NEWEST).one_or_none()
        return None if row is None else _signed(row.size, row.note)

    def publish(self, expected: SignedCheckpoint | None, new: SignedCheckpoint) -> None:
        """Compare and swap the newest checkpoint."""
        with _errors(), self._writer.begin() as connection:
            newest = connection.execute(_NEWEST).one_or_none()
            if (newest and newest.note) != (expected and expected.note):
                raise StoreConflict("another checkpoint was published meanwhile: another sequencer is at work")
            row = {"size": new.checkpoint.size, "note": new.note}
            connection.execute(insert(_CHECKPOINTS), row)

    def spread(self, start: int, stop: int, most: int) -> list[SignedCheckpoint]:
        """Return checkpoints of sizes in [start, stop), evenly."""
        within = (_CHECKPOINTS.c.size >= start, _CHECKPOINTS.c.size < stop)
        with _errors(), self._engine.connect() as connection:
            sizes = list(connection.execute(select(_CHECKPOINTS.c.size).where(*within).order_by("size")).scalars())
            wanted = _spread(sizes, most)
            rows: list[Any] = []
            # A statement takes a bounded number of parameters, and a log has many checkpoints.
            for begin in range(0, len(wanted), CHUNK):
                chosen = _CHECKPOINTS.c.size.in_(wanted[begin : begin + CHUNK])
                rows += connection.execute(select(_CHECKPOINTS).where(chosen).order_by("size")).all()
        return [_signed(row.size, row.note) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()


_NEWEST = select(_CHECKPOINTS).order_by(_CHECKPOINTS.c.size.desc()).limit(1)


def _signed(size: int, note: bytes) -> SignedCheckpoint:
    _blobs(f"checkpoint of size {size}", note)
    try:
        checkpoint = parse_note(note)[0]
    except Malformed as error:
        raise StoreCorrupt(f"the stored checkpoint of size {size} is unreadable: {error}") from None
    if checkpoint.size != size:
        raise StoreCorrupt(f"the checkpoint stored as that of size {size} is of size {checkpoint.size}")
    return SignedCheckpoint(checkpoint, note)


def _spread(sizes: list[int], most: int) -> list[int]:
    if len(sizes) <= most:
        return sizes
    return [sizes[i * (len(sizes) - 1) // (most - 1)] for i in range(most)] if most > 1 else sizes[len(sizes) - most :]


def _blobs(what: str, *values: Any) -> None:
    """Check that what was stored as bytes still is (a column of SQLite holds whatever type was last put there)."""
    if not all(isinstance(value, bytes) for value in values):
        raise StoreCorrupt(f"the {what} is not stored as bytes")


def _size(connection: Connection) -> int:
    last = connection.execute(select(func.max(_ENTRIES.c.idx))).scalar_one()
    return 0 if last is None else int(last) + 1


def _complete_tile(connection: Connection, level: int, number: int) -> None:
    """Write the root of a tile whose 256 hashes are all there, and of those above that this completes."""
    source, column = (_ENTRIES, _ENTRIES.c.leaf) if level == 0 else (_SUBTREES, _SUBTREES.c.hash)
    start = number * WIDTH
    query = select(column).where(source.c.idx >= start, source.c.idx < start + WIDTH).order_by(source.c.idx)
    if level:
        query = query.where(_SUBTREES.c.level == level)
    hashes = list(connection.execute(query).scalars())
    _blobs(f"hash of tile {number} of level {level}", *hashes)
    if [len(value) for value in hashes] != [HASH_SIZE] * WIDTH:
        raise StoreCorrupt(f"tile {number} of level {level} has lost hashes")
    connection.execute(insert(_SUBTREES), {"level": level + 1, "idx": number, "hash": perfect_root(hashes)})
    if (number + 1) % WIDTH == 0:
        _complete_tile(connection, level + 1, number // WIDTH)


def _open(path: Path, *, create: bool, tables: Sequence[Table]) -> Engine:
    if not create and not path.is_file():
        raise StoreUnavailable(f"{path.name} is not there; `assay keys init` makes a new home")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 5, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        # Transactions are begun by us, IMMEDIATE for writes, not guessed by the driver.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        # A file that may not be written is opened for reading only, and such a connection stays so. The pool lets go
        # of all it has, and new ones are opened once the file may be written again.
        context.is_disconnect |= "readonly" in str(context.original_exception)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    if create:
        with _errors():
            SQLModel.metadata.create_all(engine, tables=list(tables))
    return engine


@contextmanager
def _errors() -> Iterator[None]:
    """Fold the driver's errors into ours."""
    try:
        yield
    except LedgerError:
        raise
    except (DBAPIError, sqlite3.Error) as error:
        reason = str(error.orig if isinstance(error, DBAPIError) else error)
        kind = StoreCorrupt if any(word in reason for word in _CORRUPT) else StoreUnavailable
        raise kind(f"the database says: {reason}") from None
    except SQLAlchemyError as error:
        raise StoreError(f"the database layer failed: {type(error).__name__}") from None
