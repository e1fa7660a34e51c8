# SPDX-License-Identifier: Apache-2.0
"""Options and output that several verbs share."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ASSAY_HOME",
    default=lambda: Path.home() / ".assay",
    show_default="ASSAY_HOME, or ~/.assay",
    help="Folder with keys, ledger and settings.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON.")


def show(value: Any, text: str, *, as_json: bool) -> None:
    """Print a value as one line of JSON, or as text for people."""
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text)


def progress(what: str) -> Callable[[int, int], None]:
    """Return a callback that keeps one line on standard error up to date, from the second second on."""
    started = last = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - started > 1 and (now - last > 0.5 or done == of):  # noqa: PLR2004 - seconds
            last = now
            end = "\r" if sys.stderr.isatty() else "\n"
            click.echo(f"{what}: {done} of {of}{end}", nl=False, err=True)

    return tell
