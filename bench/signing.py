# SPDX-License-Identifier: Apache-2.0
"""ML-DSA-87 signatures and verifications per second of every backend that can be used here, in one run.

The backends take turns, round by round, so that a machine which slows down does so for all; the median round counts.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from ledger.backends.choice import BACKENDS
from ledger.backends.guard import Guard
from ledger.backends.port import Backend
from ledger.errors import BackendUnusable

HERE = Path(__file__).resolve().parent
SEED = bytes(range(32))
MESSAGE = bytes(1500)
"""About what an event of a decision has."""
BATCH = 64


def usable() -> dict[str, Backend]:
    """Return the backends that can be used here, saying why the others cannot."""
    found: dict[str, Backend] = {}
    for name, load in BACKENDS.items():
        try:
            backend = load()
        except BackendUnusable as error:
            print(f"{name}: left out, {error}")
            continue
        guard = Guard(backend)
        guard.check()
        if guard.fault is None:
            found[name] = backend
        else:
            print(f"{name}: left out, {backend.version} is not used: {guard.fault}")
    return found


def per_second(work: Callable[[], object], seconds: float) -> float:
    """Return how many of a batch's items `work` does in a second."""
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        work()
        done += BATCH
    return done / elapsed


def measure(backends: dict[str, Backend], rounds: int, seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """Return sign_per_s and verify_per_s by backend and number of threads."""
    messages = [MESSAGE] * BATCH
    work: dict[tuple[str, int, str], Callable[[], object]] = {}
    for name, backend in backends.items():
        signing = backend.signing_key(SEED)
        verifying = backend.verifying_key(signing.public_bytes())
        pairs = [(signature, MESSAGE) for signature in signing.sign_many(messages)]
        for threads in range(1, (os.cpu_count() or 1) + 1):
            work[name, threads, "sign_per_s"] = partial(signing.sign_many, messages, threads)
            work[name, threads, "verify_per_s"] = partial(verifying.first_invalid, pairs, threads)
    rates: dict[tuple[str, int, str], list[float]] = {key: [] for key in work}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} …", flush=True)
        for key, one in work.items():
            rates[key].append(per_second(one, seconds))
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for (name, threads, what), found in rates.items():
        figures.setdefault(name, {}).setdefault(str(threads), {})[what] = median(found)
    return figures


def main() -> None:
    """Measure, print a table and write bench/results/signing.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each figure in each round")
    parser.add_argument("--out", type=Path, default=HERE / "results/signing.json")
    arguments = parser.parse_args()
    backends = usable()
    figures = measure(backends, arguments.rounds, arguments.seconds)
    reference = figures["cryptography"]["1"]
    rows: dict[str, Any] = {}
    print(f"\n{'':<14}{'threads':>8}{'sign/s':>9}{'':>7}{'verify/s':>10}")
    for name, by_threads in figures.items():
        for threads, rate in by_threads.items():
            times = {what: rate[what] / reference[what] for what in rate}
            signs = f"{rate['sign_per_s']:>9.0f}{times['sign_per_s']:>6.1f}x"
            print(f"{name:<14}{threads:>8}{signs}{rate['verify_per_s']:>10.0f}{times['verify_per_s']:>6.1f}x")
        one = by_threads["1"]
        rows[name] = {
            "version": backends[name].version,
            "threads": by_threads,
            "times_the_reference": {what: one[what] / reference[what] for what in one},
            "times_with_all_threads": {what: list(by_threads.values())[-1][what] / one[what] for what in one},
        }
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.machine()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    report = {"backends": rows, "message_bytes": len(MESSAGE), "machine": machine}
    arguments.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
