# SPDX-License-Identifier: Apache-2.0
"""Which rule bears on which control, as the rules say themselves."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controls.catalogue import load
from controls.errors import ControlsError, MappingInvalid
from controls.mapping import FORMAT, Rule, check, mapping_document, rules_from_annotations
from evidence.rules import rule_controls
from gateway.cli.policy import annotations
from ledger.canonical import encode

DOMAINS = Path(__file__).resolve().parents[2] / "policies/domains"
RULE = Rule(
    id="access.example",
    title="An example",
    description="Something holds.",
    mode="gate",
    severity="high",
    controls=("nist-800-53-r5:ac-3", "pci-dss-4.0.1:7.3.3"),
    family="access",
    package="domains.payment.access.example",
)
SAID: dict[str, Any] = {
    "path": [{"type": "var", "value": "data"}]
    + [{"type": "string", "value": part} for part in RULE.package.split(".")],
    "annotations": {
        "scope": "package",
        "title": "An example",
        "description": "Something holds.\n",
        "custom": {
            "id": "access.example",
            "controls": ["pci-dss-4.0.1:7.3.3", "nist-800-53-r5:ac-3"],
            "severity": "high",
            "mode": "gate",
            "family": "access",
        },
    },
}


@pytest.fixture(scope="module")
def inspected() -> dict[str, Any]:
    """Return what OPA itself says of the shipped policies."""
    return annotations()


@pytest.fixture(scope="module")
def rules(inspected: dict[str, Any]) -> tuple[Rule, ...]:
    return rules_from_annotations(inspected)


def test_shipped_rules_fit_the_catalogue(rules: tuple[Rule, ...]) -> None:
    check(rules, load())
    assert all(control in load() for rule in rules for control in rule.controls)
    assert {control.partition(":")[0] for rule in rules for control in rule.controls} == {
        "nist-800-53-r5",
        "pci-dss-4.0.1",
    }


def test_every_folder_of_a_rule_is_one_rule_of_that_name(rules: tuple[Rule, ...]) -> None:
    folders = {path.relative_to(DOMAINS).as_posix() for path in DOMAINS.glob("*/*/*") if path.is_dir()}
    assert {rule.package.removeprefix("domains.").replace(".", "/") for rule in rules} == folders
    assert all(rule.id == ".".join(rule.package.split(".")[2:]) for rule in rules)
    assert all(rule.family == rule.id.partition(".")[0] for rule in rules)
    assert [rule.id for rule in rules] == sorted({rule.id for rule in rules})


def test_every_requirement_with_a_title_and_every_extra_control_is_there_for_a_reason(rules: tuple[Rule, ...]) -> None:
    assert all(load()[control].title for rule in rules for control in rule.controls)


def test_rule_is_read_from_its_annotations() -> None:
    assert rules_from_annotations({"annotations": [SAID]}) == (RULE,)


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["annotations"].update(scope="rule"),
        lambda said: said["path"].pop(),
        lambda said: said["path"].append({"value": "allow"}),
        lambda said: said["path"][1].update(value="library"),
        lambda said: said["path"][0].update(value="input"),
        lambda said: said.pop("path"),
        lambda said: said.pop("annotations"),
    ],
)
def test_what_is_no_rule_is_passed_over(change: Callable[[dict[str, Any]], None]) -> None:
    said = deepcopy(SAID)
    change(said)
    assert rules_from_annotations({"annotations": [said]}) == rules_from_annotations({}) == ()


@pytest.mark.parametrize("missing", ["title", "description", "custom"])
def test_rule_that_says_too_little_of_itself_is_named(missing: str) -> None:
    said = deepcopy(SAID)
    del said["annotations"][missing]
    with pytest.raises(MappingInvalid, match=rf"^{RULE.package}: its annotations are incomplete: .*`{missing}`"):
        rules_from_annotations({"annotations": [said]})


@pytest.mark.parametrize("missing", ["id", "controls", "severity", "mode", "family"])
def test_rule_without_one_of_its_own_fields_is_named(missing: str) -> None:
    said = deepcopy(SAID)
    del said["annotations"]["custom"][missing]
    with pytest.raises(MappingInvalid, match=rf"^{RULE.package}: .*`{missing}`"):
        rules_from_annotations({"annotations": [said]})


def test_everything_that_is_wrong_is_listed_at_once() -> None:
    faulty = [
        RULE,
        RULE,
        replace(RULE, id="a.mode", mode="advise"),
        replace(RULE, id="a.severity", severity="dire"),
        replace(RULE, id="a.none", controls=()),
        replace(RULE, id="a.unknown", controls=("pci-dss-4.0.1:99.1", "nist-800-53-r5:zz-1")),
    ]
    with pytest.raises(MappingInvalid) as invalid:
        check(faulty, load())
    assert isinstance(invalid.value, ControlsError)
    assert str(invalid.value).split("; ") == [
        "access.example: two rules have this id",
        "a.mode: mode 'advise' or severity 'high' is unknown",
        "a.severity: mode 'gate' or severity 'dire' is unknown",
        "a.none: bears on no control",
        "a.unknown: no catalogue has pci-dss-4.0.1:99.1",
        "a.unknown: no catalogue has nist-800-53-r5:zz-1",
    ]
    with pytest.raises(MappingInvalid, match="two rules have this id"):
        mapping_document(faulty, load())


def test_same_rules_in_any_order_give_the_same_bytes(inspected: dict[str, Any], rules: tuple[Rule, ...]) -> None:
    document = mapping_document(rules, load())
    assert encode(document) == encode(mapping_document(reversed(rules), load()))
    shuffled = {**inspected, "annotations": inspected["annotations"][::-1]}
    assert encode(document) == encode(mapping_document(rules_from_annotations(shuffled), load()))
    assert json.loads(encode(document)) == document


def test_mapping_says_the_same_both_ways_round(rules: tuple[Rule, ...]) -> None:
    document = mapping_document(rules, load())
    forth = {(rule["id"], control) for rule in document["rules"] for control in rule["controls"]}
    back = {(rule, control["id"]) for control in document["controls"] for rule in control["rules"]}
    assert forth == back == {(rule.id, control) for rule in rules for control in rule.controls}
    assert document["format"] == FORMAT
    assert all(row["title"] == load()[row["id"]].title for row in document["controls"])
    assert [row["id"] for row in document["controls"]] == sorted(row["id"] for row in document["controls"])


def test_verifier_reads_the_mapping_as_it_was_meant(rules: tuple[Rule, ...]) -> None:
    read = rule_controls(mapping_document(rules, load()))
    assert read == {rule.id: frozenset(rule.controls) for rule in rules}
