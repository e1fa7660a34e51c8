# SPDX-License-Identifier: Apache-2.0
"""The command line: every verb explains itself, answers people and programs, and says by its exit code what it found.

0: good; 1: a verification or a decision says no; 2: used wrongly or broken. Only answers go to standard output.
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway import bundle
from gateway.cli.main import assay as root
from support.command import Here, Said
from support.service import ASSAY, Service, assay, eventually, new_home

VERBS = {"serve", "demo", "decide", "ledger", "pack", "verify", "keys", "policy"}
LEAVES_WITHOUT_JSON = {"assay serve": "logs only", "assay keys trust": "a JSON file as it is"}


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(capsys)


# It explains itself.


def commands(command: click.Command, path: str = "assay") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its name in full."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{path} {name}")


ALL = dict(commands(root))


def test_there_are_just_the_verbs_that_are_documented() -> None:
    assert {path.split()[1] for path in ALL if path != "assay"} == VERBS


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_every_option_explains_itself(here: Here, path: str) -> None:
    long, short = (here(*path.split()[1:], option) for option in ("--help", "-h"))
    assert long == short
    assert (long.code, long.err) == (0, "")
    assert long.out.startswith(f"Usage: {path} ")
    explained = ALL[path].help
    assert explained
    assert explained.split(".")[0].split() == long.out.split("\n\n")[1].split(".")[0].split()
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            assert option.help, option.name
    assert "..." not in re.sub(r"\.\.\.$", "", long.out.splitlines()[0]), "a usage line says COMMAND [ARGS]..."
    assert [line for line in long.out.splitlines()[1:] if line.endswith("...")] == [], "a sentence is cut short"


def test_exit_codes_and_home_are_explained_where_a_stranger_looks_first(here: Here) -> None:
    said = here("--help").out
    for word in ("Exit codes: 0", "--home", "ASSAY_HOME", "~/.assay", "assay keys init", *VERBS):
        assert word in said


def test_every_command_that_answers_can_answer_programs() -> None:
    without = {
        path
        for path, command in ALL.items()
        if not isinstance(command, click.Group) and "as_json" not in {parameter.name for parameter in command.params}
    }
    assert without == LEAVES_WITHOUT_JSON.keys()


def test_version_is_told(here: Here) -> None:
    assert re.fullmatch(r"assay, version \d+\.\d+\.\d+\n", here("--version").out)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["keys"],
        ["nonsense"],
        ["keys", "caller", "add", "till"],
        ["keys", "caller", "add", "till", "--role", "king"],
        ["ledger", "entry"],
        ["ledger", "entry", "first"],
        ["ledger", "proof", "--", "-1"],
        ["verify", "none.zip"],
        ["pack", "build"],
        ["pack", "build", "--out", "p.zip", "--from", "2026-01-01T00:00:00Z"],
        ["decide", "none.json"],
        ["decide"],
        ["serve", "--port", "65536"],
        ["serve", "--host", "0.0.0.0"],  # noqa: S104 - it is refused
        ["serve", "--host", "example.com"],
        ["serve", "--tls-cert", __file__],
        ["serve", "--home", __file__],
        ["demo", "--out", __file__],
        ["policy", "test", "no/such/folder"],
        ["policy", "rules", "--yes"],
    ],
)
def test_wrong_use_is_told_on_standard_error_only(here: Here, arguments: list[str]) -> None:
    said = here(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Usage: assay ")


def test_fault_of_ours_is_not_taken_for_a_verdict(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(bundle, "shipped", broken)
    said = here("policy", "digest")
    assert (said.code, said.out) == (2, "")
    assert "nobody thought of this" in said.err


@pytest.mark.parametrize("arguments", [["policy", "digest"], ["--help"], ["policy", "digest", "--json"]])
def test_reader_that_has_gone_is_neither_a_yes_nor_a_no(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*ASSAY, *arguments], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_answer_that_could_not_be_written_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*ASSAY, "policy", "digest"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "assay: No space left on device\n")


# decide


@dataclass(frozen=True)
class World:
    """A home in which one call was allowed and then one was denied, and what was said of them."""

    home: Path
    allowed: Said
    denied: Said

    def file(self, name: str) -> Path:
        """Return the file of the request that is allowed or denied."""
        return self.home.parent / f"{name}.json"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, vectors: dict[str, Any]) -> World:
    place = tmp_path_factory.mktemp("world")
    home = new_home(place / "home", engine={"timeout_ms": 5000})
    allow, said = vectors["evaluation"][0]["request"], []
    for name, request in (("allow", allow), ("deny", {**allow, "action": {"name": "can_do_nothing"}})):
        (place / f"{name}.json").write_text(json.dumps(request))
        done = assay("decide", str(place / f"{name}.json"), "--json", home=home, check=False)
        said.append(Said(done.returncode, done.stdout, done.stderr))
    return World(home, *said)


@pytest.mark.live
def test_allowed_call_is_zero_and_denied_call_is_one_with_its_reasons(world: World) -> None:
    assert (world.allowed.code, world.denied.code) == (0, 1)
    allowed, denied = world.allowed.json, world.denied.json
    assert (allowed["decision"], allowed["context"]["reasons"]) == (True, [])
    assert denied["decision"] is False
    assert denied["context"]["reasons"][0]["code"]


@pytest.mark.live
@pytest.mark.parametrize(("name", "code", "word"), [("allow", 0, "allowed"), ("deny", 1, "denied")])
def test_decision_is_told_to_people_and_read_from_standard_input(
    world: World, tmp_path: Path, name: str, code: int, word: str
) -> None:
    shutil.copytree(world.home, tmp_path / "home")
    with world.file(name).open() as request:
        done = subprocess.run(
            [*ASSAY, "decide", "-", "--home", str(tmp_path / "home")],
            stdin=request,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == code
    first, *_, last = done.stdout.splitlines()
    assert first == word
    assert re.fullmatch(r"  entry \d+, decision [0-9a-f-]{36}", last)


@pytest.mark.live
@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"subject": 1}', '{"a": 1, "a": 2}', " " * 300_000])
def test_request_that_cannot_be_read_is_no_decision(world: World, tmp_path: Path, text: str) -> None:
    shutil.copytree(world.home, tmp_path / "home")
    (tmp_path / "request.json").write_text(text)
    done = assay("decide", str(tmp_path / "request.json"), home=tmp_path / "home", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "assay: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "code"), [("allow", 0), ("deny", 1)])
def test_running_service_decides_for_the_command(
    service: Service, world: World, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.setenv("ASSAY_KEY", service.keys["gateway"])
    done = assay("decide", str(world.file(name)), "--url", f"{service.url}/", "--json", check=False)
    assert done.returncode == code
    told = json.loads(done.stdout)
    assert told["decision"] is (code == 0)
    with service.client("auditor") as client:
        entry = f"/ledger/entries/{told['context']['entry_index']}"
        eventually(lambda: client.get(entry).status_code == 200)
        assert client.get(entry).json()["event"]["id"] == told["context"]["decision_id"]


def test_service_that_turns_the_command_away_gave_no_decision(
    service: Service, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, url, says in (
        ("wrong", service.url, "401"),
        (service.keys["auditor"], service.url, "403"),
        (service.keys["gateway"], f"{service.url}/nothing", "404"),
        (service.keys["gateway"], "http://127.0.0.1:1", "no usable answer"),
        (service.keys["gateway"], "nowhere", "no usable answer"),
        ("two\nlines", service.url, "no usable answer"),
    ):
        monkeypatch.setenv("ASSAY_KEY", key)
        done = assay("decide", str(world.file("allow")), "--url", url, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
        assert key not in done.stderr
        assert "Traceback" not in done.stderr


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    """Run a server that gives everybody the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


