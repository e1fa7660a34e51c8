# SPDX-License-Identifier: Apache-2.0
"""The command line on a home with a history: its ledger, packs, keys and policies, and the service that it starts.

Commands run within this process where they can; those that start OPA or the service run as processes.
"""

import base64
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.home import KEY_FILES, Home
from ledger.checkpoint import Checkpoint, open_checkpoint, sign
from ledger.proof import verify_consistency, verify_inclusion
from ledger.tree import leaf_hash
from support.command import Here
from support.service import assay, new_home

pytestmark = pytest.mark.live
STEPS = 13


class World(NamedTuple):
    """A folder with a home, the requests allow.json and deny.json, and packs and checkpoints (older, newer) between."""

    place: Path
    sizes: tuple[int, int]

    @property
    def home(self) -> Path:
        """The home."""
        return self.place / "home"

    @property
    def trust(self) -> Path:
        """The trust file."""
        return self.home / "trust.json"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, vectors: dict[str, Any]) -> World:
    place = tmp_path_factory.mktemp("world")
    home = new_home(place / "home", engine={"timeout_ms": 5000})
    allow, sizes = vectors["evaluation"][0]["request"], []
    for age, request in (("older", allow), ("newer", {**allow, "action": {"name": "can_do_nothing"}})):
        (place / f"{age}.json").write_text(json.dumps(request))
        assert assay("decide", str(place / f"{age}.json"), home=home, check=False).returncode == (age == "newer")
        checkpoint = json.loads(assay("ledger", "checkpoint", "--json", home=home).stdout)
        (place / f"{age}.note").write_text(checkpoint["note"])
        assay("pack", "build", "--out", str(place / f"{age}.zip"), home=home)
        sizes.append(checkpoint["size"])
    return World(place, (sizes[0], sizes[1]))


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World) -> Here:
    monkeypatch.setenv("ASSAY_HOME", str(world.home))
    return Here(capsys)


# ledger


def test_checkpoint_is_told_as_a_note_and_to_programs(here: Here, world: World) -> None:
    told, trust = here("ledger", "checkpoint", "--json").json, Home(world.home).trust()
    found = open_checkpoint(told["note"].encode(), trust.origin, trust.log_keys).checkpoint
    assert (told["origin"], told["size"], told["root"]) == (found.origin, world.sizes[1], found.root.hex())
    assert here("ledger", "checkpoint").out == told["note"]


def test_every_entry_can_be_shown_and_proved(here: Here, world: World) -> None:
    root = bytes.fromhex(here("ledger", "checkpoint", "--json").json["root"])
    types = []
    for index in range(world.sizes[1]):
        entry, proof = (here("ledger", verb, str(index), "--json").json for verb in ("entry", "proof"))
        leaf = leaf_hash(base64.b64decode(entry["entry"]))
        assert entry["leaf_hash"] == proof["leaf_hash"] == leaf.hex()
        verify_inclusion(index, proof["size"], leaf, [bytes.fromhex(node) for node in proof["path"]], root)
        types.append(entry["event"]["body"]["type"])
    shown = here("ledger", "entry", "0")
    assert json.loads(shown.out)["event"]["body"]["type"] == types[0] == "ledger:key:activated"
    assert root.hex() in here("ledger", "proof", "0").out
    assert len([name for name in types if "decision" in name]) == 2


def test_consistency_of_two_checkpoints_is_shown_and_told(here: Here, world: World) -> None:
    first, second = world.sizes
    told = here("ledger", "consistency", str(first), str(second), "--json").json
    older, newer = (_root(world, name) for name in ("older", "newer"))
    verify_consistency(first, second, older, newer, [bytes.fromhex(node) for node in told["path"]])
    said = here("ledger", "consistency", str(first))
    assert said.out.splitlines() == [f"{first} is a prefix of {second}", *told["path"]]


def _root(world: World, name: str) -> bytes:
    trust = Home(world.home).trust()
    note = (world.place / f"{name}.note").read_bytes()
    return open_checkpoint(note, trust.origin, trust.log_keys).checkpoint.root


