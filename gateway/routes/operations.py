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
from gateway.openapi import PROBLEMS

Readiness = Callable[[], Awaitable[dict[str, str]]]
"""Returns what is not ready, by part; empty when all is."""


def router(gate: Gate, metrics: Metrics, readiness: Readiness, schema: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["operations"])
    secured: dict[str, Any] = {"security": [{"bearer": []}], "responses": PROBLEMS}

    @routes.get("/healthz", response_model=None)
    async def healthz() -> Response:
        """Answer that the process runs."""
        return _json({"status": "alive"})

    @routes.get(
        "/readyz",
        response_model=None,
        openapi_extra={"responses": {"200": {"description": "Ready."}, "503": {"description": "Not ready."}}},
    )
    async def readyz() -> Response:
        """Answer whether decisions can be made and recorded."""
        missing = await readiness()
        return _json({"status": "not ready" if missing else "ready", **missing}, 503 if missing else 200)

    @routes.get("/metrics", response_model=None, openapi_extra=secured)
    async def show(request: HttpRequest) -> Response:
        """Return the metrics in Prometheus' text format."""
        gate.admit(request, frozenset({Role.ADMIN, Role.AUDITOR}))
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.get("/openapi.json", response_model=None, openapi_extra=secured)
    async def openapi(request: HttpRequest) -> Response:
        """Return this API's OpenAPI document."""
        gate.admit(request, EVERYONE)
        return _json(schema())

    return routes


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
