# SPDX-License-Identifier: Apache-2.0
"""Requests that are made to keep the redaction busy: its work grows with their size, never faster."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway import card_data
from gateway.card_data import MOST_RECORDED, REMOVED, CardData, Redactor
from gateway.card_numbers import Find, search

REDACTOR = Redactor(bytes(range(32)))
VISA = "4242424242424242"


def redacted(value: Any) -> tuple[Any, CardData]:
    return REDACTOR.redact(json.dumps(value).encode(), value)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the lengths of the texts that are searched from now on."""
    seen: list[int] = []

    def counted(text: str) -> list[Find]:
        seen.append(len(text))
        return search(text)

    monkeypatch.setattr(card_data, "search", counted)
    return seen


def test_text_that_would_be_searched_again_and_again_is_dropped_whole(searches: list[int]) -> None:
    # Each track hides in a hexadecimal word until the one behind it is replaced.
    chain = ";4242424242424242D2912101A1A1" * 4000 + ";4242424242424242=2912101123?"
    output, found = redacted({"note": chain})
    assert output == {"note": REMOVED}
    assert found.truncated
    assert len(searches) <= 12


def test_place_with_endless_names_is_told_by_its_beginning() -> None:
    found = redacted({"k" * 100_000: [VISA] * MOST_RECORDED})[1]
    assert {pan.path for pan in found.pans} == {"/" + "k" * 1023 + "…"}
    assert len(json.dumps(found.as_facts())) < 100_000


SIZE = 256_000
HOSTILE: dict[str, Callable[[], Any]] = {
    "one long run of digits": lambda: ["1" * SIZE],
    "zeros before a card number": lambda: ["0" * SIZE + VISA],
    "letter before digits": lambda: ["a" + "1" * SIZE],
    "digits and dashes": lambda: ["1-" * (SIZE // 2)],
    "groups of four": lambda: ["4111-" * (SIZE // 5)],
    "digits one by one": lambda: ["4 " * (SIZE // 2)],
    "card numbers": lambda: [f"{VISA} " * (SIZE // 17)],
    "hexadecimal words": lambda: ["a1" * (SIZE // 2) + "g" + "1" * 12],
    "account numbers": lambda: ["DE89 " * (SIZE // 5) + "1" * 12],
    "NULs": lambda: ["\0" * (SIZE // 6) + "1" * 12],
    "semicolons and NULs": lambda: [";\0" * (SIZE // 7) + "1" * 12],
    "one endless escape": lambda: ["%" + "25" * (SIZE // 2) + "30" + "1" * 12],
    "many escapes": lambda: ["%2541" * (SIZE // 5) + "1" * 12],
    "beginnings of tracks": lambda: ["B111111111111^" * (SIZE // 14)],
    "ends of tracks": lambda: ["111111111111=" * (SIZE // 13)],
    "inline codes": lambda: ["cvv=123" * (SIZE // 7)],
    "inline names": lambda: ["cvv" + " " * SIZE + "="],
    "full-width digits": lambda: ["\uff14" * (SIZE // 3)],
    "many keys": lambda: {f"k{number}": "1" for number in range(SIZE // 12)},
    "many numbers as keys": lambda: {f"{VISA}{' ' * number}x": 1 for number in range(600)},
    "many names like card codes": lambda: {f"{number}-" + "cvv" * 15 + "x": "1" for number in range(SIZE // 60)},
    "many postal codes": lambda: {f"a{number}_pin_code": 1 for number in range(SIZE // 20)},
    "many codes among no card": lambda: {"-" * (n % 50) + "cid" + "_" * (n // 50): 1 for n in range(2500)},
    "names within names": lambda: _nested({"pin": ["a"] * (SIZE // 4)}, "pin", 28),
    "depth": lambda: _nested({"n": VISA}, "a", 31),
}


def _nested(value: Any, name: str, depth: int) -> Any:
    for _ in range(depth):
        value = {name: value}
    return value


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_input_of_the_largest_size_is_handled_without_blow_up(kind: str, searches: list[int]) -> None:
    value = HOSTILE[kind]()
    output, found = redacted(value)
    assert REDACTOR._walked(output) == (output, CardData()) or found.truncated
    # Work is counted in characters searched: twice over the input, once over the output, and a little.
    size = len(json.dumps(value)) + len(json.dumps(output))
    assert sum(searches) <= 4 * size