def test_recount_of_an_honest_ledger_is_good(here: Here, world: World) -> None:
    assert here("ledger", "recount", "--json").json == {"clean": True, "entries": world.sizes[1], "flaws": []}
    assert here("ledger", "recount").out == f"{world.sizes[1]} entries, all of it adds up\n"


@pytest.mark.parametrize(
    "arguments", [["entry", "9999"], ["proof", "9999"], ["consistency", "9999"], ["consistency", "0", "9999"]]
)
def test_what_the_ledger_does_not_have_is_a_wrong_question(here: Here, arguments: list[str]) -> None:
    said = here("ledger", *arguments, "--json")
    assert (said.code, said.out) == (2, "")
    assert "Error: " in said.err


def test_changed_entry_is_a_no_and_is_named(world: World, tmp_path: Path, here: Here) -> None:
    home = shutil.copytree(world.home, tmp_path / "home")
    with closing(sqlite3.connect(home / "ledger/entries.sqlite")) as database:
        ((entry,),) = database.execute("SELECT entry FROM entries WHERE idx = 3").fetchall()
        database.execute("UPDATE entries SET entry = ? WHERE idx = 3", (entry[:-1] + bytes([entry[-1] ^ 1]),))
        database.commit()
    recount = here("ledger", "recount", "--home", home, "--json")
    assert (recount.code, recount.json["clean"]) == (1, False)
    assert any("3" in flaw["where"] for flaw in recount.json["flaws"])
    for verb in ("entry", "proof"):
        said = here("ledger", verb, "3", "--home", home)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("NOT VERIFIED  ")
    assert here("ledger", "entry", "2", "--home", home).code == 0


def test_checkpoint_that_was_not_signed_by_this_log_is_a_no(world: World, tmp_path: Path, here: Here) -> None:
    home = shutil.copytree(world.home, tmp_path / "home")
    with closing(sqlite3.connect(home / "ledger/checkpoints.sqlite")) as database:
        ((note,),) = database.execute("SELECT note FROM checkpoints WHERE size = ?", (world.sizes[1],)).fetchall()
        lines = note.split(b"\n")
        lines[2] = base64.b64encode(bytes(32))
        database.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (b"\n".join(lines), world.sizes[1]))
        database.commit()
    said = here("ledger", "checkpoint", "--home", home, "--json")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("NOT VERIFIED  ")


# pack and verify


def test_pack_is_built_and_summed_up_for_people_and_programs(here: Here, world: World, tmp_path: Path) -> None:
    built = here("pack", "build", "--out", tmp_path / "p.zip", "--json").json
    assert built == {"pack": str(tmp_path / "p.zip"), "bytes": (tmp_path / "p.zip").stat().st_size}
    again = here("pack", "build", "--out", tmp_path / "p.zip")
    assert f"assay verify {tmp_path / 'p.zip'} --trust {world.trust}" in again.out
    told = here("pack", "summary", tmp_path / "p.zip", "--trust", world.trust, "--json").json
    assert (told["calls"], told["allowed"], told["denied"], told["entries"]) == (2, 1, 1, world.sizes[1])
    text = here("pack", "summary", tmp_path / "p.zip", "--trust", world.trust)
    assert text.code == 0
    assert f"checkpoint  {world.sizes[1]} entries" in text.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "yesterday", "--to", "today"],
        ["--from", "2020-01-01T00:00:00Z"],
        ["--from", "2001-01-01T00:00:00Z", "--to", "2000-01-01T00:00:00Z"],
        ["--control", "none-such:1"],
    ],
)
def test_pack_that_cannot_be_built_is_not_begun(here: Here, tmp_path: Path, arguments: list[str]) -> None:
    said = here("pack", "build", "--out", tmp_path / "p.zip", *arguments)
    assert (said.code, said.out) == (2, "")
    assert list(tmp_path.iterdir()) == []
    assert here("pack", "build", "--out", tmp_path / "none/p.zip").code == 2


