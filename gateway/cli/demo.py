# SPDX-License-Identifier: Apache-2.0
"""`assay demo`: the whole way, from payment requests to a verified evidence pack, on real input."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import click

from evidence.scope import Request
from evidence.trust import Trust
from evidence.verify import verify_file
from gateway.callers import Callers, Role
from gateway.cli.options import json_option, progress, warn
from gateway.cli.pack import write
from gateway.demo.workload import Call, calls
from gateway.errors import GatewayError
from gateway.home import Home
from ledger.backends.choice import guarded
from reports.summary import Summary, summarise

_MARK = ".assay-demo"
_LEFT = frozenset({_MARK, "home", "service.log", "pack.zip", "trust.json", "spoilt.zip", "summary.json"})
_AT_ONCE = 16
_ASSAY = (sys.executable, "-m", "gateway")


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder to fill: a new one, an empty one or that of an earlier run.",
)
@click.option(
    "--calls",
    "count",
    default=300,
    show_default=True,
    type=click.IntRange(200, 100_000),
    help="How many calls to send.",
)
@json_option
def command(out: Path, count: int, as_json: bool) -> None:
    """Send real payment calls to a fresh service, then build, verify and spoil the evidence of it.

    Leaves pack.zip, trust.json and summary.json in the folder --out, and the home it used in its folder home.
    """
    _prepare(out)
    say = (lambda _text: None) if as_json else click.echo
    say(f"1. A fresh home with keys, and the service on loopback ({out / 'home'})")
    home = Home.create(out / "home", "assay.demo/payments")
    _be_patient(home.path / "assay.toml")
    key = Callers(home.path / "callers.json", home.secret("caller")).add("demo-gateway", Role.GATEWAY, "default")
    workload = list(calls(count, int(time.time())))
    with _serving(home.path) as url:
        say(f"2. {count} payment and admin calls to {url}")
        answers = asyncio.run(_send(url, key, workload))
    surprises = [
        f"{call.label}: {[reason['rule'] + ' ' + reason['code'] for reason in answer['context']['reasons']]}"
        for call, answer in zip(workload, answers, strict=True)
        if not _expected(call, answer)
    ]
    if surprises:
        raise GatewayError(f"{len(surprises)} calls were decided otherwise than expected, the first: {surprises[0]}")
    say("3. The evidence pack, and what it shows")
    pack, trust = out / "pack.zip", out / "trust.json"
    size = write(home, Request(), pack)
    shutil.copyfile(home.path / "trust.json", trust)
    summary = summarise(verify_file(pack, Trust.from_json(trust.read_bytes()), verifier=guarded(on_fault=warn)))
    _agrees(summary, answers)
    say(_table(summary))
    say(f"   pack       {pack}, {size:,} bytes")
    say("4. Verified offline, by a process that has neither the ledger nor the service")
    code, output = _verify(pack, trust)
    say(_indent(output))
    if code:
        raise GatewayError("the pack does not verify")
    say("5. The same pack with one byte spoilt")
    spoilt_code, spoilt_output = _verify(_spoil(pack, out / "spoilt.zip"), trust)
    say(_indent(spoilt_output.splitlines()[-1]))
    if spoilt_code != 1:
        raise GatewayError("the spoilt pack was not refused")
    document = {
        "calls": summary.calls,
        "allowed": summary.allowed,
        "denied": summary.denied,
        "entries": summary.entries,
        "denials_by_rule": {row.rule: row.denials for row in summary.denied_by},
        "checkpoint": {"size": summary.checkpoint_size, "root": summary.checkpoint_root},
        "pack_bytes": size,
    }
    (out / "summary.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    click.echo(json.dumps(document) if as_json else f"\nLook for yourself: assay verify {pack} --trust {trust}")


def _prepare(out: Path) -> None:
    """Make the folder, or clear it of an earlier run's files and of nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    found = list(out.iterdir())
    ours = _LEFT if (out / _MARK).exists() else frozenset()
    if others := sorted(place.name for place in found if place.name not in ours):
        raise click.UsageError(f"{out} holds something else ({others[0]}); choose an empty folder with --out")
    for place in found:
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    (out / _MARK).touch()


def _be_patient(settings: Path) -> None:
    """Give OPA more time than a gateway would: a busy laptop should show rules, not time-outs."""
    with settings.open("a", encoding="utf-8") as file:
        file.write("\n[engine]\ntimeout_ms = 3000\n")


@contextmanager
def _serving(home: Path) -> Iterator[str]:
    with (home.parent / "service.log").open("w") as log:
        command_line = [*_ASSAY, "serve", "--home", str(home), "--port", "0"]
        process = subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        url = process.stdout.readline().strip() if process.stdout is not None else ""
        if not url:
            raise GatewayError(f"the service did not start; see {home.parent / 'service.log'}")
        yield url
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


async def _send(url: str, key: str, workload: list[Call]) -> list[dict[str, Any]]:
    tell, done = progress("   calls answered"), 0
    turn = asyncio.Semaphore(_AT_ONCE)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def ask(call: Call) -> dict[str, Any]:
            nonlocal done
            async with turn, session.post(f"{url}/access/v1/evaluation", json=call.request) as response:
                answer: dict[str, Any] = await response.json()
                if response.status != 200:  # noqa: PLR2004
                    raise GatewayError(f"{call.label}: the service answers {response.status} {answer.get('code')}")
            done += 1
            tell(done, len(workload))
            return answer

        return list(await asyncio.gather(*(ask(call) for call in workload)))


def _expected(call: Call, answer: dict[str, Any]) -> bool:
    rules = {reason["rule"] for reason in answer["context"]["reasons"]}
    return rules == (set() if call.expected_rule is None else {call.expected_rule}) and answer["decision"] == (
        not rules
    )


def _agrees(summary: Summary, answers: list[dict[str, Any]]) -> None:
    """Check that the pack tells of the same decisions that the caller was told."""
    told = Counter(answer["decision"] for answer in answers)
    if (summary.allowed, summary.denied) != (told[True], told[False]):
        raise GatewayError("the pack tells of other decisions than the caller was told")


def _table(summary: Summary) -> str:
    rows = [
        f"   calls      {summary.calls:>6}",
        f"   allowed    {summary.allowed:>6}",
        f"   denied     {summary.denied:>6}",
    ]
    for row in summary.denied_by:
        controls = ", ".join(control.partition(":")[2] for control in row.controls)
        rows.append(f"     {row.denials:>4}  {row.rule:<40}{controls}")
    rows.append(f"   entries    {summary.entries:>6}")
    rows.append(f"   checkpoint {summary.checkpoint_size:>6}  root {summary.checkpoint_root}")
    return "\n".join(rows)


def _verify(pack: Path, trust: Path) -> tuple[int, str]:
    """Verify in a folder of its own, where there is nothing but the pack and the trust file."""
    with tempfile.TemporaryDirectory(prefix="assay-auditor-") as folder:
        for path in (pack, trust):
            shutil.copyfile(path, Path(folder) / path.name)
        command_line = [*_ASSAY, "verify", pack.name, "--trust", trust.name]
        # -m looks for the package in the working directory too, so the source's place is handed over by name.
        source = str(Path(__file__).resolve().parents[2])
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": source, "HOME": folder}
        done = subprocess.run(command_line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).rstrip("\n")


def _spoil(pack: Path, spoilt: Path) -> Path:
    """Copy a pack with one bit of one byte in its middle turned."""
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    spoilt.write_bytes(content)
    return spoilt


def _indent(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())
