# SPDX-License-Identifier: Apache-2.0
"""OPA as the engine: one HTTP question per decision, a hard time limit, and no second try."""

import asyncio
import json
import logging
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from opa_client.opa_async import AsyncOpaClient

from gateway.decision import Decision, parse_answer
from gateway.errors import EngineFailed, EngineUnusable
from gateway.facts import Facts

_STARTING = 20.0
"""Seconds an OPA may take from start to its first good answer."""
_log = logging.getLogger(__name__)


class Opa:
    """An Engine that asks a running OPA for data.assay.decision."""

    def __init__(self, policy: str, version: str, timeout_ms: int) -> None:
        """Take the digest of the bundle that must answer, the engine's version and the time limit."""
        self.policy, self.version = policy, version
        self._timeout = timeout_ms / 1000
        self._client: AsyncOpaClient | None = None

    async def connect(self, host: str, port: int, token: str = "") -> None:
        """Use the OPA at an address from now on, once it answers from the right bundle; raises EngineUnusable."""
        client = AsyncOpaClient(host=host, port=port, token=token or None, retries=0, timeout=self._timeout)
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
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise EngineUnusable("engine.url is http://HOST:PORT")
        await self.connect(parts.hostname, parts.port)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.close_connection()

    async def decide(self, facts: Facts) -> Decision:
        """Return OPA's decision; raises EngineFailed with the code of what went wrong."""
        if self._client is None:
            raise EngineFailed("engine_unreachable", "OPA was never reached")
        try:
            answer = await self._client.query_rule(facts.value, "assay", "decision")
        except TimeoutError:
            raise EngineFailed("engine_timeout", f"OPA took longer than {self._timeout:g} s") from None
        except aiohttp.ClientResponseError as error:
            raise EngineFailed("engine_bad_answer", f"OPA answered {error.status}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EngineFailed("engine_unreachable", f"OPA cannot be reached: {type(error).__name__}") from None
        except (ValueError, RuntimeError) as error:
            raise EngineFailed("engine_bad_answer", f"OPA's answer is unreadable: {type(error).__name__}") from None
        return parse_answer(answer)

    async def alive(self) -> bool:
        """Return whether OPA answers, and from the right bundle."""
        if self._client is None:
            return False
        try:
            return await self._revision(self._client) == self.policy
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError, RuntimeError):
            return False

    async def _await_bundle(self, client: AsyncOpaClient) -> None:
        deadline = asyncio.get_running_loop().time() + _STARTING
        while True:
            try:
                revision = await self._revision(client)
            except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
                if asyncio.get_running_loop().time() > deadline:
                    raise EngineUnusable(f"OPA did not answer within {_STARTING:g} s of its start") from None
                await asyncio.sleep(0.02)
                continue
            if revision != self.policy:
                raise EngineUnusable(f"OPA has bundle {revision or 'none'} loaded, want {self.policy}")
            return

    async def _revision(self, client: AsyncOpaClient) -> str | None:
        answer: Any = await client.query_rule({}, "assay", "decision", {"provenance": True})
        if not isinstance(answer, dict) or "result" not in answer:
            raise json.JSONDecodeError("no result", "", 0)
        bundles = answer.get("provenance", {}).get("bundles", {})
        revisions = {bundle.get("revision") for bundle in bundles.values()}
        return revisions.pop() if len(revisions) == 1 else None
