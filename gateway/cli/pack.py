# SPDX-License-Identifier: Apache-2.0
"""`assay pack`: evidence packs from the home, with or without a running service beside it."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from controls.catalogue import load as load_catalogue
from controls.mapping import Rule, mapping_document, rules_from_annotations
from evidence.archive import save
from evidence.build import build as build_pack
from evidence.errors import EvidenceError
from evidence.scope import Period, Request
from evidence.verify import verify_file
from gateway import bundle
from gateway.cli.options import home_option, json_option, report, show, warn
from gateway.cli.policy import annotations
from gateway.cli.verify import read_trust
from gateway.errors import PolicyUnusable
from gateway.home import Home
from ledger.backends.choice import guarded
from ledger.reader import LedgerReader
from reports.summary import render_text, summarise


@click.group()
def command() -> None:
    """Build evidence packs and show what they say."""


@command.command(short_help="Write an evidence pack.")
@home_option
@json_option
@click.option("--from", "begin", help="Begin of a period, RFC 3339 in UTC; goes with --to.")
@click.option("--to", "end", help="End of the period, not included (default: the whole log).")
@click.option("--control", "controls", multiple=True, help="Only decisions under rules that bear on it; repeatable.")
@click.option("--facts/--no-facts", default=True, show_default=True, help="Disclose the facts of the decisions.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The pack to write.")
def build(
    home: Path,
    begin: str | None,
    end: str | None,
    controls: tuple[str, ...],
    facts: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Write an evidence pack that anyone with the trust file can verify offline."""
    if (begin is None) != (end is None):
        raise click.UsageError("--from and --to go together")
    place = Home.open(home)
    period = None if begin is None or end is None else Period(begin=begin, end=end)
    size = write(place, Request(period=period, controls=controls, facts=facts), out)
    show(
        {"pack": str(out), "bytes": size},
        f"{out}: {size:,} bytes\nVerify with: assay verify {out} --trust {place.path / 'trust.json'}",
        as_json=as_json,
    )


@command.command(short_help="Verify a pack and print what it shows.")
@click.argument("pack", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--trust",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The trust file: the log and keys that you already believe.",
)
@json_option
def summary(pack: Path, trust: Path, as_json: bool) -> None:
    """Verify a PACK and print what it shows: calls, denials by rule and control, entries, checkpoint."""
    believed = read_trust(trust)
    try:
        verified = verify_file(
            pack, believed, verifier=guarded(on_fault=warn), processes=os.cpu_count() or 1, progress=report()
        )
    except EvidenceError as error:
        failure = {"verified": False, "step": error.step, "where": error.where, "error": str(error)}
        show(failure, f"NOT VERIFIED  {error}", as_json=as_json)
        click.get_current_context().exit(1)
    found = summarise(verified)
    show(found.as_json(), render_text(found), as_json=as_json)


def _rules(place: Home) -> list[Rule]:
    """Return the rules of every bundle this home ever decided with; one that changed bears on all it ever bore on."""
    merged: dict[str, Rule] = {}
    for digest in sorted(bundle.kept(place.path)):
        try:
            policies = bundle.load(place.path, digest)
        except PolicyUnusable:
            continue  # it was changed; a pack that needs it is refused when its files are asked for
        for rule in rules_from_annotations(annotations(policies, place.settings.engine.opa)):
            known = merged.get(rule.id, rule)
            merged[rule.id] = replace(rule, controls=tuple(sorted({*known.controls, *rule.controls})))
    return list(merged.values())


def write(place: Home, request: Request, out: Path) -> int:
    """Build a pack and write it to `out`, whole or not at all; return its size in bytes."""
    catalogue = load_catalogue()
    with closing(place.entries()) as entries, closing(place.checkpoints()) as checkpoints:
        members = build_pack(
            LedgerReader(entries, checkpoints),
            request,
            trust=place.trust(),
            signers=place.pack_keys,
            policies=lambda digest: bundle.load(place.path, digest).files,
            mapping=mapping_document(_rules(place), catalogue),
            catalogue=catalogue.as_document(),
            progress=report(),
        )
        save(out, members)
    return out.stat().st_size
