# SPDX-License-Identifier: Apache-2.0
"""What must hold of the policies as a whole."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.demo.workload import calls
from tests.policies import engine

Path = tuple[str | int, ...]
Facts = dict[str, Any]

PAYMENT = json.loads((engine.POLICIES / "domains/payment/data.json").read_text("utf-8"))["terms"]
SCHEMA = json.loads((engine.POLICIES / "schema/input.json").read_text("utf-8"))
# A fact's kind in a domain's data, and its type in the schema.
TYPES = {
    "text": "string",
    "flag": "boolean",
    "count": "integer",
    "time": "integer",
    "names": "array",
    "list": "array",
}
# Every allowed template and every broken rule comes up within this many calls.
INPUTS = [engine.facts(call.request) for call in calls(105, engine.NOW)]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of all members; a list of plain values is one fact, the members of its objects are their own."""
    members: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        members = iter(value.items())
    elif isinstance(value, list):
        members = ((index, item) for index, item in enumerate(value) if isinstance(item, dict))
    for name, member in members:
        if isinstance(value, dict):
            yield (*path, name)
        yield from leaves(member, (*path, name))


def spoilt(facts: Facts, path: Path, value: Any = None, *, remove: bool = False) -> Facts:
    """Return the facts with the member at a path removed or set to a value."""
    changed = copy.deepcopy(facts)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def in_payload(path: Path) -> bool:
    """Say whether a path lies within a provider's own object, which no rule looks into."""
    return path[:3] == ("resource", "properties", "object") and len(path) > 3


@pytest.fixture(scope="module")
def decisions() -> list[dict[str, Any]]:
    return engine.decide(INPUTS)


def test_removing_or_nulling_any_fact_of_a_denied_call_never_allows_it(decisions: list[dict[str, Any]]) -> None:
    denied = [facts for facts, decision in zip(INPUTS, decisions, strict=True) if not decision["allow"]]
    cases = [
        (facts, path, how)
        for facts in denied
        for path in leaves(facts)
        if not in_payload(path)
        for how in ({"remove": True}, {"value": None})
    ]
    answers = engine.decide([spoilt(facts, path, **how) for facts, path, how in cases])
    for (_, path, how), answer in zip(cases, answers, strict=True):
        assert answer["allow"] is False, (path, how)
        assert answer["reasons"], path


def test_a_needed_fact_of_an_allowed_call_that_is_gone_or_of_another_type_denies(
    decisions: list[dict[str, Any]],
) -> None:
    seen: set[str] = set()
    inputs, missing = [], []
    for facts, decision in zip(INPUTS, decisions, strict=True):
        if decision["allow"]:
            for fact in PAYMENT["facts"]:
                path = tuple(fact.split("."))
                if path in leaves(facts):
                    seen.add(fact)
                    inputs += [spoilt(facts, path, remove=True), spoilt(facts, path, {"odd": True})]
                    missing += [fact, fact]
    answers = engine.decide(inputs)
    needed = set()
    for fact, answer in zip(missing, answers, strict=True):
        named = {name for reason in answer["reasons"] for name in reason["facts"]}
        # A fact that this call did not need changes nothing; one that it needed is named.
        assert answer["allow"] is (fact not in named), fact
        needed |= named
    # Needed only once an account had too many failures or has nothing but a password.
    rare = {f"subject.properties.account.{name}" for name in ("last_failure_unix", "password_changed_unix")}
    assert seen >= set(PAYMENT["facts"]) - rare
    assert needed >= set(PAYMENT["facts"]) - rare


def test_numbers_written_as_text_are_missing() -> None:
    times = [fact for fact, kind in PAYMENT["facts"].items() if kind in {"count", "time"}]
    facts = next(facts for facts in INPUTS if facts["subject"]["type"] == "user")
    inputs = []
    for fact in times:
        path = tuple(fact.split("."))
        if path in leaves(facts):
            value = facts
            for step in path:
                value = value[step]
            inputs.append(spoilt(facts, path, str(value)))
    assert inputs
    assert not any(answer["allow"] for answer in engine.decide(inputs))


