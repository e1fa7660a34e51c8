# SPDX-License-Identifier: Apache-2.0
"""Card data is taken out of a request before anything else sees it: numbers become tokens, authentication data goes.

**Card numbers** are replaced wherever `card_numbers` finds them: in strings, in keys and in whole numbers (also
4.242424242424242e15). The same card has the same token under the same key. A number that is spread over several members
or items is not found.

**Sensitive authentication data (SAD).** A member whose name says card code, track, PIN or PIN block is dropped if its
value could be one: it, or anything in it, holds a digit or is 16 and more characters without a blank. So is the `value`
beside such a `name`, `key`, `field` or `id`. `cid` and `verification_code` count only among other card members, `track`
only with 12 digits; a `pin_code` among parts of an address is a postal code; verdicts such as `cvc_check` are no SAD.
In strings, track data and `cvv=123` are cut out and leave `[removed]`. What is dropped is neither kept nor tokenised.
"""

import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, cast

from gateway.card_numbers import LONGEST, SHORTEST, TEST_NUMBERS, Find, Kind, brand_of, search

_Path = tuple[Any, str] | None
"""The parent's path and one reference token; only what is found is ever written out as a pointer."""

MOST_RECORDED: Final = 64
"""Findings of either sort that become facts; those beyond are redacted too, and only `truncated` tells."""
KEY_SIZE: Final = 32
REMOVED: Final = "[removed]"
_OPAQUE = 16
"""Characters from which a text without digits or blanks is taken for an encrypted value rather than a verdict."""

# Names are compared as their words in lower case with underscores between: cardCVV2 is card_cvv_2.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LONGEST_NAME = 64
_LETTERS = re.compile(r"[A-Za-z_]{1,64}")
_LEAST, _MOST = 10 ** (SHORTEST - 1), 10**LONGEST
_LONGEST_PATH = 1024
_MOST_PASSES = 8
_MOST_SIBLINGS = 256
_AND = (
    "(?:_?(?:code|value|val|number|num|no|nr|data|digits|hash|hashed|enc|encrypted|cipher|ciphertext|clear|plain|"
    "plaintext|raw|text|input|field|entered|hex|b64|base64|[0-9]))*"
)
_NAMES: Final = re.compile(
    rf"(?P<pin_block>(?:.*_)?(?:enc(?:rypted)?_?)?(?:e?pin_?block|epb){_AND})"
    rf"|(?P<track>(?:.*_)?(?:track_?(?:[123]|one|two|three)(?:_?equiv(?:alent)?)?|track_?data|"
    rf"mag(?:netic)?_?stripe?|msr|swipe_?data){_AND})"
    rf"|(?P<pin>(?:.*_)?(?:card|atm|debit|user|customer|new|old|current|confirm|encrypted|online|offline)?pin{_AND})"
    rf"|(?P<card_code>.*cv[vcn]{_AND}|.*card_?cid|(?:.*_)?(?:card|cc)?(?:cvd|csc|cav_?2|cve_?2|card_?code|security_?code|"
    rf"card_?verification|verification_?value){_AND})"
)
_ONLY_AMONG_CARD_MEMBERS = frozenset({"cid", "verification_code", "verificationcode"})
_CARD_MEMBER = re.compile(
    r"(?:.*_)?(?:pan|card_?(?:number|no|num)|exp(?:iry|iration)?_?(?:month|year|date)?|cardholder(?:_?name)?|"
    r"name_?on_?card|primary_?account_?number)|number|brand"
)
_POSTAL_CODE = re.compile(r"(?:.*_)?pin_?code")
_ADDRESS_MEMBER = re.compile(
    r"(?:.*_)?(?:address|city|town|state|province|region|district|locality|country|street|line_?[12]|landmark)(?:_.*)?"
)

# The pre-filter reads the body twice: with digits as 0 and separators left out, and as one long lower-case name.
_SHAPE = bytes(
    ord("0") if chr(byte) in "0123456789" else byte if chr(byte) in ":,[" else ord("e") if chr(byte) in "eE" else 1
    for byte in range(256)
)
_SEPARATORS = bytes([*range(33), 127]) + b"./_+-"
_TWELVE_DIGITS = b"0" * SHORTEST
_EXPONENT = re.compile(rb"(?:^|[:,\[])0+e0")
_NOT_IN_NAMES = bytes(byte for byte in range(128) if not chr(byte).isalnum() and chr(byte) != '"')
_LOWER = bytes(range(256)).lower()
_PIN_OR_TRACK = re.compile(rb"pin(?!g)|track(?!ing)")
_CARD_CODE = re.compile(rb"cv[vcnd]|cve2|cardverification|verification(?:value|code)")
_RARE_NAMES = (
    b"csc",
    b'cid"',
    b"cav2",
    b"epb",
    b"msr",
    b"swipedata",
    b"cardcode",
    b"securitycode",
    b"magstrip",
    b"magneticstrip",
)


@dataclass(frozen=True, slots=True)
class PanFound:
    """Where a card number was (JSON Pointer, RFC 6901), its token, its brand, and whether it is a known test number."""

    path: str
    token: str
    brand: str
    test: bool


