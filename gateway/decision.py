# SPDX-License-Identifier: Apache-2.0
"""Decisions: the engine's answer, believed only if it is exactly of the shape main.rego gives.

An allowance must name the rules that were evaluated and no reason against; anything else is not an allowance. What
is undefined, late, broken or surprising becomes a denial with a reason code of the engine family.
"""

from typing import Any, Protocol

import msgspec

from gateway.errors import EngineFailed
from gateway.facts import Facts
from ledger.event import Reason

ENGINE_CONTROLS = ("nist-800-53-r5:ac-3", "nist-800-53-r5:sc-7.5", "pci-dss-4.0.1:7.3.3")


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a call may go through, why not, and what was looked at."""

    allow: bool
    domain: str | None
    reasons: tuple[Reason, ...]
    evaluated: tuple[str, ...]
    obligations: tuple[dict[str, Any], ...] = ()


class Engine(Protocol):
    """Something that decides under the active policy."""

    @property
    def policy(self) -> str:
        """Digest of the policy bundle that answers."""

    @property
    def version(self) -> str:
        """Name and version of the engine."""

    async def decide(self, facts: Facts) -> Decision:
        """Return the decision on the facts; raises EngineFailed."""


def parse_answer(answer: Any) -> Decision:
    """Return the decision in an engine's answer; raises EngineFailed (engine_undefined, engine_bad_answer)."""
    if not isinstance(answer, dict) or "result" not in answer:
        raise EngineFailed("engine_undefined", "the engine gave no result: the policy has no decision")
    try:
        decision = msgspec.convert(answer["result"], Decision)
    except msgspec.ValidationError as error:
        raise EngineFailed("engine_bad_answer", f"the engine's answer is not a decision: {error}") from None
    if decision.allow and (decision.reasons or not decision.evaluated or decision.domain is None):
        raise EngineFailed("engine_bad_answer", "the engine allowed although it gave reasons or evaluated no rule")
    if not decision.allow and not decision.reasons:
        raise EngineFailed("engine_bad_answer", "the engine denied without a reason")
    return decision


def denial(failure: EngineFailed) -> Decision:
    """Return the denial that stands for an engine that failed."""
    reason = Reason(code=failure.code, rule="engine.answer", controls=ENGINE_CONTROLS, severity="critical")
    return Decision(allow=False, domain=None, reasons=(reason,), evaluated=())