def test_answers_have_the_agreed_shape_and_order(decisions: list[dict[str, Any]]) -> None:
    codes = {"rule_violated", "fact_missing", "resource_type_unknown", "resource_type_ambiguous"}
    codes |= {"no_rule_in_scope", "rule_broken"}
    for decision in decisions:
        assert set(decision) == {"allow", "domain", "reasons", "evaluated", "obligations"}
        assert decision["allow"] is (decision["evaluated"] != [] and decision["reasons"] == [])
        assert decision["evaluated"] == sorted(decision["evaluated"])
        assert all(isinstance(obligation["id"], str) for obligation in decision["obligations"])
        for reason in decision["reasons"]:
            assert set(reason) == {"code", "rule", "controls", "severity", "facts"}
            assert reason["code"] in codes
            assert reason["controls"] == sorted(reason["controls"])
            assert reason["facts"] == sorted(reason["facts"])
    assert engine.decide(INPUTS) == decisions


def test_every_rule_folder_says_what_a_reader_needs() -> None:
    inspected = json.loads(engine.run("inspect", "--annotations", "--format", "json", "policies"))
    packages = {}
    for entry in inspected["annotations"]:
        path = [part["value"] for part in entry["path"]]
        if entry["annotations"]["scope"] == "package" and path[:2] == ["data", "domains"]:
            packages[tuple(path[2:])] = entry["annotations"]
    folders = {
        file.parent.relative_to(engine.POLICIES / "domains").parts
        for file in engine.POLICIES.glob("domains/*/*/*/*.rego")
    }
    assert set(packages) == folders
    assert len([path for path in packages if path[0] == "payment"]) >= 12
    assert len({path[1] for path in packages if path[0] == "payment"}) >= 5
    for (_, family, name), about in packages.items():
        assert about["title"]
        assert about["description"]
        assert set(about["custom"]) == {"id", "family", "controls", "severity", "mode"}
        assert about["custom"]["id"] == f"{family}.{name}"
        assert len(about["custom"]["controls"]) == len(set(about["custom"]["controls"]))


def test_every_fact_is_in_the_schema_with_its_type_and_who_asserts_it() -> None:
    for domain in ("payment", "todo"):
        facts = json.loads((engine.POLICIES / f"domains/{domain}/data.json").read_text("utf-8"))["terms"]["facts"]
        for fact, kind in facts.items():
            node = SCHEMA
            for step in fact.split("."):
                node = node["properties"][step]
                assert node["description"], fact
                assert node["x-asserted-by"] in {"caller", "gateway"}, fact
            assert node["type"] == TYPES[kind], fact


def test_every_fact_of_the_data_is_needed_by_a_rule() -> None:
    text = "".join(
        file.read_text("utf-8")
        for file in engine.POLICIES.glob("domains/payment/*/*/*.rego")
        if not file.name.endswith("_test.rego")
    )
    assert {fact for fact in PAYMENT["facts"] if f'"{fact}"' not in text} == set()


def test_every_listed_call_is_one_that_some_role_may_make_or_is_refused_to_all() -> None:
    permitted = {call for calls_ in PAYMENT["roles"].values() for call in calls_}
    types = set(PAYMENT["resource_types"])
    listed = {call for calls_ in PAYMENT["calls"].values() for call in calls_}
    assert {call.partition(".")[0] for call in permitted | listed} == types


def test_rules_read_no_clock_no_network_and_no_environment() -> None:
    forbidden = re.compile(r"\b(time\.now_ns|http\.send|opa\.runtime|rand\.|uuid\.|net\.)")
    for file in (engine.POLICIES / "domains").rglob("*.rego"):
        assert not forbidden.search(file.read_text("utf-8")), file


def test_opa_accepts_formats_and_tests_the_policies_with_full_coverage() -> None:
    places = ("policies/domains", "policies/main.rego", "policies/result.rego", "policies/facts.rego")
    engine.run("fmt", "--fail", "--list", "policies")
    engine.run("check", "--strict", "--bundle", "policies")
    engine.run("check", "--strict", "--schema", "policies/schema/input.json", *places, "--ignore", "*_test.rego")
    coverage = json.loads(engine.run("test", "--bundle", "policies", "--coverage"))
    assert coverage["coverage"] == 100
