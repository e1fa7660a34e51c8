# SPDX-License-Identifier: Apache-2.0
"""`assay policy`: what decides."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from controls.mapping import rules_from_annotations
from gateway import bundle
from gateway.cli.options import json_option, show
from gateway.errors import PolicyUnusable
from gateway.opa_process import find


@click.group()
def command() -> None:
    """Show and test the policies."""


@command.command()
@json_option
def rules(as_json: bool) -> None:
    """List every rule with its severity and controls."""
    found = rules_from_annotations(annotations())
    rows = [
        {
            "id": rule.id,
            "title": rule.title,
            "mode": rule.mode,
            "severity": rule.severity,
            "controls": list(rule.controls),
        }
        for rule in found
    ]
    text = "\n".join(f"{rule.id:<42}{rule.severity:<10}{rule.title}" for rule in found)
    show(rows, text, as_json=as_json)


@command.command(short_help="Print the digest of the shipped policies.")
@json_option
def digest(as_json: bool) -> None:
    """Print the digest that names the shipped policies in every decision."""
    shipped = bundle.shipped()
    show({"digest": shipped.digest, "files": len(shipped.files)}, shipped.digest, as_json=as_json)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default="policies")
@json_option
def test(folder: Path, as_json: bool) -> None:
    """Run the Rego tests in FOLDER (default: ./policies) with OPA."""
    done = subprocess.run([find(""), "test", "--format", "json" if as_json else "pretty", str(folder)], check=False)
    click.get_current_context().exit(1 if done.returncode else 0)


def annotations(policies: bundle.Bundle | None = None, program: str = "") -> dict[str, Any]:
    """Return what `opa inspect --annotations` says of policies (default: those shipped); raises PolicyUnusable."""
    policies = policies or bundle.shipped()
    with tempfile.TemporaryDirectory(prefix="assay-policies-") as folder:
        for path, content in policies.files.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_bytes(content)
        command_line = [find(program), "inspect", "--annotations", "--format", "json", folder]
        done = subprocess.run(command_line, capture_output=True, check=False)
    if done.returncode:
        raise PolicyUnusable(f"OPA cannot inspect the policies {policies.digest}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document
