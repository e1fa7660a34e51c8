# SPDX-License-Identifier: Apache-2.0
"""Which OPA decides: a program that is new enough, or one that runs already on this machine and nowhere else."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import bundle, opa_process
from gateway.errors import EngineUnusable
from gateway.opa import Opa
from support.service import Service, add_caller, assay, eventually, new_home, serving

ASK = "/access/v1/evaluation"
EXTERNAL = "opa (external)"
NO_ADDRESS = "engine.url is http://127.0.0.1:PORT: an OPA on this machine"


# The program.


def _program(folder: Path, said: bytes, script: str = 'cat "$0.said"') -> Path:
    """Return a program that says something whatever it is asked."""
    path = folder / "opa"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    path.with_name("opa.said").write_bytes(said)
    return path


@pytest.mark.parametrize("number", ["1.17.0", "1.17.0-dev", "1.20.2", "1.100.0", "2.0.0"])
def test_opa_that_is_new_enough_is_named_by_its_version(tmp_path: Path, number: str) -> None:
    program = _program(tmp_path, f"Version: {number}\nBuild Commit: 0\n".encode())
    assert opa_process.version(str(program)) == f"opa {number}"


@pytest.mark.parametrize("number", ["1.16.0", "1.16.99", "1.7.0", "1.2.17", "0.70.0", "0.170.0"])
def test_opa_that_is_too_old_is_refused_with_what_is_needed(tmp_path: Path, number: str) -> None:
    program = _program(tmp_path, f"Version: {number}\n".encode())
    with pytest.raises(EngineUnusable) as refused:
        opa_process.version(str(program))
    assert str(refused.value) == f"{program} is OPA {number}; the policies need 1.17 or newer"


@pytest.mark.parametrize(
    "said", [b"", b"hello", b"1.17.0", b"Version: new", b"Version: 1", b"No Version: 1.17.0", b"\xff\xfe\x00"]
)
def test_program_that_does_not_say_which_opa_it_is_is_refused(tmp_path: Path, said: bytes) -> None:
    program = _program(tmp_path, said)
    with pytest.raises(EngineUnusable, match=f"^{program} does not say which version of OPA it is$"):
        opa_process.version(str(program))


def test_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "opa"
    program.write_bytes(bytes(range(256)))
    program.chmod(0o700)
    with pytest.raises(EngineUnusable, match="does not say which version"):
        opa_process.version(str(program))


@pytest.mark.live
@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"Version: 1.16.0\n", "is OPA 1.16.0; the policies need 1.17 or newer"),
        (b"I am no OPA\n", "does not say which version of OPA it is"),
        (b"\xff\xfe", "does not say which version of OPA it is"),
    ],
)
def test_service_does_not_start_with_an_opa_that_will_not_do(tmp_path: Path, said: bytes, sentence: str) -> None:
    program = _program(tmp_path, said)
    refused = _refused(new_home(tmp_path / "home", engine={"opa": str(program)}))
    assert refused == f"assay: {program} {sentence}"


@pytest.mark.live
def test_service_does_not_start_with_an_opa_that_ends_at_once(tmp_path: Path) -> None:
    program = _program(tmp_path, b"Version: 1.17.0\n", '[ "$1" = version ] && cat "$0.said" || exit 7')
    refused = _refused(new_home(tmp_path / "home", engine={"opa": str(program)}))
    assert refused == "assay: OPA ended with status 7 before it answered"


# An address.


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8181",
        "http://192.0.2.1:8181",
        "http://example.com:8181",
        "http://0.0.0.0:8181",
        "http://127.0.0.1.example.com:8181",
        "http://localhost.:8181",
        "http://127.0.0.1",
        "http://127.0.0.1:",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:http",
        "http://user:secret@127.0.0.1:8181",
        "http://127.0.0.1:8181@example.com:80",
        "http://127.0.0.1:8181/v1",
        "http://127.0.0.1:8181?token=secret",
        "http://[::1:8181",
        "http://::1:8181",
        "127.0.0.1:8181",
        "unix:///tmp/opa.sock",
        " http://127.0.0.1:8181",
        "http://127.0.0.1:8181\n",
    ],
)
async def test_address_that_is_not_plain_http_on_loopback_is_refused_before_anything_is_sent(url: str) -> None:
    # Sockets are off in this test, so an attempt to reach any of them would be another error.
    opa = Opa("0" * 64, EXTERNAL, 250)
    with pytest.raises(EngineUnusable, match=f"^{NO_ADDRESS}$"):
        await opa.connect_url(url)
    await opa.close()


@pytest.mark.live
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8181",
        "http://192.0.2.1:8181",
        "http://example.com:8181",
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://user:secret@127.0.0.1:8181",
    ],
)
def test_service_does_not_start_with_an_opa_elsewhere(tmp_path: Path, url: str) -> None:
    refused = _refused(new_home(tmp_path / "home", engine={"url": url}))
    assert refused == f"assay: {NO_ADDRESS}"
    assert "secret" not in refused


@contextmanager
def _opa(place: Path, port: int = 0) -> Iterator[int]:
    """Run OPA with the policies as somebody else would, on both loopback addresses if there are two."""
    (place / "policies").mkdir(parents=True, exist_ok=True)
    folder = bundle.freeze(bundle.shipped(), place)
    hosts = ["127.0.0.1", *(["[::1]"] if _has_ipv6() else [])]
    port = port or _free_port()
    command = [opa_process.find(""), "run", "--server", "--bundle", str(folder), "--skip-version-check"]
    command += [option for host in hosts for option in ("--addr", f"{host}:{port}")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run an OPA that several services use."""
    with _opa(tmp_path_factory.mktemp("opa")) as port:
        yield port


