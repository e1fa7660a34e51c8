# SPDX-License-Identifier: Apache-2.0
"""From the event loop to the sequencer's threads and back: one hop a group, not one an event."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from ledger.errors import LedgerError
from ledger.sequencer import Sequencer
from ledger.store import Memo
from ledger.unit import Outcome, Unit, Unsigned, settle_all


def notifier(loop: asyncio.AbstractEventLoop) -> Callable[[list[tuple[Unit, Outcome]]], None]:
    """Return a Sequencer's `notify` that settles whole groups in the loop."""

    def notify(settled: list[tuple[Unit, Outcome]]) -> None:
        # A loop that has ended has nobody left to tell; what is recorded stays recorded.
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle_all, settled)

    return notify


async def record(sequencer: Sequencer, events: Sequence[Unsigned], memo: Memo | None = None) -> int:
    """Record events as neighbours; return the first one's index once they are durable, or raise LedgerError."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    sequencer.submit(Unit(events, partial(_settle, future), memo))
    return await future


def _settle(future: asyncio.Future[int], outcome: Outcome) -> None:
    if future.done():
        return  # the caller went away; the events are recorded all the same
    if isinstance(outcome, LedgerError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
