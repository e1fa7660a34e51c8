# SPDX-License-Identifier: Apache-2.0
"""`assay ledger`: read the ledger in the home, with or without a running service beside it."""

import base64
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from gateway.cli.options import home_option, json_option, progress, show, warn
from gateway.home import Home
from ledger import envelope, event
from ledger.backends.choice import guarded
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.errors import VerificationError
from ledger.proof import verify_consistency, verify_inclusion
from ledger.reader import LedgerReader
from ledger.recount import recount as recount_all
from ledger.tree import leaf_hash


@click.group()
def command() -> None:
    """Read and recount the ledger."""


@contextmanager
def _reading(place: Path) -> Iterator[tuple[Home, LedgerReader]]:
    """Open the ledger; a check that fails meanwhile ends the command with 1."""
    home = Home.open(place)
    with closing(home.entries()) as entries, closing(home.checkpoints()) as checkpoints:
        try:
            yield home, LedgerReader(entries, checkpoints)
        except VerificationError as error:
            click.echo(f"NOT VERIFIED  {error}", err=True)
            click.get_current_context().exit(1)


def _covered(reader: LedgerReader, index: int) -> Checkpoint:
    """Return the newest checkpoint, if it covers an entry."""
    newest = reader.checkpoint().checkpoint
    if index >= newest.size:
        raise click.UsageError(f"there is no entry {index} under the checkpoint of size {newest.size}")
    return newest


@command.command()
@home_option
@json_option
def checkpoint(home: Path, as_json: bool) -> None:
    """Print the newest signed checkpoint, its signatures checked."""
    with _reading(home) as (place, reader):
        signed = open_checkpoint(reader.checkpoint().note, place.settings.origin, place.trust().log_keys)
    found = signed.checkpoint
    value = {"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": signed.note.decode()}
    show(value, signed.note.decode().rstrip("\n"), as_json=as_json)


@command.command(short_help="Print one entry, its signature checked.")
@click.argument("index", type=click.IntRange(0))
@home_option
@json_option
def entry(index: int, home: Path, as_json: bool) -> None:
    """Print entry INDEX: its event and leaf hash, its signature checked."""
    with _reading(home) as (place, reader):
        _covered(reader, index)
        content = reader.entry(index)
        keys = {key.key_id: key for key in place.trust().event_keys}
        found = event.decode(envelope.open_entry(content, keys))
    value = {"index": index, "leaf_hash": leaf_hash(content).hex(), "event": event.to_json(found)}
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    show({**value, "entry": base64.b64encode(content).decode()}, text, as_json=as_json)


@command.command(short_help="Print and check an inclusion proof.")
@click.argument("index", type=click.IntRange(0))
@home_option
@json_option
def proof(index: int, home: Path, as_json: bool) -> None:
    """Print and check the inclusion proof of entry INDEX under the newest checkpoint."""
    with _reading(home) as (_, reader):
        covered = _covered(reader, index)
        path = reader.inclusion(index, covered.size)
        leaf = leaf_hash(reader.entry(index))
        verify_inclusion(index, covered.size, leaf, path, covered.root)
    value = {"index": index, "size": covered.size, "leaf_hash": leaf.hex(), "root": covered.root.hex()}
    lines = [f"{name:<10}{shown}" for name, shown in value.items()] + [f"path      {node.hex()}" for node in path]
    show({**value, "path": [node.hex() for node in path]}, "\n".join(lines), as_json=as_json)


@command.command(short_help="Print and check a consistency proof.")
@click.argument("first", type=click.IntRange(0))
@click.argument("second", type=click.IntRange(0), required=False)
@home_option
@json_option
def consistency(first: int, second: int | None, home: Path, as_json: bool) -> None:
    """Print the consistency proof between two published checkpoints (sizes FIRST and SECOND), checked."""
    with _reading(home) as (_, reader):
        sizes = (first, reader.checkpoint().checkpoint.size if second is None else second)
        found = [reader.checkpoints(size, size + 1, 2) for size in sizes]
        if not all(found):
            known = [one.checkpoint.size for one in reader.checkpoints(0, 2**53, 20)]
            raise click.UsageError(f"no checkpoint was published at that size; some that were: {known}")
        older, newer = found[0][0].checkpoint, found[1][0].checkpoint
        path = reader.consistency(*sizes)
        verify_consistency(older.size, newer.size, older.root, newer.root, path)
    value = {"first": older.size, "second": newer.size, "path": [node.hex() for node in path]}
    text = f"{older.size} is a prefix of {newer.size}\n" + "\n".join(node.hex() for node in path)
    show(value, text.rstrip("\n"), as_json=as_json)


@command.command(short_help="Compute everything again from the entries.")
@home_option
@json_option
def recount(home: Path, as_json: bool) -> None:
    """Compute everything again from the entries; exit 1 and name what does not add up."""
    with _reading(home) as (place, reader):
        trust = place.trust()
        flaws = list(
            recount_all(
                reader.entry_store,
                reader.checkpoint_store,
                origin=trust.origin,
                event_keys={key.key_id: key for key in trust.event_keys},
                log_keys=trust.log_keys,
                verifier=guarded(place.settings.ledger.backend, warn),
                threads=os.cpu_count() or 1,
                progress=progress("recounting entries"),
            )
        )
        size = reader.entry_store.size() if not flaws else None
    found = [{"where": flaw.where, "what": flaw.what} for flaw in flaws]
    text = "\n".join(f"{flaw.where}: {flaw.what}" for flaw in flaws) or f"{size} entries, all of it adds up"
    show({"clean": not flaws, "entries": size, "flaws": found}, text, as_json=as_json)
    click.get_current_context().exit(1 if flaws else 0)
