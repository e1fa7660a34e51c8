# SPDX-License-Identifier: Apache-2.0
"""The one writer of a log: signs events side by side, commits them in groups, then signs checkpoints.

    submit ──► sealers (one thread a core) ──► committer ──► settled: durable, index fixed
                                                   └────────► checkpointer, once an interval

A group is whatever was signed while the last group was being flushed. What is true at each step:

1. A unit is settled with an index only after the store has made it durable. If the store fails, the unit is settled
   with the error, and the store is asked what it holds before anything else is written.
2. A checkpoint is signed only over entries read back from the store and hashed again, whose root is also the root of
   what was committed in memory. It is durable in its own store (compare and swap) before anyone is shown it.
3. On opening, the entries are hashed again up to the last signed checkpoint; a shorter or different log is refused.
   Entries after it must carry valid signatures of this log's own keys. From there the normal path goes on.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic

from ledger import envelope
from ledger.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, sign
from ledger.errors import (
    LedgerError,
    Malformed,
    Overloaded,
    SequencerClosed,
    StoreConflict,
    StoreCorrupt,
    StoreError,
    StoreRolledBack,
)
from ledger.keys import PublicKey, Signer
from ledger.sealing import Sealers, Signed
from ledger.store import CheckpointStore, EntryStore, Memo, Sealed
from ledger.tree import Frontier, leaf_hash
from ledger.unit import Notify, Outcome, Unit, Unsigned, settle_all


class Sequencer:
    """The writer. Construct, `open`, `submit` from any thread, `close`."""

    def __init__(
        self,
        *,
        origin: str,
        entries: EntryStore,
        checkpoints: CheckpointStore,
        event_signer: Signer,
        log_signers: Sequence[Signer],
        event_keys: Mapping[bytes, PublicKey],
        threads: int,
        interval: float = 1.0,
        most_waiting: int = 1024,
        notify: Notify = settle_all,
        on_halt: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take stores and keys.

        `event_keys` are all keys whose signatures this log has carried, by key id; `interval` is in seconds;
        `notify` is called once per group, in the committer's thread (for a unit that cannot be signed: in a signer's).
        """
        self._origin, self._entries, self._checkpoints = origin, entries, checkpoints
        self._log_signers, self._event_keys = log_signers, event_keys
        self._interval, self._most_waiting, self._notify, self._on_halt = (
            interval,
            most_waiting,
            notify,
            on_halt,
        )
        self._frontier = self._checked = Frontier()
        self._last: SignedCheckpoint | None = None
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._signed: Signed = []
        self._in_doubt: list[Sealed] | None = None
        self._waiting = 0
        self._closed: str | None = "it has not been opened"
        self._oldest_unchecked: float | None = None
        self._attempt: tuple[SignedCheckpoint, Frontier, float] | None = None
        self._stop = threading.Event()
        self._sealers = Sealers(event_signer, threads, self._take, self._settle)
        self._committer = threading.Thread(target=self._commit_groups, name="commit")
        self._checkpointer = threading.Thread(target=self._checkpoint_often, name="checkpoint")

    @property
    def size(self) -> int:
        """Entries committed so far."""
        return self._frontier.size

    @property
    def published(self) -> SignedCheckpoint:
        """The newest published checkpoint."""
        if self._last is None:
            raise SequencerClosed("the sequencer has not been opened")
        return self._last

    @property
    def waiting(self) -> int:
        """Events submitted and not yet settled."""
        return self._waiting

    @property
    def lag(self) -> float:
        """Seconds since the oldest entry that no published checkpoint covers was committed; 0 if there is none."""
        since = self._oldest_unchecked
        return 0.0 if since is None else monotonic() - since

    @property
    def halted(self) -> str | None:
        """Why no events are taken, or None if they are."""
        return self._closed

    def open(self, progress: Callable[[int, int], None] = lambda _done, _of: None) -> None:
        """Check what is stored against what was signed, then start; raises StoreRolledBack or StoreCorrupt."""
        self._recover(progress)
        self._checkpoint()
        self._sealers.start()
        self._committer.start()
        self._checkpointer.start()
        self._closed = None

    def submit(self, unit: Unit) -> None:
        """Take a unit of one event or more; it is settled later.

        Raises Malformed (no events), Overloaded or SequencerClosed, and then it is not taken.
        """
        if not unit.events:
            raise Malformed("a unit has at least one event")
        with self._lock:
            if self._closed is not None:
                raise SequencerClosed(f"the ledger takes no events: {self._closed}")
            # A unit that is larger than what may wait is taken when nothing waits; else it never could be.
            if self._waiting and self._waiting + len(unit.events) > self._most_waiting:
                raise Overloaded(f"{self._waiting} events are waiting to be recorded")
            self._waiting += len(unit.events)
            # Under the lock, so that no unit can come behind what `close` ends the sealers with.
            self._sealers.put(unit)

    def append(self, events: Sequence[Unsigned]) -> int:
        """Submit a unit and wait; return the index of its first entry or raise what kept it out."""
        done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.submit(Unit(events, done.put))
        outcome = done.get()
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Take no more, finish what was taken, sign a last checkpoint."""
        with self._lock:
            opened = self._closed != "it has not been opened"
            self._closed = self._closed or "it is closing"
        if not opened:
            return
        self._sealers.finish()
        self._stop.set()
        with self._ready:
            self._ready.notify_all()
        self._committer.join()
        self._checkpointer.join()

    # Opening

    def _recover(self, progress: Callable[[int, int], None]) -> None:
        last = self._checkpoints.latest()
        if last is None:
            raise StoreRolledBack(
                "there is no signed checkpoint, not even the empty one a new home starts with; the checkpoint store "
                "was lost or replaced. Restore it; entries are never continued without it"
            )
        try:
            last = open_checkpoint(last.note, self._origin, [signer.public for signer in self._log_signers])
        except LedgerError as error:
            raise StoreCorrupt(f"the last checkpoint was not signed by this log's keys: {error}") from None
        stored, signed = self._entries.size(), last.checkpoint
        if stored < signed.size:
            raise StoreRolledBack(
                f"the database holds {stored} entries, but a checkpoint over {signed.size} was signed. It looks like a "
                "restored backup; continuing would fork the log. Bring back the newer database"
            )
        frontier = Frontier()
        for index, entry in enumerate(self._entries.entries(0, stored)):
            if index == signed.size:
                self._same_history(frontier, signed)
            if index >= signed.size:
                self._own(index, entry)
            frontier.append(leaf_hash(entry))
            if index % 10_000 == 0:
                progress(index, stored)
        if stored == signed.size:
            self._same_history(frontier, signed)
        if stored > signed.size:
            self._oldest_unchecked = monotonic()
        self._frontier, self._checked, self._last = frontier, frontier.copy(), last

    def _same_history(self, frontier: Frontier, signed: Checkpoint) -> None:
        if frontier.root() != signed.root:
            raise StoreRolledBack(
                f"the first {signed.size} entries lead to root {frontier.root().hex()}, but the checkpoint signed over "
                f"them has {signed.root.hex()}: the database was changed or is another one. "
                "`assay ledger recount` names the entry"
            )

    def _own(self, index: int, entry: bytes) -> None:
        try:
            envelope.open_entry(entry, self._event_keys)
        except LedgerError as error:
            raise StoreCorrupt(f"entry {index}, newer than the last checkpoint, is not ours: {error}") from None

    # Committing, one group at a time

    def _take(self, signed: Signed) -> None:
        with self._ready:
            self._signed += signed
            self._ready.notify()

    def _commit_groups(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._signed or self._stop.is_set())
                group, self._signed = self._signed, []
            if not group:
                return
            self._settle(self._commit(group))

    def _commit(self, group: Signed) -> list[tuple[Unit, Outcome]]:
        try:
            if self._closed is not None and self._closed != "it is closing":
                raise SequencerClosed(f"the ledger takes no events: {self._closed}")
            # First, because rows of an earlier group that were stored after all move the index of this one.
            self._resolve_doubt()
        except LedgerError as error:
            return [(unit, error) for unit, _ in group]
        rows = [sealed for _, signed in group for sealed in signed]
        settled: list[tuple[Unit, Outcome]] = []
        first = self._frontier.size
        memos: list[Memo] = []
        for unit, signed in group:
            settled.append((unit, first))
            if unit.memo is not None:
                memos.append(replace(unit.memo, first=first))
            first += len(signed)
        try:
            self._entries.append(self._frontier.size, rows, memos)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the units need an outcome
            why = error if isinstance(error, StoreError) else StoreError(f"the store failed: {type(error).__name__}")
            # Failed and not stored, or failed but stored: only the store knows, and it may not be able to tell yet.
            self._in_doubt = rows
            try:
                stored = self._resolve_doubt()
            except StoreError:
                stored = False
            else:
                if not stored and isinstance(why, StoreConflict):
                    self._halt(f"the store holds fewer entries than the {self._frontier.size} that were committed")
            return settled if stored else [(unit, why) for unit, _ in group]
        # Durable from here on: after a crash, recovery finds these entries and goes on behind them.
        self._extend(rows)
        return settled

    def _resolve_doubt(self) -> bool:
        """Find out whether the rows of a failed append were stored after all; raises StoreError while unknown."""
        rows = self._in_doubt
        if rows is None:
            return False
        begin = self._frontier.size
        stored = self._entries.hashes(0, begin, begin + len(rows) + 1)
        if stored and stored != [row.leaf for row in rows]:
            self._halt(f"the store holds entries from index {begin} that this sequencer did not write")
            raise StoreCorrupt(f"entries from index {begin} were written by someone else")
        self._in_doubt = None
        if stored:
            self._extend(rows)
        return bool(stored)

    def _extend(self, rows: list[Sealed]) -> None:
        frontier = self._frontier.copy()
        for row in rows:
            frontier.append(row.leaf)
        with self._lock:
            if self._oldest_unchecked is None:
                self._oldest_unchecked = monotonic()
            self._frontier = frontier

    def _settle(self, settled: list[tuple[Unit, Outcome]]) -> None:
        with self._lock:
            self._waiting -= sum(len(unit.events) for unit, _ in settled)
        self._notify(settled)

    # Checkpoints

    def _checkpoint_often(self) -> None:
        while not self._stop.wait(self._interval):
            self._try_checkpoint()
        self._committer.join()
        self._try_checkpoint()

    def _try_checkpoint(self) -> None:
        try:
            if self._closed in (None, "it is closing"):
                self._checkpoint()
        except (StoreCorrupt, StoreConflict, StoreRolledBack) as error:
            self._halt(str(error))
        except LedgerError:
            # Nothing was published; the next interval tries again, and `lag` shows how long this has lasted.
            return
        except Exception as error:  # noqa: BLE001 - a log without checkpoints must not go on unnoticed
            self._halt(f"checkpoints fail: {type(error).__name__}")

    def _checkpoint(self) -> None:
        self._resolve_publication()
        since = monotonic()
        frontier, last = self._frontier, self.published
        if frontier.size == last.checkpoint.size:
            return
        checked = self._checked.copy()
        for entry in self._entries.entries(checked.size, frontier.size):
            checked.append(leaf_hash(entry))
        if checked.root() != frontier.root():
            raise StoreCorrupt(f"entries up to {frontier.size} were changed in the store after they were committed")
        signed = sign(Checkpoint(self._origin, frontier.size, frontier.root()), self._log_signers)
        self._attempt = (signed, checked, since)
        try:
            self._checkpoints.publish(last, signed)
        except StoreError:
            # As with entries: it may have been published all the same, and the store may not be able to tell yet.
            self._resolve_publication()
            if self._last is not signed:
                raise
        else:
            self._published(*self._attempt)

    def _resolve_publication(self) -> None:
        """Find out whether a checkpoint that failed was published after all; raises StoreError while unknown."""
        if self._attempt is not None:
            latest = self._checkpoints.latest()
            if latest is not None and latest.note == self._attempt[0].note:
                self._published(*self._attempt)
            self._attempt = None

    def _published(self, signed: SignedCheckpoint, checked: Frontier, since: float) -> None:
        # Durable: after a crash this checkpoint is the last one, and the entries it covers are all there.
        with self._lock:
            self._checked, self._last, self._attempt = checked, signed, None
            self._oldest_unchecked = None if self._frontier.size == checked.size else since

    def _halt(self, why: str) -> None:
        with self._lock:
            self._closed = why
        self._on_halt(why)
