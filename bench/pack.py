# SPDX-License-Identifier: Apache-2.0
"""Evidence packs: seconds, bytes and memory to build and to verify one, each in a process of its own on one core.

The entries are real decisions on the demo's calls. What the raw signature checks take alone is measured beside, as it
is what bounds verification.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from decision import new_home
from gateway.app import running
from gateway.callers import Caller, Role
from gateway.demo.workload import calls
from gateway.home import Home
from gateway.pipeline import Asked
from gateway.recorder import record
from gateway.requests import parse_request
from ledger import envelope

HERE = Path(__file__).resolve().parent
AT_ONCE = 32


async def fill(home: Home, count: int) -> None:
    """Record decisions until the ledger holds `count` entries."""
    async with running(home) as service:
        caller = Caller("bench", Role.GATEWAY, "default", "")

        async def one(request: dict[str, Any]) -> None:
            redacted, card_data = service.redactor.redact(json.dumps(request).encode(), request)
            answer = await service.pipeline.decide(parse_request(redacted), Asked(caller, card_data))
            await record(service.sequencer, [answer.event])

        # The service's own last event makes the number even.
        wanted = (call.request for call in calls(count - service.sequencer.size - 1, int(time.time())))
        while chunk := list(islice(wanted, AT_ONCE)):
            await asyncio.gather(*map(one, chunk))


def on_one_core(arguments: Sequence[str]) -> tuple[float, float, str]:
    """Run the command on one core; return seconds, peak memory in MB, and what it printed."""
    core = min(os.sched_getaffinity(0))
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - there are no threads in here
    )
    output = process.stdout.read() if process.stdout is not None else ""
    _, status, usage = os.wait4(process.pid, 0)
    if process.stdout is not None:
        process.stdout.close()
    if status:
        raise SystemExit(f"assay {' '.join(arguments[:2])} exited {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, output


def raw_verify(home: Home) -> float:
    """Return the seconds that the signatures of all entries take alone, on one core."""
    keys = {key.key_id: key for key in home.trust().event_keys}
    with closing(home.entries()) as store:
        parsed = [envelope.parse(entry) for entry in store.entries(0, store.size())]
    work = [
        (keys[e.key_id], e.signature, envelope.to_be_signed(envelope.protected_header(e.key_id), e.payload))
        for e in parsed
    ]
    started = time.perf_counter()
    for key, signature, signed in work:
        key.verify(signature, signed)
    return time.perf_counter() - started


def measure(count: int, folder: Path) -> dict[str, float]:
    """Return the figures of a pack of `count` entries."""
    home, _ = new_home(folder / "home")
    print(f"recording {count} decisions …", file=sys.stderr, flush=True)
    asyncio.run(fill(home, count))
    pack, trust = folder / "pack.zip", home.path / "trust.json"
    print("building and verifying …", file=sys.stderr, flush=True)
    build_s, build_mb, _ = on_one_core(["pack", "build", "--home", str(home.path), "--out", str(pack)])
    verify_s, verify_mb, printed = on_one_core(["verify", str(pack), "--trust", str(trust), "--json"])
    entries = json.loads(printed)["entries"]
    return {
        "entries": entries,
        "bytes": pack.stat().st_size,
        "bytes_per_entry": pack.stat().st_size / entries,
        "build_s": build_s,
        "build_peak_mb": build_mb,
        "verify_s": verify_s,
        "verify_peak_mb": verify_mb,
        "raw_signatures_s": raw_verify(home),
    }


def main() -> None:
    """Measure, print, and write bench/results/pack.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=HERE / "results/pack.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="assay-bench-"))
    try:
        figures = measure(arguments.entries, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    machine = {"cores_used": 1, "python": platform.python_version(), "system": platform.machine()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({**figures, "machine": machine}, indent=1, sort_keys=True) + "\n")
    size = f"{figures['bytes'] / 1e6:.1f} MB, {figures['bytes_per_entry']:.0f} bytes each"
    print(f"pack of {figures['entries']} entries: {size}")
    print(f"built in {figures['build_s']:.1f} s with {figures['build_peak_mb']:.0f} MB, on one core")
    print(f"verified in {figures['verify_s']:.1f} s with {figures['verify_peak_mb']:.0f} MB, on one core")
    print(f"the signatures alone take {figures['raw_signatures_s']:.1f} s")


if __name__ == "__main__":
    main()
