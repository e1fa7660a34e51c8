# SPDX-License-Identifier: Apache-2.0
"""Small ledgers to tell stories with: made-up keys, events, homes on disk, and stores that fail on demand."""

import sqlite3
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from ledger import envelope
from ledger import event as events
from ledger.backends.guard import Guard
from ledger.backends.reference import REFERENCE
from ledger.canonical import encode
from ledger.checkpoint import Checkpoint, SignedCheckpoint, sign
from ledger.commitment import Disclosure
from ledger.errors import StoreError, StoreUnavailable
from ledger.keys import ED25519, ML_DSA_87, PublicKey, SoftwareKey
from ledger.proof import consistency_proof, verify_consistency
from ledger.recount import Flaw, recount
from ledger.sequencer import Sequencer
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from ledger.store import EntryStore, Memo, Sealed
from ledger.tiles import node_reader
from ledger.tree import EMPTY_ROOT, leaf_hash
from ledger.unit import Outcome, Unit, Unsigned

ORIGIN = "test.example/payments"


def key(algorithm: str, name: str) -> SoftwareKey:
    """Return the key that a name stands for in tests."""
    return SoftwareKey.from_seed(algorithm, sha256(name.encode()).digest())


EVENT_KEY = key(ML_DSA_87, "event")
LOG_KEYS = (key(ED25519, "log"), key(ML_DSA_87, "log"))
VERIFIER = Guard(REFERENCE)
EVENT_KEYS: dict[bytes, PublicKey] = {EVENT_KEY.public.key_id: EVENT_KEY.public}
LOG_PUBLIC = [signer.public for signer in LOG_KEYS]


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def event(number: int, body: events.Body | None = None, origin: str = ORIGIN) -> events.Event:
    """Return event number so-and-so: the same number gives the same event."""
    return events.Event(
        id=str(uuid.UUID(int=number, version=4)),
        time=f"2026-01-01T00:00:00.{number:06d}Z",
        origin=origin,
        body=body or events.EngineChanged(change="up", restarts=number),
    )


def unsigned(number: int) -> Unsigned:
    """Return event number so-and-so, ready to be submitted."""
    return Unsigned(events.encode(event(number)))


def decision(number: int, commitment: str = "0" * 64) -> events.DecisionRecorded:
    """Return a denial."""
    return events.DecisionRecorded(
        caller="till-1",
        tenant="shop",
        subject=events.Party(type="user", pseudonym=f"{number:032x}"),
        action="capture",
        resource=events.Party(type="payment", pseudonym="f" * 32),
        outcome="deny",
        domain=None,
        reasons=(events.Reason(code="mfa_missing", rule="mfa", controls=("pci-8.4.2",), facts=("mfa",)),),
        evaluated=("mfa", "roles"),
        obligations=(),
        policy="ab" * 32,
        engine="opa/1",
        facts_commitment=commitment,
        pans=0,
        sad=0,
    )


def disclosed(number: int) -> Unsigned:
    """Return a decision whose facts are kept beside it."""
    disclosure = Disclosure(sha256(b"salt%d" % number).digest(), encode({"amount": number, "mfa": False}))
    return Unsigned(events.encode(event(number, decision(number, disclosure.commitment()))), disclosure)


def sealed(item: Unsigned, signer: SoftwareKey = EVENT_KEY) -> Sealed:
    """Return a signed event as the store takes it."""
    entry = envelope.seal(item.payload, signer)
    return Sealed(entry, leaf_hash(entry), item.disclosure)


def plain(number: int) -> Sealed:
    """Return an entry that is no signed event, for what looks at hashes only."""
    entry = b"entry %d" % number
    return Sealed(entry, leaf_hash(entry))


@dataclass
class Home:
    """The two stores of one log, in a folder."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Home":
        """Make both stores, the empty checkpoint signed."""
        folder.mkdir(exist_ok=True)
        SqliteEntries(folder / "entries.sqlite", create=True).close()
        checkpoints = SqliteCheckpoints(folder / "checkpoints.sqlite", create=True)
        checkpoints.publish(None, sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT), LOG_KEYS))
        checkpoints.close()
        return cls(folder)

    def __post_init__(self) -> None:
        self.entries = SqliteEntries(self.folder / "entries.sqlite")
        self.checkpoints = SqliteCheckpoints(self.folder / "checkpoints.sqlite")

    def close(self) -> None:
        """Let go of both files."""
        self.entries.close()
        self.checkpoints.close()

    def sequencer(self, **changes: Any) -> Sequencer:
        """Return a writer that has not been opened; it signs checkpoints only when it opens and closes."""
        settings: dict[str, Any] = {
            "origin": ORIGIN,
            "entries": self.entries,
            "checkpoints": self.checkpoints,
            "event_signer": EVENT_KEY,
            "log_signers": LOG_KEYS,
            "event_keys": EVENT_KEYS,
            "threads": 2,
            "interval": 3600.0,
        }
        return Sequencer(**(settings | changes))

    def opened(self, **changes: Any) -> Sequencer:
        """Return a writer at work."""
        sequencer = self.sequencer(**changes)
        sequencer.open()
        return sequencer

    def filled(self, items: Sequence[Unsigned]) -> "Home":
        """Record events under a checkpoint and let go of the writer."""
        sequencer = self.opened()
        for item in items:
            sequencer.append([item])
        sequencer.close()
        return self

    def flaws(self) -> list[Flaw]:
        """Recount everything."""
        return list(
            recount(
                self.entries,
                self.checkpoints,
                origin=ORIGIN,
                event_keys=EVENT_KEYS,
                log_keys=LOG_PUBLIC,
                verifier=VERIFIER,
            ),
        )

    def consistent(self) -> int:
        """Assert that every published checkpoint continues the one before it; return how many there are."""
        node = node_reader(self.entries.hashes)
        published = [signed.checkpoint for signed in self.checkpoints.spread(0, 2**62, 10_000)]
        for older, newer in pairwise(published):
            proof = consistency_proof(older.size, newer.size, node)
            verify_consistency(older.size, newer.size, older.root, newer.root, proof)
        return len(published)

    def edit(self, statement: str, *values: Any, file: str = "entries.sqlite") -> None:
        """Change a database behind the store's back."""
        connection = sqlite3.connect(self.folder / file)
        with connection:
            assert connection.execute(statement, values).rowcount != 0, "nothing was changed"
        connection.close()

    def payloads(self) -> list[bytes]:
        """Return every event in the log, verified."""
        stored = self.entries.entries(0, self.entries.size())
        return [envelope.open_entry(entry, EVENT_KEYS) for entry in stored]


