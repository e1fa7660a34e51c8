# SPDX-License-Identifier: Apache-2.0
"""`assay keys backends`: what can sign here, how fast, and which one does."""

import os
import time
from collections.abc import Callable
from typing import Any

import click

from gateway.cli.options import json_option, show
from ledger.backends.choice import AUTO, BACKENDS, choose
from ledger.backends.guard import Guard
from ledger.backends.port import Backend
from ledger.backends.reference import REFERENCE
from ledger.errors import BackendUnusable

_SEED = bytes(32)
_MESSAGE = bytes(1500)
_AT_ONCE = 32
_SECONDS = 0.5


@click.command(short_help="Show what can sign here, and how fast.")
@click.option("--use", default=AUTO, show_default=True, help="What assay.toml says under [ledger] backend.")
@json_option
def backends(use: str, as_json: bool) -> None:
    """Show each implementation of ML-DSA-87: whether it can be used here, how fast it is, and which one is used.

    Rates are of one thread and of all cores, measured now, on 1,500 bytes.
    """
    chosen, why = choose(use)
    rows = [_row(name, load) for name, load in BACKENDS.items()]
    if not next(row["usable"] for row in rows if row["name"] == chosen.name):
        chosen, why = REFERENCE, f"{chosen.name} would be, but disagrees with the reference"
    for row in rows:
        row["used"] = row["name"] == chosen.name
    if not as_json:
        click.echo(f"{'':<14}{'sign/s':>9}{'all cores':>11}{'verify/s':>11}{'all cores':>11}")
    text = "\n".join(_line(row) for row in rows)
    show({"backends": rows, "used": chosen.name, "why": why}, f"{text}\nused: {chosen.name} ({why})", as_json=as_json)


def _row(name: str, load: Callable[[], Backend]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "usable": False, "used": False}
    try:
        backend = load()
    except BackendUnusable as error:
        return {**row, "why_not": str(error)}
    guard = Guard(backend)
    guard.check()
    if guard.fault is not None:
        return {**row, "version": backend.version, "why_not": f"it disagrees with the reference: {guard.fault}"}
    return {**row, "usable": True, "version": backend.version, **_rates(backend)}


def _rates(backend: Backend) -> dict[str, float]:
    cores = os.cpu_count() or 1
    signing = backend.signing_key(_SEED)
    verifying = backend.verifying_key(signing.public_bytes())
    messages = [_MESSAGE] * _AT_ONCE
    pairs = [(signature, _MESSAGE) for signature in signing.sign_many(messages, cores)]
    return {
        "sign_per_s": _per_second(lambda: signing.sign_many(messages)),
        "sign_per_s_all_cores": _per_second(lambda: signing.sign_many(messages, cores)),
        "verify_per_s": _per_second(lambda: verifying.first_invalid(pairs)),
        "verify_per_s_all_cores": _per_second(lambda: verifying.first_invalid(pairs, cores)),
    }


def _per_second(work: Callable[[], object]) -> float:
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < _SECONDS:
        work()
        done += _AT_ONCE
    return round(done / elapsed)


def _line(row: dict[str, Any]) -> str:
    if not row["usable"]:
        return f"{row['name']:<14}not used here: {row['why_not']}"
    rates = f"{row['sign_per_s']:>9,.0f}{row['sign_per_s_all_cores']:>11,.0f}"
    rates += f"{row['verify_per_s']:>11,.0f}{row['verify_per_s_all_cores']:>11,.0f}"
    return f"{row['name']:<14}{rates}  {row['version']}"
