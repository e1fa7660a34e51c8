# SPDX-License-Identifier: Apache-2.0
"""Card numbers, track data and card codes in one text: where they are, by an issuer's range and the Luhn digit.

**A card number (PAN)** is 12 to 19 digits in an issuer's range whose Luhn digit fits (ISO/IEC 7812-1). The digits may
be of any script, percent-encoded, and in groups parted by up to three blanks, dashes, dots, slashes, underscores,
pluses or invisible characters. Letters may touch them: `card4242424242424242x` is found. Thirteen digits that start
with 4 count too; times in milliseconds since 1970 do not start with 4.
A longer run of digits is a card number if only zeros stand before it or an expiry (YYMM) follows it; what else happens
to contain one is taken for an identifier.

**Left alone**, because they would be taken for cards by chance: UUIDs; words of 24 and more hexadecimal digits with
three runs of letters; IBANs whose check digits fit; decimal fractions (`0.` and 12 digits, or 18 decimals); numbers of
up to 15 digits in Maestro's wide range after a plus, which are telephones; and our own tokens.

**Not seen**: base64, EMV TLV, compressed or encrypted text, numbers in words, card numbers that fail the Luhn check
(some UnionPay cards) and ranges that are not listed here.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

Kind = Literal["card_code", "track", "pin", "pin_block"]
"""The kinds of sensitive authentication data."""

# Numbers that payment providers publish for tests; no account stands behind them.
_TEST_NUMBERS = (
    "4242424242424242 4000056655665556 4111111111111111 4012888888881881 4000000000000002 4000000000009995 "
    "4000000000003220 4000002500003155 4000002760003184 4000000000000077 4000000000000341 4000000000000259 "
    "4000000000000101 4000000000000069 4000000000000127 4000000000000119 4000000000009987 4000000000009979 "
    "4222222222222 4917610000000000 4444333322221111 4005519200000004 4009348888881881 5555555555554444 "
    "5105105105105100 5200828282828210 2223003122003222 2223000048400011 5425233430109903 5454545454545454 "
    "378282246310005 371449635398431 378734493671000 370000000000002 6011111111111117 6011000990139424 "
    "6011981111111113 3056930009020004 36227206271667 30569309025904 38520000023237 3566002020360505 "
    "3530111333300000 6555900000604105 6200000000000005 6200000000000047 6205500000000000004 6759649826438453 "
    "6304000000000000 6771798021000008"
)
TEST_NUMBERS: Final = frozenset(_TEST_NUMBERS.split())
_RANGES: Final = tuple(
    (brand, re.compile(pattern), frozenset(lengths))
    for brand, pattern, lengths in (
        ("visa", "4", (13, 16, 19)),
        ("mastercard", "5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
        ("amex", "3[47]", (15,)),
        ("discover", "6011|64[4-9]|65|622(?:12[6-9]|1[3-9]|[2-8]|91|92[0-5])", range(16, 20)),
        ("jcb", "35(?:2[89]|[3-8])", range(16, 20)),
        ("diners", "30[0-5]|36|38|39", range(14, 20)),
        ("unionpay", "62|81", range(16, 20)),
        ("mir", "220[0-4]", range(16, 20)),
        ("maestro", "50|5[6-8]|6", range(12, 20)),
    )
)
SHORTEST: Final = 12
LONGEST: Final = 19
_MOST_GROUPS = 6
_LONGEST_TELEPHONE = 15  # E.164
_EXPIRY = 4
_SHORTEST_INLINE = len("cvv=123")
_LIKELY: Final = {16: 0, 15: 1, 14: 2, 19: 3}
"""The usual lengths of card numbers, likelier ones first."""
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

# What is searched is as long as the text itself: digits of any script are ASCII there, exotic separators are blanks,
# and NULs fill up where a percent-encoded character was longer than what it stands for.
_RUN = re.compile(r"[0-9](?:[\x00- ./_+\x7f-]{0,3}+[0-9]){11,}+")
_RUN_DECODED = re.compile(r"[0-9](?:\x00*+(?:[\x01- ./_+\x7f-]\x00*+){0,3}+[0-9]){11,}+")
_GROUP = re.compile(r"[0-9](?:\x00*[0-9])*")
_ESCAPES = re.compile(r"(?:%(?:25)*[0-9A-Fa-f]{2})+")
# Looking ahead is bounded or possessive: otherwise a hostile text takes time that grows with its length squared.
_IDENTIFIER = re.compile(
    r"pan_(?=[0-9]{0,23}+[a-f])[0-9a-f]{24}"
    r"|(?<![0-9A-Za-z])(?=[0-9-]{0,35}+[A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])(?=(?:[0-9]*+[A-Fa-f]++[0-9]++){2}[A-Fa-f])[0-9A-Fa-f]{24,}+(?![0-9A-Za-z])"
)
_DECIMAL = re.compile(r"[+-]?(?:0\.[0-9]{12,}|[0-9]{1,3}\.[0-9]{18})")
_IBAN = re.compile(r"(?<![0-9A-Za-z])([A-Z]{2})[0-9]{2}(?=[ -]?[0-9A-Z])")
_IBAN_BODY: Final = {
    country: re.compile(rf"[0-9A-Z](?:[ -]?[0-9A-Z]){{{size - 1}}}(?![0-9A-Za-z])")
    for size, countries in {  # the SWIFT registry of ISO 13616
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
# ISO/IEC 7813. Without its start sentinel, track 2 must begin with a card number to count.
_TRACK = re.compile(
    r"%?[Bb]\x00*+(?P<one>[0-9][0-9 \x00]{10,60})\^[^\^\r\n]{0,60}\^\x00*+[0-9][^?\r\n]{3,160}(?:\?\x00*)?"
    r"|(?:(?P<start>;)\x00*+)?(?P<two>[0-9][0-9\x00]{11,60}?)[=Dd]\x00*+[0-9][0-9\x00]{6,60}(?:\?\x00*)?"
)
_INLINE = re.compile(
    r"(?:(?:cv[vcn]|(?<![a-z])(?:csc|cvd|cav2|cve2)|(?:security|card)[ _-]?code)"
    r"|(?<![a-z])(?P<pin>pin)(?P<pin_block>[ _-]?block)?)"
    r"(?:[ _-]?(?:2|code|value|number|no|num))?[\"'\\\]]{0,3}[ \x00]{0,9}[=:][ \x00]{0,9}[\"'\\]{0,2}"
    r"(?P<value>(?(pin_block)[0-9a-f]{16}|(?(pin)[0-9]{4,12}|[0-9]{3,4}))(?![0-9a-z]))",
    re.IGNORECASE,
)


_DOTS_AND_STROKES = (0xB7, 0x2022, 0x2024, 0x2027, 0x2044, 0x2212, 0x2215, 0x2219, 0x22C5, 0x3002)


def _folding() -> Iterator[tuple[int, str]]:
    """Yield what stands for each character outside ASCII that is a digit or a separator, or looks like ASCII."""
    # Digits, marks and blanks live in these blocks; the rest of Unicode is ideographs, syllables and private use.
    for block in ((0x80, 0x3100), (0xA600, 0xAC00), (0xFE00, 0x12000), (0x16A00, 0x16C00), (0x1CC00, 0x20000)):
        for code in range(*block):
            character = chr(code)
            digit = unicodedata.digit(character, None)
            if digit is not None:
                yield code, str(digit)
            elif unicodedata.category(character) in {"Zs", "Zl", "Zp", "Cf", "Cc", "Pd", "Pc", "Mn", "Me"}:
                yield code, " "
            elif len(alike := unicodedata.normalize("NFKC", character)) == 1 and alike.isascii():
                yield code, alike
    for code in (*_DOTS_AND_STROKES, *range(0xE0000, 0xE01F0)):
        yield code, " "


_FOLD: Final = dict(_folding())


class Find(NamedTuple):
    """A piece of text to replace: a card number (with a brand), authentication data (with a kind) or both (a track)."""

    start: int
    end: int
    brand: str | None
    digits: str
    kind: Kind | None

    def __repr__(self) -> str:
        return f"<Find {self.start}:{self.end}>"


def brand_of(digits: str) -> str | None:
    """Return whose card number this is; None if the Luhn digit does not fit or no issuer has such numbers."""
    for brand, prefix, lengths in _RANGES:
        if len(digits) in lengths and prefix.match(digits):
            codes = digits.encode("ascii")
            total = sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED)) - 48 * len(codes)
            return brand if total % 10 == 0 else None
    return None


def search(text: str) -> list[Find]:
    """Return the finds of one pass over a text, in order and without overlap."""
    if len(text) < _SHORTEST_INLINE:
        return []
    plain = text if text.isascii() else text.translate(_FOLD)
    finds = _finds(plain, _RUN)
    if "%" in plain:
        decoded = _finds(_ESCAPES.sub(_decoded, plain), _RUN_DECODED)
        # A track is more than the number in it; what the other reading alone has is found by the next pass.
        if not finds or any(find.kind == "track" for find in decoded):
            return decoded
    return finds


def _decoded(escapes: re.Match[str]) -> str:
    """Return percent-encoded characters decoded (however often they were encoded), filled up to the same length."""
    octets = bytes(int(escape[-2:], 16) for escape in re.findall("%(?:25)*[0-9A-Fa-f]{2}", escapes[0]))
    return octets.decode("utf-8", "replace").translate(_FOLD).ljust(len(escapes[0]), "\0")


def _finds(plain: str, run: re.Pattern[str]) -> list[Find]:
    finds: list[Find] = []
    if run.search(plain) is not None and _DECIMAL.fullmatch(plain) is None:
        plain = _blanked(plain, (identifier.span() for identifier in _IDENTIFIER.finditer(plain)))
        plain = _blanked(plain, _ibans(plain))
        for track in _TRACK.finditer(plain):
            digits = re.sub("[ \0]", "", track["one"] or track["two"])
            brand = brand_of(digits)
            if brand is not None or track["one"] or track["start"]:
                finds.append(Find(track.start(), track.end(), brand, digits, "track"))
        plain = _blanked(plain, ((find.start, find.end) for find in finds))
        numbers = [find for digits in run.finditer(plain) for find in _numbers(plain, *digits.span())]
        plain = _blanked(plain, ((find.start, find.end) for find in sorted(numbers)))
        finds += numbers
    if "=" in plain or ":" in plain:
        for match in _INLINE.finditer(plain):
            kind: Kind = "pin_block" if match["pin_block"] else "pin" if match["pin"] else "card_code"
            finds.append(Find(*match.span("value"), None, "", kind))
    return sorted(finds)


def _numbers(plain: str, start: int, end: int) -> list[Find]:
    """Return the card numbers that begin and end with groups of digits; the likelier one wins where two overlap."""
    groups = [(*group.span(), group[0].replace("\0", "")) for group in _GROUP.finditer(plain, start, end)]
    ranked: list[tuple[bool, int, int, int, Find]] = []
    for first, (begin, stop, digits) in enumerate(groups):
        total = ""
        for count, (_, last, more) in enumerate(groups[first : first + LONGEST], 1):
            total += more
            # More than six groups are digits one by one, or no card number.
            if len(total) > LONGEST or (count > _MOST_GROUPS and len(total) != count):
                break
            if len(total) >= SHORTEST and (brand := brand_of(total)) and not _is_telephone(plain, begin, total, brand):
                rank = _LIKELY.get(len(total), len(_LIKELY))
                ranked.append((brand == "maestro", rank, first, count, Find(begin, last, brand, total, None)))
        if len(digits) > SHORTEST and (inner := _inside(begin, stop, digits)) is not None:
            ranked.append((True, len(_LIKELY) + 1, first, 1, inner))
    taken: set[int] = set()
    chosen: list[Find] = []
    for _, _, first, count, find in sorted(ranked, key=lambda row: row[:4]):
        if taken.isdisjoint(range(first, first + count)):
            taken.update(range(first, first + count))
            chosen.append(find)
    return chosen


def _inside(start: int, end: int, digits: str) -> Find | None:
    """Return the card number within one longer group: after zeros, or before an expiry date and what follows it."""
    bare = digits.lstrip("0")
    if bare != digits and (brand := brand_of(bare)) is not None:
        return Find(start, end, brand, bare, None)
    for size in _LIKELY:
        rest = digits[size:]
        if (
            len(rest) >= _EXPIRY
            and "01" <= rest[2:4] <= "12"
            and (brand := brand_of(digits[:size])) not in {None, "maestro"}
        ):
            # With a service code after the date it is a track (ISO/IEC 7813).
            return Find(start, end, brand, digits[:size], "track" if len(rest) > _EXPIRY + 2 else None)
    return None


def _is_telephone(plain: str, start: int, digits: str, brand: str) -> bool:
    return brand == "maestro" and len(digits) <= _LONGEST_TELEPHONE and plain[max(start - 1, 0) : start] == "+"


def _ibans(plain: str) -> Iterator[tuple[int, int]]:
    """Yield where there are account numbers whose length and check digits (ISO 7064, mod 97-10) fit."""
    for head in _IBAN.finditer(plain):
        pattern = _IBAN_BODY.get(head[1])
        if pattern is not None and (match := pattern.match(plain, head.start())) is not None:
            number = re.sub("[ -]", "", match[0])
            if int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1:
                yield match.span()


def _blanked(plain: str, spans: Iterable[tuple[int, int]]) -> str:
    pieces, last = [], 0
    for start, end in spans:
        pieces += [plain[last:start], "#" * (end - start)]
        last = max(last, end)
    return "".join([*pieces, plain[last:]])
