# SPDX-License-Identifier: Apache-2.0
"""Stores that fail in two flavours, not stored and stored all the same; the whole log is checked after every step."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import LedgerError, SequencerClosed, StoreConflict, StoreError, StoreRolledBack, StoreUnavailable
from ledger.sequencer import Sequencer
from ledger.store import Memo
from ledger.unit import Outcome
from support.ledgers import FlakyCheckpoints, FlakyEntries, Home, Witnessed, sealed, unsigned, until


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.create(tmp_path / "home")
    yield home
    home.close()


class Story:
    """One log whose store misbehaves, told step by step."""

    def __init__(self, home: Home) -> None:
        self.home, self.entries, self.witnessed = home, FlakyEntries(home.entries), Witnessed()
        self.said: list[str] = []
        self.sequencer = self._open()
        self.number = 0

    def _open(self) -> Sequencer:
        return self.home.opened(entries=self.entries, on_halt=self.said.append)

    def record(self, size: int = 1) -> Outcome:
        """Record the next unit, with a memo, and check the whole log."""
        items = [unsigned(number) for number in range(self.number, self.number + size)]
        memo = Memo("till", b"%d" % self.number, b"", b"", 0)
        self.number += size
        outcome = self.witnessed.record(self.sequencer, items, memo)
        self.witnessed.check(self.home)
        return outcome

    def restart(self) -> None:
        """Close, heal and open again."""
        self.sequencer.close()
        self.witnessed.check(self.home)
        self.entries.blind = False
        self.sequencer = self._open()
        self.witnessed.check(self.home)

    def end(self) -> None:
        """Close, and check that everything stored is under a checkpoint."""
        self.sequencer.close()
        self.witnessed.check(self.home)
        assert self.sequencer.waiting == 0
        latest = self.home.checkpoints.latest()
        assert latest is not None
        assert latest.checkpoint.size == self.home.entries.size()


# What the store does to the third unit (of two events); the outcome of that unit, of the one that follows at once,
# and of the one after the store can be read again. An index says where it went, None that it was refused.
FAULTS: list[tuple[str, list[int | None]]] = [
    ("", [2, 4, 6]),
    ("not stored", [None, 2, 4]),
    ("stored", [2, 4, 6]),
    ("not stored, then blind", [None, None, 2]),
    ("stored, then blind", [None, None, 4]),
]


@pytest.mark.parametrize("restarted", [False, True], ids=["going on", "restarted"])
@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[fault or "none" for fault, _ in FAULTS])
def test_no_fault_of_the_store_loses_or_doubles_or_misplaces_an_event(
    home: Home, fault: str, expected: list[int | None], restarted: bool
) -> None:
    story = Story(home)
    assert [story.record(), story.record()] == [0, 1]
    story.entries.faults.append(fault)
    seen = [story.record(2), story.record(2)]
    if restarted:
        story.restart()
    story.entries.blind = False
    seen.append(story.record(2))
    assert [outcome if isinstance(outcome, int) else None for outcome in seen] == expected
    assert all(isinstance(outcome, StoreUnavailable) for outcome in seen if not isinstance(outcome, int))
    assert story.sequencer.halted is None
    assert isinstance(story.record(), int)
    story.end()
    assert story.said == []


@pytest.mark.parametrize("fault", ["stored", "not stored", "stored, then blind"])
def test_a_group_fails_or_succeeds_as_one(home: Home, fault: str) -> None:
    story, entered, gate = Story(home), threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert gate.wait(20)

    story.entries.before = hold
    story.entries.faults.extend(["", fault])
    first = story.witnessed.submit(story.sequencer, [unsigned(0)])
    assert entered.wait(20)
    group = [story.witnessed.submit(story.sequencer, [unsigned(n), unsigned(n + 1)]) for n in range(1, 9, 2)]
    until(lambda: len(story.sequencer._signed) == 4)
    gate.set()
    assert story.witnessed.outcome(first) == 0
    outcomes = [story.witnessed.outcome(number) for number in group]
    story.entries.blind = False
    if fault == "stored":
        assert sorted(outcomes, key=str) == [1, 3, 5, 7]
    else:
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    story.witnessed.check(home)
    story.number = 100
    assert story.record() == (1 if fault == "not stored" else 9)
    story.end()


def test_a_long_blindness_is_refusals_only_and_then_the_log_goes_on(home: Home) -> None:
    story = Story(home)
    story.entries.faults.append("stored, then blind")
    for _ in range(5):
        assert isinstance(story.record(), StoreUnavailable)
    assert home.entries.size() == 1, "something was written while it was not known what is stored"
    story.entries.blind = False
    assert story.record() == 1
    story.end()


def test_one_doubt_after_another(home: Home) -> None:
    story = Story(home)
    for stored in (True, False, True, True, False):
        story.entries.faults.append("stored, then blind" if stored else "not stored, then blind")
        assert isinstance(story.record(), StoreUnavailable)
        story.entries.blind = False
    assert story.record() == 3
    story.end()


def test_a_writer_that_closes_in_doubt_leaves_a_log_that_opens(home: Home) -> None:
    for fault in ("not stored, then blind", "stored, then blind"):
        story = Story(home)
        story.number = 10 * home.entries.size()
        size = home.entries.size()
        story.entries.faults.append(fault)
        assert isinstance(story.record(), StoreUnavailable)
        story.restart()
        assert story.sequencer.published.checkpoint.size == size + (fault == "stored, then blind")
        assert isinstance(story.record(), int)
        story.end()


@pytest.mark.parametrize("fault", ["", "not stored", "not stored, then blind"])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_someone_elses_entries_stop_the_log(home: Home, fault: str, rows: int) -> None:
    story = Story(home)
    story.record()

    def intrude() -> None:
        story.entries.before = lambda: None
        home.entries.append(1, [sealed(unsigned(1000 + number)) for number in range(rows)], [])

    story.entries.before = intrude
    story.entries.faults.append(fault)
    assert isinstance(story.record(2), StoreError)
    if story.entries.blind:
        assert story.sequencer.halted is None
        story.entries.blind = False
        assert isinstance(story.record(2), StoreError)
    assert story.said == ["the store holds entries from index 1 that this sequencer did not write"]
    with pytest.raises(SequencerClosed, match="did not write"):
        story.record()
    story.sequencer.close()
    story.witnessed.check(home)
    assert story.sequencer.published.checkpoint.size == 0, "a checkpoint was signed over a log known to be wrong"


def test_units_already_signed_when_the_log_stops_are_refused(home: Home) -> None:
    story, gate = Story(home), threading.Event()

    def intrude() -> None:
        assert gate.wait(20)
        story.entries.before = lambda: None
        home.entries.append(0, [sealed(unsigned(1000))], [])

    story.entries.before = intrude
    numbers = []
    for number in range(6):
        numbers.append(story.witnessed.submit(story.sequencer, [unsigned(number)]))
        time.sleep(0.01)
    gate.set()
    outcomes = [story.witnessed.outcome(number) for number in numbers]
    assert all(isinstance(outcome, LedgerError) for outcome in outcomes)
    assert any(isinstance(outcome, SequencerClosed) for outcome in outcomes)
    story.sequencer.close()
    assert story.sequencer.waiting == 0
    story.witnessed.check(home)


def test_a_database_that_was_rolled_back_underneath_stops_the_log(home: Home) -> None:
    story = Story(home)
    for _ in range(3):
        story.record()
    story.sequencer._try_checkpoint()
    home.edit("DELETE FROM entries WHERE idx = 2")
    outcome = story.witnessed.record(story.sequencer, [unsigned(9)])
    assert isinstance(outcome, StoreConflict)
    until(lambda: story.sequencer.halted)
    assert story.said == ["the store holds fewer entries than the 3 that were committed"]
    story.sequencer.close()
    with pytest.raises(StoreRolledBack, match="holds 2 entries"):
        home.opened()


@pytest.mark.parametrize("flavour", ["not stored", "stored"])
def test_a_store_that_breaks_its_promise_of_errors_still_gives_outcomes(home: Home, flavour: str) -> None:
    story = Story(home)
    story.entries.error = OSError("cable: secret")
    story.entries.faults.append(flavour)
    outcome = story.record()
    if flavour == "stored":
        assert outcome == 0
    else:
        assert isinstance(outcome, StoreError)
        assert str(outcome) == "the store failed: OSError"
    assert isinstance(story.record(), int)
    story.end()


@settings(deadline=None, max_examples=12)
@given(
    st.lists(st.tuples(st.sampled_from([fault for fault, _ in FAULTS]), st.integers(1, 3), st.booleans()), max_size=8)
)
def test_any_run_of_faults_leaves_a_log_that_adds_up(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    home = Home.create(tmp_path_factory.mktemp("run"))
    story = Story(home)
    for fault, size, heals in steps:
        story.entries.faults.append(fault)
        story.record(size)
        if heals:
            story.entries.blind = False
            story.entries.faults.clear()
    story.entries.blind = False
    story.entries.faults.clear()
    assert isinstance(story.record(), int)
    story.end()
    home.close()


# Publishing checkpoints


class Publishing:
    """One log whose checkpoint store misbehaves; a checkpoint is tried whenever the story says so."""

    def __init__(self, home: Home, **changes: Any) -> None:
        self.home, self.checkpoints = home, FlakyCheckpoints(home.checkpoints)
        self.said: list[str] = []
        self.sequencer = home.opened(checkpoints=self.checkpoints, on_halt=self.said.append, **changes)
        self.number = 0

    def step(self, fault: str = "") -> int:
        """Record an event, try a checkpoint, check the log, return the size shown to the world."""
        self.sequencer.append([unsigned(self.number)])
        self.number += 1
        if fault:
            self.checkpoints.faults.append(fault)
        self.sequencer._try_checkpoint()
        assert self.home.flaws() == []
        shown = self.sequencer.published
        assert shown in self.home.checkpoints.spread(0, 99, 99), "a checkpoint was shown that is not durable"
        return shown.checkpoint.size


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("not stored", [1, 1, 3]),
        ("stored", [1, 2, 3]),
        ("not stored, then blind", [1, 1, 1, 4]),
        ("stored, then blind", [1, 1, 1, 4]),
    ],
)
def test_no_fault_of_the_checkpoint_store_forks_or_stops_the_log(home: Home, fault: str, shown: list[int]) -> None:
    log = Publishing(home)
    seen = [log.step(), log.step(fault)]
    if log.checkpoints.blind:
        assert log.sequencer.lag > 0
        seen.append(log.step())
        log.checkpoints.blind = False
    seen.append(log.step())
    assert seen == shown
    assert log.sequencer.halted is None
    assert log.sequencer.lag == 0
    log.sequencer.close()
    assert home.flaws() == []


def test_another_sequencers_checkpoint_stops_the_log(home: Home) -> None:
    log = Publishing(home)
    log.step()
    home.edit("DELETE FROM checkpoints WHERE size = 1", file="checkpoints.sqlite")
    log.sequencer.append([unsigned(50)])
    log.sequencer._try_checkpoint()
    assert log.said == ["another checkpoint was published meanwhile: another sequencer is at work"]
    with pytest.raises(SequencerClosed, match="another sequencer"):
        log.sequencer.append([unsigned(51)])
    log.sequencer.close()


def test_a_checkpoint_in_doubt_at_close_is_found_again(home: Home) -> None:
    for fault in ("stored, then blind", "not stored, then blind"):
        log = Publishing(home)
        log.number = 10 * home.entries.size()
        log.sequencer.append([unsigned(log.number)])
        log.checkpoints.faults.append(fault)
        log.sequencer.close()
        again = home.opened()
        assert again.published.checkpoint.size == home.entries.size()
        again.close()
        assert home.flaws() == []


def test_an_unreadable_entry_store_only_delays_the_checkpoint(home: Home) -> None:
    entries = FlakyEntries(home.entries)
    log = Publishing(home, entries=entries)
    log.step()
    log.sequencer.append([unsigned(90)])
    entries.blind = True
    log.sequencer._try_checkpoint()
    assert log.sequencer.published.checkpoint.size == 1
    assert log.sequencer.halted is None
    entries.blind = False
    log.sequencer._try_checkpoint()
    assert log.sequencer.published.checkpoint.size == 2
    log.sequencer.close()
