# SPDX-License-Identifier: Apache-2.0
"""The bundles that a home keeps: edited ones are not decided by and not handed out, and a pack knows the rules of all.

The home of these tests was decided in by three versions of the policies, each the one that was shipped at its time.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway import bundle
from support.command import Here
from support.service import ROOT, add_caller, assay, eventually, new_home, serving

pytestmark = pytest.mark.live
ASK = "/access/v1/evaluation"
RULE = "domains/todo/access/todo_roles/todo_roles.rego"
AS_SHIPPED_THEN = """
import sys
from pathlib import Path
from gateway import bundle
from gateway.cli.main import main
then = bundle.read(Path(sys.argv[1]))
bundle.shipped = lambda: then
main(sys.argv[2:])
"""


def _renamed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return policies in which a rule has another name and bears on a control that it bears on no more."""
    changed = {path.replace("todo_roles", "todo_permits"): content for path, content in files.items()}
    path = RULE.replace("todo_roles", "todo_permits")
    rule = changed[path].replace(b"todo_roles", b"todo_permits").replace(b"ac-3.7", b"ac-17")
    return {**changed, path: rule}


def _regrouped(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return policies in which a rule bears on another control."""
    return {**files, RULE: files[RULE].replace(b"ac-3.7", b"ac-5")}


class World(NamedTuple):
    """A home with a history, the digests of the three bundles that made it, and the moments between them."""

    home: Path
    renamed: str
    regrouped: str
    shipped: str
    moments: tuple[str, ...]

    def copy(self, place: Path) -> Path:
        """Return a home like it that a test may harm."""
        return shutil.copytree(self.home, place / "home")

    def verified(self, here: Here, pack: Path) -> Any:
        """Verify a pack and return its summary."""
        assert here("verify", pack, "--trust", self.home / "trust.json", "--json").json["verified"] is True
        return here("pack", "summary", pack, "--trust", self.home / "trust.json", "--json").json


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, vectors: dict[str, Any]) -> World:
    place = tmp_path_factory.mktemp("world")
    allowed = vectors["evaluation"][0]["request"]
    (place / "allow.json").write_text(json.dumps(allowed))
    (place / "deny.json").write_text(json.dumps({**allowed, "action": {"name": "can_do_nothing"}}))
    home, files = new_home(place / "home", engine={"timeout_ms": 5000}), bundle.shipped().files
    digests, moments = [], [_now()]
    for name, policies in (("renamed", _renamed(files)), ("regrouped", _regrouped(files)), ("shipped", files)):
        for path, content in policies.items():
            (place / name / path).parent.mkdir(parents=True, exist_ok=True)
            (place / name / path).write_bytes(content)
        digests.append(bundle.read(place / name).digest)
        for question, code in (("allow", 0), ("deny", 1)):
            command = [
                sys.executable,
                "-c",
                AS_SHIPPED_THEN,
                str(place / name),
                "decide",
                str(place / f"{question}.json"),
            ]
            done = subprocess.run(
                [*command, "--home", str(home)], cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert done.returncode == code, done.stderr
            moments.append(_now())
    assert len(set(digests)) == 3
    renamed, regrouped, shipped = digests
    return World(home, renamed, regrouped, shipped, tuple(moments))


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(capsys)


# A bundle that somebody edited.


def _append(name: str, text: str) -> Callable[[Path], None]:
    """Return what adds text to a file, or a file with it."""

    def change(place: Path) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        with (place / name).open("a") as file:
            file.write(text)

    return change


def _link(place: Path) -> None:
    """Let a folder of the bundle be one that lies elsewhere, with the same in it for now."""
    (place / "domains").rename(place.parent.parent / "elsewhere")
    (place / "domains").symlink_to(place.parent.parent / "elsewhere")


def _other_revision(place: Path) -> None:
    (place / ".manifest").write_text(json.dumps({"revision": "0" * 64}))


def _other_roots(place: Path) -> None:
    said = json.loads((place / ".manifest").read_text())
    (place / ".manifest").write_text(json.dumps({**said, "roots": ["assay", "domains", "system", "terms"]}))


ALLOWS = 'satisfied if input.action.name == "can_do_nothing"\n'
CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a rule is changed": (
        _append("domains/todo/access/own_todo/own_todo.rego", f"\n{ALLOWS}"),
        "its files have digest",
    ),
    "a table is changed": (_append("domains/todo/data.json", " "), "its files have digest"),
    "a rule is added": (_append("more.rego", "package more\n"), "its files have digest"),
    "a rule is added as a test": (
        _append("more_test.rego", f"package domains.todo.access.own_todo\n\n{ALLOWS}"),
        "more_test.rego was added or removed",
    ),
    "a table is added as YAML": (_append("more/data.yaml", "x: 1\n"), "more/data.yaml was added or removed"),
    "a file of no kind is added": (_append("domains/note", "x"), "domains/note was added or removed"),
    "a rule is removed": (lambda place: (place / "facts.rego").unlink(), "its files have digest"),
    "the door is removed": (lambda place: (place / "main.rego").unlink(), "has no main.rego"),
    "a folder lies elsewhere": (_link, "was added or removed"),
    "the manifest has another revision": (_other_revision, ".manifest is another one"),
    "the manifest has other roots": (_other_roots, ".manifest is another one"),
    "the manifest is removed": (lambda place: (place / ".manifest").unlink(), ".manifest was added or removed"),
}
changes = pytest.mark.parametrize(("change", "sentence"), CHANGES.values(), ids=CHANGES)


@changes
def test_service_does_not_start_with_a_bundle_that_was_edited(
    world: World, tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    home = world.copy(tmp_path)
    before = (home / "ledger/entries.sqlite").read_bytes()
    change(home / "policies" / world.shipped)
    for command in (["serve", "--port", "0"], ["decide", str(world.home.parent / "deny.json")]):
        refused = assay(*command, home=home, check=False)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.splitlines()[-1].startswith("assay: ")
        assert sentence in refused.stderr
        assert str(home / "policies" / world.shipped) in refused.stderr
        assert "Traceback" not in refused.stderr
    assert (home / "ledger/entries.sqlite").read_bytes() == before


@changes
def test_pack_that_needs_an_edited_bundle_is_not_begun(
    world: World, tmp_path: Path, here: Here, change: Callable[[Path], None], sentence: str
) -> None:
    home = world.copy(tmp_path)
    change(home / "policies" / world.renamed)
    refused = here("pack", "build", "--out", tmp_path / "p.zip", "--home", home)
    assert (refused.code, refused.out) == (2, "")
    assert sentence in refused.err
    assert str(home / "policies" / world.renamed) in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@changes
def test_edited_bundle_that_decided_nothing_in_a_pack_is_no_obstacle_to_it(
    world: World, tmp_path: Path, here: Here, change: Callable[[Path], None], sentence: str
) -> None:
    home = world.copy(tmp_path)
    change(home / "policies" / world.renamed)
    period = ("--from", world.moments[2], "--to", world.moments[-1])
    assert here("pack", "build", "--out", tmp_path / "p.zip", "--home", home, *period).code == 0, sentence
    summary = world.verified(here, tmp_path / "p.zip")
    assert (summary["calls"], [row["rule"] for row in summary["denied_by"]]) == (4, ["access.todo_roles"])
    with zipfile.ZipFile(tmp_path / "p.zip") as pack:
        assert not [name for name in pack.namelist() if world.renamed in name]


def test_folder_that_is_no_bundle_is_no_obstacle_to_a_pack(world: World, tmp_path: Path, here: Here) -> None:
    home = world.copy(tmp_path)
    (home / "policies/old").mkdir()
    assert here("pack", "build", "--out", tmp_path / "p.zip", "--home", home).code == 0
    assert world.verified(here, tmp_path / "p.zip")["calls"] == 6


def test_pack_by_control_leaves_no_decision_out_because_its_bundle_was_edited(
    world: World, tmp_path: Path, here: Here
) -> None:
    home, place = world.copy(tmp_path), tmp_path / "p.zip"
    arguments = ["pack", "build", "--out", str(place), "--home", str(home), "--control", "nist-800-53-r5:ac-17"]
    arguments += ["--from", world.moments[0], "--to", world.moments[1]]
    assert here(*arguments).code == 0
    assert world.verified(here, place)["calls"] == 1
    place.unlink()
    _append("domains/todo/data.json", " ")(home / "policies" / world.renamed)
    refused = here(*arguments)
    assert (refused.code, place.exists()) == (2, False)


@pytest.mark.enable_socket
@pytest.mark.skipif(sys.platform != "linux", reason="looks for OPA in /proc")
def test_bundle_that_is_edited_under_a_running_service_decides_nothing_after_opa_starts_again(
    world: World, tmp_path: Path, question: dict[str, Any]
) -> None:
    home = world.copy(tmp_path)
    edited = home / "policies" / world.shipped / "more_test.rego"
    denied = {**question, "action": {"name": "can_do_nothing"}}
    with serving(home, {"gateway": add_caller(home, "till", "gateway")}) as service, service.client() as client:

        def reasons() -> set[str]:
            answer = client.post(ASK, json=denied).json()
            assert answer["decision"] is False
            return {reason["code"] for reason in answer["context"]["reasons"]}

        assert reasons() == {"rule_violated"}
        edited.write_text("package domains.todo.access.todo_roles\n\nsatisfied if true\n")
        assert reasons() == {"rule_violated"}, "OPA has read it once"
        os.kill(_opa(service.process.pid), signal.SIGKILL)
        eventually(lambda: f"{edited.parent} was changed" in (tmp_path / "home.log").read_text())
        for _ in range(20):
            assert reasons() <= {"engine_unreachable", "engine_timeout"}
        edited.unlink()
        eventually(lambda: reasons() == {"rule_violated"})


def _opa(service: int) -> int:
    """Return the process id of a service's OPA."""
    found: list[int] = []

    def there() -> bool:
        tasks = Path(f"/proc/{service}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        found[:] = [pid for pid in children if _program(pid).endswith(b"/opa")]
        return bool(found)

    eventually(there)
    return found[0]


def _program(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]


# Several bundles that decided.


def test_pack_knows_the_rules_of_every_bundle_that_decided(world: World, tmp_path: Path, here: Here) -> None:
    assert here("pack", "build", "--out", tmp_path / "p.zip", "--home", world.home).code == 0
    summary = world.verified(here, tmp_path / "p.zip")
    assert (summary["calls"], summary["allowed"], summary["denied"]) == (6, 3, 3)
    denied_by = {row["rule"]: (row["denials"], row["controls"]) for row in summary["denied_by"]}
    assert denied_by == {
        "access.todo_permits": (1, ["nist-800-53-r5:ac-17", "nist-800-53-r5:ac-3"]),
        "access.todo_roles": (2, ["nist-800-53-r5:ac-3", "nist-800-53-r5:ac-3.7", "nist-800-53-r5:ac-5"]),
    }
    with zipfile.ZipFile(tmp_path / "p.zip") as pack:
        mapping = {
            rule["id"]: rule["controls"] for rule in json.loads(pack.read("data/controls/mapping.json"))["rules"]
        }
        kept = {name.split("/")[2] for name in pack.namelist() if name.startswith("data/policies/")}
    assert {rule: mapping[rule] for rule in denied_by} == {rule: row[1] for rule, row in denied_by.items()}
    assert kept == {world.renamed, world.regrouped, world.shipped}


@pytest.mark.parametrize(
    ("first", "last", "rules", "bundles"),
    [
        (0, 2, ["access.todo_permits"], ["renamed"]),
        (1, 3, ["access.todo_permits"], ["regrouped", "renamed"]),
        (2, 4, ["access.todo_roles"], ["regrouped"]),
        (4, 6, ["access.todo_roles"], ["shipped"]),
    ],
)
def test_pack_of_a_period_holds_the_bundles_of_that_period(
    world: World, tmp_path: Path, here: Here, first: int, last: int, rules: list[str], bundles: list[str]
) -> None:
    period = ("--from", world.moments[first], "--to", world.moments[last])
    assert here("pack", "build", "--out", tmp_path / "p.zip", "--home", world.home, *period).code == 0
    summary = world.verified(here, tmp_path / "p.zip")
    assert [row["rule"] for row in summary["denied_by"]] == rules
    with zipfile.ZipFile(tmp_path / "p.zip") as pack:
        kept = {name.split("/")[2] for name in pack.namelist() if name.startswith("data/policies/")}
    assert kept == {getattr(world, name) for name in bundles}


def test_pack_by_control_finds_decisions_under_what_their_rules_were_called_then(
    world: World, tmp_path: Path, here: Here
) -> None:
    arguments = ("--out", tmp_path / "p.zip", "--home", world.home, "--control", "nist-800-53-r5:ac-17")
    assert here("pack", "build", *arguments).code == 0
    summary = world.verified(here, tmp_path / "p.zip")
    assert (summary["calls"], [row["rule"] for row in summary["denied_by"]]) == (2, ["access.todo_permits"])