def _home(place: Path, url: str) -> tuple[Path, dict[str, str]]:
    """Return a home that names a running OPA, and no program that could be started instead of it."""
    home = new_home(place / "home", engine={"url": url, "opa": str(place / "none"), "timeout_ms": 5000})
    return home, {role: add_caller(home, f"the-{role}", role) for role in ("gateway", "admin")}


@pytest.mark.live
@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "form", ["http://127.0.0.1:{}", "http://127.0.0.1:{}/", "http://localhost:{}", "http://[::1]:{}"]
)
def test_opa_on_loopback_decides_and_the_ledger_says_that_it_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: dict[str, Any], port: int, form: str
) -> None:
    if "::1" in form and not _has_ipv6():
        pytest.skip("there is no IPv6 here")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")  # facts do not go where the environment says either
    home, keys = _home(tmp_path, form.format(port))
    with serving(home, keys) as service, service.client() as client:
        allowed = client.post(ASK, json=question).json()
        denied = client.post(ASK, json={**question, "action": {"name": "can_do_nothing"}}).json()
        assert [allowed["decision"], denied["decision"]] == [True, False]
        assert [reason["rule"] for reason in denied["context"]["reasons"]] == ["access.todo_roles"]
        for answer in (allowed, denied):
            assert answer["context"]["policy_revision"] == bundle.shipped().digest
            body = _recorded(service, answer["context"]["entry_index"])
            assert (body["engine"], body["policy"]) == (EXTERNAL, bundle.shipped().digest)
        bodies = [_recorded(service, index) for index in range(allowed["context"]["entry_index"])]
        assert [body["engine"] for body in bodies if body["type"] == "gateway:service:changed"] == [EXTERNAL]


@pytest.mark.live
@pytest.mark.enable_socket
def test_opa_elsewhere_that_goes_away_is_denials_and_is_not_replaced(tmp_path: Path, question: dict[str, Any]) -> None:
    with _opa(tmp_path / "opa") as port:
        home, keys = _home(tmp_path, f"http://127.0.0.1:{port}")
        running = serving(home, keys)
        service = running.__enter__()
        with service.client() as client:
            assert client.post(ASK, json=question).json()["decision"] is True
    try:
        with service.client() as client, service.client("admin") as admin:
            answer = client.post(ASK, json=question).json()
            assert answer["decision"] is False
            assert [reason["code"] for reason in answer["context"]["reasons"]] == ["engine_unreachable"]
            assert _recorded(service, answer["context"]["entry_index"])["engine"] == EXTERNAL
            assert "assay_opa_restarts 0.0" in admin.get("/metrics").text
            assert client.get("/readyz").status_code == 503
            with _opa(tmp_path / "opa", port):
                eventually(lambda: client.post(ASK, json=question).json()["decision"])
    finally:
        running.__exit__(None, None, None)


def _recorded(service: Service, index: int) -> dict[str, Any]:
    """Return what the ledger says at an index, once a checkpoint covers it."""
    with service.client("admin") as client:
        eventually(lambda: client.get(f"/ledger/entries/{index}").status_code == 200)
        body: dict[str, Any] = client.get(f"/ledger/entries/{index}").json()["event"]["body"]
    return body


def _refused(home: Path) -> str:
    """Check that the service does not start, and return the one sentence about it."""
    done = assay("serve", "--port", "0", home=home, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]
