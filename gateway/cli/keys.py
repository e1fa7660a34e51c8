# SPDX-License-Identifier: Apache-2.0
"""`assay keys`: a home, its keys, and who may call."""

from pathlib import Path

import click

from gateway.callers import Callers, Role
from gateway.cli.backends import backends
from gateway.cli.options import home_option, json_option, show
from gateway.home import Home, describe_keys


@click.group()
def command() -> None:
    """Make a home with its keys; add and remove callers."""


@command.command(short_help="Make a new home with keys and an empty log.")
@home_option
@json_option
@click.option("--origin", default="assay.local/payments", show_default=True, help="Name of the log; stays for good.")
def init(home: Path, origin: str, as_json: bool) -> None:
    """Make a new home: five key pairs, a secret, and an empty, signed log."""
    made = Home.create(home, origin)
    trust = made.path / "trust.json"
    show(
        {"home": str(home), "origin": origin, "trust": str(trust), "keys": describe_keys(made)},
        f"Made {home} for the log {origin}.\n"
        f"Give {trust} to your auditors, on paper or by hand: it is what they verify packs with.\n"
        "Next: assay keys caller add NAME --role gateway, then assay serve",
        as_json=as_json,
    )


@command.command(name="list")
@home_option
@json_option
def list_keys(home: Path, as_json: bool) -> None:
    """Show the public side of every key."""
    rows = describe_keys(Home.open(home))
    text = "\n".join(f"{row['use']:<16}{row['algorithm']:<12}{row['key_id']}" for row in rows)
    show(rows, text, as_json=as_json)


@command.command(short_help="Print the trust file, for auditors.")
@home_option
def trust(home: Path) -> None:
    """Print the trust file: this log's name and public keys, for auditors."""
    click.echo(Home.open(home).trust().to_json().decode())


@command.group()
def caller() -> None:
    """Add, list and remove callers and their bearer keys."""


@caller.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What it is there for.")
@click.option("--tenant", default=None, help="Whose data it speaks for; default: the home's tenant.")
@home_option
@json_option
def add(name: str, role: str, tenant: str | None, home: Path, as_json: bool) -> None:
    """Add a caller and show its bearer key, this once."""
    place = Home.open(home)
    key = _callers(place).add(name, Role(role), tenant or place.settings.tenant)
    show(
        {"caller": name, "role": role, "key": key},
        f"{key}\nThis key is shown once and stored only as a keyed hash. A running service takes it within a second.",
        as_json=as_json,
    )


@caller.command(name="list")
@home_option
@json_option
def list_callers(home: Path, as_json: bool) -> None:
    """List callers with role and tenant."""
    callers = _callers(Home.open(home)).read()
    rows = [{"caller": one.name, "role": one.role.value, "tenant": one.tenant} for one in callers]
    text = "\n".join(f"{row['caller']:<24}{row['role']:<10}{row['tenant']}" for row in rows) or "no callers yet"
    show(rows, text, as_json=as_json)


@caller.command()
@click.argument("name")
@home_option
@json_option
def remove(name: str, home: Path, as_json: bool) -> None:
    """Take a caller's key away; it stops working within a second."""
    _callers(Home.open(home)).remove(name)
    show({"caller": name, "removed": True}, f"{name} is removed.", as_json=as_json)


command.add_command(backends)


def _callers(home: Home) -> Callers:
    return Callers(home.path / "callers.json", home.secret("caller"))
