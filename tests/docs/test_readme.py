# SPDX-License-Identifier: Apache-2.0
"""The README's commands do what it says: each is run in order, in a home of its own, by the shell of a newcomer."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.service import assay, eventually

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PORT = "8088"
"""What the README calls the port; the test takes a free one."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#]+)[^)]*\)")
# What differs from run to run. Keys, roots and ids are hexadecimal; sizes vary with them.
_VARIES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|[0-9][0-9,]* bytes|http://127\.0\.0\.1:[0-9]+")


def blocks(language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(README) if kind == language]


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output below it."""
    found: list[tuple[str, str]] = []
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = step.splitlines()
        size = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        found.append(("\n".join(lines[:size]), "\n".join(lines[size:])))
    return found


def pattern(shown: str) -> re.Pattern[str]:
    """Return what an output must look like; `…` stands for anything in a line, or for any lines."""
    lines = _VARIES.sub("\0", shown.strip()).splitlines()
    return re.compile(
        "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in lines)
    )


def agrees(shown: str, printed: str) -> bool:
    printed = _VARIES.sub("\0", printed.strip())
    return pattern(shown).fullmatch(f"{printed}\n" if printed else "") is not None


MADE = [(command, shown) for block in blocks("console") for command, shown in steps(block) if command[:5] == "make "]
RUN = [(command, shown) for block in blocks("console") for command, shown in steps(block) if command[:5] != "make "]


class Shell:
    """A shell that is told one command after the other."""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        environment = {"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        self.errors = folder / "stderr"
        with self.errors.open("w") as errors:
            self._process = subprocess.Popen(
                [shutil.which("bash") or "bash", "--norc"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=environment,
                text=True,
                start_new_session=True,
            )

    def run(self, command: str) -> str:
        """Return what a command prints; of one in the background, its first line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        behind = command.endswith("&")
        self._process.stdin.write(command + ("\n" if behind else "\nprintf '\\nend %d\\n' $?\n"))
        self._process.stdin.flush()
        if behind:
            return self._process.stdout.readline()
        printed = ""
        while not (ended := re.search(r"\nend (\d+)\n\Z", printed)):
            line = self._process.stdout.readline()
            assert line, f"{command}: the shell ended\n{self.errors.read_text()}"
            printed += line
        assert ended[1] == "0", f"{command}: exit {ended[1]}\n{printed}{self.errors.read_text()}"
        return printed[: ended.start()]

    def end(self) -> None:
        """End the shell and what it left running."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with_children = self._process.pid  # a session of its own, so its group is its own too
        with contextlib.suppress(ProcessLookupError):
            os.killpg(with_children, signal.SIGTERM)
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.end()


def covered(url: str) -> int:
    """Return how many entries the newest checkpoint of a service covers."""
    return int(httpx.get(f"{url}/checkpoint", trust_env=False).text.split("\n")[1])


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.live
@pytest.mark.enable_socket
@pytest.mark.timeout(120)
@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")
def test_every_command_of_the_readme_prints_what_it_says(shell: Shell, tmp_path: Path) -> None:
    (request,) = blocks("json")
    (tmp_path / "capture.json").write_text(request, "utf-8")
    port, asked = free_port(), 0
    assert len(RUN) > 8
    for command, shown in RUN:
        if command.startswith("assay pack"):
            # The reader types for longer than a second.
            assert asked == 2
            eventually(lambda: covered(f"http://127.0.0.1:{port}") >= 10)
        printed = shell.run(command.replace(PORT, port))
        assert agrees(shown, printed), f"$ {command}\n{printed}\ninstead of\n{shown}"
        asked += "/access/v1/" in command
        if command.startswith("assay keys init"):
            with (tmp_path / "assay-home/assay.toml").open("a") as settings:
                settings.write("[engine]\ntimeout_ms = 3000\n")  # a busy machine should show rules, not time-outs


@pytest.mark.live
@pytest.mark.enable_socket
@pytest.mark.timeout(120)
def test_the_output_of_make_demo_is_that_of_the_demo(tmp_path: Path) -> None:
    command, shown = MADE[0]
    assert command == "make demo"
    printed = assay("demo", "--out", str(tmp_path / "demo-out")).stdout.replace(f"{tmp_path}/", "")
    # What make itself says of installing comes before the demo's first line.
    assert agrees(shown[shown.index("1. ") :], printed), printed


def test_the_output_of_make_test_names_every_linter_and_the_floor_of_coverage() -> None:
    command, shown = MADE[1]
    assert (command, len(MADE)) == ("make test", 2)
    lint = (ROOT / "tests/lint.py").read_text("utf-8")
    assert re.findall(r"lint: (.+) …", shown) == re.findall(r'^    "([\w ]+)": \[', lint, re.MULTILINE)
    floor = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"]["report"]["fail_under"]
    assert f"Required test coverage of {floor:.1f}% reached." in shown


def test_the_documents_link_to_files_that_exist() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [(path, link) for path in documents for link in _LINK.findall(path.read_text("utf-8"))]
    broken = [f"{path.name}: {link}" for path, link in links if "://" not in link and not (path.parent / link).exists()]
    assert len(links) > 20
    assert broken == []


def test_every_test_that_the_documents_name_exists() -> None:
    named = {
        found for path in (ROOT / "docs").rglob("*.md") for found in re.findall(r"`(tests/[\w/.]+)`", path.read_text())
    }
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
    threats = (ROOT / "docs/threat-model.md").read_text("utf-8")
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    missing = [name for name in re.findall(r"`(test_\w+)`", threats) if f"def {name}(" not in tests]
    assert missing == []
