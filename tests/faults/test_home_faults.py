# SPDX-License-Identifier: Apache-2.0
"""Two services want one home, its disk fills up or turns read-only, it is restored, its service is told to stop.

Disks are broken for real. A tiny tmpfs and immutable files need rights; a limit on the size of files needs none.
"""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from ledger.event import DecisionRecorded, ServiceChanged
from ledger.reader import LedgerReader
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from support.service import Service, add_caller, assay, eventually, new_home, serving

if TYPE_CHECKING:
    from tests.faults.conftest import Load, Tools

pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform != "linux", reason="disks are broken with the means of Linux"),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home whose checkpoints come quickly and whose OPA may take its time."""
    return new_home(tmp_path / "home", ledger={"checkpoint_interval_ms": 50}, engine={"timeout_ms": 5000})


@pytest.fixture
def keys(home: Path) -> dict[str, str]:
    return {"gateway": add_caller(home, "till", "gateway"), "auditor": add_caller(home, "reader", "auditor")}


# One home, one service.


def test_second_service_on_a_home_is_refused_and_told_who_holds_it(
    home: Path, keys: dict[str, str], question: dict[str, Any]
) -> None:
    with serving(home, keys) as service:
        second = assay("serve", "--home", str(home), "--port", "0", check=False)
        assert (second.returncode, second.stdout) == (2, "")
        assert f"{home} is in use by another Assay process (pid {service.process.pid})" in second.stderr
        decide = assay("decide", str(_saved(home.parent / "question.json", question)), home=home, check=False)
        assert (decide.returncode, decide.stdout) == (2, "")
        assert f"pid {service.process.pid}" in decide.stderr
        with service.client() as client:
            assert client.post("/access/v1/evaluation", json=question).json()["decision"] is True
    _adds_up(home)


def test_restored_older_database_is_refused_with_an_explanation_until_the_newer_one_is_back(
    home: Path, keys: dict[str, str], question: dict[str, Any]
) -> None:
    entries, backup, newer = home / "ledger/entries.sqlite", home.parent / "backup", home.parent / "newer"
    for copy in (backup, newer):
        with serving(home, keys) as service, service.client() as client:
            assert client.post("/access/v1/evaluation", json=question).status_code == 200
        shutil.copyfile(entries, copy)
    assert backup.read_bytes() != newer.read_bytes()
    shutil.copyfile(backup, entries)
    refused = assay("serve", "--home", str(home), "--port", "0", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "restored backup" in refused.stderr
    assert "Bring back the newer database" in refused.stderr
    decide = assay("decide", str(_saved(home.parent / "question.json", question)), home=home, check=False)
    assert (decide.returncode, decide.stdout) == (2, "")
    shutil.copyfile(newer, entries)
    with serving(home, keys) as service, service.client() as client:
        assert client.post("/access/v1/evaluation", json=question).status_code == 200
    _adds_up(home)


def test_read_only_home_is_refused_at_start(home: Path, keys: dict[str, str]) -> None:
    before = _contents(home)
    with _read_only(home):
        refused = assay("serve", "--home", str(home), "--port", "0", check=False)
        written = assay("keys", "caller", "add", "late", "--role", "admin", home=home, check=False)
    for command in (refused, written):
        assert (command.returncode, command.stdout) == (2, "")
        assert command.stderr.startswith("assay: ")
        assert str(home) in command.stderr
        assert "Traceback" not in command.stderr
    assert _contents(home) == before
    with serving(home, keys) as service:
        assert service.stop() == 0


# A disk that takes nothing more.


class Trouble(Protocol):
    """A way to keep a running service from writing its ledger, and to let it again."""

    def begin(self, service: Service) -> None: ...

    def end(self, service: Service) -> None: ...


class FullFileSystem:
    """The ledger lies on a file system of its own, which something else fills up and later leaves again."""

    def __init__(self, home: Path) -> None:
        self._place = home / "ledger"
        kept = shutil.copytree(self._place, home.parent / "kept")
        if not _done("mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "assay-test", str(self._place)):
            pytest.skip("mounting is not permitted here; the limit on file sizes shows the same")
        shutil.copytree(kept, self._place, dirs_exist_ok=True)

    def begin(self, service: Service) -> None:
        with suppress(OSError), (self._place / "ballast").open("wb", buffering=0) as ballast:
            while service.process.poll() is None:
                ballast.write(bytes(4096))

    def end(self, service: Service) -> None:
        assert service.process.poll() is None
        (self._place / "ballast").unlink()

    def close(self) -> None:
        _done("umount", "--lazy", str(self._place))


class SizeLimit:
    """No file of the service may grow any more."""

    def __init__(self, home: Path) -> None:
        self._wal = home / "ledger/entries.sqlite-wal"

    def begin(self, service: Service) -> None:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (self._wal.stat().st_size, resource.RLIM_INFINITY))

    def end(self, service: Service) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, unlimited)

    def close(self) -> None:
        """Leave nothing behind; the limit ended with the process."""


class ReadOnlyFiles:
    """The files of the ledger turn read-only under the service, which has them open."""

    def __init__(self, home: Path) -> None:
        self._place = home / "ledger"
        probe = home.parent / "probe"
        probe.touch()
        if not _done("chattr", "+i", str(probe)):
            pytest.skip("files cannot be made immutable here; the limit on file sizes shows the same")
        assert _done("chattr", "-i", str(probe))

    def begin(self, service: Service) -> None:
        assert service.process.poll() is None
        assert _done("chattr", "+i", *self._files())

    def end(self, service: Service) -> None:
        assert service.process.poll() is None
        self.close()

    def close(self) -> None:
        assert _done("chattr", "-i", *self._files())

    def _files(self) -> list[str]:
        # Not the shared memory: the kernel ends a process that writes to a mapping of an immutable file.
        return [str(path) for path in self._place.iterdir() if not path.name.endswith("-shm")]


@pytest.mark.parametrize("kind", [FullFileSystem, SizeLimit, ReadOnlyFiles])
def test_ledger_that_cannot_be_written_refuses_and_recovers_by_itself(
    kind: type[FullFileSystem | SizeLimit | ReadOnlyFiles],
    home: Path,
    keys: dict[str, str],
    question: dict[str, Any],
    tools: "Tools",
) -> None:
    with closing(kind(home)) as trouble:
        with serving(home, keys) as service:
            # Once before anyone has asked, so that everything is opened in the bad times; and once in full swing.
            trouble.begin(service)
            with tools.Load(service, question) as load:
                _recovers(service, load, trouble)
                trouble.begin(service)
                _recovers(service, load, trouble)
            assert service.stop() == 0
        assert set(load.refused) == {(503, "ledger_unavailable")}
        assert {answer.allow for answer in load.told} == {True}
        assert tools.unrecorded(home, load.told) == []
        _adds_up(home)


def _recovers(service: Service, load: "Load", trouble: Trouble) -> None:
    """Check that there are only refusals after a while of trouble, and only answers after a while without."""
    refused = len(load.refused)
    eventually(lambda: len(load.refused) > refused + 20)
    _read_side_by_side(service)
    trouble.end(service)
    told = len(load.told)
    eventually(lambda: len(load.told) > told + 20)
    refused, told = len(load.refused), len(load.told)
    eventually(lambda: len(load.told) > told + 100)
    assert len(load.refused) == refused, "once well, it stays well"


# An orderly end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_told_to_stop_under_load_finishes_what_it_accepted(
    number: signal.Signals, home: Path, keys: dict[str, str], question: dict[str, Any], tools: "Tools"
) -> None:
    with serving(home, keys) as service, tools.Load(service, question) as load:
        eventually(lambda: len(load.told) > 50)
        service.process.send_signal(number)
        assert service.process.wait(30) == 0
    assert load.refused == []
    events = tools.recorded(home)
    decisions = [event.id for event in events if isinstance(event.body, DecisionRecorded)]
    assert sorted(decisions) == sorted(answer.decision_id for answer in load.told), "what was recorded was told"
    assert tools.unrecorded(home, load.told) == []
    last = events[-1].body
    assert isinstance(last, ServiceChanged)
    assert last.change == "stopped"
    assert _covered(home) == len(events)
    assert tools.processes(home) == {}
    _adds_up(home)


def test_request_that_was_half_sent_when_the_service_was_told_to_stop_is_answered(
    home: Path, keys: dict[str, str], question: dict[str, Any], tools: "Tools"
) -> None:
    body = json.dumps(question).encode()
    with serving(home, keys) as service, _half_sent(service, body) as slow, _half_sent(service, body) as silent:
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not _listens(service))
        slow.sendall(body[len(body) // 2 :])
        answer = slow.makefile("rb").read().decode()
        assert service.process.wait(30) == 0, "one that never goes on does not hold it up for ever"
        assert b"200 OK" not in silent.makefile("rb").read()
    assert answer.startswith("HTTP/1.1 200 OK")
    told = json.loads(answer.partition("\r\n\r\n")[2])
    *_, decision, end = tools.recorded(home)
    assert decision.id == told["context"]["decision_id"]
    assert isinstance(end.body, ServiceChanged)
    assert _covered(home) == told["context"]["entry_index"] + 2


def _done(program: str, *arguments: str) -> bool:
    """Run a program of the system; return whether it is there and did it."""
    found = shutil.which(program)
    return found is not None and subprocess.run([found, *arguments], capture_output=True, check=False).returncode == 0


@contextmanager
def _read_only(home: Path) -> Iterator[None]:
    """Make a home read-only, for root too, by the first means that is permitted."""
    place = str(home)
    begin: list[tuple[str, ...]]
    end: list[tuple[str, ...]]
    if os.geteuid():
        begin, end = [("chmod", "-R", "a-w", place)], [("chmod", "-R", "u+w", place)]
    elif _done("mount", "--bind", place, place):
        begin, end = [("mount", "-o", "remount,ro,bind", place)], [("umount", place)]
    else:
        begin, end = [("chattr", "-R", "+i", place)], [("chattr", "-R", "-i", place)]
    try:
        if not all(_done(*command) for command in begin):
            pytest.skip("a home cannot be made read-only for root here: neither bind mounts nor chattr work")
        yield
    finally:
        for command in end:
            _done(*command)


def _read_side_by_side(service: Service) -> None:
    """Read from so many threads that the service opens its database anew while that is out of order."""

    def read(_: int) -> int:
        with service.client("auditor") as client:
            return client.get("/ledger/entries/0").status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(40))) <= {200, 503}


@contextmanager
def _half_sent(service: Service, body: bytes) -> Iterator[socket.socket]:
    """Send half of a request, and be sure that the service waits for the rest."""
    host, port = service.url.removeprefix("http://").split(":")
    head = [
        "POST /access/v1/evaluation HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {service.keys['gateway']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        "Connection: close",
    ]
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[: len(body) // 2])
        yield connection


def _listens(service: Service) -> bool:
    host, port = service.url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def _contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def _saved(path: Path, question: dict[str, Any]) -> Path:
    path.write_text(json.dumps(question))
    return path


def _covered(home: Path) -> int:
    """Return how many entries the newest checkpoint of a home covers."""
    with (
        closing(SqliteEntries(home / "ledger/entries.sqlite")) as entries,
        closing(SqliteCheckpoints(home / "ledger/checkpoints.sqlite")) as checkpoints,
    ):
        return LedgerReader(entries, checkpoints).checkpoint().checkpoint.size


def _adds_up(home: Path) -> None:
    assert json.loads(assay("ledger", "recount", "--json", home=home).stdout)["clean"] is True
