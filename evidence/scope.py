# SPDX-License-Identifier: Apache-2.0
"""Scope: what a pack was asked to show, and the counts that must come out. It is the pack's data/scope.json.

A range of entries is half-open, [first, last). A period is half-open too, [from, to), in RFC 3339 UTC with
microseconds, so that texts sort as times do. The range of a period begins at the first entry whose time is not before
`from` and ends behind the last one whose time is before `to`; entries between them belong to it whatever their time.
"""

import re

import msgspec

from evidence.documents import Document, read, write
from evidence.errors import PackMalformed, ScopeUnusable
from ledger.canonical import MAX_SAFE_INTEGER

FORMAT = "assay-scope/1"
NAME = "data/scope.json"
MAX_SCOPE_SIZE = 2**20

_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3])(:[0-5]\d){2}\.\d{6}Z", re.ASCII)
_SHORTER_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,6}))?Z", re.ASCII)


class Period(Document, frozen=True, kw_only=True):
    """A half-open time from `begin` to `end`."""

    begin: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class Counts(Document, frozen=True, kw_only=True):
    """Entries in the range, those of them in the pack, and the decisions among these."""

    entries: int
    included: int
    decisions: int
    allowed: int
    denied: int


class Scope(Document, frozen=True, kw_only=True):
    """What a pack shows of the log `origin`: the entries [first, last), or those of them that bear on `controls`."""

    format: str
    origin: str
    first: int
    last: int
    counts: Counts
    facts: bool
    period: Period | None = None
    controls: tuple[str, ...] = ()

    def identifier(self) -> str:
        """Return the name of log and range."""
        return f"{self.origin} [{self.first},{self.last})"

    def to_json(self) -> bytes:
        """Return data/scope.json."""
        return write(self)


class Request(Document, frozen=True, kw_only=True):
    """What to put into a pack: a range of entries or a period (not both; neither means all), perhaps for `controls`.

    `facts` says whether to disclose facts; `period` takes times with or without fractions of a second.
    """

    first: int | None = None
    last: int | None = None
    period: Period | None = None
    controls: tuple[str, ...] = ()
    facts: bool = True


def is_time(text: str) -> bool:
    """Return whether a text is RFC 3339 in UTC with microseconds."""
    return _TIME.fullmatch(text) is not None


def normal_period(period: Period) -> Period:
    """Return a period with microseconds written out; raises ScopeUnusable if it is none."""
    begin, end = (_normal_time(text) for text in (period.begin, period.end))
    if begin >= end:
        raise ScopeUnusable("a period begins before it ends", where="period")
    return Period(begin=begin, end=end)


def parse_scope(data: bytes) -> Scope:
    """Return the scope in data/scope.json; raises PackMalformed."""
    scope = read(data, Scope, NAME, max_bytes=MAX_SCOPE_SIZE)
    counts, period = scope.counts, scope.period
    if scope.format != FORMAT:
        raise PackMalformed(f"not of the format {FORMAT}", where=NAME)
    if not 0 <= scope.first <= scope.last <= MAX_SAFE_INTEGER:
        raise PackMalformed(f"[{scope.first},{scope.last}) is not a range", where=NAME)
    if counts.entries != scope.last - scope.first or not 0 <= counts.included <= counts.entries:
        raise PackMalformed("the counts of entries cannot be", where=NAME)
    if min(counts.allowed, counts.denied) < 0 or counts.allowed + counts.denied != counts.decisions:
        raise PackMalformed("the counts of decisions cannot be", where=NAME)
    if not scope.controls and counts.included != counts.entries:
        raise PackMalformed("entries are left out although none were to be", where=NAME)
    if period is not None and not (is_time(period.begin) and is_time(period.end) and period.begin < period.end):
        raise PackMalformed("not a period", where=NAME)
    if list(scope.controls) != sorted(set(scope.controls)):
        raise PackMalformed("controls are not sorted or named twice", where=NAME)
    return scope


def _normal_time(text: str) -> str:
    match = _SHORTER_TIME.fullmatch(text)
    normal = "" if match is None else f"{text[:19]}.{(match[1] or '').ljust(6, '0')}Z"
    if not is_time(normal):
        raise ScopeUnusable(f"{text!r} is not RFC 3339 in UTC, as in 2026-01-31T00:00:00Z", where="period")
    return normal
