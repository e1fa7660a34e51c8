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
_BOXES = (dict, list, tuple)

# orjson writes as RFC 8785 does, but for floats, integers beyond 2^53-1 and the order of keys outside the Basic
# Multilingual Plane (RFC 8785 orders by UTF-16 code units). These find such numbers where a number can begin, each
# from one character on, which is faster than a choice of them, and such characters. Text inside a string that only
# looks like one costs a slower encoding, never another result.
_MEMBER, _ITEM, _FIRST = (re.compile(begin + rb"-?(?:[0-9]{16}|[0-9]+[.eE])") for begin in (rb'":', rb",", rb"\["))
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
    _check_depth(data, value, max_depth)
    # Only an escape can make a lone surrogate.
    if b"\\u" in data:
        _check_texts(value)
    return value


def decode_canonical(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of a text that must be the canonical JSON of it; raises Malformed as `decode` does, or if not.

    Faster than `decode`: most such texts are what orjson writes again from what it reads, which no text with a key
    twice, a blank or another way to write anything is.
    """
    if len(data) <= max_bytes:
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = None
        if value is not None and _dumps(value) == data and _is_canonical(data):
            _check_depth(data, value, max_depth)
            return value
    value = decode(data, max_bytes=max_bytes, max_depth=max_depth)
    if encode(value) != data:
        raise Malformed("not canonical JSON")
    return value


def encode(value: Any) -> bytes:
    """Return the canonical JSON text of `value` (RFC 8785, UTF-8).

    Raises Malformed where no such text exists: NaN, infinity, integers beyond 2^53-1, lone surrogates, keys
    that are not strings.
    """
    try:
        text = _dumps(value)
        if _is_canonical(text) and (b"null" not in text or _is_finite(value)):
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


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _is_canonical(text: bytes) -> bool:
    """Return whether what orjson wrote is what RFC 8785 asks for."""
    return (
        text[:1] in (b"{", b"[", b'"')
        and _MEMBER.search(text) is None
        and _ITEM.search(text) is None
        and _FIRST.search(text) is None
        and (text.isascii() or _ASTRAL.search(text) is None)
    )


def _is_finite(value: Any) -> bool:
    """Return whether no float in `value` is NaN or infinite (orjson writes those as null)."""
    boxes = [value]
    for box in boxes if isinstance(value, _BOXES) else ():
        for item in box.values() if isinstance(box, dict) else box:
            if isinstance(item, _BOXES):
                boxes.append(item)
            elif isinstance(item, float) and not math.isfinite(item):
                return False
    return True


def _check_depth(data: bytes, value: Any, max_depth: int) -> None:
    """Raise Malformed if more than `max_depth` arrays and objects are nested; only so many brackets can be."""
    if data.count(b"{") + data.count(b"[") <= max_depth:
        return
    boxes = [value] if type(value) in _BOXES else []
    for _ in range(max_depth):
        boxes = [item for box in boxes for item in (box.values() if type(box) is dict else box) if type(item) in _BOXES]
        if not boxes:
            return
    raise Malformed(f"nested deeper than {max_depth}")


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise Malformed("a string holds a lone surrogate")
    elif isinstance(value, dict | list):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_texts(item)
