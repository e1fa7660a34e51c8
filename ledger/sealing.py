# SPDX-License-Identifier: Apache-2.0
"""Signing, side by side: units in, sealed units out.

Each thread takes its share of what is waiting and signs it in one call, so that a hop between threads is paid for once
a share and not once an event. Nothing is durable here: a failure is simply the unit's outcome.
"""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from ledger import envelope
from ledger.errors import LedgerError, SequencerError
from ledger.keys import Signer
from ledger.store import Sealed
from ledger.tree import leaf_hash
from ledger.unit import Outcome, Unit, Unsigned

_MOST = 64
"""Events that one call signs: enough to make a hop cheap, few enough to keep the committer busy."""

Signed = list[tuple[Unit, list[Sealed]]]


class Sealers:
    """Threads that sign. Construct, `start`, `put` from any thread, `finish`."""

    def __init__(
        self,
        signer: Signer,
        threads: int,
        signed: Callable[[Signed], None],
        failed: Callable[[list[tuple[Unit, Outcome]]], None],
    ) -> None:
        """Take the signer, and what is told of units that were signed and of those that could not be."""
        self._signer, self._signed, self._failed = signer, signed, failed
        self._waiting: SimpleQueue[Unit | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"sign-{i}") for i in range(max(1, threads))]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, unit: Unit) -> None:
        """Take a unit."""
        self._waiting.put(unit)

    def finish(self) -> None:
        """Sign what was put so far, then end the threads. Nothing may be put meanwhile."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (unit := self._waiting.get()) is not None:
            share = self._share(unit)
            try:
                sealed = self._seal(share) if len(share) > 1 else []
            except Exception:  # noqa: BLE001 - one bad unit must not take its neighbours along
                sealed = []
            if sealed:
                self._signed(sealed)
            else:
                for one in share:
                    self._alone(one)

    def _share(self, first: Unit) -> list[Unit]:
        """Return a unit and, of those waiting behind it, as many as each thread can take."""
        share, events = [first], len(first.events)
        for _ in range(self._waiting.qsize() // len(self._threads)):
            if events >= _MOST:
                break
            try:
                unit = self._waiting.get_nowait()
            except Empty:
                break
            if unit is None:
                self._waiting.put(None)  # the end is for a thread that has nothing else to do
                break
            share.append(unit)
            events += len(unit.events)
        return share

    def _alone(self, unit: Unit) -> None:
        try:
            sealed = self._seal([unit])
        except LedgerError as error:
            self._failed([(unit, error)])
        except Exception as error:  # noqa: BLE001 - whatever a signer raises, the unit needs an outcome
            self._failed([(unit, SequencerError(f"signing failed: {type(error).__name__}"))])
        else:
            self._signed(sealed)

    def _seal(self, units: Sequence[Unit]) -> Signed:
        entries = iter(envelope.seal_many([event.payload for unit in units for event in unit.events], self._signer))
        return [(unit, [_sealed(next(entries), event) for event in unit.events]) for unit in units]


def _sealed(entry: bytes, event: Unsigned) -> Sealed:
    return Sealed(entry, leaf_hash(entry), event.disclosure)
