# SPDX-License-Identifier: Apache-2.0
"""Runs every linter and says which one is unhappy."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv/bin"
CHECKS: dict[str, list[str | Path]] = {
    "ruff check": [BIN / "ruff", "check", "--output-format", "concise", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "mypy": [BIN / "mypy", "."],
    "import rules": [BIN / "lint-imports", "--no-cache"],
}


def main() -> int:
    """Run all checks; return 1 if any failed."""
    failed = []
    for name, command in CHECKS.items():
        print(f"{name} …", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
