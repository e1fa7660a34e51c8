# SPDX-License-Identifier: Apache-2.0
"""The watch: each second it notes changed callers, turned-away requests, a silent engine and a wrong backend."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.callers import Caller, Callers
from gateway.facts import timestamp
from gateway.gate import Gate
from ledger.backends.guard import Guard
from ledger.event import AccessRefused, BackendChanged, CallerChanged, EngineChanged


class Watch:
    """What the service notices about itself, each as a recorded event."""

    def __init__(
        self,
        note: Callable[..., Awaitable[int]],
        callers: Callers,
        gate: Gate,
        engine_alive: Callable[[], Awaitable[bool]],
        restarts: Callable[[], int],
        signing: Guard,
    ) -> None:
        """Take how events are recorded and what is watched."""
        self._note, self._callers, self._gate = note, callers, gate
        self._engine_alive, self._restarts = engine_alive, restarts
        self._signing, self._signed_with = signing, signing.active
        self._engine_up = True
        self._seen_restarts = 0
        self._new = "present"

    async def look(self) -> None:
        """Look once; raises LedgerError if what was seen could not be recorded (it is seen again next time)."""
        await self._look_at_callers()
        await self._look_at_engine()
        await self._look_at_signing()
        await self._look_at_refusals()

    async def _look_at_callers(self) -> None:
        if not self._callers.changed():
            return
        before = {caller.name: caller for caller in self._callers.all()}
        listed = self._callers.read()
        after = {caller.name: caller for caller in listed}
        gone = [caller for caller in before.values() if after.get(caller.name) != caller]
        new = [caller for caller in listed if before.get(caller.name) != caller]
        # A key that was taken away stops working at once; a new one works once its addition is on record. The
        # record of each run begins with who is there.
        self._callers.adopt([caller for caller in listed if before.get(caller.name) == caller])
        changes = [_caller(caller, "removed") for caller in gone] + [_caller(caller, self._new) for caller in new]
        if changes:
            await self._note(*changes)
        self._callers.adopt(listed)
        self._new = "added"

    async def _look_at_engine(self) -> None:
        alive, restarts = await self._engine_alive(), self._restarts()
        if alive != self._engine_up or restarts != self._seen_restarts:
            await self._note(EngineChanged(change="up" if alive else "down", restarts=restarts))
        self._engine_up, self._seen_restarts = alive, restarts

    async def _look_at_signing(self) -> None:
        active = self._signing.active
        if active is not self._signed_with:
            await self._note(BackendChanged(backend=active.name, version=active.version, reason="disagreement"))
            self._signed_with = active

    async def _look_at_refusals(self) -> None:
        counted = dict(self._gate.turned_away)
        if not counted:
            return
        since = timestamp(self._gate.since)
        await self._note(AccessRefused(since=since, unauthenticated=counted.get(401, 0), forbidden=counted.get(403, 0)))
        self._gate.turned_away.subtract(counted)
        self._gate.forget()


def _caller(caller: Caller, change: Any) -> CallerChanged:
    return CallerChanged(caller=caller.name, tenant=caller.tenant, role=caller.role.value, change=change)
