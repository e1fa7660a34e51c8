# SPDX-License-Identifier: Apache-2.0
"""Decisions per second, in one run on one machine: OPA alone, a bare FastAPI route over it, and Assay.

All are asked the same allowed payment requests, 16 connections each, turn by turn. Assay runs twice: as it is, and
with a signer that signs nothing, which exists only here, to show what the signature costs.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway import bundle, opa_process
from gateway.callers import Callers, Role
from gateway.demo.workload import calls
from gateway.home import Home

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def process(command: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program for a while."""
    running = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its living children."""

    def own(number: str) -> float:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own(str(pid)) + sum(own(child) for child in children)


def measure(
    name: str, url: str, headers: dict[str, str], bodies: list[Any], seconds: float, pids: list[int]
) -> dict[str, Any]:
    """Warm up, load, and return the figures with processor time per decision."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.json"

        def load(duration: float) -> dict[str, Any]:
            document = {"url": url, "headers": headers, "bodies": bodies, "connections": 16, "seconds": duration}
            plan.write_text(json.dumps(document))
            done = subprocess.run(
                [sys.executable, str(HERE / "load.py"), str(plan)], stdout=subprocess.PIPE, check=True
            )
            result: dict[str, Any] = json.loads(done.stdout)
            return result

        print(f"{name}: {seconds:g} s …", file=sys.stderr, flush=True)
        load(max(1.0, seconds / 5))
        before = sum(map(cpu_seconds, pids))
        result = load(seconds)
        result["cpu_ms"] = 1000 * (sum(map(cpu_seconds, pids)) - before) / result["requests"]
    if result["failures"]:
        raise SystemExit(f"{name}: {result['failures']} answers were not 200; the comparison would be worthless")
    return result


@contextmanager
def assay(home: Home, *, unsigned: bool) -> Iterator[tuple[str, int]]:
    """Run Assay; unsigned only by way of bench/unsigned.py."""
    program = [str(HERE / "unsigned.py")] if unsigned else ["-m", "gateway"]
    with process([sys.executable, *program, "serve", "--home", str(home.path), "--port", "0"]) as running:
        assert running.stdout is not None  # noqa: S101
        url = running.stdout.readline().strip()
        yield f"{url}/access/v1/evaluation", running.pid


def new_home(folder: Path) -> tuple[Home, str]:
    """Return a home whose limits do not bind the bench, and a gateway's key."""
    home = Home.create(folder, "assay.bench/payments")
    with (folder / "assay.toml").open("a") as settings:
        settings.write("\n[limits]\nrequests_per_second = 1000000\nburst = 1000000\n[engine]\ntimeout_ms = 2000\n")
    return home, Callers(home.path / "callers.json", home.secret("caller")).add("bench", Role.GATEWAY, "default")


def compare(seconds: float, folder: Path) -> dict[str, Any]:
    """Return the figures of all four."""
    now = int(time.time())
    bodies = [call.request for call in calls(200, now) if call.expected_rule is None]
    program = opa_process.find("")
    policies = bundle.freeze(bundle.shipped(), Home.create(folder / "opa", "assay.bench/opa").path)
    port, token = free_port(), secrets.token_urlsafe(16)
    serve = [
        program,
        "run",
        "--server",
        "--addr",
        f"127.0.0.1:{port}",
        "--bundle",
        str(policies),
        "--log-level",
        "error",
    ]
    serve += ["--authentication", "token", "--authorization", "basic", "--skip-version-check"]
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        opa = stack.enter_context(process(serve, {"ASSAY_OPA_TOKEN": token, **opa_process.TUNING}))
        wait_for(port)
        environment = {"BENCH_OPA_PORT": str(port), "BENCH_OPA_TOKEN": token, "BENCH_NOW": str(now)}
        bare_port = free_port()
        uvicorn = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(bare_port), "--log-level", "error"]
        uvicorn += ["--app-dir", str(HERE), "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
        bare = stack.enter_context(process(uvicorn, environment))
        wait_for(bare_port)
        envelope = {"schema": "assay-facts/1", "time": "2026-01-01T00:00:00Z", "time_unix": now}
        envelope |= {"caller": {"id": "bench", "role": "gateway", "tenant": "default"}}
        envelope |= {"card_data": {"pans": [], "sad": [], "truncated": False}}
        asked = [{"input": {**envelope, **body}} for body in bodies]
        question = f"http://127.0.0.1:{port}/v1/data/assay/decision"
        figures["opa"] = measure("OPA alone", question, {"Authorization": f"Bearer {token}"}, asked, seconds, [opa.pid])
        route = f"http://127.0.0.1:{bare_port}/access/v1/evaluation"
        figures["bare"] = measure("bare route", route, {}, bodies, seconds, [opa.pid, bare.pid])
    for name, unsigned in (("assay", False), ("unsigned", True)):
        home, key = new_home(folder / name)
        before = size_of(home)
        with assay(home, unsigned=unsigned) as (url, pid):
            headers = {"Authorization": f"Bearer {key}"}
            figures[name] = measure(name, url, headers, bodies, seconds, [pid])
        entries = home.entries()
        figures[name]["bytes_per_entry"] = (size_of(home) - before) / entries.size()
        entries.close()
    return figures


def size_of(home: Home) -> int:
    """Return the bytes of the ledger's files."""
    return sum(path.stat().st_size for path in (home.path / "ledger").iterdir())


def wait_for(port: int) -> None:
    """Wait until something listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the bare route did not start")


def main() -> None:
    """Compare, print a table and write bench/results/decision.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=HERE / "results/decision.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="assay-bench-"))
    try:
        figures = compare(arguments.seconds, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bare = figures["bare"]
    report = {
        "opa_per_s": figures["opa"]["per_s"],
        "bare_per_s": bare["per_s"],
        "assay_per_s": figures["assay"]["per_s"],
        "unsigned_per_s": figures["unsigned"]["per_s"],
        "throughput_ratio": figures["assay"]["per_s"] / bare["per_s"],
        "unsigned_throughput_ratio": figures["unsigned"]["per_s"] / bare["per_s"],
        "p50_ratio": figures["assay"]["p50_ms"] / bare["p50_ms"],
        "bytes_per_entry": figures["assay"]["bytes_per_entry"],
        "seconds_each": arguments.seconds,
        "connections": 16,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()},
        "figures": figures,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    print(f"{'':<12}{'decisions/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}")
    for name, row in figures.items():
        print(f"{name:<12}{row['per_s']:>12.0f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['cpu_ms']:>9.3f}")
    print(f"\nAssay / bare: throughput {report['throughput_ratio']:.2f}, p50 {report['p50_ratio']:.2f} times")
    print(f"without the signature: throughput {report['unsigned_throughput_ratio']:.2f}")
    print(f"bytes per entry on disk: {report['bytes_per_entry']:.0f}")


if __name__ == "__main__":
    main()
