# SPDX-License-Identifier: Apache-2.0
"""Decisions per second, in one run on one machine: OPA alone, a bare FastAPI route over it, and Assay.

All are asked the same allowed payment requests by 16 connections, in turns of a few seconds, so that a machine which
slows down does so for all. Assay runs three times: as it is, with the reference implementation of ML-DSA-87, and with
a signer that signs nothing, which exists only here, to show what the signature costs.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import bundle, opa_process
from gateway.callers import Callers, Role
from gateway.demo.workload import calls
from gateway.home import Home
from ledger.backends.choice import choose

HERE = Path(__file__).resolve().parent
CONNECTIONS = 16
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


@dataclass
class Target:
    """What is asked: where, with what, which processes its time is spent in, and what came of it."""

    url: str
    headers: dict[str, str]
    bodies: list[Any]
    pids: list[int]
    seconds: float = 0.0
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def load(self, seconds: float) -> dict[str, Any]:
        """Ask for some seconds; raises SystemExit if any answer was not 200."""
        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "plan.json"
            document = {"url": self.url, "headers": self.headers, "bodies": self.bodies, "connections": CONNECTIONS}
            plan.write_text(json.dumps({**document, "seconds": seconds}))
            command = [sys.executable, str(HERE / "load.py"), str(plan)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        if result["failures"]:
            raise SystemExit(f"{self.url}: {result['failures']} answers were not 200; no comparison is worth anything")
        return result

    def turn(self, seconds: float) -> None:
        """Ask for some seconds and keep what came of it."""
        before = sum(map(cpu_seconds, self.pids))
        result = self.load(seconds)
        self.cpu += sum(map(cpu_seconds, self.pids)) - before
        self.seconds += result["seconds"]
        self.latencies += result["latencies_ms"]

    def figures(self) -> dict[str, float]:
        """Return rate, percentiles and processor time of all turns together."""
        latencies = sorted(self.latencies)
        return {
            "requests": len(latencies),
            "per_s": len(latencies) / self.seconds,
            "p50_ms": latencies[len(latencies) // 2],
            "p99_ms": latencies[len(latencies) * 99 // 100],
            "cpu_ms": 1000 * self.cpu / len(latencies),
        }


@contextmanager
def assay(home: Home, *, unsigned: bool) -> Iterator[tuple[str, int]]:
    """Run Assay; unsigned only by way of bench/unsigned.py."""
    program = [str(HERE / "unsigned.py")] if unsigned else ["-m", "gateway"]
    with process([sys.executable, *program, "serve", "--home", str(home.path), "--port", "0"]) as running:
        assert running.stdout is not None  # noqa: S101
        url = running.stdout.readline().strip()
        yield f"{url}/access/v1/evaluation", running.pid


def new_home(folder: Path, backend: str = "auto") -> tuple[Home, str]:
    """Return a home that signs with a backend and whose limits do not bind the bench, and a gateway's key."""
    home = Home.create(folder, "assay.bench/payments")
    with (folder / "assay.toml").open("a") as settings:
        settings.write("\n[limits]\nrequests_per_second = 1000000\nburst = 1000000\n[engine]\ntimeout_ms = 2000\n")
        settings.write(f'[ledger]\nbackend = "{backend}"\n')
    return home, Callers(home.path / "callers.json", home.secret("caller")).add("bench", Role.GATEWAY, "default")


def compare(seconds: float, turns: int, folder: Path) -> dict[str, Any]:
    """Return the figures of all four."""
    now = int(time.time())
    bodies = [call.request for call in calls(200, now) if call.expected_rule is None]
    with ExitStack() as stack:
        targets = peers(bodies, now, folder, stack)
        homes: dict[str, Home] = {}
        for name, backend in (("assay", "auto"), ("reference", "cryptography"), ("unsigned", "auto")):
            homes[name], key = new_home(folder / name, backend)
            url, pid = stack.enter_context(assay(homes[name], unsigned=name == "unsigned"))
            targets[name] = Target(url, {"Authorization": f"Bearer {key}"}, bodies, [pid])
        for name, target in targets.items():
            print(f"warming up {name} …", file=sys.stderr, flush=True)
            target.load(max(1.0, seconds / 5))
        for number in range(turns):
            print(f"turn {number + 1} of {turns} …", file=sys.stderr, flush=True)
            for target in targets.values():
                target.turn(seconds / turns)
        figures = {name: target.figures() for name, target in targets.items()}
    for name, home in homes.items():
        entries = home.entries()
        figures[name]["bytes_per_entry"] = size_of(home) / entries.size()
        entries.close()
    return figures


def peers(bodies: list[Any], now: int, folder: Path, stack: ExitStack) -> dict[str, Target]:
    """Start OPA and the bare route over it, and return them as targets."""
    policies = bundle.freeze(bundle.shipped(), Home.create(folder / "opa", "assay.bench/opa").path)
    port, token = free_port(), secrets.token_urlsafe(16)
    serve = [opa_process.find(""), "run", "--server", "--addr", f"127.0.0.1:{port}", "--bundle", str(policies)]
    serve += ["--log-level", "error", "--authentication", "token", "--authorization", "basic", "--skip-version-check"]
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
    route = f"http://127.0.0.1:{bare_port}/access/v1/evaluation"
    return {
        "opa": Target(question, {"Authorization": f"Bearer {token}"}, asked, [opa.pid]),
        "bare": Target(route, {}, bodies, [opa.pid, bare.pid]),
    }


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
    parser.add_argument("--seconds", type=float, default=20.0, help="of each, in all turns together")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results/decision.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="assay-bench-"))
    try:
        figures = compare(arguments.seconds, arguments.turns, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bare = figures["bare"]
    report = {
        "opa_per_s": figures["opa"]["per_s"],
        "bare_per_s": bare["per_s"],
        "assay_per_s": figures["assay"]["per_s"],
        "reference_per_s": figures["reference"]["per_s"],
        "unsigned_per_s": figures["unsigned"]["per_s"],
        "throughput_ratio": figures["assay"]["per_s"] / bare["per_s"],
        "reference_throughput_ratio": figures["reference"]["per_s"] / bare["per_s"],
        "unsigned_throughput_ratio": figures["unsigned"]["per_s"] / bare["per_s"],
        "p50_ratio": figures["assay"]["p50_ms"] / bare["p50_ms"],
        "reference_p50_ratio": figures["reference"]["p50_ms"] / bare["p50_ms"],
        "bytes_per_entry": figures["assay"]["bytes_per_entry"],
        "seconds_each": arguments.seconds,
        "connections": CONNECTIONS,
        "backend": choose()[0].version,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()},
        "figures": figures,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    print(f"{'':<12}{'decisions/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}")
    for name, row in figures.items():
        print(f"{name:<12}{row['per_s']:>12.0f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['cpu_ms']:>9.3f}")
    print(f"\nAssay / bare: throughput {report['throughput_ratio']:.2f}, p50 {report['p50_ratio']:.2f} times")
    reference = f"throughput {report['reference_throughput_ratio']:.2f}, p50 {report['reference_p50_ratio']:.2f} times"
    print(f"signed by the reference: {reference}")
    print(f"without the signature: throughput {report['unsigned_throughput_ratio']:.2f}")
    print(f"bytes per entry on disk: {report['bytes_per_entry']:.0f}")


if __name__ == "__main__":
    main()
