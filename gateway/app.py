# SPDX-License-Identifier: Apache-2.0
"""The composition root: chooses concrete parts, wires them, starts and stops them in order."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway import VERSION, bundle, opa_process, problems
from gateway.callers import Callers
from gateway.card_data import Redactor
from gateway.errors import GatewayError, Refused
from gateway.gate import Gate
from gateway.home import Home
from gateway.idempotency import Idempotency
from gateway.limits import RateLimiter
from gateway.metrics import Metrics
from gateway.opa import Opa
from gateway.opa_process import OpaProcess
from gateway.pipeline import Pipeline
from gateway.recorder import notifier, record
from gateway.routes import access, ledger, operations
from gateway.watch import Watch
from ledger.backends.choice import guarded
from ledger.backends.guard import Guard
from ledger.errors import LedgerError, StoreError
from ledger.event import BackendChanged, Body, KeyActivated, ServiceChanged
from ledger.keys import Signer
from ledger.reader import LedgerReader
from ledger.sequencer import Sequencer
from ledger.sqlite import SqliteEntries

_log = logging.getLogger(__name__)


def now() -> datetime:
    """Return the current moment in UTC."""
    return datetime.now(UTC)


@dataclass
class Service:
    """The running parts of one home."""

    home: Home
    opa: Opa
    process: OpaProcess | None
    entries: SqliteEntries
    reader: LedgerReader
    sequencer: Sequencer
    pipeline: Pipeline
    callers: Callers
    gate: Gate
    metrics: Metrics
    idempotency: Idempotency
    redactor: Redactor
    signing: Guard

    async def note(self, *bodies: Body) -> int:
        """Record events of the service itself."""
        return await record(self.sequencer, [self.pipeline.event(body)[1] for body in bodies])

    async def not_ready(self) -> dict[str, str]:
        """Return what is not ready, by part."""
        missing: dict[str, str] = {}
        if self.sequencer.halted is not None:
            missing["ledger"] = self.sequencer.halted
        elif self.sequencer.lag > 10 * self.home.settings.ledger.checkpoint_interval_ms / 1000 + 1:
            missing["ledger"] = "no checkpoint could be published for a while"
        if not await self.opa.alive():
            missing["engine"] = "OPA does not answer"
        return missing


@asynccontextmanager
async def running(home: Home, *, event_signer: Signer | None = None) -> AsyncIterator[Service]:
    """Run a home's service without its HTTP door; raises GatewayError or LedgerError if it cannot start.

    `event_signer` replaces the home's key in benchmarks that measure the path without signatures.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(home.lock())
        service = await _build(home, stack, event_signer)
        # Before anything is signed, so that a backend which goes wrong at once is noticed.
        watch = Watch(
            service.note, service.callers, service.gate, service.opa.alive, _restarts(service), service.signing
        )
        await _announce(service)
        await watch.look()
        watching = asyncio.create_task(_repeat(watch.look, lambda: _every_hour(service)))
        try:
            yield service
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            with contextlib.suppress(LedgerError):
                await service.note(_changed(service, "stopped"))


def build_app(service: Service) -> FastAPI:
    """Return the HTTP application of a running service."""
    # No interactive pages: they would load scripts from elsewhere. The document itself is at /openapi.json.
    app = FastAPI(title="Assay", version=VERSION, openapi_url=None, docs_url=None, redoc_url=None)
    limits = service.home.settings.limits
    door = access.Access(
        gate=service.gate,
        pipeline=service.pipeline,
        sequencer=service.sequencer,
        redactor=service.redactor,
        idempotency=service.idempotency,
        metrics=service.metrics,
        most_evaluations=limits.evaluations,
        body_bytes=limits.body_bytes,
        clock=time.time,
    )
    app.include_router(access.router(door))
    app.include_router(ledger.router(service.gate, service.reader))
    app.include_router(operations.router(service.gate, service.metrics, service.not_ready, lambda: _schema(app)))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(LedgerError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)
    return app


