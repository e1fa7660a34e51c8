# SPDX-License-Identifier: Apache-2.0
"""The demonstration: what it leaves behind, and that no card number, code or track it sends is left anywhere.

Everything that is kept is searched: database, write-ahead log, logs, packs and whatever was printed. That the search
would find something is shown by planting it.
"""

import base64
import io
import json
import shutil
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.workload import TEST_CVVS, TEST_PANS, TEST_TRACKS, calls, rules_broken
from support.service import ASSAY, add_caller, assay, new_home, serving

pytestmark = [pytest.mark.live, pytest.mark.enable_socket, pytest.mark.xdist_group("demo")]
NOW = 1_790_000_000
MOST = 120
"""Calls after which everything that is sent was sent once."""


def _grouped(digits: str, mark: str) -> str:
    sizes = (4, 6, 5) if len(digits) == 15 else (4, 4, 4, 4)
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return mark.join(digits[end - size : end] for size, end in zip(sizes, ends, strict=True))


def _in_base64(text: str) -> list[str]:
    """Return what a text looks like within base64, for each of the three places where it may begin."""
    found = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + text.encode()).decode().rstrip("=")
        found.append(whole[(before * 4 + 2) // 3 : -1])
    return found


def _needles() -> dict[str, bytes]:
    """Return every spelling of everything that must not be found."""
    spelled: set[str] = set()
    for pan in (*TEST_PANS, *(track[1:17] for track in TEST_TRACKS)):
        digits = "".join(filter(str.isdigit, pan))
        spelled |= {pan, digits, *(_grouped(digits, mark) for mark in (" ", "-", "\u00a0", r"\u00a0", r"\u0020"))}
        spelled |= {"".join(rf"\u{ord(digit):04x}" for digit in digits), digits.encode().hex(), *_in_base64(digits)}
    for track in TEST_TRACKS:
        spelled |= {track, track.strip(";?"), track.split("=")[1], track.replace("=", r"\u003d"), *_in_base64(track)}
    # Three digits alone stand in every long number, so a code is looked for as the whole value it was sent as.
    for code in TEST_CVVS:
        spelled |= {f'"{code}"', rf"\"{code}\"", f"'{code}'"}
        spelled |= {f'"{name}":{gap}{code}' for name in ("cvc", "cvv") for gap in ("", " ")}
    return {text: text.encode() for text in spelled}


NEEDLES = _needles()


def _things(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield a file's content, and that of each member if it is an archive."""
    content = path.read_bytes()
    yield path.name, content
    if path.suffix == ".zip" and path.name != "spoilt.zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                yield f"{path.name}/{member.filename}", member.filename.encode() + archive.read(member)


def leaks(folder: Path) -> list[str]:
    """Return what is found in the files of a folder, and where."""
    found = [thing for path in sorted(folder.rglob("*")) if path.is_file() for thing in _things(path)]
    assert found
    return [f"{name}: {text}" for name, content in found for text, needle in NEEDLES.items() if needle in content]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the demonstration twice in one folder, the second time for people; return that folder."""
    place = tmp_path_factory.mktemp("demo")
    for number, options in enumerate((["--json"], ["--calls", "200"]), 1):
        done = assay("demo", "--out", str(place / "out"), *options)
        (place / f"printed-{number}.txt").write_text(done.stdout)
        (place / f"errors-{number}.txt").write_text(done.stderr)
        shutil.copytree(place / "out", place / f"out-{number}")
    return place


def test_demo_leaves_a_pack_that_a_stranger_can_verify(demo: Path) -> None:
    for out in (demo / "out-1", demo / "out-2"):
        done = assay("verify", str(out / "pack.zip"), "--trust", str(out / "trust.json"), "--json")
        said, summary = json.loads(done.stdout), json.loads((out / "summary.json").read_text())
        assert said["verified"] is True
        assert said["entries"] == summary["entries"]
        assert assay("verify", str(out / "spoilt.zip"), "--trust", str(out / "trust.json"), check=False).returncode == 1


def test_summary_of_the_demo_tells_calls_decisions_entries_and_rules(demo: Path) -> None:
    first, second = (json.loads((demo / name / "summary.json").read_text()) for name in ("out-1", "out-2"))
    assert json.loads((demo / "printed-1.txt").read_text()) == first
    assert (first["calls"], second["calls"]) == (300, 200)
    for summary, last in ((first, 300), (second, 200)):
        assert summary["allowed"] + summary["denied"] == summary["calls"] >= 200
        assert summary["entries"] > summary["calls"]
        assert summary["denials_by_rule"].keys() == rules_broken()
        expected = [call.expected_rule for call in calls(last, NOW) if call.expected_rule is not None]
        assert summary["denied"] == len(expected) == sum(summary["denials_by_rule"].values())
        assert all(summary["denials_by_rule"][rule] == expected.count(rule) for rule in expected)


def test_second_run_replaces_the_first_and_says_what_it_does(demo: Path) -> None:
    trust = [(demo / name / "trust.json").read_bytes() for name in ("out-1", "out-2")]
    assert trust[0] != trust[1], "each run has a home of its own"
    printed = (demo / "printed-2.txt").read_text()
    assert "200 payment and admin calls" in printed
    assert "VERIFIED  " in printed
    assert "NOT VERIFIED  step 1: " in printed
    assert printed.endswith(f"assay verify {demo / 'out/pack.zip'} --trust {demo / 'out/trust.json'}\n")


@pytest.mark.parametrize("mark", [False, True], ids=["a folder of others", "its own folder"])
def test_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path, mark: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    if mark:
        (tmp_path / ".assay-demo").touch()
        (tmp_path / "pack.zip").write_text("earlier")
    before = sorted(tmp_path.iterdir())
    done = assay("demo", "--out", str(tmp_path), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "thesis.txt" in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_demo_of_too_few_calls_is_refused(tmp_path: Path) -> None:
    done = assay("demo", "--out", str(tmp_path / "out"), "--calls", "199", check=False)
    assert done.returncode == 2
    assert "199" in done.stderr
    assert not (tmp_path / "out").exists()


# Nothing of a card is left.


def test_everything_that_is_searched_for_was_sent() -> None:
    sent = json.dumps([call.request for call in calls(MOST, NOW)], ensure_ascii=False)
    codes = [f'"{code}"' for code in TEST_CVVS]
    assert [text for text in (*TEST_PANS, *codes, *TEST_TRACKS) if text not in sent] == []


def test_nothing_of_a_card_is_in_what_the_demo_leaves_or_prints(demo: Path) -> None:
    names = {path.name for path in demo.rglob("*")}
    assert names >= {"entries.sqlite", "checkpoints.sqlite", "service.log", "pack.zip", "printed-1.txt", "errors-2.txt"}
    assert leaks(demo) == []


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Send every call, with card numbers in headers too, to a service that is then killed; return the folder."""
    place = tmp_path_factory.mktemp("killed")
    home = new_home(place / "home", engine={"timeout_ms": 5000})
    with serving(home, {"gateway": add_caller(home, "till", "gateway")}) as service:
        with service.client() as client:
            for number, call in enumerate(calls(MOST, int(time.time()))):
                pan = TEST_PANS[number % len(TEST_PANS)]
                headers = {"X-Request-ID": pan, "Idempotency-Key": f"{pan}/{number}", "User-Agent": pan}
                answer = client.post(f"/access/v1/evaluation?card={pan}", json=call.request, headers=headers)
                assert answer.status_code == 200
                (place / f"answer-{number}.txt").write_bytes(answer.content + str(answer.headers).encode())
        assert (home / "ledger/entries.sqlite-wal").stat().st_size > 100_000
        service.kill()
    return place


def test_nothing_of_a_card_is_in_database_write_ahead_log_and_log_of_a_killed_service(killed: Path) -> None:
    assert {path.name for path in killed.rglob("*")} >= {"entries.sqlite", "entries.sqlite-wal", "home.log"}
    assert leaks(killed) == []


@pytest.mark.parametrize("text", sorted(NEEDLES))
def test_search_would_notice(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.log").write_text(f"before {text} after")
    assert any(line == f"service.log: {text}" for line in leaks(tmp_path))


@pytest.mark.parametrize("pan", TEST_PANS)
def test_search_would_notice_a_card_number_in_the_facts(killed: Path, tmp_path: Path, pan: str) -> None:
    for name in ("entries.sqlite", "entries.sqlite-wal"):
        shutil.copyfile(killed / "home/ledger" / name, tmp_path / name)
    with closing(sqlite3.connect(tmp_path / "entries.sqlite")) as database:
        database.execute("PRAGMA wal_autocheckpoint=0")
        ((rows,),) = database.execute("SELECT count(*) FROM facts").fetchall()
        assert rows > MOST / 2, "there were facts to search"
        planted: dict[str, Any] = {"note": f"card {pan}"}
        database.execute("UPDATE facts SET facts = ? WHERE idx = 50", (json.dumps(planted).encode(),))
        database.commit()
        assert f"entries.sqlite-wal: {pan}" in leaks(tmp_path)


def test_search_would_notice_a_card_number_in_a_pack(demo: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(demo / "out/pack.zip") as pack,
        zipfile.ZipFile(tmp_path / "pack.zip", "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for member in pack.infolist():
            content = pack.read(member)
            copy.writestr(member.filename, content + TEST_PANS[0].encode() if "facts/" in member.filename else content)
    assert any(line.startswith("pack.zip/data/facts/") for line in leaks(tmp_path))


def test_demo_that_is_not_read_to_the_end_is_neither_good_nor_refused(tmp_path: Path) -> None:
    command = [*ASSAY, "demo", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) == 2
    assert "Traceback" not in errors
