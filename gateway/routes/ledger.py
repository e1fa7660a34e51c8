# SPDX-License-Identifier: Apache-2.0
"""Reading the ledger: C2SP tlog-tiles for everyone, entries and proofs for callers."""

import asyncio
import base64
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from gateway.errors import Refused
from gateway.gate import EVERYONE, READERS, Gate
from gateway.openapi import CHECKPOINT, CONSISTENCY, ENTRY, INCLUSION, TILE
from ledger import envelope, event
from ledger.errors import Malformed, ProofInvalid
from ledger.reader import LedgerReader
from ledger.tiles import available, parse_path
from ledger.tree import leaf_hash

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-cache"}
Index = Annotated[int, Query(ge=0, lt=2**53)]


def router(gate: Gate, reader: LedgerReader) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["ledger"])

    @routes.get("/checkpoint", openapi_extra=CHECKPOINT, response_class=Response, response_model=None)
    async def checkpoint() -> Response:
        """Return the newest signed checkpoint (C2SP tlog-checkpoint)."""
        signed = await asyncio.to_thread(reader.checkpoint)
        return PlainTextResponse(signed.note.decode(), headers=_FRESH)

    @routes.get("/tile/{path:path}", openapi_extra=TILE, response_class=Response, response_model=None)
    async def tile(path: str) -> Response:
        """Return a tile of hashes or a bundle of entries (C2SP tlog-tiles)."""
        content = await asyncio.to_thread(_tile, reader, path)
        return Response(content, headers=_IMMUTABLE, media_type="application/octet-stream")

    @routes.get("/ledger/entries/{index}", openapi_extra=ENTRY, response_class=Response, response_model=None)
    async def entry(request: HttpRequest, index: str) -> Response:
        """Return one entry: its event, its exact bytes and its leaf hash."""
        gate.admit(request, READERS)
        return _json(await asyncio.to_thread(_entry, reader, index))

    @routes.get("/ledger/proof/inclusion", openapi_extra=INCLUSION, response_class=Response, response_model=None)
    async def inclusion(request: HttpRequest, index: Index, size: Index | None = None) -> Response:
        """Return the inclusion proof of an entry in the tree of `size` entries (default: the newest checkpoint)."""
        gate.admit(request, EVERYONE)
        return _json(await asyncio.to_thread(_inclusion, reader, index, size))

    @routes.get("/ledger/proof/consistency", openapi_extra=CONSISTENCY, response_class=Response, response_model=None)
    async def consistency(request: HttpRequest, first: Index, second: Index | None = None) -> Response:
        """Return the consistency proof between two sizes (default for `second`: the newest checkpoint)."""
        gate.admit(request, EVERYONE)
        return _json(await asyncio.to_thread(_consistency, reader, first, second))

    return routes


def _tile(reader: LedgerReader, path: str) -> bytes:
    try:
        wanted = parse_path(path)
    except Malformed as error:
        raise Refused(404, "no_such_tile", f"{error}.".capitalize()) from None
    if not available(wanted, reader.checkpoint().checkpoint.size):
        raise Refused(404, "no_such_tile", "No published checkpoint covers this tile.", {"Retry-After": "1"})
    return reader.tile(wanted)


def _entry(reader: LedgerReader, index: str) -> dict[str, Any]:
    size = reader.checkpoint().checkpoint.size
    if not (index.isascii() and index.isdigit() and len(index) <= 16) or int(index) >= size:  # noqa: PLR2004
        raise Refused(404, "no_such_entry", "No published checkpoint covers this entry.", {"Retry-After": "1"})
    number = int(index)
    content = reader.entry(number)
    return {
        "index": number,
        "leaf_hash": leaf_hash(content).hex(),
        "event": event.to_json(event.decode(envelope.parse(content).payload)),
        "entry": base64.b64encode(content).decode(),
        "proof": f"/ledger/proof/inclusion?index={number}",
    }


def _inclusion(reader: LedgerReader, index: int, size: int | None) -> dict[str, Any]:
    signed = reader.checkpoint()
    size = _covered(signed.checkpoint.size, size)
    try:
        path = reader.inclusion(index, size)
    except ProofInvalid as error:
        raise Refused(404, "no_such_entry", f"{error}.".capitalize(), {"Retry-After": "1"}) from None
    return {
        "index": index,
        "size": size,
        "leaf_hash": reader.leaves(index, index + 1)[0].hex(),
        "path": [value.hex() for value in path],
        "checkpoint": signed.note.decode() if size == signed.checkpoint.size else None,
    }


def _consistency(reader: LedgerReader, first: int, second: int | None) -> dict[str, Any]:
    second = _covered(reader.checkpoint().checkpoint.size, second)
    try:
        path = reader.consistency(first, second)
    except ProofInvalid as error:
        raise Refused(404, "no_such_proof", f"{error}.".capitalize()) from None
    return {"first": first, "second": second, "path": [value.hex() for value in path]}


def _covered(published: int, size: int | None) -> int:
    if size is not None and size > published:
        raise Refused(404, "not_published", f"The newest checkpoint covers {published} entries.", {"Retry-After": "1"})
    return published if size is None else size


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
