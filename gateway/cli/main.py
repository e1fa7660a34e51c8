# SPDX-License-Identifier: Apache-2.0
"""The `assay` command. Exit codes: 0 good, 1 verification or decision says no, 2 used wrongly or broken."""

import sys
import traceback
from collections.abc import Sequence

import click

_VERBS = {
    "keys": ("gateway.cli.keys", "Make a home with its keys; add and remove callers."),
    "serve": ("gateway.cli.serve", "Run the decision service."),
    "decide": ("gateway.cli.decide", "Ask for one decision from a file."),
    "ledger": ("gateway.cli.ledger", "Read and recount the ledger."),
    "pack": ("gateway.cli.pack", "Build evidence packs."),
    "verify": ("gateway.cli.verify", "Verify an evidence pack offline."),
    "policy": ("gateway.cli.policy", "Show and test the policies."),
    "demo": ("gateway.cli.demo", "Send real payment calls and verify the evidence of it."),
}


class _Verbs(click.Group):
    """Loads a verb's module when it is used: `assay verify` never loads the service."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        from importlib import import_module

        module = import_module(_VERBS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _VERBS.items()])


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="assay", prog_name="assay")
def assay() -> None:
    """Gate payment calls by policy, record every decision, prove it later.

    Start with `assay keys init`, then `assay serve`. State lives in one folder: --home, or ASSAY_HOME, or ~/.assay.

    Exit codes: 0 good; 1 a verification or a decision says no; 2 used wrongly or broken.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit."""
    from controls.errors import ControlsError
    from evidence.errors import EvidenceError
    from gateway.errors import GatewayError
    from ledger.errors import LedgerError

    try:
        code = assay.main(arguments, prog_name="assay", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(2)
    except (GatewayError, LedgerError, EvidenceError, ControlsError) as error:
        click.echo(f"assay: {error}", err=True)
        sys.exit(2)
    except SystemExit:
        # Click's only exit of its own here: whoever read the output has gone. That is neither a yes nor a no.
        sys.exit(2)
    except OSError as error:
        click.echo(f"assay: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - Python's own exit code would be 1, which says that a verification failed
        traceback.print_exc()
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
