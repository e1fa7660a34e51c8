# SPDX-License-Identifier: Apache-2.0
"""What holds for every request: no card number is left, redacting again finds nothing, and a glance overlooks nothing.

Whether a number is a card number is worked out here a second time, naively, as ISO/IEC 7812-1 tells it.
"""

import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.card_data import CardData, Redactor, may_hold_card_data

REDACTOR = Redactor(bytes(range(32)))
ISSUED = (
    ("4", (13, 16, 19)),
    *((str(prefix), (16,)) for prefix in (*range(51, 56), *range(2221, 2721))),
    ("34", (15,)),
    ("37", (15,)),
    *((str(prefix), tuple(range(16, 20))) for prefix in (6011, *range(644, 650), 65, *range(3528, 3590), 62, 81)),
    *((str(prefix), tuple(range(16, 20))) for prefix in range(2200, 2205)),
    *((str(prefix), tuple(range(14, 20))) for prefix in (*range(300, 306), 36, 38, 39)),
    *((str(prefix), tuple(range(12, 20))) for prefix in (50, 56, 57, 58, 6)),
)


def checked(digits: str) -> int:
    """Return the Luhn sum of a number modulo 10."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2
        total += int(digit) if place % 2 == 0 else doubled // 10 + doubled % 10
    return total % 10


def is_card_number(digits: str) -> bool:
    issued = any(len(digits) in lengths and digits.startswith(prefix) for prefix, lengths in ISSUED)
    return issued and checked(digits) == 0


def texts_in(value: Any) -> list[str]:
    """Return every key, string and number of a JSON value as text."""
    if isinstance(value, dict):
        return [text for key, member in value.items() for text in (key, *texts_in(member))]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [value if isinstance(value, str) else json.dumps(value)]


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix, lengths = draw(st.sampled_from(ISSUED))
    length = draw(st.sampled_from(lengths))
    rest = length - len(prefix) - 1
    body = prefix + draw(st.text("0123456789", min_size=rest, max_size=rest))
    return next(body + last for last in "0123456789" if checked(body + last) == 0)


@st.composite
def written(draw: st.DrawFn) -> str:
    """Return a card number as people and programs write it."""
    number = draw(card_numbers())
    between = draw(st.sampled_from(["", " ", "-", ".", "/", "_", "\u00a0", " - ", "\u2009", "%20", "%2D", "\u2011"]))
    size = draw(st.sampled_from([4, 4, 5, 6]))
    text = between.join(number[start : start + size] for start in range(0, len(number), size))
    script = draw(st.sampled_from(["0", "0", "0", "\uff10", "\u0660", "\u0966"]))
    return "".join(chr(ord(script) + int(c)) if c.isdigit() and "%" not in between else c for c in text)


around = st.text("abcxyz :,;=#&?/\"'()[]{}\\\n\u00e9", max_size=12)
sentences = st.builds("{}{}{}".format, around, written(), around)
harmless = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.uuids().map(str),
    st.datetimes().map(str),
)


def documents(leaves: st.SearchStrategy[Any], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
        max_leaves=8,
    )


@given(card_numbers())
def test_the_numbers_made_here_are_card_numbers_and_are_all_found(number: str) -> None:
    assert is_card_number(number)
    for value in (number, {number: 1}, [number], f"n={number}&m=1", f"x{number}y"):
        output, found = REDACTOR.redact(json.dumps(value).encode(), value)
        assert len(found.pans) == 1
        assert number not in json.dumps(output)


@given(st.data(), card_numbers())
def test_number_with_a_wrong_check_digit_is_left_alone(data: st.DataObject, number: str) -> None:
    last = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[-1]]))
    wrong = number[:-1] + last
    assume(not is_card_number(wrong.lstrip("0")))
    assume(not any(is_card_number(wrong[:size]) for size in (14, 15, 16, 19)))
    assert REDACTOR.redact(json.dumps([wrong]).encode(), [wrong]) == ([wrong], CardData())


@given(documents(st.one_of(sentences, harmless), st.one_of(sentences, st.text(max_size=8))), sentences)
def test_no_card_number_survives_in_any_spelling(document: Any, sentence: str) -> None:
    value = {"document": document, "sentence": sentence}
    output, found = REDACTOR.redact(json.dumps(value).encode(), value)
    assert found.pans
    for text in texts_in(output):
        for run in re.findall(r"(?<![0-9.])[0-9]+", unicodedata.normalize("NFKC", text)):
            assert not is_card_number(run) or f"+{run}" in text


chunks = st.one_of(
    written(),
    st.text("0123456789", max_size=24),
    st.sampled_from(
        [" ", "-", ".", "/", "_", "+", "%20", "%34", "%", "=", ";", "^", "?", "B", "D", "%B", "x", "a1", ":"]
    ),
    st.sampled_from(["DE89", "GB29 NWBK", "cvv=123", "pin: 1234", "CVC2", "track2", "pan_", "0.", "\0", "29121011234"]),
)
debris = st.lists(chunks, max_size=10).map("".join)
names = st.one_of(
    st.sampled_from(
        ["cvv", "cid", "pin", "pin_code", "city", "number", "value", "name", "track2", "track", "cvc_check"]
    ),
    debris,
)


@settings(max_examples=400)
@given(documents(st.one_of(debris, harmless), names))
@example(["DE89370400440532013000;4242424242424242D2912101A1A1;4242424242424242=2912101123?"])
def test_redacting_the_output_finds_nothing_new(document: Any) -> None:
    output, found = REDACTOR._walked(document)
    again, more = REDACTOR._walked(output)
    # A member may have been kept for a neighbour that is gone now; nothing else may be found.
    assert more.pans == ()
    if not found.sad:
        assert (again, more) == (output, CardData())
    assert REDACTOR._walked(json.loads(json.dumps(output)))[1].pans == ()


SENSITIVE = "cvv cvc cvn cvd csc cid cav cve pin epb track msr mag magnetic stripe swipe security"
QUALIFYING = "card code verification value block data e enc encrypted 1 2 3 one two equiv input g ing"
NAME = st.lists(
    st.one_of(
        st.sampled_from(SENSITIVE.split()),
        st.sampled_from(QUALIFYING.split()),
        st.sampled_from(["_", "-", ".", " ", "Card", "CVV", "Pin", "PIN", "Track", "Code", "x"]),
    ),
    min_size=1,
    max_size=6,
).map("".join)
NUMBER = st.one_of(
    st.from_regex(r"-?[1-9][0-9]{0,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    card_numbers(),
    card_numbers().map(lambda digits: f"{digits[0]}.{digits[1:]}e{len(digits) - 1}"),
    card_numbers().map(lambda digits: f"{digits.rstrip('0')}e{len(digits) - len(digits.rstrip('0'))}"),
)
TEXT = st.one_of(
    NAME,
    written().filter(str.isascii),
    st.builds("{}{}{}".format, NAME, st.sampled_from(["=", ": ", ":"]), st.sampled_from(["737", "7371", "0" * 16])),
    st.text("0123456789 ./_+-abe", max_size=30),
)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Return a body of JSON with one member, written with more or less space."""
    gap = draw(st.sampled_from(["", " ", "\n  "]))
    value = draw(
        st.one_of(NUMBER, TEXT.map(json.dumps), st.sampled_from(["true", "null", '"abcdefghijklmnop"', '"737"']))
    )
    name, second = draw(NAME), draw(st.one_of(NAME, st.just("value"), st.just("number")))
    key = draw(st.sampled_from(["name", "key", "id", "x"]))
    return draw(
        st.sampled_from(
            [
                f"{{{gap}{json.dumps(name)}{gap}:{gap}{value}{gap}}}",
                f"[{value}{gap},{gap}{value}]",
                f'{{"{key}":{gap}{json.dumps(name)},{gap}"value":{gap}{value}}}',
                f"{{{json.dumps(name)}:{gap}{value},{json.dumps(second + 'x')}:{value}}}",
                f'{{"number": 1, {json.dumps(name)}:{gap}[{{"x": {value}}}]}}',
            ]
        )
    )