async def _build(home: Home, stack: AsyncExitStack, event_signer: Signer | None) -> Service:
    settings, metrics = home.settings, Metrics()
    policies = bundle.shipped()
    folder = bundle.freeze(policies, home.path)
    entries, checkpoints = home.entries(), home.checkpoints()
    stack.callback(entries.close)
    stack.callback(checkpoints.close)
    loop = asyncio.get_running_loop()
    interval = settings.ledger.checkpoint_interval_ms / 1000
    signing = await asyncio.to_thread(guarded, settings.ledger.backend, lambda why: _log.critical("%s", why))
    sequencer = Sequencer(
        origin=settings.origin,
        entries=entries,
        checkpoints=checkpoints,
        event_signer=event_signer or signing.signer(home.keys["event"]),
        log_signers=home.log_keys,
        event_keys={key.key_id: key for key in home.trust().event_keys},
        threads=settings.ledger.sign_threads or os.cpu_count() or 1,
        interval=interval,
        most_waiting=settings.ledger.most_waiting,
        notify=notifier(loop),
        on_halt=lambda why: _log.critical("the ledger halted: %s", why),
    )
    await asyncio.to_thread(sequencer.open, _opening)
    stack.push_async_callback(asyncio.to_thread, sequencer.close)
    opa, process = await _engine(home, policies.digest, folder, stack)
    pipeline = Pipeline(
        origin=settings.origin,
        engine=opa,
        pseudonym_key=lambda tenant: home.secret(f"pseudonym/{tenant}"),
        clock=now,
        observe=metrics.decided,
    )
    callers = Callers(home.path / "callers.json", home.secret("caller"))
    gate = Gate(
        callers,
        RateLimiter(settings.limits.requests_per_second, settings.limits.burst, loop.time),
        settings.limits.body_bytes,
        now,
    )
    metrics.watch("assay_sequencer_lag_seconds", "Age of the oldest entry under no checkpoint.", lambda: sequencer.lag)
    metrics.watch("assay_sequencer_waiting", "Events waiting to be recorded.", lambda: sequencer.waiting)
    metrics.watch("assay_entries", "Entries in the ledger.", lambda: sequencer.size)
    metrics.watch("assay_opa_restarts", "Times OPA was started again.", lambda: process.restarts if process else 0)
    metrics.watch("assay_backend_fallback", "1 once a backend was found to be wrong.", lambda: bool(signing.fault))
    metrics.tell("assay_backend", "What signs events.", lambda: _backend(signing))
    return Service(
        home=home,
        opa=opa,
        process=process,
        entries=entries,
        reader=LedgerReader(entries, checkpoints),
        sequencer=sequencer,
        pipeline=pipeline,
        callers=callers,
        gate=gate,
        metrics=metrics,
        idempotency=Idempotency(entries, home.secret("idempotency")),
        redactor=Redactor(home.secret("card-data")),
        signing=signing,
    )


async def _engine(home: Home, digest: str, folder: Path, stack: AsyncExitStack) -> tuple[Opa, OpaProcess | None]:
    settings = home.settings.engine
    if settings.url:
        opa = Opa(digest, "opa (external)", settings.timeout_ms)
        stack.push_async_callback(opa.close)
        await opa.connect_url(settings.url)
        return opa, None
    program = opa_process.find(settings.opa)
    opa = Opa(digest, await asyncio.to_thread(opa_process.version, program), settings.timeout_ms)
    stack.push_async_callback(opa.close)

    async def up(host: str, port: int, token: str) -> None:
        # Each OPA reads the folder anew, and it may have been edited since the service started.
        bundle.load(home.path, digest)
        await opa.connect(host, port, token)

    process = OpaProcess(program, folder, up)
    stack.push_async_callback(process.stop)
    await process.start()
    return opa, process


async def _announce(service: Service) -> None:
    """Record that the log is open and, once per log, which keys it uses."""
    bodies: list[Body] = []
    if service.sequencer.size == 0:
        for use, key in service.home.keys.items():
            part: Any = use.partition("-")[0]
            public = key.public
            bodies.append(KeyActivated(use=part, algorithm=public.algorithm, key_id=public.key_id.hex()))
    backend = service.signing.active
    reason: Any = "started" if service.signing.fault is None else "disagreement"
    bodies.append(BackendChanged(backend=backend.name, version=backend.version, reason=reason))
    await service.note(*bodies, _changed(service, "started"))


def _changed(service: Service, change: Any) -> ServiceChanged:
    return ServiceChanged(change=change, version=VERSION, policy=service.opa.policy, engine=service.opa.version)


def _restarts(service: Service) -> Callable[[], int]:
    return lambda: 0 if service.process is None else service.process.restarts


def _backend(signing: Guard) -> dict[str, str]:
    return {"name": signing.active.name, "version": signing.active.version}


async def _repeat(look: Callable[[], Any], every_hour: Callable[[], None]) -> None:
    last = 0.0
    while True:
        await asyncio.sleep(1)
        try:
            await look()
            if time.monotonic() - last > 3600:  # noqa: PLR2004 - an hour
                last = time.monotonic()
                await asyncio.to_thread(every_hour)
        except (LedgerError, GatewayError) as error:
            _log.warning("housekeeping will be tried again: %s", error)


def _every_hour(service: Service) -> None:
    service.signing.check()
    service.entries.forget_memos(int(time.time()) - service.home.settings.limits.idempotency_hours * 3600)


def _opening(done: int, of: int) -> None:
    if done:
        _log.info("checking the ledger: %d of %d entries", done, of)


def _schema(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    document.setdefault("components", {})["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return document


async def _refused(_request: HttpRequest, error: Exception) -> Response:
    return problems.of(error) if isinstance(error, Refused) else await _unexpected(_request, error)


async def _invalid(_request: HttpRequest, _error: Exception) -> Response:
    return problems.problem(400, "request_invalid", "A parameter is missing or of the wrong kind.")


async def _http(_request: HttpRequest, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")
    return problems.problem(status, code, "There is nothing here for this request.", headers)


async def _unavailable(_request: HttpRequest, error: Exception) -> Response:
    kind = "ledger_unavailable" if isinstance(error, StoreError) else "ledger_failed"
    _log.error("the ledger could not answer: %s", error)
    return problems.problem(503, kind, "The ledger cannot answer now.", {"Retry-After": "1"})


async def _unexpected(_request: HttpRequest, error: Exception) -> Response:
    _log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problems.problem(500, "internal_error", "Something unexpected happened; nothing was allowed.")
