# SPDX-License-Identifier: Apache-2.0
"""AuthZEN Authorization API 1.0: what gateways ask."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import Response

from gateway import problems
from gateway.callers import Caller
from gateway.card_data import Redactor
from gateway.errors import BadInput, Refused
from gateway.gate import DECIDERS, Gate
from gateway.idempotency import Idempotency, Ticket
from gateway.metrics import Metrics
from gateway.openapi import BATCH, CONFIGURATION, SINGLE
from gateway.pipeline import Answer, Asked, Pipeline, tell_all
from gateway.recorder import record
from gateway.requests import parse_batch, parse_request
from ledger.canonical import decode
from ledger.errors import LedgerError, Malformed, Overloaded
from ledger.sequencer import Sequencer
from ledger.unit import Unsigned

_log = logging.getLogger(__name__)
_MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class Access:
    """What the access routes work with."""

    gate: Gate
    pipeline: Pipeline
    sequencer: Sequencer
    redactor: Redactor
    idempotency: Idempotency
    metrics: Metrics
    most_evaluations: int
    body_bytes: int
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call as it came: who, where, under which correlation id, and how it is decided."""

    caller: Caller
    route: str
    request_id: str | None
    decide: "_Decide"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Answers to be recorded together, and whether they are told as a list."""

    answers: list[Answer]
    listed: bool


_Decide = Callable[[Any, Asked], Awaitable[_Outcome]]


def router(access: Access) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["AuthZEN"])

    async def single(value: Any, asked: Asked) -> _Outcome:
        return _Outcome([await access.pipeline.decide(parse_request(value), asked)], listed=False)

    async def several(value: Any, asked: Asked) -> _Outcome:
        batch = parse_batch(value, access.most_evaluations)
        if batch is None:
            return await single(value, asked)
        return _Outcome(await access.pipeline.decide_batch(batch, asked), listed=True)

    @routes.post("/access/v1/evaluation", openapi_extra=SINGLE, response_class=Response, response_model=None)
    async def evaluation(request: HttpRequest) -> Response:
        """Decide one access request."""
        return await _serve(access, request, single)

    @routes.post("/access/v1/evaluations", openapi_extra=BATCH, response_class=Response, response_model=None)
    async def evaluations(request: HttpRequest) -> Response:
        """Decide several access requests in one call."""
        return await _serve(access, request, several)

    @routes.get(
        "/.well-known/authzen-configuration", openapi_extra=CONFIGURATION, response_class=Response, response_model=None
    )
    async def configuration(request: HttpRequest) -> Response:
        """Tell where the endpoints are (AuthZEN section 9)."""
        base = str(request.base_url).rstrip("/")
        document = {
            "policy_decision_point": base,
            "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
            "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        }
        return Response(orjson.dumps(document), media_type="application/json")

    return routes


async def _serve(access: Access, request: HttpRequest, decide: _Decide) -> Response:
    started = perf_counter()
    headers: dict[str, str] = {}
    try:
        caller = access.gate.admit(request, DECIDERS)
        request_id = _request_id(access, request)
        if request_id is not None:
            headers["X-Request-ID"] = request_id
        response = await _answer(access, request, _Call(caller, request.scope["path"], request_id, decide))
    except Refused as refused:
        access.metrics.refused(refused.code)
        response = problems.of(refused)
    except Overloaded:
        access.metrics.failed_closed("ledger_overloaded")
        response = problems.problem(503, "ledger_overloaded", "Too much waits to be recorded.", {"Retry-After": "1"})
    except LedgerError as error:
        # Not recorded, so not decided: the gateway must not let the call through.
        _log.error("a decision could not be recorded: %s", error)
        access.metrics.failed_closed("ledger_unavailable")
        detail = "The decision could not be recorded; do not let the call through."
        response = problems.problem(503, "ledger_unavailable", detail, {"Retry-After": "1"})
    response.headers.update(headers)
    access.metrics.answered(perf_counter() - started)
    return response


async def _answer(access: Access, request: HttpRequest, call: _Call) -> Response:
    body, ticket = b"", None
    try:
        body = await access.gate.json_body(request)
        header = request.headers.get("idempotency-key")
        if header is None:
            return await _decide_and_record(access, call, body, None)
        ticket = access.idempotency.ticket(call.caller.name, header, call.route, body)
        with access.idempotency.running(ticket):
            memo = await access.idempotency.answered(ticket)
            if memo is not None:
                return _told(memo.content, memo.first)
            try:
                return await _decide_and_record(access, call, body, ticket)
            except BadInput as problem:
                return await _record_refusal(access, call, problem, len(body), ticket)
    except BadInput as problem:
        return await _record_refusal(access, call, problem, len(body), None)


async def _decide_and_record(access: Access, call: _Call, body: bytes, ticket: Ticket | None) -> Response:
    try:
        value = decode(body, max_bytes=access.body_bytes)
    except Malformed as error:
        raise BadInput(400, "json_invalid", f"The body is refused: {error}.") from None
    redacted, card_data = access.redactor.redact(body, value)
    outcome = await call.decide(redacted, Asked(call.caller, card_data, call.request_id))
    content = {"listed": outcome.listed, "answers": [[answer.allow, answer.context] for answer in outcome.answers]}
    return await _record(access, [answer.event for answer in outcome.answers], content, ticket)


async def _record_refusal(access: Access, call: _Call, problem: BadInput, size: int, ticket: Ticket | None) -> Response:
    access.metrics.refused(problem.code)
    event = access.pipeline.refusal(problem, call.caller, call.route, size)
    return await _record(access, [event], {"problem": [problem.status, problem.code, problem.detail]}, ticket)


async def _record(access: Access, events: list[Unsigned], content: dict[str, Any], ticket: Ticket | None) -> Response:
    """Make the events durable, then tell; under an idempotency key the answer is kept in the same transaction."""
    memo = None if ticket is None else ticket.memo(orjson.dumps(content), int(access.clock()))
    return _tell(content, await record(access.sequencer, events, memo))


def _told(kept: bytes, first: int) -> Response:
    return _tell(orjson.loads(kept), first)


def _tell(content: dict[str, Any], first: int) -> Response:
    if "problem" in content:
        status, code, detail = content["problem"]
        return problems.problem(status, code, detail)
    told = tell_all(content["answers"], first)
    body: Any = {"evaluations": told} if content["listed"] else told[0]
    return Response(orjson.dumps(body), media_type="application/json")


def _request_id(access: Access, request: HttpRequest) -> str | None:
    """Return the caller's correlation id, fit to be recorded and echoed."""
    given = request.headers.get("x-request-id")
    if given is None:
        return None
    if len(given) > _MAX_REQUEST_ID or not given.isascii() or not given.isprintable():
        return None
    return access.redactor.redact_text(given)