@dataclass
class Witnessed:
    """Units handed to a sequencer and what it said of each, to be held against the log afterwards."""

    units: list[Unit] = field(default_factory=list)
    outcomes: list[list[Outcome]] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def submit(self, sequencer: Sequencer, items: Sequence[Unsigned], memo: Memo | None = None) -> int:
        """Hand over a unit and return its number here."""
        outcomes: list[Outcome] = []
        unit = Unit(items, lambda outcome: self._settle(outcomes, outcome), memo)
        sequencer.submit(unit)
        with self.told:
            self.units.append(unit)
            self.outcomes.append(outcomes)
            return len(self.units) - 1

    def outcome(self, number: int, timeout: float = 20) -> Outcome:
        """Wait for a unit's outcome."""
        with self.told:
            assert self.told.wait_for(lambda: self.outcomes[number], timeout), f"unit {number} was never settled"
            return self.outcomes[number][0]

    def record(self, sequencer: Sequencer, items: Sequence[Unsigned], memo: Memo | None = None) -> Outcome:
        """Hand over a unit and wait for its outcome."""
        return self.outcome(self.submit(sequencer, items, memo))

    def _settle(self, outcomes: list[Outcome], outcome: Outcome) -> None:
        with self.told:
            outcomes.append(outcome)
            self.told.notify_all()

    def check(self, home: Home) -> None:
        """Assert what must hold of any log at any time, whatever failed before."""
        log = home.payloads()
        assert home.flaws() == []
        assert len(set(log)) == len(log), "an event is in the log twice"
        taken: set[int] = set()
        for number, unit in enumerate(self.units):
            assert len(self.outcomes[number]) <= 1, "a unit was settled twice"
            for outcome in self.outcomes[number]:
                if isinstance(outcome, int):
                    places = range(outcome, outcome + len(unit.events))
                    assert [log[place] for place in places] == [item.payload for item in unit.events]
                    assert taken.isdisjoint(places)
                    taken.update(places)
                    if unit.memo is not None:
                        kept = home.entries.memo(unit.memo.caller, unit.memo.key)
                        assert kept is not None
                        assert kept.first == outcome


class FlakyEntries:
    """A fault injector around a real entry store: appends fail in two flavours, reads fail while it is `blind`."""

    def __init__(self, real: EntryStore) -> None:
        self.real = real
        self.faults: deque[str] = deque()
        self.blind = False
        self.error: Exception = StoreUnavailable("disk full")
        self.before: Callable[[], None] = lambda: None

    def append(self, first: int, rows: Sequence[Sealed], memos: Sequence[Memo]) -> None:
        """Store, or fail as the next fault says: 'not stored', 'stored', and 'blind' if reads fail from then on."""
        self.before()
        fault = self.faults.popleft() if self.faults else ""
        self.blind = self.blind or "blind" in fault
        if "not stored" in fault:
            raise self.error
        self.real.append(first, rows, memos)
        if "stored" in fault:
            raise self.error

    def size(self) -> int:
        self._see()
        return self.real.size()

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        self._see()
        return self.real.entries(start, stop)

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        self._see()
        return self.real.hashes(level, start, stop)

    def disclosure(self, index: int) -> Disclosure | None:
        return self.real.disclosure(index)

    def memo(self, caller: str, key: bytes) -> Memo | None:
        return self.real.memo(caller, key)

    def forget_memos(self, before: int) -> None:
        self.real.forget_memos(before)

    def _see(self) -> None:
        if self.blind:
            raise StoreUnavailable("the database cannot be read")


class FlakyCheckpoints:
    """The same around a checkpoint store."""

    def __init__(self, real: SqliteCheckpoints) -> None:
        self.real = real
        self.faults: deque[str] = deque()
        self.blind = False
        self.error: Exception = StoreError("the database went away")

    def publish(self, expected: SignedCheckpoint | None, new: SignedCheckpoint) -> None:
        fault = self.faults.popleft() if self.faults else ""
        self.blind = self.blind or "blind" in fault
        if "not stored" in fault:
            raise self.error
        self.real.publish(expected, new)
        if "stored" in fault:
            raise self.error

    def latest(self) -> SignedCheckpoint | None:
        if self.blind:
            raise StoreUnavailable("the database cannot be read")
        return self.real.latest()

    def spread(self, start: int, stop: int, most: int) -> list[SignedCheckpoint]:
        return self.real.spread(start, stop, most)
