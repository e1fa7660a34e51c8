# SPDX-License-Identifier: Apache-2.0
"""JSON in, strictly; JSON out, canonically.

Untrusted JSON is read as I-JSON (RFC 7493): UTF-8 without a byte order mark, no duplicate keys, no NaN or
infinity, no integer beyond 2^53-1, no lone surrogate, bounded size and depth. JSON that is hashed or signed is
written by the JSON Canonicalization Scheme (RFC 8785).
"""

import json
import math
import re
from typing import Any

import orjson
import rfc8785

from ledger.errors import Malformed

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 32
_MAX_DIGITS = 17

# orjson writes as RFC 8785 does, but for floats, integers beyond 2^53-1 and the order of keys outside the Basic
# Multilingual Plane (RFC 8785 orders by UTF-16 code units). These find such numbers as members and as items, and such
# characters. Text that only looks like one of them inside a string costs a slower encoding, never another result.
_MEMBER_NUMBER = re.compile(rb'":-?(?:[0-9]{16}|[0-9]+[.eE])')
_ITEM_NUMBER = re.compile(rb"[,\[]-?(?:[0-9]{16}|[0-9]+[.eE])")
_ASTRAL = re.compile(rb"[\xf0-\xf4]")


def decode(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of the I-JSON text `data`.

    Requires at most `max_bytes` bytes and at most `max_depth` nested arrays and objects.
    Raises Malformed with a sentence that says which rule was broken and never repeats the data.
    """
    if len(data) > max_bytes:
        raise Malformed(f"JSON text of {len(data)} bytes; at most {max_bytes} are accepted")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Malformed(f"nested deeper than {max_depth}") from None
    # Only an escape can make a lone surrogate, and only so many brackets can nest too deeply.
    if b"\\u" in data or data.count(b"{") + data.count(b"[") > max_depth:
        _check(value, max_depth)
    return value


def encode(value: Any) -> bytes:
    """Return the canonical JSON text of `value` (RFC 8785, UTF-8).

    Raises Malformed where no such text exists: NaN, infinity, integers beyond 2^53-1, lone surrogates, keys
    that are not strings.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        if _is_canonical(text) and (b"null" not in text or _finite(value)):
            return text
        return rfc8785.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        # rfc8785's own errors are ValueErrors and may quote the value, so only their kind is passed on.
        raise Malformed(f"no canonical JSON for this value ({type(error).__name__})") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("an object has a key twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or abs(value := int(digits)) > MAX_SAFE_INTEGER:
        raise Malformed("an integer is beyond 2^53-1")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed("a number is too large")
    return value


def _constant(name: str) -> Any:
    raise Malformed(f"{name} is not a JSON number")


def _is_canonical(text: bytes) -> bool:
    return (
        text[:1] in (b"{", b"[", b'"')
        and _MEMBER_NUMBER.search(text) is None
        and _ITEM_NUMBER.search(text) is None
        and (text.isascii() or _ASTRAL.search(text) is None)
    )


def _finite(value: Any) -> bool:
    """Return whether no float in `value` is NaN or infinite (orjson would write those as null)."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return True


def _check(value: Any, depth_left: int) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise Malformed("a string holds a lone surrogate")
    elif isinstance(value, dict | list):
        if depth_left == 0:
            raise Malformed("nested too deeply")
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(item, depth_left - 1)
