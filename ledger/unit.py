# SPDX-License-Identifier: Apache-2.0
"""What is handed to the sequencer: events that become neighbouring entries together or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.commitment import Disclosure
from ledger.errors import LedgerError
from ledger.store import Memo

Outcome = int | LedgerError
"""Index of a unit's first entry, or why it has none."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An event's canonical JSON and the facts to keep beside it."""

    payload: bytes
    disclosure: Disclosure | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """Events that become neighbouring entries together or not at all."""

    events: Sequence[Unsigned]
    settle: Callable[[Outcome], None]
    memo: Memo | None = None


Notify = Callable[[list[tuple[Unit, Outcome]]], None]


def settle_all(settled: list[tuple[Unit, Outcome]]) -> None:
    """Tell every unit its outcome, in the caller's thread."""
    for unit, outcome in settled:
        unit.settle(outcome)
