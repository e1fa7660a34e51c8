# SPDX-License-Identifier: Apache-2.0
"""The real OPA over many inputs in one run, and the facts that the service would gather around a request."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OPA = ROOT / ".tools/bin/opa"
POLICIES = ROOT / "policies"
NOW = 1_764_000_000

# One query asks about every input in turn, with `input` replaced by each.
_ALL = "[decision | some facts in input.inputs; decision := data.assay.decision with input as facts]"
_NUMBER = re.compile(r"(?<![0-9A-Za-z])[2-6][0-9](?:[ -]?[0-9]){11,17}(?![0-9A-Za-z])")
_SAD = {"cvc": "card_code", "cvv": "card_code", "track2": "track"}
_NOT_TEST = "4539148803436467"


def run(*arguments: str | Path, given: str | None = None) -> str:
    """Return what OPA prints; fails with what it complains about."""
    done = subprocess.run([OPA, *arguments], input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def decide(inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the decision on each input, in order."""
    given = json.dumps({"inputs": inputs})
    decisions = json.loads(
        run("eval", "--bundle", POLICIES, "--ignore", "*_test.rego", "-f", "raw", "--stdin-input", _ALL, given=given)
    )
    assert len(decisions) == len(inputs)
    result: list[dict[str, Any]] = decisions
    return result


def facts(request: dict[str, Any], now: int = NOW) -> dict[str, Any]:
    """Return the facts around an AuthZEN request, card data measured as the service would."""
    pans: list[dict[str, Any]] = []
    sad: list[dict[str, Any]] = []
    _measure(request, "", pans, sad)
    return {
        "schema": "assay-facts/1",
        "time": "2025-11-24T16:00:00.000000Z",
        "time_unix": now,
        "caller": {"id": "demo-gateway", "role": "gateway", "tenant": "default"},
        "context": {},
        **request,
        "card_data": {"pans": pans, "sad": sad, "truncated": False},
    }


def denying(decision: dict[str, Any]) -> set[str]:
    """Return the ids of the rules that speak against a call."""
    return {reason["rule"] for reason in decision["reasons"]}


def _measure(value: Any, path: str, pans: list[dict[str, Any]], sad: list[dict[str, Any]]) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            if name in _SAD:
                sad.append({"path": f"{path}/{name}", "kind": _SAD[name]})
            else:
                _measure(member, f"{path}/{name}", pans, sad)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _measure(member, f"{path}/{index}", pans, sad)
    elif isinstance(value, str):
        for found in _NUMBER.findall(value):
            digits = re.sub(r"\D", "", found)
            if _luhn(digits):
                token = f"pan_{len(pans)}"
                pans.append({"path": path, "token": token, "brand": "visa", "test": digits != _NOT_TEST})


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 * (number > 9)
    return total % 10 == 0