_CONTEXT = '"context": {"reasons": [], "entry_index": 1, "decision_id": "x"}'


@pytest.mark.live
@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (200, "<html>"),
        (200, "[]"),
        (200, "true"),
        (200, '{"decision": true}'),
        (200, f'{{"decision": "false", {_CONTEXT}}}'),
        (200, f'{{"decision": 1, {_CONTEXT}}}'),
        (200, '{"decision": true, "context": {"reasons": [1], "entry_index": 1, "decision_id": "x"}}'),
        (500, "[]"),
        (201, f'{{"decision": true, {_CONTEXT}}}'),
        (503, '{"decision": true, "detail": "not recorded"}'),
    ],
)
def test_answer_of_something_else_is_never_an_allow(world: World, status: int, body: str) -> None:
    with _answering(status, body.encode()) as url:
        done = assay("decide", str(world.file("allow")), "--url", url, "--key", "k", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"assay: {url} ")


# serve


def _certificate(place: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "assay test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    cert_file, key_file = place / "cert.pem", place / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


@pytest.mark.live
@pytest.mark.enable_socket
def test_service_speaks_tls_with_those_who_trust_its_certificate(world: World, tmp_path: Path) -> None:
    home = shutil.copytree(world.home, tmp_path / "home")
    cert, key = _certificate(tmp_path)
    command = [*ASSAY, "serve", "--home", str(home), "--port", "0", "--tls-cert", str(cert), "--tls-key", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=cert)
        assert httpx.get(f"{url}/healthz", verify=trusting, trust_env=False).status_code == 200
        plain = httpx.Client(trust_env=False)
        with plain, pytest.raises(httpx.TransportError):
            plain.get(url.replace("https", "http") + "/healthz")
        asked = assay("decide", str(world.file("allow")), "--url", url, "--key", "k", check=False)
        assert (asked.returncode, asked.stdout) == (2, ""), "a certificate that nobody vouches for is not believed"
        process.terminate()
        assert process.wait(30) == 0
        assert process.stdout.read() == "", "the address is all that is printed"


@pytest.mark.live
@pytest.mark.enable_socket
def test_service_that_cannot_listen_says_so(world: World, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    tls = ["--tls-cert", str(tmp_path / "no.pem"), "--tls-key", str(tmp_path / "no.pem")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, says in ((["--port", port], f"port {port}"), (["--port", "0", *tls], "")):
            done = assay("serve", *arguments, home=world.home, check=False)
            assert (done.returncode, done.stdout) == (2, "")
            assert "Traceback" not in done.stderr
            assert says in done.stderr
            assert "assay: " in done.stderr
