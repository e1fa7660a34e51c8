# SPDX-License-Identifier: Apache-2.0
"""The summary: how many calls a pack shows, how they were decided and which rules denied them."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from evidence.verify import VerifiedPack
from ledger.event import DecisionRecorded, InputRefused


@dataclass(frozen=True, slots=True)
class DeniedBy:
    """A rule, the controls it bears on, and in how many denials it was a reason."""

    rule: str
    controls: tuple[str, ...]
    denials: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a pack shows, in numbers. `entries` are those of the range, `shown` those of them in the pack."""

    origin: str
    first: int
    last: int
    period: tuple[str, str] | None
    controls: tuple[str, ...]
    checkpoint_size: int
    checkpoint_root: str
    entries: int
    shown: int
    calls: int
    allowed: int
    denied: int
    bad_inputs: int
    denied_by: tuple[DeniedBy, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return asdict(self)


def summarise(pack: VerifiedPack) -> Summary:
    """Return the summary of a verified pack; rules are sorted by denials, most first."""
    outcomes: Counter[str] = Counter()
    denials: Counter[str] = Counter()
    controls: dict[str, set[str]] = {}
    bad_inputs = shown = 0
    for _, event in pack.events():
        shown += 1
        if isinstance(event.body, InputRefused):
            bad_inputs += 1
        if isinstance(event.body, DecisionRecorded):
            outcomes[event.body.outcome] += 1
            for reason in event.body.reasons:
                controls.setdefault(reason.rule, set()).update(reason.controls)
            denials.update({reason.rule for reason in event.body.reasons})
    scope = pack.scope
    return Summary(
        origin=pack.origin,
        first=scope.first,
        last=scope.last,
        period=None if scope.period is None else (scope.period.begin, scope.period.end),
        controls=scope.controls,
        checkpoint_size=pack.checkpoint.size,
        checkpoint_root=pack.checkpoint.root.hex(),
        entries=scope.last - scope.first,
        shown=shown,
        calls=outcomes.total(),
        allowed=outcomes["allow"],
        denied=outcomes["deny"],
        bad_inputs=bad_inputs,
        denied_by=tuple(
            DeniedBy(rule, tuple(sorted(controls[rule])), count)
            for rule, count in sorted(denials.items(), key=lambda item: (-item[1], item[0]))
        ),
    )


def render_text(summary: Summary) -> str:
    """Return the summary as a short table in plain text."""
    rows = [
        ("log", summary.origin),
        ("checkpoint", f"{summary.checkpoint_size} entries, root {summary.checkpoint_root}"),
        ("range", f"[{summary.first},{summary.last})"),
    ]
    if summary.period is not None:
        rows.append(("period", f"from {summary.period[0]} to {summary.period[1]}"))
    if summary.controls:
        rows.append(("controls", ", ".join(summary.controls)))
    rows += [
        ("entries", f"{summary.entries}, of which {summary.shown} are in the pack"),
        ("calls", str(summary.calls)),
        ("  allowed", str(summary.allowed)),
        ("  denied", str(summary.denied)),
        ("bad inputs", str(summary.bad_inputs)),
    ]
    text = _columns(rows)
    if summary.denied_by:
        table = [("denied by", "denials", "controls")]
        table += [(by.rule, str(by.denials), ", ".join(by.controls)) for by in summary.denied_by]
        text += "\n" + _columns(table)
    return text


def _columns(rows: list[tuple[str, ...]] | list[tuple[str, str]] | list[tuple[str, str, str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)
