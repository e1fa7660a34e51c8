# SPDX-License-Identifier: Apache-2.0
"""The gate every request passes: bearer key (RFC 6750), role, rate, body size and media type."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request as HttpRequest

from gateway.callers import Caller, Callers, Role
from gateway.errors import BadInput, Refused
from gateway.limits import RateLimiter

DECIDERS = frozenset({Role.GATEWAY, Role.ADMIN})
READERS = frozenset({Role.OFFICER, Role.AUDITOR, Role.ADMIN})
EVERYONE = frozenset(Role)


class Gate:
    """Admits callers and counts who was turned away."""

    def __init__(self, callers: Callers, limiter: RateLimiter, body_bytes: int, clock: Callable[[], datetime]) -> None:
        """Take the callers, their rate limiter, the largest body and a UTC clock."""
        self._callers, self._limiter, self._body_bytes, self._clock = callers, limiter, body_bytes, clock
        self.turned_away: Counter[int] = Counter()
        self.since = clock()

    def forget(self) -> None:
        """Begin a new count of refusals, keeping those that came meanwhile."""
        self.turned_away = +self.turned_away
        self.since = self._clock()

    def admit(self, request: HttpRequest, roles: frozenset[Role]) -> Caller:
        """Return the caller of a request; raises Refused (401, 403, 429)."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        caller = self._callers.authenticate(key.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            self.turned_away[401] += 1
            raise Refused(
                401,
                "unauthenticated",
                "A valid bearer key is needed. `assay keys caller add` makes one.",
                {"WWW-Authenticate": 'Bearer realm="assay"'},
            )
        if caller.role not in roles:
            self.turned_away[403] += 1
            raise Refused(403, "forbidden", f"The role {caller.role.value} does not reach this.")
        self._limiter.take(caller.name)
        return caller

    async def json_body(self, request: HttpRequest) -> bytes:
        """Return the bytes of a JSON body; raises BadInput (400, 413)."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise BadInput(400, "content_type_invalid", "The Content-Type must be application/json.")
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self._body_bytes:
            raise self._too_large()
        body = b""
        async for chunk in request.stream():
            body = body + chunk if body else chunk
            if len(body) > self._body_bytes:
                raise self._too_large()
        if not body:
            raise BadInput(400, "body_empty", "The body is empty.")
        return body

    def _too_large(self) -> BadInput:
        return BadInput(413, "body_too_large", f"The body is larger than {self._body_bytes} bytes.")
