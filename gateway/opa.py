# SPDX-License-Identifier: Apache-2.0
"""OPA as the engine: one HTTP question per decision, a hard time limit, and no second try.

An answer counts only if it comes from the address that was asked, whole, in time, and names the right bundle.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from opa_client.opa_async import AsyncOpaClient

from gateway.decision import Decision, parse_answer
from gateway.errors import EngineFailed, EngineUnusable
from gateway.facts import Facts
from ledger.canonical import decode
from ledger.errors import Malformed

_STARTING = 20.0
"""Seconds an OPA may take from start to its first good answer."""
_MOST_BYTES = 262_144
"""Bytes of an answer that are read; one of main.rego is a few thousand."""
_JSON = {"Content-Type": "application/json"}


class _Client(AsyncOpaClient):  # type: ignore[misc]  # the library has no types
    """The client with one question, and strict about its answer."""

    async def decision(self, facts: bytes) -> Any:
        """Return the answer to data.assay.decision on the JSON text of some facts.

        Raises aiohttp's errors, or ValueError if the answer is unreadable.
        """
        url = f"{self.root_url}/data/assay/decision?provenance=true"
        asked = b'{"input":%b}' % facts
        # Asked of the session itself, for there is no second try. A redirect would send the facts to, and take the
        # answer from, a place that nobody chose.
        async with self._session.post(url, data=asked, headers=_JSON, allow_redirects=False) as response:
            if response.status != 200:  # noqa: PLR2004
                raise aiohttp.ClientResponseError(response.request_info, response.history, status=response.status)
            body = b""
            async for chunk in response.content.iter_any():
                body = body + chunk if body else chunk
                if len(body) > _MOST_BYTES:
                    break
        try:
            return decode(body, max_bytes=_MOST_BYTES)
        except Malformed as error:
            raise ValueError(str(error)) from None


class Opa:
    """An Engine that asks a running OPA for data.assay.decision."""

    def __init__(self, policy: str, version: str, timeout_ms: int) -> None:
        """Take the digest of the bundle that must answer, the engine's version and the time limit."""
        self.policy, self.version = policy, version
        self._timeout = timeout_ms / 1000
        self._client: _Client | None = None

    async def connect(self, host: str, port: int, token: str = "") -> None:
        """Use the OPA at an address from now on, once it answers from the right bundle; raises EngineUnusable."""
        client = _Client(host=host, port=port, token=token or None, retries=0, timeout=self._timeout)
        await client.__aenter__()
        try:
            await self._await_bundle(client)
        except BaseException:
            await client.close_connection()
            raise
        old, self._client = self._client, client
        if old is not None:
            await old.close_connection()

    async def connect_url(self, url: str) -> None:
        """Use the OPA at http://HOST:PORT; raises EngineUnusable."""
        try:
            port = urlsplit(url).port or 0
        except ValueError:
            port = 0
        host = {f"http://{host}:{port}": host for host in ("127.0.0.1", "[::1]", "localhost")}.get(url.rstrip("/"))
        if host is None or not port:
            # Facts and answers travel in the clear, so they do not leave the machine.
            raise EngineUnusable("engine.url is http://127.0.0.1:PORT: an OPA on this machine")
        await self.connect(host, port)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.close_connection()

    async def decide(self, facts: Facts) -> Decision:
        """Return OPA's decision; raises EngineFailed with the code of what went wrong."""
        if self._client is None:
            raise EngineFailed("engine_unreachable", "OPA was never reached")
        try:
            answer = await self._client.decision(facts.text)
        except TimeoutError:
            raise EngineFailed("engine_timeout", f"OPA took longer than {self._timeout:g} s") from None
        except aiohttp.ClientResponseError as error:
            raise EngineFailed("engine_bad_answer", f"OPA answered {error.status}") from None
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: its session was closed meanwhile
            raise EngineFailed("engine_unreachable", f"OPA cannot be reached: {type(error).__name__}") from None
        except ValueError as error:
            raise EngineFailed("engine_bad_answer", f"OPA's answer is unreadable: {type(error).__name__}") from None
        decision = parse_answer(answer)
        revision = _revision(answer)
        if revision != self.policy:
            raise EngineFailed("engine_other_policy", f"OPA has bundle {revision or 'none'} loaded, want {self.policy}")
        return decision

    async def alive(self) -> bool:
        """Return whether OPA answers, and from the right bundle."""
        if self._client is None:
            return False
        try:
            return _revision(await self._client.decision(b"{}")) == self.policy
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError, RuntimeError):
            return False

    async def _await_bundle(self, client: _Client) -> None:
        deadline = asyncio.get_running_loop().time() + _STARTING
        while True:
            try:
                revision = _revision(await client.decision(b"{}"))
            except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
                if asyncio.get_running_loop().time() > deadline:
                    raise EngineUnusable(f"OPA did not answer within {_STARTING:g} s of its start") from None
                await asyncio.sleep(0.02)
                continue
            if revision != self.policy:
                raise EngineUnusable(f"OPA has bundle {revision or 'none'} loaded, want {self.policy}")
            return


def _revision(answer: Any) -> str | None:
    """Return the revision of the one bundle that gave an answer; raises ValueError if there is no result."""
    if not isinstance(answer, dict) or "result" not in answer:
        raise ValueError("no result")
    try:
        revisions = [bundle.get("revision") for bundle in answer["provenance"]["bundles"].values()]
    except (KeyError, TypeError, AttributeError):
        return None
    return revisions[0] if len(revisions) == 1 and isinstance(revisions[0], str) else None
