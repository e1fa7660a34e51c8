# SPDX-License-Identifier: Apache-2.0
"""The decision pipeline: Request → Facts → Decision → Event → recorded entry → answer.

Nobody hears an answer before its event is durable. A failing engine is a recorded denial; a failing ledger is no
answer at all (503).
"""

import asyncio
import os
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import msgspec

from gateway.callers import Caller
from gateway.card_data import CardData
from gateway.decision import Decision, Engine, denial
from gateway.errors import BadInput, EngineFailed
from gateway.facts import Facts, gather, timestamp
from gateway.requests import Batch, Request, parse_request
from ledger.commitment import SALT_SIZE, Disclosure, pseudonym
from ledger.errors import Malformed
from ledger.event import Body, DecisionRecorded, Event, InputRefused, Party, encode
from ledger.unit import Unsigned

_LABEL = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, under which correlation id, and what card data their request held."""

    caller: Caller
    card_data: CardData
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision, ready to be recorded and then told."""

    decision_id: str
    allow: bool
    context: dict[str, Any]
    event: Unsigned


class Pipeline:
    """Turns requests into answers that still have to be recorded."""

    def __init__(
        self,
        *,
        origin: str,
        engine: Engine,
        pseudonym_key: Callable[[str], bytes],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes] = os.urandom,
        observe: Callable[[Decision, float], None] = lambda _decision, _seconds: None,
    ) -> None:
        """Take the log's origin, the engine, the pseudonym key per tenant, a UTC clock and a random source."""
        self._origin, self._engine, self._clock, self._random = origin, engine, clock, random
        self._pseudonym_key, self._keys = pseudonym_key, dict[str, bytes]()
        self._observe = observe

    async def decide(self, request: Request, asked: Asked) -> Answer:
        """Return the answer to a redacted request; raises BadInput if its facts have no canonical form."""
        try:
            facts = gather(request, asked.caller, asked.card_data, self._clock(), asked.request_id)
        except Malformed as error:
            raise BadInput(400, "request_invalid", f"The request cannot be recorded: {error}.") from None
        started = perf_counter()
        try:
            decision = await self._engine.decide(facts)
        except EngineFailed as failure:
            decision = denial(failure)
        seconds = perf_counter() - started
        try:
            answer = self._answer(facts, decision, asked)
        except Malformed as error:
            # What the request contributes is bounded, so it is the engine's part that no entry can hold.
            decision = denial(EngineFailed("engine_bad_answer", f"the engine's answer cannot be recorded: {error}"))
            answer = self._answer(facts, decision, asked)
        self._observe(decision, seconds)
        return answer

    async def decide_batch(self, batch: Batch, asked: Asked) -> list[Answer]:
        """Return the answers to a batch in order (AuthZEN section 7.1.2); short-circuiting ends the list early.

        An item that is not a request is answered with a denial that carries the error, and recorded as bad input.
        """
        if batch.semantic == "execute_all":
            return list(await asyncio.gather(*(self._decide_item(item, asked) for item in batch.items)))
        stop_at = batch.semantic == "permit_on_first_permit"
        answers: list[Answer] = []
        for item in batch.items:
            answers.append(await self._decide_item(item, asked))
            if answers[-1].allow == stop_at:
                break
        return answers

    def refusal(self, problem: BadInput, caller: Caller, route: str, size: int) -> Unsigned:
        """Return the event of a request that could not be read."""
        body = InputRefused(caller=caller.name, tenant=caller.tenant, route=route, code=problem.code, size=size)
        return self.event(body, timestamp(self._clock()))[1]

    def event(self, body: Body, time: str | None = None, disclosure: Disclosure | None = None) -> tuple[str, Unsigned]:
        """Return the id and the payload of an event about `body`, now or at `time`."""
        identifier = str(uuid.UUID(bytes=self._random(16), version=4))
        event = Event(id=identifier, time=time or timestamp(self._clock()), origin=self._origin, body=body)
        return identifier, Unsigned(encode(event), disclosure)

    async def _decide_item(self, item: dict[str, Any], asked: Asked) -> Answer:
        try:
            return await self.decide(parse_request(item), asked)
        except BadInput as problem:
            event = self.refusal(problem, asked.caller, "/access/v1/evaluations", 0)
            context = {"error": {"status": problem.status, "message": problem.detail}, "code": problem.code}
            return Answer("", allow=False, context=context, event=event)

    def _answer(self, facts: Facts, decision: Decision, asked: Asked) -> Answer:
        disclosure = Disclosure(self._random(SALT_SIZE), facts.text)
        subject, action, resource = facts.value["subject"], facts.value["action"], facts.value["resource"]
        tenant = asked.caller.tenant
        key = self._keys.get(tenant) or self._keys.setdefault(tenant, self._pseudonym_key(tenant))
        body = DecisionRecorded(
            caller=asked.caller.name,
            tenant=tenant,
            subject=_party(key, "subject", subject),
            action=_label(key, action["name"]),
            resource=_party(key, "resource", resource),
            outcome="allow" if decision.allow else "deny",
            domain=decision.domain,
            reasons=decision.reasons,
            evaluated=decision.evaluated,
            obligations=tuple(str(obligation.get("id", "?")) for obligation in decision.obligations),
            policy=self._engine.policy,
            engine=self._engine.version,
            facts_commitment=disclosure.commitment(),
            pans=len(asked.card_data.pans),
            sad=len(asked.card_data.sad),
        )
        identifier, event = self.event(body, facts.time, disclosure)
        context = {
            "decision_id": identifier,
            "reasons": msgspec.to_builtins(decision.reasons),
            "obligations": list(decision.obligations),
            "policy_revision": self._engine.policy,
        }
        return Answer(identifier, decision.allow, context, event)


def tell(allow: bool, context: dict[str, Any], index: int) -> dict[str, Any]:
    """Return what the caller is told of an answer that became entry `index`."""
    proof = f"/ledger/proof/inclusion?index={index}"
    return {"decision": allow, "context": {**context, "entry_index": index, "proof": proof}}


def tell_all(answers: Sequence[tuple[bool, dict[str, Any]]], first: int) -> list[dict[str, Any]]:
    """Return what the caller is told of answers that became neighbouring entries."""
    return [tell(allow, context, first + offset) for offset, (allow, context) in enumerate(answers)]


def _party(key: bytes, kind: str, entity: dict[str, Any]) -> Party:
    return Party(type=_label(key, entity["type"]), pseudonym=pseudonym(key, kind, entity["id"]))


def _label(key: bytes, text: str) -> str:
    """Return a type or action name as it is if it looks like a name, else its pseudonym: entries hold no free text."""
    return text if _LABEL.fullmatch(text) else f"pseudonym:{pseudonym(key, 'label', text)}"
