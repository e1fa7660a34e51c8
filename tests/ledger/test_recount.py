# SPDX-License-Identifier: Apache-2.0
"""Recount names whatever was changed, and no flipped byte of a database file changes what is read unnoticed."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import event as events
from ledger.checkpoint import Checkpoint, sign
from ledger.errors import StoreError, StoreUnavailable
from ledger.keys import ML_DSA_87
from ledger.recount import recount
from ledger.tree import EMPTY_ROOT
from ledger.unit import Unsigned
from support.ledgers import (
    EVENT_KEYS,
    LOG_KEYS,
    LOG_PUBLIC,
    ORIGIN,
    VERIFIER,
    FlakyCheckpoints,
    FlakyEntries,
    Home,
    disclosed,
    event,
    key,
    sealed,
    unsigned,
)

ITEMS = [unsigned(0), disclosed(1), unsigned(2), disclosed(3)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small, closed log."""
    home = Home.create(tmp_path_factory.mktemp("log") / "home").filled(ITEMS)
    assert home.flaws() == []
    home.close()
    return home.folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a closed log of 257 entries."""
    home = Home.create(tmp_path_factory.mktemp("log") / "home")
    sequencer = home.opened()
    sequencer.append([unsigned(number) for number in range(257)])
    sequencer.close()
    assert home.flaws() == []
    home.close()
    return home.folder


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Iterator[Home]:
    shutil.copytree(original, tmp_path / "home")
    home = Home(tmp_path / "home")
    yield home
    home.close()


def read(home: Home, query: str, file: str = "entries.sqlite") -> bytes:
    connection = sqlite3.connect(home.folder / file)
    (value,) = connection.execute(query).fetchone()
    connection.close()
    assert isinstance(value, bytes)
    return value


def named(home: Home) -> list[str]:
    return [flaw.where for flaw in home.flaws()]


@pytest.mark.parametrize(
    ("file", "table", "column", "where", "most", "flaw"),
    [
        ("entries.sqlite", "entries", "entry", "idx = 1", 100, "entry 1"),
        ("entries.sqlite", "entries", "leaf", "idx = 2", 32, "entry 2"),
        ("entries.sqlite", "facts", "facts", "idx = 3", 99, "entry 3"),
        ("entries.sqlite", "facts", "salt", "idx = 1", 32, "entry 1"),
        ("checkpoints.sqlite", "checkpoints", "note", "size = 4", 100, "checkpoint"),
    ],
    ids=["entry", "leaf hash", "facts", "salt", "checkpoint"],
)
def test_every_flipped_byte_is_named(
    home: Home, file: str, table: str, column: str, where: str, most: int, flaw: str
) -> None:
    value = read(home, f"SELECT {column} FROM {table} WHERE {where}", file)  # noqa: S608 - our own names
    update = f"UPDATE {table} SET {column} = ? WHERE {where}"  # noqa: S608
    step = -(-len(value) // most)
    for at in range(0, len(value), step):
        home.edit(update, value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :], file=file)
        assert any(place.startswith(flaw) for place in named(home)), f"byte {at} was not missed"
    home.edit(update, value, file=file)
    assert named(home) == []


def test_a_flipped_byte_of_a_subtree_is_named(large: Path, tmp_path: Path) -> None:
    shutil.copytree(large, tmp_path / "home")
    home = Home(tmp_path / "home")
    value = read(home, "SELECT hash FROM subtrees")
    for spoilt in (value[:-1] + bytes([value[-1] ^ 1]), value[:-1], value + b"\0"):
        home.edit("UPDATE subtrees SET hash = ?", spoilt)
        assert named(home) == ["subtree 0 of tile level 1"]
    home.edit("UPDATE subtrees SET hash = 'text'")
    assert named(home) == ["subtree 0 of tile level 1"]
    home.edit("DELETE FROM subtrees")
    assert named(home) == ["subtree 0 of tile level 1"]
    home.close()


def note(size: int, root: bytes = EMPTY_ROOT) -> bytes:
    return sign(Checkpoint(ORIGIN, size, root), LOG_KEYS).note


def replace_entry(item: Unsigned, signer: Any = None) -> Callable[[Home], None]:
    def change(home: Home) -> None:
        row = sealed(item, *([signer] if signer else []))
        home.edit("UPDATE entries SET entry = ?, leaf = ? WHERE idx = 2", row.entry, row.leaf)

    return change


CHANGES: dict[str, tuple[Callable[[Home], None], list[str]]] = {
    "another event of ours": (replace_entry(unsigned(9)), ["checkpoint 4"]),
    "a foreign signature": (replace_entry(unsigned(2), key(ML_DSA_87, "thief")), ["entry 2", "checkpoint 4"]),
    "an event of another log": (
        replace_entry(Unsigned(events.encode(event(2, origin="other.example")))),
        ["entry 2", "checkpoint 4"],
    ),
    "no event": (replace_entry(Unsigned(b"{}")), ["entry 2", "checkpoint 4"]),
    "an entry gone": (lambda home: home.edit("DELETE FROM entries WHERE idx = 2"), ["entries"]),
    "the last entry gone": (lambda home: home.edit("DELETE FROM entries WHERE idx = 3"), ["checkpoint 4"]),
    "an entry as text": (lambda home: home.edit("UPDATE entries SET entry = 'x' WHERE idx = 2"), ["entry 2"]),
    "a leaf hash as text": (
        lambda home: home.edit("UPDATE entries SET leaf = 'x' WHERE idx = 2"),
        ["entry 2"],
    ),
    "facts as text": (lambda home: home.edit("UPDATE facts SET facts = '{}' WHERE idx = 1"), ["entry 1"]),
    "a short salt": (lambda home: home.edit("UPDATE facts SET salt = x'00' WHERE idx = 1"), ["entry 1"]),
    "facts of another entry": (
        lambda home: home.edit("UPDATE facts SET facts = (SELECT facts FROM facts WHERE idx = 1)"),
        ["entry 3"],
    ),
    "facts beside an event without": (lambda home: home.edit("UPDATE facts SET idx = 2 WHERE idx = 1"), ["entry 2"]),
    "an entry below the first": (lambda home: home.edit("UPDATE entries SET idx = -1 WHERE idx = 0"), ["entries"]),
    "a subtree too many": (
        lambda home: home.edit("INSERT INTO subtrees VALUES (1, 0, zeroblob(32))"),
        ["tile level 1"],
    ),
    "a subtree of a level too high": (
        lambda home: home.edit("INSERT INTO subtrees VALUES (2, 7, zeroblob(32))"),
        ["tile level 2"],
    ),
    "a subtree as text": (lambda home: home.edit("INSERT INTO subtrees VALUES (1, 0, 'x')"), ["subtrees"]),
    "entries swapped": (
        lambda home: home.edit("UPDATE entries SET entry = (SELECT entry FROM entries WHERE idx = 0) WHERE idx = 2"),
        ["entry 2", "checkpoint 4"],
    ),
    "all checkpoints gone": (
        lambda home: home.edit("DELETE FROM checkpoints", file="checkpoints.sqlite"),
        ["checkpoints"],
    ),
    "the newest checkpoint unreadable": (
        lambda home: home.edit("UPDATE checkpoints SET note = x'00' WHERE size = 4", file="checkpoints.sqlite"),
        ["checkpoints"],
    ),
    "a checkpoint over more than there is": (
        lambda home: home.edit("INSERT INTO checkpoints VALUES (9, ?)", note(9), file="checkpoints.sqlite"),
        ["checkpoint 9"],
    ),
    "a fork in the middle": (
        lambda home: home.edit("INSERT INTO checkpoints VALUES (2, ?)", note(2), file="checkpoints.sqlite"),
        ["checkpoint 2"],
    ),
    "a first checkpoint of another root": (
        lambda home: home.edit(
            "UPDATE checkpoints SET note = ? WHERE size = 0", note(0, bytes(32)), file="checkpoints.sqlite"
        ),
        ["checkpoint 0"],
    ),
    "a checkpoint of one signature": (
        lambda home: home.edit(
            "INSERT INTO checkpoints VALUES (2, ?)",
            sign(Checkpoint(ORIGIN, 2, EMPTY_ROOT), LOG_KEYS[:1]).note,
            file="checkpoints.sqlite",
        ),
        ["checkpoint 2"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_named(home: Home, name: str) -> None:
    change, expected = CHANGES[name]
    change(home)
    places = named(home)
    assert [place for place in dict.fromkeys(places) if place in expected] == expected, places


def test_erased_facts_are_no_flaw(home: Home) -> None:
    home.edit("DELETE FROM facts")
    assert named(home) == []


def test_a_recount_says_how_far_it_has_come(home: Home) -> None:
    seen: list[tuple[int, int]] = []
    found = recount(
        home.entries,
        home.checkpoints,
        origin=ORIGIN,
        event_keys=EVENT_KEYS,
        log_keys=LOG_PUBLIC,
        verifier=VERIFIER,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert list(found) == []
    assert seen == [(0, 4)]


def test_a_store_that_cannot_be_read_is_named_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    flaky, checkpoints = FlakyEntries(home.entries), FlakyCheckpoints(home.checkpoints)
    flaky.blind = True
    found = recount(flaky, checkpoints, origin=ORIGIN, event_keys=EVENT_KEYS, log_keys=LOG_PUBLIC, verifier=VERIFIER)
    assert [flaw.where for flaw in found] == ["entries"]

    def unavailable(*_: Any) -> Any:
        raise StoreUnavailable("the database cannot be read")

    flaky.blind = False
    monkeypatch.setattr(checkpoints, "spread", unavailable)
    found = recount(flaky, checkpoints, origin=ORIGIN, event_keys=EVENT_KEYS, log_keys=LOG_PUBLIC, verifier=VERIFIER)
    assert [flaw.where for flaw in found] == ["checkpoints"]


def test_a_log_without_its_newest_checkpoint_still_counts_the_rest(home: Home) -> None:
    home.edit("DELETE FROM checkpoints WHERE size = 4", file="checkpoints.sqlite")
    assert named(home) == []


def test_a_log_that_grows_meanwhile_is_no_flaw(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    sequencer, size, spread = home.opened(), home.entries.size, home.checkpoints.spread

    def grow() -> None:
        sequencer.append([unsigned(number) for number in range(sequencer.size, 300)])
        sequencer._try_checkpoint()

    def growing(real: Any) -> Any:
        def read(*arguments: Any) -> Any:
            found = real(*arguments)
            if sequencer.size < 300:
                grow()
            return found

        return read

    monkeypatch.setattr(home.entries, "size", growing(size))
    monkeypatch.setattr(home.checkpoints, "spread", growing(spread))
    assert named(home) == []
    assert sequencer.size == 300
    sequencer.close()


def truth(folder: Path) -> tuple[list[bytes], list[bytes]]:
    """Return every entry and every checkpoint note that can be read."""
    home = Home(folder)
    try:
        entries = list(home.entries.entries(0, home.entries.size()))
        return entries, [signed.note for signed in home.checkpoints.spread(0, 2**62, 100)]
    finally:
        home.close()


@pytest.mark.parametrize(("file", "times"), [("entries.sqlite", 200), ("checkpoints.sqlite", 80)])
def test_no_flipped_byte_of_a_database_file_goes_unnoticed(
    original: Path, tmp_path: Path, file: str, times: int
) -> None:
    want = truth(original)
    shutil.copytree(original, tmp_path / "home")
    good = (original / file).read_bytes()
    chance = random.Random(20260101)
    flawed = 0
    for _ in range(times):
        at, bit = chance.randrange(len(good)), chance.randrange(8)
        for extra in (tmp_path / "home").glob("*-*"):
            extra.unlink()
        (tmp_path / "home" / file).write_bytes(good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :])
        try:
            home = Home(tmp_path / "home")
            try:
                flaws = home.flaws()
            finally:
                home.close()
            flawed += bool(flaws)
            assert flaws or truth(tmp_path / "home") == want, f"bit {bit} of byte {at} changed what is read, unnoticed"
        except StoreError:
            flawed += 1
    assert flawed > times // 10, "hardly any flip mattered: the sweep looks at the wrong file"
