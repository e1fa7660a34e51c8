# SPDX-License-Identifier: Apache-2.0
"""Operations: is it alive, is it ready, what does it count, what does it offer."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import Response

from gateway.callers import Role
from gateway.gate import EVERYONE, Gate
from gateway.metrics import Metrics
from gateway.openapi import ALIVE, DOCUMENT, METRICS, READY, without_defaults

Readiness = Callable[[], Awaitable[dict[str, str]]]
"""Returns what is not ready, by part; empty when all is."""


def router(gate: Gate, metrics: Metrics, readiness: Readiness, schema: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz", openapi_extra=ALIVE, response_class=Response, response_model=None)
    async def healthz() -> Response:
        """Answer that the process runs."""
        return _json({"status": "alive"})

    @routes.get("/readyz", openapi_extra=READY, response_class=Response, response_model=None)
    async def readyz() -> Response:
        """Answer whether decisions can be made and recorded."""
        missing = await readiness()
        return _json({"status": "not ready" if missing else "ready", **missing}, 503 if missing else 200)

    @routes.get("/metrics", openapi_extra=METRICS, response_class=Response, response_model=None)
    async def show(request: HttpRequest) -> Response:
        """Return the metrics in Prometheus' text format."""
        gate.admit(request, frozenset({Role.ADMIN, Role.AUDITOR}))
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.get("/openapi.json", openapi_extra=DOCUMENT, response_class=Response, response_model=None)
    async def openapi(request: HttpRequest) -> Response:
        """Return this API's OpenAPI document."""
        gate.admit(request, EVERYONE)
        return _json(without_defaults(schema()))

    return routes


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
