# SPDX-License-Identifier: Apache-2.0
"""`assay verify`: a pack and a trust file in, numbered steps out; no ledger, no service, no network."""

import os
from pathlib import Path
from typing import Any

import click

from evidence.errors import EvidenceError, TrustUnusable
from evidence.trust import MAX_TRUST_SIZE, Trust
from evidence.verify import Step, verify_file
from gateway.cli.options import backend_option, json_option, report, show, warn
from ledger.backends.choice import guarded
from ledger.checkpoint import MAX_NOTE_SIZE, Checkpoint, open_checkpoint
from ledger.errors import LedgerError


@click.command()
@click.argument("pack", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--trust", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The trust file.")
@click.option(
    "--known",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint of this log you have seen before: the pack must not contradict it.",
)
@backend_option
@json_option
def command(pack: Path, trust: Path | None, known: Path | None, backend: str, as_json: bool) -> None:
    """Verify the evidence PACK offline and say what was shown, step by step.

    --trust names the log and the public keys that you already believe. It must have reached you by another way than
    the pack: a pack never vouches for itself.

    Exit code 0: everything holds; 1: something does not, and the step and the file or entry are named.
    """
    if trust is None:
        raise click.UsageError("--trust is needed: without keys that you believe already, a pack can prove nothing")
    steps: list[dict[str, Any]] = []

    def note(step: Step) -> None:
        steps.append({"n": step.n, "what": step.what, "ok": step.ok})
        if not as_json:
            click.echo(f"{'ok  ' if step.ok else 'FAIL'} {step.n:>2}  {step.what}")

    believed = read_trust(trust)
    seen = None if known is None else _known(known, believed)
    try:
        verified = verify_file(
            pack,
            believed,
            note,
            known=seen,
            verifier=guarded(backend, warn),
            processes=os.cpu_count() or 1,
            progress=report(),
        )
    except EvidenceError as error:
        failure = {"step": error.step, "where": error.where, "error": str(error)}
        show({"verified": False, **failure, "steps": steps}, f"NOT VERIFIED  {error}", as_json=as_json)
        click.get_current_context().exit(1)
    counts = verified.scope.counts
    show(
        {"verified": True, "entries": counts.included, "steps": steps},
        f"VERIFIED  {counts.included} entries of {verified.origin}",
        as_json=as_json,
    )


def _known(path: Path, trust: Trust) -> Checkpoint:
    with path.open("rb") as file:
        note = file.read(MAX_NOTE_SIZE + 1)
    try:
        return open_checkpoint(note, trust.origin, trust.log_keys).checkpoint
    except LedgerError as error:
        raise click.UsageError(f"{path} cannot be used: {error}") from None


def read_trust(path: Path) -> Trust:
    """Return what a trust file says; one that cannot be used is no verdict on a pack, but a wrong use."""
    with path.open("rb") as file:
        content = file.read(MAX_TRUST_SIZE + 1)
    try:
        return Trust.from_json(content)
    except TrustUnusable as error:
        raise click.UsageError(f"{path} cannot be used: {error}") from None
