# SPDX-License-Identifier: Apache-2.0
"""The JSON documents of a pack: read into typed values, accepted only in the one canonical form of their value."""

from typing import Any, TypeVar

import msgspec

from evidence.errors import PackMalformed, about
from ledger.canonical import decode, decode_canonical, encode

MAX_DOCUMENT = 64 * 2**20
"""Bytes of one document."""


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of the documents; members that have their default value are left out."""


T = TypeVar("T", bound=Document)


def write(document: Document) -> bytes:
    """Return the canonical JSON of a document."""
    return encode(msgspec.to_builtins(document))


def read(data: bytes, kind: type[T], where: str, *, max_bytes: int = MAX_DOCUMENT) -> T:
    """Return the document in `data`; raises PackMalformed unless it is exactly what `write` gives for it."""
    value = read_json(data, where, max_bytes=max_bytes, canonical=False)
    try:
        document = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise PackMalformed(f"not the document expected here: {error}", where=where) from None
    with about(where):
        if write(document) != data:
            raise PackMalformed("not the canonical JSON of this document", where=where)
    return document


def read_json(data: bytes, where: str, *, max_bytes: int = MAX_DOCUMENT, canonical: bool = True) -> Any:
    """Return the value of a JSON text; raises PackMalformed if it is not JSON or, if asked for, not canonical."""
    with about(where):
        return (decode_canonical if canonical else decode)(data, max_bytes=max_bytes)


def lines(data: bytes, where: str) -> list[bytes]:
    """Return the lines of a JSON Lines file; raises PackMalformed if its last line does not end."""
    if not data:
        return []
    if not data.endswith(b"\n"):
        raise PackMalformed("the last line does not end", where=where)
    return data[:-1].split(b"\n")