@settings(max_examples=1500)
@given(bodies())
def test_where_a_glance_finds_nothing_the_walk_finds_nothing(body: str) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        assume(False)  # noqa: FBT003 - Hypothesis' signature
    raw = body.encode()
    if not may_hold_card_data(raw):
        assert REDACTOR._walked(value) == (value, CardData())
        assert REDACTOR.redact(raw, value) == (value, CardData())


@given(documents(harmless, st.text(max_size=10)))
def test_glance_agrees_on_documents_of_every_shape(value: Any) -> None:
    for raw in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "ignore")):
        if not may_hold_card_data(raw):
            assert REDACTOR._walked(value) == (value, CardData())


@pytest.mark.parametrize("prefix", ["%", "\\u0034", "\u00e9"])
def test_glance_leaves_escapes_and_other_scripts_to_the_walk(prefix: str) -> None:
    assert may_hold_card_data(f'["{prefix}"]'.encode())


@given(card_numbers(), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_token_depends_on_number_and_key_alone(number: str, one: bytes, other: bytes) -> None:
    token = Redactor(one).redact_text(number)
    assert re.fullmatch(r"pan_[0-9a-f]{24}", token)
    spaced = " ".join(number[start : start + 4] for start in range(0, len(number), 4))
    found = Redactor(one)._walked([spaced])[1].pans
    assert token in {pan.token for pan in found} or len(found) != 1 or len(number) == 19
    assert (Redactor(other).redact_text(number) == token) is (one == other)
