# SPDX-License-Identifier: Apache-2.0
"""The rules of the design that a program can check: who imports whom, who does I/O, how files are named."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("controls", "ledger", "evidence", "reports", "gateway")
PURE = PACKAGES[:-1]
MODULES = sorted(
    path
    for folder in (*PACKAGES, "tests", "bench", "tools")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
SOURCES = [*MODULES, *sorted((ROOT / "policies").rglob("*.rego"))]

BANNED = {"utils", "util", "common", "core", "helpers", "helper", "manager", "managers", "service", "services"}
IO = {"socket", "sqlite3", "pathlib", "os", "subprocess", "aiohttp", "shutil", "tempfile", "ssl", "urllib", "http"}
CHANCE = {"random", "secrets", "uuid"}
MAY_DO_IO = {
    "ledger/backends/liboqs.py": {"os", "pathlib"},  # looks for the library before the module `oqs` would fetch one
    "ledger/sqlite.py": {"pathlib", "sqlite3"},
    "evidence/archive.py": {"os", "pathlib"},
    "evidence/verify.py": {"pathlib"},  # names the pack for evidence/archive.py, which opens it
}
MAY_USE_IMPORTLIB = {"controls/catalogue.py", "evidence/build.py", "ledger/backends/liboqs.py"}
"""Two read files of their own package; the third imports a module that may be missing."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_packages(*packages: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(ROOT).parts[0] in packages]


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_layers_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_modules_were_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} >= {*PACKAGES, "tests"}
    assert len(in_packages("ledger")) >= 15


@pytest.mark.parametrize("path", in_packages(*PURE), ids=name)
def test_input_and_output_happen_only_in_the_listed_files(path: Path) -> None:
    used = {module.partition(".")[0] for module in imported(path)}
    assert used & IO <= MAY_DO_IO.get(name(path), set())
    assert "importlib" not in used or name(path) in MAY_USE_IMPORTLIB
    assert not used & CHANCE, "randomness arrives as an argument"
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    opened = [
        call for call in calls if isinstance(call, ast.Name) and call.id in {"open", "print", "input", "exec", "eval"}
    ]
    assert opened == [] or name(path) in MAY_DO_IO


def test_the_lists_name_files_that_exist() -> None:
    assert [path for path in (*MAY_DO_IO, *MAY_USE_IMPORTLIB) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("path", in_packages("ledger"), ids=name)
def test_the_ledger_imports_nothing_of_the_other_rooms(path: Path) -> None:
    assert not {module.partition(".")[0] for module in imported(path)} & {*PACKAGES} - {"ledger"}


@pytest.mark.parametrize("path", in_packages(*PACKAGES), ids=name)
def test_nothing_we_ship_imports_the_tests(path: Path) -> None:
    assert not {module.partition(".")[0] for module in imported(path)} & {"tests", "pytest", "hypothesis"}


def test_no_file_is_longer_than_400_lines() -> None:
    assert [name(path) for path in SOURCES if len(path.read_text("utf-8").splitlines()) > 400] == []


def test_every_file_begins_with_its_licence() -> None:
    # A program that is run by its name begins with its interpreter.
    first = re.compile(r"(#!.*\n)?# SPDX-License-Identifier: Apache-2\.0\n")
    assert [name(path) for path in MODULES if not first.match(path.read_text("utf-8"))] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    for path in in_packages(*PACKAGES):
        words = {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
        assert not words & BANNED, name(path)
