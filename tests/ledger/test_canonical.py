# SPDX-License-Identifier: Apache-2.0
"""Strict JSON in, canonical JSON out."""

import json
import math
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.canonical import MAX_SAFE_INTEGER, decode, decode_canonical, encode
from ledger.errors import LedgerError, Malformed

SECRET = "4111111111111111"
"""Stands for data that must never show in an error."""

integers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
texts = st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from('\x00\x08\t\x7f"\\/\u20ac\ue000\uffff😀𐀀'))
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None, max_examples=400)
@given(values)
@example({"\U0001f600": 1, "\ufb33": 2, "\ue000": 3, "\u20ac": 4, "\r": 5, "1": 6, "\u0080": 7, "\u00f6": 8})
@example([1e21, 1e-7, -0.0, 333333333.33333329, 4.5, 2e-3, 1e-27, MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER])
@example("\u2028\u2029\x00\x1f\x7f\ud7ff null 1e5 [1.0")
@example({"": [None, 1e16, "null"]})
def test_canonical_json_is_that_of_the_reference_implementation(value: Any) -> None:
    assert encode(value) == rfc8785.dumps(value)


@settings(deadline=None, max_examples=200)
@given(values)
def test_what_was_written_canonically_reads_back_and_writes_the_same(value: Any) -> None:
    text = encode(value)
    try:
        again = decode(text, max_bytes=len(text))
    except Malformed as error:
        # A float of 2^53 and more is written as an integer that I-JSON does not take for exact.
        assert "2^53-1" in str(error)  # noqa: PT017
    else:
        assert encode(again) == text


# RFC 8785, appendix B: the IEEE 754 bits of a number, and how it is written.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "written"), NUMBERS)
def test_numbers_are_written_as_in_appendix_b(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert encode(number) == written.encode()
    assert encode({"a": [number]}) == b'{"a":[%s]}' % written.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_what_is_no_number_is_not_written(bits: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    for value in (number, [number], {"a": {"b": (1, number)}}):
        with pytest.raises(Malformed):
            encode(value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        MAX_SAFE_INTEGER + 1,
        -MAX_SAFE_INTEGER - 1,
        2**64,
        10**400,
        {SECRET: 2**53},
        "\ud800",
        "😀\udc00",
        {"\udfff": 1},
        {1: "a"},
        {None: 1},
        {b"a": 1},
        b"bytes",
        {1, 2},
        object(),
        nested(5000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed) as caught:
        encode(value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b' {"a" : [1 , null,true] }\r\n\t', {"a": [1, None, True]}),
        (b"9007199254740991", 2**53 - 1),
        (b"-9007199254740991", -(2**53) + 1),
        (b"1e308", 1e308),
        (b"-1E+2", -100.0),
        (b"12345678901234567890.0", 12345678901234567890.0),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'{"\uD83D\uDE00":1}', {"😀": 1}),
        (b'"\xf4\x8f\xbf\xbf"', "\U0010ffff"),
        (b'"1e999 9007199254740992"', "1e999 9007199254740992"),
        (b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 38),
        (b"[" * 32 + b"]" * 32, nested(31)),
        (rb'"\u0000"', "\x00"),
    ],
)
def test_i_json_is_read(text: bytes, value: Any) -> None:
    assert decode(text, max_bytes=100) == value


MALFORMED = {
    "empty": b"",
    "blank": b" \n",
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "duplicate key": b'{"4111111111111111":1,"4111111111111111":2}',
    "duplicate key, escaped": b'{"a":1,"\\u0061":2}',
    "duplicate key, deep": b'[{"x":{"a":1,"b":2,"a":1}}]',
    "NaN": b"[NaN]",
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b"-Infinity",
    "1e999": b"[1e999]",
    "-1E999": b"-1E999",
    "1e+400": b'{"a":1e+400}',
    "many digits and a point": b"1" * 400 + b".5",
    "2^53": b"9007199254740992",
    "-2^53": b"[-9007199254740992]",
    "a card number as integer": b'{"pan":41111111111111110}',
    "5000 digits": b"4" * 5000,
    "leading zero": b"01",
    "plus": b"+1",
    "bare point": b".5",
    "point at the end": b"1.",
    "hex": b"0x10",
    "single quotes": b"{'a':1}",
    "comment": b"{}//4111111111111111",
    "trailing comma": b"[1,]",
    "trailing data": b'{} "4111111111111111"',
    "two values": b"1 2",
    "cut short": b'{"a":"4111111111111111',
    "no value": b'{"a":}',
    "key without quotes": b"{a:1}",
    "raw control character": b'"4111111111111111\n"',
    "raw NUL": b'"\x00"',
    "bad escape": rb'"\x41"',
    "bad unicode escape": rb'"\u12g4"',
    "lone high surrogate": rb'"\ud800"',
    "lone low surrogate": rb'["\uDFFF"]',
    "surrogates the wrong way round": rb'"\udc00\ud800"',
    "lone surrogate in a key": rb'{"\uDBff":1}',
    "raw surrogate": b'"\xed\xa0\x80"',
    "overlong": b'"\xc0\xaf"',
    "latin-1": b'"\xe9"',
    "cut UTF-8": b'"\xf0\x9f\x98"',
    "beyond unicode": b'"\xf4\x90\x80\x80"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "33 deep": b"[" * 33 + b"]" * 33,
    "33 deep, mixed": b'{"a":[' * 16 + b"[1]" + b"]}" * 16,
    "deeper than the interpreter": b"[" * 100_000,
    "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "no-break space": b"\xc2\xa01",
    "true in capitals": b"True",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_anything_else_is_malformed_and_the_error_does_not_repeat_it(text: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        decode(text, max_bytes=200_000)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_text_may_be_as_long_as_allowed_and_no_longer() -> None:
    assert decode(b'"abc"', max_bytes=5) == "abc"
    with pytest.raises(Malformed, match="5 bytes; at most 4"):
        decode(b'"abc"', max_bytes=4)


def test_the_depth_can_be_limited_further() -> None:
    assert decode(b'{"a":1}', max_bytes=100, max_depth=1) == {"a": 1}
    assert decode(b"1", max_bytes=100, max_depth=0) == 1
    with pytest.raises(Malformed, match="nested"):
        decode(b'{"a":[]}', max_bytes=100, max_depth=1)


json_like = st.text(st.sampled_from('{}[]",:0123456789.eE+-\\udDaAfFtrl nN'), max_size=40).map(str.encode)


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=60) | json_like)
def test_any_bytes_are_i_json_or_malformed(data: bytes) -> None:
    try:
        value = decode(data, max_bytes=100)
    except LedgerError as error:
        assert isinstance(error, Malformed)  # noqa: PT017
    else:
        assert all(math.isfinite(item) for item in floats(value))
        assert json.loads(data) == value
        json.dumps(value, ensure_ascii=False).encode()


def floats(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in floats(item)]
    if isinstance(value, list):
        return [number for item in value for number in floats(item)]
    return [value] if isinstance(value, float) else []


def test_ordinary_facts_are_written_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"time": "2026-01-02T03:04:05.678901Z", "amount": 1999, "tls": "TLSv1.3", "tags": ["a", 1, None, True]}

    def slow(_: object) -> bytes:
        raise AssertionError("written by rfc8785")

    monkeypatch.setattr(rfc8785, "dumps", slow)
    text = encode(facts)
    assert decode_canonical(text, max_bytes=1000) == facts
