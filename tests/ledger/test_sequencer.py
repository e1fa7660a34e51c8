# SPDX-License-Identifier: Apache-2.0
"""The one writer: groups, indexes, checkpoints, and what it refuses to open."""

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import (
    KeyUnusable,
    LedgerError,
    Malformed,
    Overloaded,
    SequencerClosed,
    SequencerError,
)
from ledger.keys import PublicKey
from ledger.store import Memo
from ledger.unit import Unit, Unsigned
from support.ledgers import (
    EVENT_KEY,
    LOG_KEYS,
    FlakyEntries,
    Home,
    Witnessed,
    disclosed,
    sealed,
    unsigned,
    until,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.create(tmp_path / "home")
    yield home
    home.close()


def test_events_become_entries_in_the_order_they_are_waited_for(home: Home) -> None:
    sequencer = home.opened()
    assert [sequencer.append([unsigned(number)]) for number in range(5)] == [0, 1, 2, 3, 4]
    assert sequencer.append([unsigned(5), disclosed(6), unsigned(7)]) == 5
    assert (sequencer.size, sequencer.waiting) == (8, 0)
    sequencer.close()
    assert home.payloads() == [item.payload for item in (*map(unsigned, range(6)), disclosed(6), unsigned(7))]
    assert home.entries.disclosure(6) == disclosed(6).disclosure
    assert home.flaws() == []
    assert sequencer.published.checkpoint.size == 8


def test_a_restarted_writer_goes_on_behind_the_last_entry(home: Home) -> None:
    for number in range(4):
        sequencer = home.opened()
        assert sequencer.append([unsigned(number)]) == number
        sequencer.close()
    assert home.consistent() == 5
    assert home.flaws() == []


def test_a_writer_says_how_far_it_has_come_with_opening(home: Home) -> None:
    home.filled([unsigned(number) for number in range(3)])
    seen: list[tuple[int, int]] = []
    sequencer = home.sequencer()
    sequencer.open(lambda done, of: seen.append((done, of)))
    sequencer.close()
    assert seen == [(0, 3)]


@settings(deadline=None, max_examples=6)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_many_submitters_get_distinct_neighbouring_indexes(threads: int, units: int, size: int, signers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, witnessed = Home.create(Path(folder)), Witnessed()
        sequencer = home.opened(threads=signers, interval=0.01)

        def work(worker: int) -> None:
            for unit in range(units):
                first = (worker * units + unit) * size
                memo = Memo(f"till {worker}", b"%d" % unit, b"", b"", 0)
                witnessed.submit(sequencer, [unsigned(number) for number in range(first, first + size)], memo)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        sequencer.close()
        places = [outcomes[0] for outcomes in witnessed.outcomes]
        assert all(isinstance(place, int) for place in places)
        assert sorted(places, key=int) == list(range(0, threads * units * size, size))  # type: ignore[arg-type]
        assert (sequencer.size, sequencer.waiting) == (threads * units * size, 0)
        assert sequencer.published.checkpoint.size == sequencer.size
        witnessed.check(home)
        home.consistent()
        home.close()


def test_one_submitters_events_keep_their_order_with_one_signer(home: Home) -> None:
    sequencer, witnessed = home.opened(threads=1), Witnessed()
    for number in range(30):
        witnessed.submit(sequencer, [unsigned(number)])
    sequencer.close()
    assert [outcomes[0] for outcomes in witnessed.outcomes] == list(range(30))
    witnessed.check(home)


def test_a_checkpoint_follows_within_the_interval(home: Home) -> None:
    sequencer = home.opened(interval=0.02)
    for number in range(3):
        sequencer.append([unsigned(number)])
        until(lambda: sequencer.published.checkpoint.size == sequencer.size)
    assert home.checkpoints.latest() == sequencer.published
    sequencer.close()
    assert home.consistent() == 4


def test_nothing_new_means_no_new_checkpoint(home: Home) -> None:
    sequencer = home.opened(interval=0.005)
    time.sleep(0.05)
    sequencer.close()
    assert home.consistent() == 1


def test_lag_counts_from_the_oldest_entry_without_a_checkpoint(home: Home) -> None:
    sequencer = home.opened()
    assert sequencer.lag == 0
    sequencer.append([unsigned(0)])
    time.sleep(0.02)
    sequencer.append([unsigned(1)])
    assert sequencer.lag >= 0.02
    sequencer._try_checkpoint()
    assert sequencer.lag == 0
    sequencer.close()


def test_an_entry_that_arrives_while_a_checkpoint_is_signed_keeps_its_lag(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequencer = home.opened()
    sequencer.append([unsigned(0)])
    publish = home.checkpoints.publish

    def late(*arguments: Any) -> None:
        publish(*arguments)
        sequencer.append([unsigned(1)])

    monkeypatch.setattr(home.checkpoints, "publish", late)
    sequencer._try_checkpoint()
    monkeypatch.undo()
    assert sequencer.published.checkpoint.size == 1
    assert sequencer.lag > 0
    sequencer.close()
    assert sequencer.lag == 0
    assert home.flaws() == []


def test_more_than_may_wait_is_refused_and_not_taken(home: Home) -> None:
    flaky, witnessed, gate = FlakyEntries(home.entries), Witnessed(), threading.Event()
    flaky.before = lambda: assert_true(gate.wait(20))
    sequencer = home.opened(entries=flaky, most_waiting=4)
    for number in range(2):
        witnessed.submit(sequencer, [unsigned(2 * number), unsigned(2 * number + 1)])
    assert sequencer.waiting == 4
    with pytest.raises(Overloaded, match="4 events are waiting"):
        sequencer.append([unsigned(9)])
    assert sequencer.waiting == 4
    gate.set()
    assert [witnessed.outcome(number) for number in range(2)] in ([0, 2], [2, 0])
    until(lambda: sequencer.waiting == 0)
    assert sequencer.append([unsigned(9)]) == 4
    sequencer.close()
    witnessed.check(home)
    assert len(home.payloads()) == 5


def test_a_unit_larger_than_what_may_wait_is_taken_when_nothing_waits(home: Home) -> None:
    sequencer = home.opened(most_waiting=4)
    assert sequencer.append([unsigned(number) for number in range(7)]) == 0
    sequencer.close()
    assert len(home.payloads()) == 7


def assert_true(value: object) -> None:
    assert value


def test_close_finishes_what_was_taken_and_signs_it(home: Home) -> None:
    flaky, witnessed, gate = FlakyEntries(home.entries), Witnessed(), threading.Event()
    flaky.before = lambda: assert_true(gate.wait(20))
    sequencer = home.opened(entries=flaky)
    for number in range(10):
        witnessed.submit(sequencer, [unsigned(number)])
    closer = threading.Thread(target=sequencer.close)
    closer.start()
    until(lambda: sequencer.halted)
    with pytest.raises(SequencerClosed, match="it is closing"):
        sequencer.append([unsigned(99)])
    gate.set()
    closer.join()
    assert all(isinstance(outcomes[0], int) for outcomes in witnessed.outcomes)
    assert sequencer.published.checkpoint.size == 10
    witnessed.check(home)
    sequencer.close()


def test_a_unit_taken_while_the_writer_closes_is_still_settled(home: Home) -> None:
    sequencer, witnessed = home.opened(threads=1), Witnessed()
    put = sequencer._sealers.put
    closer = threading.Thread(target=sequencer.close)

    def slow(unit: Unit) -> None:
        closer.start()
        closer.join(0.2)  # whatever `close` can do before this unit is in the queue, it does now
        put(unit)

    sequencer._sealers.put = slow  # type: ignore[method-assign]
    number = witnessed.submit(sequencer, [unsigned(0)])
    closer.join()
    assert witnessed.outcome(number, timeout=2) == 0
    witnessed.check(home)


def test_whatever_was_taken_before_a_sudden_close_is_settled(home: Home) -> None:
    sequencer, witnessed = home.opened(interval=0.01, most_waiting=200), Witnessed()

    def work(worker: int) -> None:
        for number in range(worker * 1000, worker * 1000 + 1000):
            try:
                witnessed.submit(sequencer, [unsigned(number)])
            except SequencerClosed:
                return
            except Overloaded:
                time.sleep(0.01)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(0.02)
    sequencer.close()
    for worker in workers:
        worker.join()
    assert [len(outcomes) for outcomes in witnessed.outcomes] == [1] * len(witnessed.units)
    assert sequencer.published.checkpoint.size == sequencer.size == len(witnessed.units)
    witnessed.check(home)


def test_an_event_that_cannot_be_signed_harms_no_other(home: Home) -> None:
    sequencer, witnessed = home.opened(), Witnessed()
    too_large = witnessed.submit(sequencer, [unsigned(0), Unsigned(bytes(65_000))])
    fine = witnessed.submit(sequencer, [unsigned(1)])
    assert isinstance(witnessed.outcome(too_large), Malformed)
    assert witnessed.outcome(fine) == 0
    sequencer.close()
    assert sequencer.waiting == 0
    witnessed.check(home)


def test_a_unit_without_events_is_refused(home: Home) -> None:
    sequencer = home.opened()
    with pytest.raises(Malformed, match="at least one event"):
        sequencer.append([])
    assert sequencer.append([unsigned(0)]) == 0
    sequencer.close()


class BrokenSigner:
    """A signer whose device fails as often as asked."""

    def __init__(self, error: Exception, times: int, real: Any = EVENT_KEY) -> None:
        self.error, self.times, self.real = error, times, real

    @property
    def public(self) -> PublicKey:
        key: PublicKey = self.real.public
        return key

    def sign(self, data: bytes) -> bytes:
        if self.times:
            self.times -= 1
            raise self.error
        signature: bytes = self.real.sign(data)
        return signature

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        return [self.sign(message) for message in messages]


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError("token removed: secret"), SequencerError), (KeyUnusable("locked"), KeyUnusable)]
)
def test_a_failing_signer_fails_its_unit_and_the_writer_goes_on(
    home: Home, error: Exception, kind: type[LedgerError]
) -> None:
    sequencer = home.opened(event_signer=BrokenSigner(error, 1), threads=1)
    with pytest.raises(kind) as caught:
        sequencer.append([unsigned(0)])
    assert "secret" not in str(caught.value)
    assert sequencer.append([unsigned(0)]) == 0
    sequencer.close()
    assert home.flaws() == []


