# SPDX-License-Identifier: Apache-2.0
"""The service is killed under load, again and again; whatever it had answered is still there.

ASSAY_CRASHES sets how often (50 unless told). The moments are drawn from a seeded generator.
"""

import json
import os
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from subprocess import DEVNULL, Popen
from typing import TYPE_CHECKING, Any

import pytest

from evidence.trust import Trust
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.proof import verify_consistency
from ledger.reader import LedgerReader
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from support.service import ASSAY, Service, add_caller, assay, eventually, new_home, serving

if TYPE_CHECKING:
    from tests.faults.conftest import Told, Tools

CRASHES = int(os.environ.get("ASSAY_CRASHES", "50"))

pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for orphans in /proc"),
]


@pytest.mark.timeout(120 + 10 * CRASHES)
def test_no_answer_is_lost_however_often_the_service_is_killed(
    tmp_path: Path, question: dict[str, Any], tools: "Tools"
) -> None:
    random = Random(20_260_101)
    home = new_home(tmp_path / "home", ledger={"checkpoint_interval_ms": 50})
    keys = {"gateway": add_caller(home, "till", "gateway")}
    answers: list[Told] = []
    latest: list[Told] = []
    notes: set[str] = set()
    for number in range(1, CRASHES + 1):
        with serving(home, keys) as service:
            assert tools.unrecorded(home, latest) == [], f"after crash {number - 1}"
            _are_told_again(service, question, random.sample(latest, min(3, len(latest))), tools)
            with tools.Load(service, question) as load:
                eventually(lambda load=load: load.told)
                time.sleep(random.uniform(0, 0.3))
                service.kill()
        eventually(lambda: not tools.processes(home), 5)
        latest = load.told
        answers += latest
        notes |= load.notes
        if number % 10 == 0:
            _adds_up(home)
    with serving(home, keys) as service:
        assert service.stop() == 0
    assert len(answers) > CRASHES
    assert len({answer.index for answer in answers}) == len({answer.decision_id for answer in answers}) == len(answers)
    assert tools.unrecorded(home, answers) == []
    _adds_up(home)
    _all_extend_one_another(home, notes)


def test_a_service_killed_while_it_starts_leaves_nothing_behind(
    tmp_path: Path, question: dict[str, Any], tools: "Tools"
) -> None:
    random = Random(20_260_102)
    home = new_home(tmp_path / "home")
    keys = {"gateway": add_caller(home, "till", "gateway")}
    for _ in range(8):
        process = Popen([*ASSAY, "serve", "--home", str(home), "--port", "0"], stdout=DEVNULL, stderr=DEVNULL)
        time.sleep(random.uniform(0.2, 1.2))
        process.kill()
        process.wait()
        eventually(lambda: not tools.processes(home), 5)
    with serving(home, keys) as service, tools.Load(service, question) as load:
        eventually(lambda: len(load.told) > 10)
    assert tools.unrecorded(home, load.told) == []
    _adds_up(home)


def _are_told_again(service: Service, question: dict[str, Any], sample: "list[Told]", tools: "Tools") -> None:
    """Ask again under idempotency keys that were answered before the crash: the answers must be the same."""
    with service.client() as client:
        for before in sample:
            answer = client.post("/access/v1/evaluation", json=question, headers={"Idempotency-Key": before.key})
            assert tools.told(answer, before.key, before.seconds) == before


def _adds_up(home: Path) -> None:
    assert json.loads(assay("ledger", "recount", "--json", home=home).stdout)["clean"] is True


def _all_extend_one_another(home: Path, notes: set[str]) -> None:
    """Check that every checkpoint a client was ever shown is signed and a prefix of the next, up to the last."""
    trust = Trust.from_json((home / "trust.json").read_bytes())
    shown = {open_checkpoint(note.encode(), trust.origin, trust.log_keys).checkpoint for note in notes}
    with (
        closing(SqliteEntries(home / "ledger/entries.sqlite")) as entries,
        closing(SqliteCheckpoints(home / "ledger/checkpoints.sqlite")) as checkpoints,
    ):
        reader = LedgerReader(entries, checkpoints)
        last = reader.checkpoint().checkpoint
        assert last.size == entries.size()
        line: list[Checkpoint] = [*sorted(shown, key=lambda checkpoint: checkpoint.size), last]
        assert len(line) > CRASHES / 2
        for older, newer in [*pairwise(line), *((one, last) for one in shown)]:
            path = reader.consistency(older.size, newer.size)
            verify_consistency(older.size, newer.size, older.root, newer.root, path)