def test_good_pack_is_zero_with_every_step(here: Here, world: World) -> None:
    told = here("verify", world.place / "newer.zip", "--trust", world.trust, "--json").json
    assert told.keys() == {"verified", "entries", "steps"}
    assert (told["verified"], told["entries"]) == (True, world.sizes[1])
    assert [(step["n"], step["ok"]) for step in told["steps"]] == [(n, True) for n in range(1, STEPS + 1)]
    assert all(step.keys() == {"n", "what", "ok"} and step["what"] for step in told["steps"])
    lines = here("verify", world.place / "newer.zip", "--trust", world.trust).out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", str(n)] for n in range(1, STEPS + 1)]
    assert lines[-1].startswith(f"VERIFIED  {world.sizes[1]} entries of ")


def test_spoilt_pack_is_one_and_names_step_and_file(here: Here, world: World, tmp_path: Path) -> None:
    content = bytearray((world.place / "newer.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "spoilt.zip").write_bytes(content)
    said = here("verify", tmp_path / "spoilt.zip", "--trust", world.trust, "--json")
    assert (said.code, said.json["verified"], said.json["step"]) == (1, False, 1)
    assert said.json["where"].startswith(("data/", "ledger/", "signatures/"))
    assert said.json["where"] in said.json["error"]
    assert [step["ok"] for step in said.json["steps"]] == [False]
    text = here("verify", tmp_path / "spoilt.zip", "--trust", world.trust)
    assert text.code == 1
    assert text.out.splitlines()[-1] == f"NOT VERIFIED  {said.json['error']}"
    summary = here("pack", "summary", tmp_path / "spoilt.zip", "--trust", world.trust, "--json")
    assert (summary.code, summary.json["verified"], summary.json["where"]) == (1, False, said.json["where"])


def test_pack_of_another_log_is_one(here: Here, world: World, tmp_path: Path) -> None:
    Home.create(tmp_path / "other", Home(world.home).settings.origin)
    said = here("verify", world.place / "newer.zip", "--trust", tmp_path / "other/trust.json", "--json")
    assert (said.code, said.json["step"], said.json["where"]) == (1, 3, "ledger/checkpoint")


def test_pack_never_vouches_for_itself(here: Here, world: World) -> None:
    said = here("verify", world.place / "newer.zip")
    assert (said.code, said.out) == (2, "")
    assert "--trust is needed" in said.err


@pytest.mark.parametrize("command", [["verify"], ["pack", "summary"]])
@pytest.mark.parametrize("text", ["", "{}", '{"format": "assay-trust/1"}', "x" * 2_000_000])
def test_unusable_trust_file_is_no_verdict(
    here: Here, world: World, tmp_path: Path, command: list[str], text: str
) -> None:
    (tmp_path / "trust.json").write_text(text)
    said = here(*command, world.place / "newer.zip", "--trust", tmp_path / "trust.json", "--json")
    assert (said.code, said.out) == (2, "")
    assert f"{tmp_path / 'trust.json'} cannot be used" in said.err


@pytest.mark.parametrize(
    ("pack", "note", "code"),
    [("newer", "older", 0), ("newer", "newer", 0), ("older", "older", 0), ("older", "newer", 1)],
)
def test_pack_must_not_be_older_than_the_checkpoint_known_before(
    here: Here, world: World, pack: str, note: str, code: int
) -> None:
    known = world.place / f"{note}.note"
    said = here("verify", world.place / f"{pack}.zip", "--trust", world.trust, "--known", known, "--json")
    assert said.code == code
    assert said.json["verified"] is (code == 0)
    if code:
        assert (said.json["step"], said.json["where"]) == (9, "ledger/checkpoint")
        assert "rolled back" in said.json["error"]


@pytest.mark.parametrize("size", [0, 1])
def test_pack_that_contradicts_the_checkpoint_known_before_is_one(
    here: Here, world: World, tmp_path: Path, size: int
) -> None:
    home = Home(world.home)
    fork = sign(Checkpoint(home.settings.origin, world.sizes[size], bytes(range(32))), home.log_keys)
    (tmp_path / "fork.note").write_bytes(fork.note)
    arguments = ["--trust", str(world.trust), "--known", str(tmp_path / "fork.note")]
    said = here("verify", world.place / "newer.zip", *arguments, "--json")
    assert (said.code, said.json["step"]) == (1, 9)
    assert "forked" in said.json["error"]


def test_checkpoint_of_another_log_cannot_be_known(here: Here, world: World, tmp_path: Path) -> None:
    other = Home.create(tmp_path / "other", Home(world.home).settings.origin)
    (tmp_path / "other.note").write_bytes(sign(Checkpoint(other.settings.origin, 3, bytes(32)), other.log_keys).note)
    for note in (tmp_path / "other.note", world.trust):
        said = here("verify", world.place / "newer.zip", "--trust", world.trust, "--known", note)
        assert (said.code, said.out) == (2, "")
        assert f"{note} cannot be used" in said.err


# keys


def test_keys_and_callers_are_listed_and_changed_for_people_and_programs(here: Here, tmp_path: Path) -> None:
    place = ["--home", str(tmp_path / "new")]
    made = here("keys", "init", "--origin", "log.example/x", *place, "--json").json
    assert (made["home"], made["origin"]) == (str(tmp_path / "new"), "log.example/x")
    assert made["keys"] == here("keys", "list", *place, "--json").json
    assert [key["use"] for key in made["keys"]] == list(KEY_FILES)
    assert all(key["key_id"] in here("keys", "list", *place).out for key in made["keys"])
    assert here("keys", "trust", *place).out == Path(made["trust"]).read_text()
    assert here("keys", "caller", "list", *place).out == "no callers yet\n"
    shown = here("keys", "caller", "add", "till", "--role", "gateway", "--tenant", "shop", *place).out.splitlines()
    assert shown[0].startswith("assay_")
    added = here("keys", "caller", "add", "boss", "--role", "admin", *place, "--json").json
    assert (added["caller"], added["role"], added["key"][:6]) == ("boss", "admin", "assay_")
    rows = here("keys", "caller", "list", *place, "--json").json
    assert rows == [
        {"caller": "till", "role": "gateway", "tenant": "shop"},
        {"caller": "boss", "role": "admin", "tenant": "default"},
    ]
    assert here("keys", "caller", "add", "boss", "--role", "admin", *place).code == 2
    assert here("keys", "caller", "remove", "till", *place).out == "till is removed.\n"
    assert here("keys", "caller", "remove", "boss", *place, "--json").json == {"caller": "boss", "removed": True}
    assert here("keys", "caller", "remove", "boss", *place).code == 2
    assert here("keys", "caller", "list", *place, "--json").json == []


# policy


def test_rules_are_listed_with_their_controls(here: Here) -> None:
    told = here("policy", "rules", "--json").json
    assert len(told) > 20
    assert all(row["id"] and row["title"] and row["controls"] for row in told)
    assert [line.split()[0] for line in here("policy", "rules").out.splitlines()] == [row["id"] for row in told]


def test_digest_names_the_policies_of_the_decisions(here: Here, world: World) -> None:
    told = here("policy", "digest", "--json").json
    assert here("policy", "digest").out == f"{told['digest']}\n"
    assert (world.home / "policies" / told["digest"]).is_dir()


@pytest.mark.parametrize(("claim", "code"), [("true", 0), ("false", 1)])
def test_policy_tests_say_yes_or_no(tmp_path: Path, claim: str, code: int) -> None:
    (tmp_path / "a_test.rego").write_text(f"package a_test\n\ntest_it if {claim}\n")
    text, told = (assay("policy", "test", str(tmp_path), *more, check=False) for more in ([], ["--json"]))
    assert text.returncode == told.returncode == code
    assert f"{'PASS' if code == 0 else 'FAIL'}: 1/1" in text.stdout
    assert [row.get("fail", False) for row in json.loads(told.stdout)] == [code == 1]
