# SPDX-License-Identifier: Apache-2.0
"""The real service, started as its users start it: a home, `assay serve`, callers with keys."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[3]
ASSAY = [sys.executable, "-m", "gateway"]
_PATIENCE = 30.0


def assay(*arguments: str, home: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    environment = {**os.environ, "ASSAY_HOME": str(home)} if home else dict(os.environ)
    done = subprocess.run([*ASSAY, *arguments], capture_output=True, text=True, env=environment, check=False)
    if check and done.returncode:
        raise AssertionError(f"assay {' '.join(arguments)} exited {done.returncode}: {done.stdout}{done.stderr}")
    return done


def new_home(path: Path, **sections: dict[str, int | str]) -> Path:
    """Make a home; `sections` are settings to change, e.g. limits={"burst": 5}."""
    assay("keys", "init", home=path)
    if sections:
        lines = [(path / "assay.toml").read_text()]
        for name, values in sections.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        (path / "assay.toml").write_text("\n".join(lines) + "\n")
    return path


def add_caller(home: Path, name: str, role: str) -> str:
    """Add a caller and return its bearer key."""
    key: str = json.loads(assay("keys", "caller", "add", name, "--role", role, "--json", home=home).stdout)["key"]
    return key


@dataclass
class Service:
    """A running `assay serve`."""

    home: Path
    process: subprocess.Popen[str]
    url: str
    keys: dict[str, str] = field(default_factory=dict, repr=False)

    def client(self, role: str = "gateway", **options: Any) -> httpx.Client:
        """Return a client that holds the key of a role."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=_PATIENCE, trust_env=False, **options)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it in order; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


def start(home: Path, keys: dict[str, str]) -> Service:
    """Start the service on a free port and wait for the line that says it is ready."""
    log = home.parent / f"{home.name}.log"
    with log.open("a") as errors:
        command = [*ASSAY, "serve", "--home", str(home), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        process.stdout.close()
        code = process.wait(_PATIENCE)
        raise AssertionError(f"assay serve exited {code}: {log.read_text()[-2000:]}")
    return Service(home, process, url, keys)


@contextmanager
def serving(home: Path, keys: dict[str, str]) -> Iterator[Service]:
    """Run the service for a while."""
    service = start(home, keys)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()
        if service.process.stdout is not None:
            service.process.stdout.close()


def eventually(true: Any, seconds: float = _PATIENCE) -> None:
    """Wait until `true()` is."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.05)
