# SPDX-License-Identifier: Apache-2.0
"""Which rule bears on which control: read from the rules' own annotations, so nothing about a rule is said twice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from controls.catalogue import Catalogue
from controls.errors import MappingInvalid

FORMAT = "assay-mapping/1"
MODES = frozenset({"gate", "detect", "evidence"})
SEVERITIES = frozenset({"low", "medium", "high", "critical"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule as its annotations describe it; `package` is its path below data."""

    id: str
    title: str
    description: str
    mode: str
    severity: str
    controls: tuple[str, ...]
    family: str
    package: str


class _Custom(msgspec.Struct, frozen=True):
    id: str
    controls: tuple[str, ...]
    severity: str
    mode: str
    family: str


class _Annotations(msgspec.Struct, frozen=True):
    title: str
    description: str
    custom: _Custom


def rules_from_annotations(document: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Return the rules in the JSON of `opa inspect --annotations --format json`, by id; raises MappingInvalid.

    A rule is a package below data.domains.DOMAIN.FAMILY; what other packages say of themselves is passed over.
    """
    rules: list[Rule] = []
    for item in document.get("annotations", ()):
        path = [part.get("value") for part in item.get("path", ())]
        annotations = item.get("annotations", {})
        if path[:2] != ["data", "domains"] or len(path) != 5 or annotations.get("scope") != "package":  # noqa: PLR2004
            continue
        package = ".".join(path[1:])
        try:
            said = msgspec.convert(annotations, _Annotations)
        except msgspec.ValidationError as error:
            raise MappingInvalid(f"{package}: its annotations are incomplete: {error}") from None
        custom = said.custom
        rules.append(
            Rule(
                id=custom.id,
                title=said.title,
                description=said.description.strip(),
                mode=custom.mode,
                severity=custom.severity,
                controls=tuple(sorted(custom.controls)),
                family=custom.family,
                package=package,
            )
        )
    return tuple(sorted(rules, key=lambda rule: rule.id))


def check(rules: Sequence[Rule], catalogue: Catalogue) -> None:
    """Check that rules have ids of their own, known modes and severities, and controls that exist.

    Raises MappingInvalid that lists everything that is wrong.
    """
    wrong: list[str] = []
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            wrong.append(f"{rule.id}: two rules have this id")
        seen.add(rule.id)
        if rule.mode not in MODES or rule.severity not in SEVERITIES:
            wrong.append(f"{rule.id}: mode {rule.mode!r} or severity {rule.severity!r} is unknown")
        if not rule.controls:
            wrong.append(f"{rule.id}: bears on no control")
        wrong += [f"{rule.id}: no catalogue has {control}" for control in rule.controls if control not in catalogue]
    if wrong:
        raise MappingInvalid("; ".join(wrong))


def mapping_document(rules: Iterable[Rule], catalogue: Catalogue) -> dict[str, Any]:
    """Return the mapping as plain JSON values, both ways round, for evidence packs; raises MappingInvalid."""
    ordered = sorted(rules, key=lambda rule: rule.id)
    check(ordered, catalogue)
    by_control: dict[str, list[str]] = {}
    for rule in ordered:
        for control in rule.controls:
            by_control.setdefault(control, []).append(rule.id)
    return {
        "format": FORMAT,
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "mode": rule.mode,
                "severity": rule.severity,
                "controls": list(rule.controls),
                "package": rule.package,
            }
            for rule in ordered
        ],
        "controls": [
            {"id": control, "title": catalogue[control].title, "rules": by_control[control]}
            for control in sorted(by_control)
        ],
    }
