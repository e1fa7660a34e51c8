# SPDX-License-Identifier: Apache-2.0
"""Evidence packs: seconds, bytes and memory to build and to verify them, each in a process of its own.

One of 10,000 entries on one core, with each backend; one of 100,000 on all cores, with the fastest. The first entries
are real decisions on the demo's calls; the others are the same decisions under other ids and salts, signed anew. What
the raw signature checks take alone is measured beside.
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
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec

from decision import new_home
from gateway.app import running
from gateway.callers import Caller, Role
from gateway.demo.workload import calls
from gateway.home import Home
from gateway.pipeline import Asked
from gateway.recorder import record
from gateway.requests import parse_request
from ledger import envelope
from ledger import event as events
from ledger.backends.choice import BACKENDS, guarded
from ledger.backends.guard import Guard
from ledger.commitment import SALT_SIZE, Disclosure
from ledger.errors import BackendUnusable
from ledger.sequencer import Sequencer
from ledger.unit import Outcome, Unit, Unsigned

HERE = Path(__file__).resolve().parent
AT_ONCE = 32
REAL = 2_000
SMALL, LARGE = 10_000, 100_000


def fill(home: Home, count: int) -> None:
    """Record decisions until the ledger holds `count` entries."""
    asyncio.run(decide(home, min(count, REAL)))
    if count > REAL:
        repeat(home, count)


async def decide(home: Home, count: int) -> None:
    """Have decisions made and recorded until the ledger holds `count` entries."""
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


def repeat(home: Home, count: int) -> None:
    """Record the decisions that are there under new ids and salts until the ledger holds `count` entries."""
    with closing(home.entries()) as store, closing(home.checkpoints()) as checkpoints:
        made = [events.decode(envelope.parse(entry).payload) for entry in store.entries(0, store.size())]
        found = [(event, store.disclosure(index)) for index, event in enumerate(made)]
        again = cycle([again for again in found if isinstance(again[0].body, events.DecisionRecorded)])
        sequencer = Sequencer(
            origin=home.settings.origin,
            entries=store,
            checkpoints=checkpoints,
            event_signer=guarded().signer(home.keys["event"]),
            log_signers=home.log_keys,
            event_keys={key.key_id: key for key in home.trust().event_keys},
            threads=os.cpu_count() or 1,
        )
        sequencer.open()
        turn = threading.Semaphore(4)

        def done(_outcome: Outcome) -> None:
            turn.release()

        while (left := count - store.size()) > 0:
            for _ in range(max(1, left // 128)):
                turn.acquire()
                sequencer.submit(Unit([copy(*next(again)) for _ in range(min(128, left))], done))
            for _ in range(4):
                turn.acquire()
            for _ in range(4):
                turn.release()
        sequencer.close()


def copy(event: events.Event, disclosure: Disclosure | None) -> Unsigned:
    """Return a decision as another one on the same facts."""
    body = event.body
    assert isinstance(body, events.DecisionRecorded)  # noqa: S101
    assert disclosure is not None  # noqa: S101
    other = Disclosure(os.urandom(SALT_SIZE), disclosure.facts)
    body = msgspec.structs.replace(body, facts_commitment=other.commitment())
    return Unsigned(events.encode(msgspec.structs.replace(event, id=str(uuid.uuid4()), body=body)), other)


def run(arguments: Sequence[str], cores: int) -> tuple[float, float, str]:
    """Run the command on so many cores; return seconds, the largest process's peak MB, and what it printed."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, set(allowed)),  # noqa: PLW1509 - there are no threads in here
    )
    output = process.stdout.read() if process.stdout is not None else ""
    _, status, usage = os.wait4(process.pid, 0)
    if process.stdout is not None:
        process.stdout.close()
    if status:
        raise SystemExit(f"assay {' '.join(arguments[:2])} exited {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, output


def usable() -> list[str]:
    """Return the names of the backends that can be used here."""
    names = []
    for name, load in BACKENDS.items():
        try:
            load()
        except BackendUnusable:
            continue
        names.append(name)
    return names


def raw_verify(home: Home, name: str) -> float:
    """Return the seconds that the signatures of all entries take alone, on one core."""
    (key,) = home.trust().event_keys
    with closing(home.entries()) as store:
        parsed = [envelope.parse(entry) for entry in store.entries(0, store.size())]
    pairs = [(e.signature, envelope.to_be_signed(envelope.protected_header(e.key_id), e.payload)) for e in parsed]
    started = time.perf_counter()
    Guard(BACKENDS[name]()).verify_many(key, pairs)
    return time.perf_counter() - started


def measure(count: int, cores: int, backends: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return the figures of a pack of `count` entries."""
    home, _ = new_home(folder / f"home-{count}")
    print(f"recording {count} decisions …", file=sys.stderr, flush=True)
    fill(home, count)
    pack, trust = folder / f"pack-{count}.zip", home.path / "trust.json"
    print("building and verifying …", file=sys.stderr, flush=True)
    build_s, build_mb, _ = run(["pack", "build", "--home", str(home.path), "--out", str(pack)], cores)
    figures: dict[str, Any] = {}
    entries = 0
    for name in backends:
        command = ["verify", str(pack), "--trust", str(trust), "--backend", name, "--json"]
        verify_s, verify_mb, printed = run(command, cores)
        entries = json.loads(printed)["entries"]
        raw = raw_verify(home, name)
        figures[name] = {"verify_s": verify_s, "verify_peak_mb": verify_mb, "raw_signatures_s_one_core": raw}
    size = pack.stat().st_size
    pack.unlink()
    return {
        "entries": entries,
        "cores": cores,
        "bytes": size,
        "bytes_per_entry": size / entries,
        "build_s": build_s,
        "build_peak_mb": build_mb,
        "backends": figures,
    }


def main() -> None:
    """Measure, print, and write bench/results/pack.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=SMALL)
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--out", type=Path, default=HERE / "results/pack.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="assay-bench-"))
    names = usable()
    try:
        packs = [measure(arguments.small, 1, names, folder)]
        packs.append(measure(arguments.large, os.cpu_count() or 1, names[:1], folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"packs": packs, "machine": machine}, indent=1, sort_keys=True) + "\n")
    for one in packs:
        size = f"{one['bytes'] / 1e6:.1f} MB, {one['bytes_per_entry']:.0f} bytes each"
        print(f"pack of {one['entries']} entries: {size}; {one['cores']} core(s)")
        print(f"  built in {one['build_s']:.1f} s with {one['build_peak_mb']:.0f} MB")
        for name, row in one["backends"].items():
            print(
                f"  verified with {name} in {row['verify_s']:.1f} s, {row['verify_peak_mb']:.0f} MB a process", end="; "
            )
            print(f"the signatures alone take {row['raw_signatures_s_one_core']:.1f} s of one core")


if __name__ == "__main__":
    main()
