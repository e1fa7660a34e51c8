# SPDX-License-Identifier: Apache-2.0
"""`assay decide`: one decision from a file, by a running service or by the home itself."""

import asyncio
import json
from pathlib import Path
from typing import Any, BinaryIO

import click

from gateway.cli.options import home_option, json_option, show
from gateway.errors import BadInput, GatewayError

_LOCAL_BODY = 262_144


@click.command()
@click.argument("request_file", type=click.File("rb"), metavar="REQUEST")
@home_option
@json_option
@click.option("--url", help="A running service; without it the home is opened here.")
@click.option("--key", envvar="ASSAY_KEY", help="Bearer key for --url (better: the environment variable ASSAY_KEY).")
def command(request_file: BinaryIO, home: Path, url: str | None, key: str | None, as_json: bool) -> None:
    """Ask for one decision on the AuthZEN request in the file REQUEST (`-`: standard input).

    The decision is recorded like any other. Exit code 0: allowed; 1: denied.
    """
    body = request_file.read(_LOCAL_BODY + 1)
    answer = asyncio.run(_ask(url, key or "", body) if url else _decide(home, body))
    show(answer, _text(answer), as_json=as_json)
    click.get_current_context().exit(0 if answer["decision"] is True else 1)


def _text(answer: dict[str, Any]) -> str:
    """Return an answer for people; raises LookupError, TypeError or ValueError if it is not one of Assay's."""
    if not isinstance(answer["decision"], bool):
        raise TypeError
    context = answer["context"]
    lines = ["allowed" if answer["decision"] else "denied"]
    for reason in context["reasons"]:
        facts = f" ({', '.join(reason['facts'])})" if reason["facts"] else ""
        lines.append(f"  {reason['rule']}: {reason['code']}{facts}  {' '.join(reason['controls'])}")
    lines.append(f"  entry {context['entry_index']}, decision {context['decision_id']}")
    return "\n".join(lines)


async def _ask(url: str, key: str, body: bytes) -> dict[str, Any]:
    import aiohttp

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{url.rstrip('/')}/access/v1/evaluation", data=body) as response,
        ):
            answer: dict[str, Any] = json.loads(await response.read())
            if response.status != 200:  # noqa: PLR2004
                raise GatewayError(f"{url} answers {response.status}: {answer.get('detail')}")
            _text(answer)
    except (aiohttp.ClientError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise GatewayError(f"{url} gives no usable answer: {type(error).__name__}") from None
    return answer


async def _decide(place: Path, body: bytes) -> dict[str, Any]:
    from gateway.app import running
    from gateway.callers import Caller, Role
    from gateway.home import Home
    from gateway.pipeline import Asked, tell
    from gateway.recorder import record
    from gateway.requests import parse_request
    from ledger.canonical import decode
    from ledger.errors import Malformed

    home = Home.open(place)
    async with running(home) as service:
        try:
            redacted, card_data = service.redactor.redact(body, decode(body, max_bytes=_LOCAL_BODY))
        except Malformed as error:
            raise BadInput(400, "json_invalid", f"the request is refused: {error}") from None
        caller = Caller("assay-decide", Role.ADMIN, home.settings.tenant, "")
        answer = await service.pipeline.decide(parse_request(redacted), Asked(caller, card_data))
        index = await record(service.sequencer, [answer.event])
        return tell(answer.allow, answer.context, index)