@dataclass(frozen=True, slots=True)
class SadFound:
    """Where sensitive authentication data was (JSON Pointer, RFC 6901), and of which kind."""

    path: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class CardData:
    """What was found in a request, without any of it; `truncated` if there was more than is listed."""

    pans: tuple[PanFound, ...] = ()
    sad: tuple[SadFound, ...] = ()
    truncated: bool = False

    def as_facts(self) -> dict[str, Any]:
        """Return the findings as the JSON value that rules look at."""
        return {
            "pans": [{"path": pan.path, "token": pan.token, "brand": pan.brand, "test": pan.test} for pan in self.pans],
            "sad": [{"path": sad.path, "kind": sad.kind} for sad in self.sad],
            "truncated": self.truncated,
        }


_NOTHING: Final = CardData()
_MORE: Final = Find(0, 0, None, "", None)
"""Stands for what may have been in a text that was dropped unread."""


class _Findings:
    """The findings of one request, while it is walked."""

    def __init__(self) -> None:
        self.pans: list[PanFound] = []
        self.sad: list[SadFound] = []
        self.truncated = False

    def add(self, path: _Path, token: str | None, find: Find) -> None:
        """Record one find at a path; beyond the limit, record that there are more."""
        if token is not None and find.brand is not None and self._has_room(self.pans):
            self.pans.append(PanFound(_pointer(path), token, find.brand, find.digits in TEST_NUMBERS))
        if find.kind is not None and self._has_room(self.sad):
            self.sad.append(SadFound(_pointer(path), find.kind))
        self.truncated |= find is _MORE

    def _has_room(self, kept: list[Any]) -> bool:
        room = len(kept) < MOST_RECORDED
        self.truncated |= not room
        return room


