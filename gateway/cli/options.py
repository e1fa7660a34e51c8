# SPDX-License-Identifier: Apache-2.0
"""Options and output that several verbs share."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ledger.backends.choice import AUTO, BACKENDS

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ASSAY_HOME",
    default=lambda: Path.home() / ".assay",
    show_default="ASSAY_HOME, or ~/.assay",
    help="Folder with keys, ledger and settings.",
)
backend_option = click.option(
    "--backend",
    default=AUTO,
    show_default="the fastest that is installed",
    type=click.Choice([AUTO, *BACKENDS]),
    help="What checks ML-DSA-87 signatures; `assay keys backends` shows what there is.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON.")


def show(value: Any, text: str, *, as_json: bool) -> None:
    """Print a value as one line of JSON, or as text for people."""
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text)


def warn(text: str) -> None:
    """Say on standard error what somebody should look at although the command goes on."""
    click.echo(f"warning: {text}", err=True)


def progress(what: str) -> Callable[[int, int], None]:
    """Return a callback that keeps one line on standard error up to date, or adds one every few seconds to a log."""
    started = last = time.monotonic()
    interval = 0.5 if sys.stderr.isatty() else 5.0

    def tell(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - started > 1 and (now - last > interval or done == of):
            last = now
            end = "\r" if sys.stderr.isatty() else "\n"
            click.echo(f"{what}: {done} of {of}{end}", nl=False, err=True)

    return tell


def report() -> Callable[[str, int, int], None]:
    """Return a callback that keeps a line of progress for each thing that is being done."""
    lines: dict[str, Callable[[int, int], None]] = {}

    def tell(what: str, done: int, of: int) -> None:
        if what not in lines:
            lines[what] = progress(what)
        lines[what](done, of)

    return tell
