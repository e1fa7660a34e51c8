# SPDX-License-Identifier: Apache-2.0
"""Runs every linter and says which one is unhappy."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN, TOOLS = ROOT / ".venv/bin", ROOT / ".tools/bin"
CHECKS: dict[str, list[str | Path]] = {
    "ruff check": [BIN / "ruff", "check", "--output-format", "concise", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "mypy": [BIN / "mypy", "."],
    "import rules": [BIN / "lint-imports", "--no-cache"],
    "opa fmt": [TOOLS / "opa", "fmt", "--fail", "--list", "policies"],
    "opa check": [TOOLS / "opa", "check", "--strict", "--schema", "policies/schema/input.json", "policies"],
    "opa test": [TOOLS / "opa", "test", "--coverage", "--threshold", "100", "--format", "pretty", "policies"],
    "regal lint": [TOOLS / "regal", "lint", "policies"],
}


def main() -> int:
    """Run all checks; return 1 if any failed."""
    failed = []
    for name, command in CHECKS.items():
        print(f"lint: {name} …", flush=True)
        done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            failed.append(name)
            sys.stdout.buffer.write(done.stdout)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
