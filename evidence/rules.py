# SPDX-License-Identifier: Apache-2.0
"""Which rules a decision names, which controls they bear on, and whether that is what the mapping says."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from evidence.errors import PackMalformed, PackUntrue
from evidence.layout import MAPPING
from ledger.event import DecisionRecorded

_BUILT_IN = ("main.", "engine.")
"""Rules of the decision's frame and of the engine's port; no mapping names them."""

RuleControls = Mapping[str, AbstractSet[str]]


class _Rule(msgspec.Struct, frozen=True):
    id: str
    controls: tuple[str, ...]


class _Mapping(msgspec.Struct, frozen=True):
    rules: tuple[_Rule, ...]


def rule_controls(mapping: Any) -> dict[str, frozenset[str]]:
    """Return the controls of each rule in a mapping document; raises PackMalformed."""
    try:
        rules = msgspec.convert(mapping, _Mapping).rules
    except msgspec.ValidationError as error:
        raise PackMalformed(f"not a mapping of rules to controls: {error}", where=MAPPING) from None
    controls = {rule.id: frozenset(rule.controls) for rule in rules}
    if len(controls) != len(rules):
        raise PackMalformed("maps a rule twice", where=MAPPING)
    return controls


def bears_on(decision: DecisionRecorded, wanted: AbstractSet[str], rules: RuleControls) -> bool:
    """Return whether a rule that was evaluated, or a reason, bears on any of the wanted controls."""
    evaluated = any(not wanted.isdisjoint(rules.get(rule, frozenset())) for rule in decision.evaluated)
    return evaluated or any(not wanted.isdisjoint(reason.controls) for reason in decision.reasons)


def check_mapped(decision: DecisionRecorded, rules: RuleControls, where: str) -> None:
    """Raise PackUntrue unless every rule a decision names is mapped, and its reasons claim only mapped controls."""
    for rule in (*decision.evaluated, *(reason.rule for reason in decision.reasons)):
        if rule not in rules and not rule.startswith(_BUILT_IN):
            raise PackUntrue(f"names rule {rule!r}, which {MAPPING} does not have", where=where)
    for reason in decision.reasons:
        extra = set(reason.controls) - rules.get(reason.rule, frozenset())
        if extra and not reason.rule.startswith(_BUILT_IN):
            raise PackUntrue(
                f"says that rule {reason.rule!r} bears on {min(extra)}, which {MAPPING} does not say", where=where
            )