def test_a_log_key_that_fails_for_a_while_only_delays_the_checkpoint(home: Home) -> None:
    signer = BrokenSigner(KeyUnusable("locked"), 2, LOG_KEYS[0])
    sequencer = home.opened(log_signers=(signer, LOG_KEYS[1]))
    sequencer.append([unsigned(0)])
    for size in (0, 0, 1):
        sequencer._try_checkpoint()
        assert sequencer.published.checkpoint.size == size
        assert (sequencer.lag > 0) is (size == 0)
    assert sequencer.halted is None
    sequencer.close()
    assert home.flaws() == []


def test_a_checkpointer_that_breaks_stops_the_log_and_says_so(home: Home) -> None:
    said: list[str] = []
    signer = BrokenSigner(OSError("gone"), 100, LOG_KEYS[0])
    sequencer = home.opened(log_signers=(signer, LOG_KEYS[1]), on_halt=said.append)
    sequencer.append([unsigned(0)])
    sequencer._try_checkpoint()
    assert said == ["checkpoints fail: OSError"]
    with pytest.raises(SequencerClosed, match="checkpoints fail"):
        sequencer.append([unsigned(1)])
    sequencer.close()


def test_an_entry_changed_before_its_checkpoint_stops_the_log(home: Home) -> None:
    said: list[str] = []
    sequencer = home.opened(on_halt=said.append)
    sequencer.append([unsigned(0)])
    home.edit("UPDATE entries SET entry = ?", sealed(unsigned(7)).entry)
    sequencer._try_checkpoint()
    assert len(said) == 1
    assert "were changed in the store" in said[0]
    assert sequencer.halted == said[0]
    assert sequencer.published.checkpoint.size == 0
    with pytest.raises(SequencerClosed):
        sequencer.append([unsigned(1)])
    sequencer.close()
    assert sequencer.halted == said[0]
    assert home.checkpoints.spread(0, 99, 99) == [sequencer.published]
