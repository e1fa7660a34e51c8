# SPDX-License-Identifier: Apache-2.0
"""Proof cases of transparency-dev/merkle (Apache-2.0), good and spoilt."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import proof
from ledger.errors import ProofInvalid

CASES = sorted((Path(__file__).parent.parent / "vectors/merkle").rglob("*.json"))


Inclusion = Callable[[int, int, bytes, list[bytes], bytes], None]


def twice(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes) -> None:
    """Check as one proof of a row, where something of the one before is remembered."""
    checker = proof.InclusionChecker(size, root)
    for _ in range(2):
        checker.check(index, leaf, path)


def test_all_cases_are_there() -> None:
    assert len(CASES) == 120


@pytest.mark.parametrize("check", [proof.verify_inclusion, twice], ids=["alone", "in a row"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}-{path.stem}")
def test_proof_case_is_judged_as_published(path: Path, check: Inclusion) -> None:
    case = json.loads(path.read_text())
    if case["wantErr"]:
        with pytest.raises(ProofInvalid):
            _check(case, check)
    else:
        _check(case, check)


def _check(case: dict[str, Any], inclusion: Inclusion) -> None:
    hashes = [_bytes(value) for value in case.get("proof") or []]
    if "leafIdx" in case:
        leaf, root = _bytes(case["leafHash"]), _bytes(case["root"])
        inclusion(case["leafIdx"], case["treeSize"], leaf, hashes, root)
    else:
        roots = _bytes(case["root1"]), _bytes(case["root2"])
        proof.verify_consistency(case["size1"], case["size2"], *roots, hashes)


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")