class Redactor:
    """Replaces card numbers by tokens under one key and drops sensitive authentication data."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """Take the 32-byte key under which one card always has the same token; raises ValueError."""
        if len(key) != KEY_SIZE:
            raise ValueError(f"a redaction key has {KEY_SIZE} bytes, got {len(key)}")
        self._key = key

    def __repr__(self) -> str:
        return "<Redactor>"

    def redact(self, body: bytes, value: Any) -> tuple[Any, CardData]:
        """Return `value` without card data, and what was found.

        `body` must be the bytes that `value` was parsed from: where they show at a glance that there is nothing, the
        value comes back as it is. Otherwise a new one is made; the given value is never changed.
        """
        return self._walked(value) if may_hold_card_data(body) else (value, _NOTHING)

    def redact_text(self, text: str) -> str:
        """Return a text that comes beside the body (an id, a header) without card data."""
        return self._cleaned(text)[0]

    def _walked(self, value: Any) -> tuple[Any, CardData]:
        findings = _Findings()
        value = self._walk(value, None, findings)
        return value, CardData(tuple(findings.pans), tuple(findings.sad), findings.truncated)

    def _walk(self, value: Any, path: _Path, findings: _Findings) -> Any:
        if isinstance(value, str):
            text, finds = self._cleaned(value)
            for token, find in finds:
                findings.add(path, token, find)
            return text
        if isinstance(value, dict):
            return self._object(value, path, findings)
        if isinstance(value, list):
            return [self._walk(item, (path, str(index)), findings) for index, item in enumerate(value)]
        digits = None if value is None or isinstance(value, bool) else _whole(value)
        if digits is not None and (brand := brand_of(digits)) is not None:
            token = self._token(digits)
            findings.add(path, token, Find(0, 0, brand, digits, None))
            return token
        return value

    def _object(self, value: dict[str, Any], path: _Path, findings: _Findings) -> dict[str, Any]:
        redacted: dict[str, Any] = {}
        siblings: _Siblings | None = None
        pair_kind = _kind_beside(value) if "value" in value else None
        for key, member in value.items():
            # Nearly all members: a name of letters, which holds no number, and of nothing that is looked for.
            if _LETTERS.fullmatch(key) and key not in redacted and key != "value" and _harmless(key):
                nothing = member is None or member is True or member is False
                redacted[key] = member if nothing else self._walk(member, (path, key), findings)
                continue
            siblings = siblings or _Siblings(value)
            name, finds = self._cleaned(key)
            while name in redacted or (finds and name in value):
                name += f"'{len(redacted)}"  # two keys held the same number; no member may vanish
            place = (path, name)
            for token, find in finds:
                findings.add(place, token, find)
            kind = _kind(name, member, siblings, path) or (
                pair_kind if key == "value" and _could_be_secret(member) else None
            )
            if kind is not None:
                findings.add(place, None, Find(0, 0, None, "", kind))
            else:
                redacted[name] = self._walk(member, place, findings)
        return redacted

    def _cleaned(self, text: str) -> tuple[str, list[tuple[str | None, Find]]]:
        """Return a text without card data, and each find with its token; nothing more is to be found in the result."""
        replaced: list[tuple[str | None, Find]] = []
        for _ in range(_MOST_PASSES):
            finds = search(text)
            if not finds:
                return text, replaced
            pieces, end = [], 0
            for find in finds:
                token = self._token(find.digits) if find.brand is not None else None
                replaced.append((token, find))
                pieces += [text[end : find.start], token or "", REMOVED if find.kind is not None else ""]
                end = find.end
            # A removed piece can leave neighbours that are judged differently now, so the result is searched again.
            text = "".join([*pieces, text[end:]])
        # Only a text made for the purpose needs more; thousands of passes over it would take minutes.
        return REMOVED, [*replaced, (None, _MORE)]

    def _token(self, digits: str) -> str:
        return f"pan_{hmac.digest(self._key, digits.encode('ascii'), 'sha256').hex()[:24]}"


def may_hold_card_data(body: bytes) -> bool:
    """Return False only if no value parsed from these bytes of JSON holds anything that a redactor would touch."""
    # Escapes and other scripts are rare enough in requests to be left to the walk.
    if not body.isascii() or b"\\" in body or b"%" in body:
        return True
    shape = body.translate(_SHAPE, _SEPARATORS)
    if _TWELVE_DIGITS in shape or (b"0e0" in shape and _EXPONENT.search(shape) is not None):
        return True
    names = body.translate(_LOWER, _NOT_IN_NAMES)
    if (b"cv" in names or b"verif" in names) and _CARD_CODE.search(names) is not None:
        return True
    return _PIN_OR_TRACK.search(names) is not None or any(name in names for name in _RARE_NAMES)


def _could_be_secret(value: Any) -> bool:
    """Return whether a member's value could be authentication data rather than a verdict, a mask or a flag."""
    if isinstance(value, str):
        return any(map(str.isdigit, value)) or (len(value) >= _OPAQUE and not any(map(str.isspace, value)))
    if isinstance(value, dict | list):
        return any(map(_could_be_secret, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: float) -> str | None:
    """Return the digits of a whole JSON number of 12 to 19 digits, its sign left out."""
    if not _LEAST <= abs(value) < _MOST:
        return None
    return str(abs(int(value))) if isinstance(value, int) or value.is_integer() else None


def _pointer(path: _Path) -> str:
    tokens: list[str] = []
    while path is not None:
        path, token = path
        tokens.append(token.replace("~", "~0").replace("/", "~1"))
    pointer = "".join(f"/{token}" for token in reversed(tokens))
    return pointer if len(pointer) <= _LONGEST_PATH else f"{pointer[:_LONGEST_PATH]}…"


@lru_cache(maxsize=4096)
def _spoken(name: str) -> tuple[str, Kind | None]:
    """Return a redacted name as words, and the kind of authentication data it speaks of."""
    words = "_".join(_WORD.findall(name if name.isascii() else unicodedata.normalize("NFKC", name))).lower()
    match = _NAMES.fullmatch(words) or _NAMES.fullmatch(words.replace("_", ""))
    return words, cast("Kind", match.lastgroup) if match else None


@lru_cache(maxsize=4096)
def _harmless(name: str) -> bool:
    """Return whether a member of this name is looked at for its own sake only, whatever stands beside it."""
    words, kind = _spoken(name)
    return kind is None and words not in _ONLY_AMONG_CARD_MEMBERS and not words.endswith("track")


class _Siblings:
    """The members of one object, asked but once whether any name fits, or thousands of them would take seconds."""

    __slots__ = ("_fits", "_names")

    def __init__(self, names: Iterable[str]) -> None:
        self._names, self._fits = names, dict[re.Pattern[str], bool]()

    def fit(self, pattern: re.Pattern[str]) -> bool:
        """Return whether one of the first members has a name that the pattern describes."""
        if pattern not in self._fits:
            names = (name for name in islice(self._names, _MOST_SIBLINGS) if len(name) <= _LONGEST_NAME)
            self._fits[pattern] = any(pattern.fullmatch("_".join(_WORD.findall(name)).lower()) for name in names)
        return self._fits[pattern]


def _kind(name: str, value: Any, siblings: _Siblings, path: _Path) -> Kind | None:
    """Return the kind of authentication data that a member is, if it is."""
    if len(name) > _LONGEST_NAME:
        return None
    words, kind = _spoken(name)
    if kind is None:
        if words in _ONLY_AMONG_CARD_MEMBERS and _could_be_secret(value):
            return "card_code" if siblings.fit(_CARD_MEMBER) or (path and "card" in path[1].lower()) else None
        if words.endswith("track") and isinstance(value, str) and sum(map(str.isdigit, value)) >= SHORTEST:
            return "track"
        return None
    if not _could_be_secret(value) or (_POSTAL_CODE.fullmatch(words) and siblings.fit(_ADDRESS_MEMBER)):
        return None
    return kind


def _kind_beside(pair: Mapping[str, Any]) -> Kind | None:
    """Return the kind of authentication data that a name/value pair speaks of."""
    for member in ("name", "key", "field", "id"):
        name = pair.get(member)
        if isinstance(name, str) and len(name) <= _LONGEST_NAME and not search(name):
            return _spoken(name)[1]
    return None
