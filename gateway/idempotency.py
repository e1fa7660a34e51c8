# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): the first answer, again, with nothing recorded anew.

A key belongs to one caller and one request. The answer is kept in the ledger's own transaction, so a key that was
answered stays answered after a crash.
"""

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.errors import BadInput, Refused
from ledger.store import EntryStore, Memo

_MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Ticket:
    """A caller's idempotency key on one request, as keyed digests."""

    caller: str
    key: bytes
    fingerprint: bytes

    def memo(self, content: bytes, now: int) -> Memo:
        """Return the answer to keep under this key."""
        return Memo(self.caller, self.key, self.fingerprint, content, now)


class Idempotency:
    """Keys in use and keys answered."""

    def __init__(self, entries: EntryStore, secret: bytes) -> None:
        """Take the store that keeps answers and the 32-byte secret of the digests."""
        self._entries, self._secret = entries, secret
        self._running: dict[tuple[str, bytes], bytes] = {}

    def ticket(self, caller: str, header: str, route: str, body: bytes) -> Ticket:
        """Return the ticket of a request; raises BadInput if the header is no key."""
        key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
        if not 0 < len(key) <= _MAX_KEY or not key.isascii() or not key.isprintable():
            raise BadInput(400, "idempotency_key_invalid", f"An Idempotency-Key is 1 to {_MAX_KEY} ASCII characters.")
        return Ticket(caller, self._digest(b"key", key.encode()), self._digest(b"body", route.encode(), body))

    @contextmanager
    def running(self, ticket: Ticket) -> Iterator[None]:
        """Hold a key while its request is worked on; raises Refused (409) if it is held, (422) for another body."""
        place = (ticket.caller, ticket.key)
        held = self._running.get(place)
        if held is not None:
            self._same(held, ticket)
            raise Refused(409, "idempotency_key_in_use", "The first request with this key is still being answered.")
        self._running[place] = ticket.fingerprint
        try:
            yield
        finally:
            del self._running[place]

    async def answered(self, ticket: Ticket) -> Memo | None:
        """Return the answer kept for a key; raises Refused (422) if it was given to another body."""
        memo = await asyncio.to_thread(self._entries.memo, ticket.caller, ticket.key)
        if memo is not None:
            self._same(memo.fingerprint, ticket)
        return memo

    def _same(self, fingerprint: bytes, ticket: Ticket) -> None:
        if not hmac.compare_digest(fingerprint, ticket.fingerprint):
            raise Refused(422, "idempotency_key_reused", "This Idempotency-Key was used with another request.")

    def _digest(self, kind: bytes, *parts: bytes) -> bytes:
        # Keyed, because a body may hold a card number that a plain hash would let anyone guess.
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in (kind, *parts))
        return hmac.digest(self._secret, framed, "sha256")
