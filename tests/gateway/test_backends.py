# SPDX-License-Identifier: Apache-2.0
"""What signs, as operators and auditors see it: the command, the metrics, and the events in the ledger."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import build_app, running
from gateway.callers import Callers, Role
from gateway.cli import backends as command
from gateway.home import Home
from ledger import envelope, event
from ledger.backends import choice, liboqs
from ledger.backends.choice import BACKENDS
from ledger.backends.port import Backend, Signed, SigningKey
from ledger.backends.reference import REFERENCE
from ledger.errors import BackendUnusable
from ledger.event import BackendChanged as Changed
from ledger.event import Body, KeyActivated, ServiceChanged
from ledger.recount import recount
from support.command import Here
from support.ledgers import VERIFIER

BUILT = Path(__file__).resolve().parents[2] / ".tools/liboqs"
ASK = "/access/v1/evaluation"
FELL = Changed(backend="cryptography", version=REFERENCE.version, reason="disagreement")


@dataclass
class Unsound:
    """The reference, but for what has gone wrong with it."""

    wrong: str = ""
    name: str = "unsound"
    version: str = "unsound 1"

    def signing_key(self, seed: bytes) -> "UnsoundKey":
        if self.wrong == "takes no key":
            raise RuntimeError(seed.hex())
        return UnsoundKey(self, REFERENCE.signing_key(seed))

    def verifying_key(self, raw: bytes) -> "UnsoundVerifier":
        return UnsoundVerifier(self, raw)


@dataclass
class UnsoundKey:
    backend: Unsound
    real: SigningKey

    def public_bytes(self) -> bytes:
        return self.real.public_bytes()

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        if self.backend.wrong == "signs nothing":
            raise RuntimeError("the device went away")
        signatures = self.real.sign_many(messages, threads)
        return [bytes(4627) for _ in signatures] if self.backend.wrong == "signs garbage" else signatures


@dataclass
class UnsoundVerifier:
    backend: Unsound
    raw: bytes

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        if self.backend.wrong == "takes anything":
            return None
        return REFERENCE.verifying_key(self.raw).first_invalid(pairs, threads)


@pytest.fixture(autouse=True)
def built_liboqs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the liboqs that tools/liboqs.sh built be found, if no other place is named."""
    if "OQS_INSTALL_PATH" not in os.environ and (BUILT / "lib").is_dir():
        monkeypatch.setenv("OQS_INSTALL_PATH", str(BUILT))


@pytest.fixture
def unsound(monkeypatch: pytest.MonkeyPatch) -> Unsound:
    """Put a backend that can go wrong first among those there are."""
    backend = Unsound()
    loads: dict[str, Callable[[], Backend]] = {"unsound": lambda: backend, "cryptography": lambda: REFERENCE}
    monkeypatch.setattr(choice, "BACKENDS", loads)
    monkeypatch.setattr(command, "BACKENDS", loads)
    return backend


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(command, "_SECONDS", 0.01)
    return Here(capsys)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    mask = os.umask(0o077)
    made = Home.create(tmp_path / "home", "test.example/backends")
    yield Home.open(made.path)
    os.umask(mask)


@dataclass
class Door:
    """A running service and its callers."""

    home: Home
    keys: dict[Role, str]
    client: httpx.AsyncClient

    async def ask(self, role: Role, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(
            method, path, headers={"Authorization": f"Bearer {self.keys[role]}"}, **options
        )

    async def decide(self, question: dict[str, Any]) -> None:
        answer = await self.ask(Role.GATEWAY, "POST", ASK, json=question)
        assert (answer.status_code, answer.json()["decision"]) == (200, True)

    async def metrics(self) -> str:
        return (await self.ask(Role.ADMIN, "GET", "/metrics")).text

    def bodies(self) -> list[Body]:
        """Return what the ledger holds, straight from the database."""
        entries = self.home.entries()
        try:
            return [event.decode(envelope.parse(raw).payload).body for raw in entries.entries(0, entries.size())]
        finally:
            entries.close()

    def changes(self) -> list[Changed]:
        return [body for body in self.bodies() if isinstance(body, Changed)]

    async def until_changed(self, times: int) -> list[Changed]:
        for _ in range(400):
            if len(self.changes()) >= times:
                break
            await asyncio.sleep(0.05)
        return self.changes()


@asynccontextmanager
async def served(home: Home) -> AsyncIterator[Door]:
    """Run the service of a home in this process."""
    callers = Callers(home.path / "callers.json", home.secret("caller"))
    keys = {role: callers.add(f"the-{role.value}", role, "default") for role in (Role.GATEWAY, Role.ADMIN)}
    async with running(home) as service:
        transport = httpx.ASGITransport(app=build_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://assay") as client:
            yield Door(home, keys, client)


def assert_sound(home: Home) -> None:
    """Assert that every entry and checkpoint of the log is as it should be."""
    entries, checkpoints, trust = home.entries(), home.checkpoints(), home.trust()
    try:
        flaws = recount(
            entries,
            checkpoints,
            origin=home.settings.origin,
            event_keys={key.key_id: key for key in trust.event_keys},
            log_keys=trust.log_keys,
            verifier=VERIFIER,
        )
        assert list(flaws) == []
    finally:
        entries.close()
        checkpoints.close()


def use(home: Home, backend: str) -> Home:
    """Write the backend into the settings of a home."""
    with (home.path / "assay.toml").open("a") as file:
        file.write(f'\n[ledger]\nbackend = "{backend}"\ncheckpoint_interval_ms = 100\n')
    return Home.open(home.path)


# The service.


@pytest.mark.enable_socket
@pytest.mark.live
@pytest.mark.parametrize("name", BACKENDS)
async def test_the_record_of_a_run_begins_with_what_signs_and_the_metrics_name_it(
    home: Home, question: dict[str, Any], name: str
) -> None:
    try:
        held = choice.guarded(name)
    except BackendUnusable as error:
        pytest.skip(str(error))
    if held.fault is not None:
        assert name == "liboqs"
        pytest.skip(f"this liboqs is not used: {held.fault}")
    async with served(use(home, name)) as door:
        await door.decide(question)
        text = await door.metrics()
    assert door.changes() == [Changed(backend=name, version=held.active.version, reason="started")]
    first = [type(body) for body in door.bodies() if not isinstance(body, KeyActivated)][:2]
    assert first == [Changed, ServiceChanged]
    assert f'\nassay_backend_info{{name="{name}",version="{held.active.version}"}} 1.0\n' in text
    assert "\nassay_backend_fallback 0.0\n" in text
    assert_sound(home)


@pytest.mark.enable_socket
@pytest.mark.live
@pytest.mark.parametrize("wrong", ["signs garbage", "signs nothing", "takes anything", "takes no key"])
async def test_a_backend_that_is_wrong_from_the_start_signs_nothing(
    home: Home, question: dict[str, Any], unsound: Unsound, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    unsound.wrong = wrong
    async with served(use(home, "auto")) as door:
        await door.decide(question)
        text = await door.metrics()
    assert "\nassay_backend_fallback 1.0\n" in text
    assert '\nassay_backend_info{name="cryptography",' in text
    assert [change.backend for change in door.changes()] == ["cryptography"]
    assert [record.levelname for record in caplog.records if "unsound 1" in record.message] == ["CRITICAL"]
    assert_sound(home)


@pytest.mark.enable_socket
@pytest.mark.live
async def test_a_backend_that_fails_while_it_signs_is_replaced_on_record_and_decisions_go_on(
    home: Home, question: dict[str, Any], unsound: Unsound, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(use(home, "auto")) as door:
        await door.decide(question)
        assert '\nassay_backend_info{name="unsound",version="unsound 1"} 1.0\n' in await door.metrics()
        unsound.wrong = "signs nothing"
        for _ in range(3):
            await door.decide(question)
        changes = await door.until_changed(2)
        unsound.wrong = ""
        await door.decide(question)
        text = await door.metrics()
    assert changes == [Changed(backend="unsound", version="unsound 1", reason="started"), FELL]
    assert door.changes() == changes, "it is noted once"
    assert "\nassay_backend_fallback 1.0\n" in text
    assert '\nassay_backend_info{name="cryptography",' in text
    assert 'name="unsound"' not in text
    (told,) = [record for record in caplog.records if "unsound 1" in record.message]
    assert (told.levelname, "it failed with RuntimeError when it signed" in told.message) == ("CRITICAL", True)
    assert_sound(home)


@pytest.mark.enable_socket
@pytest.mark.live
@pytest.mark.parametrize("wrong", ["signs garbage", "takes anything", "takes no key"])
async def test_a_backend_that_the_hourly_check_finds_wrong_is_replaced_on_record(
    home: Home, question: dict[str, Any], unsound: Unsound, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    # An hour is over when the machine has been up for one: so it is at the first look.
    monkeypatch.setattr("gateway.app.time", Hours())
    async with served(use(home, "auto")) as door:
        unsound.wrong = wrong
        assert await door.until_changed(2) == [
            Changed(backend="unsound", version="unsound 1", reason="started"),
            FELL,
        ]
        await door.decide(question)
        assert "\nassay_backend_fallback 1.0\n" in await door.metrics()
    assert_sound(home)


class Hours:
    """A clock whose hours are as short as they can be."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 4000
        return self._now

    def time(self) -> float:
        return 1.8e9


async def test_a_backend_that_is_named_and_missing_keeps_the_service_from_starting(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Backend:
        raise BackendUnusable("install it so")

    monkeypatch.setattr(choice, "BACKENDS", {"liboqs": missing})
    with pytest.raises(BackendUnusable, match="install it so"):
        async with served(use(home, "liboqs")):
            pass


# The command.


def test_the_command_shows_each_backend_its_speed_and_the_one_that_is_used(here: Here) -> None:
    said = here("keys", "backends")
    assert (said.code, said.err) == (0, "")
    head, *rows, last = said.out.splitlines()
    assert head.split() == ["sign/s", "all", "cores", "verify/s", "all", "cores"]
    assert [row.split()[0] for row in rows] == list(BACKENDS)
    assert last.startswith("used: ")
    assert "OpenSSL" in rows[-1]


def test_the_command_says_the_same_to_programs(here: Here) -> None:
    said = here("keys", "backends", "--json")
    assert (said.code, said.err) == (0, "")
    rows = {row["name"]: row for row in said.json["backends"]}
    assert list(rows) == list(BACKENDS)
    assert [name for name, row in rows.items() if row["used"]] == [said.json["used"]]
    assert rows[said.json["used"]]["usable"]
    assert said.json["why"]
    for row in rows.values():
        if row["usable"]:
            assert row["version"]
            for rate in ("sign_per_s", "sign_per_s_all_cores", "verify_per_s", "verify_per_s_all_cores"):
                assert row[rate] > 0
        else:
            assert row["why_not"]
            assert not row["used"]


def test_the_command_names_the_backend_that_the_settings_ask_for(here: Here) -> None:
    said = here("keys", "backends", "--use", "cryptography", "--json")
    assert (said.json["used"], said.json["why"]) == ("cryptography", "the settings name it")
    said = here("keys", "backends", "--use", "nothing")
    assert (said.code, said.out) == (2, "")
    assert said.err == "assay: there is no backend 'nothing'; there are auto, accelerator, liboqs, cryptography\n"


def test_the_command_says_how_to_get_what_is_asked_for_and_missing(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Backend:
        raise BackendUnusable(f"liboqs is not installed: {liboqs._HOW}")

    loads: dict[str, Callable[[], Backend]] = {"liboqs": missing, "cryptography": lambda: REFERENCE}
    monkeypatch.setattr(choice, "BACKENDS", loads)
    monkeypatch.setattr(command, "BACKENDS", loads)
    said = here("keys", "backends", "--use", "liboqs")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("assay: liboqs is not installed: install liboqs")
    said = here("keys", "backends")
    assert said.code == 0
    assert "liboqs        not used here: liboqs is not installed: install liboqs" in said.out
    assert said.out.endswith("used: cryptography (the fastest that can be used here)\n")


@pytest.mark.parametrize("wrong", ["signs garbage", "signs nothing", "takes anything", "takes no key"])
def test_the_command_does_not_call_a_backend_used_that_the_service_would_not_use(
    here: Here, unsound: Unsound, wrong: str
) -> None:
    unsound.wrong = wrong
    said = here("keys", "backends", "--json")
    assert (said.code, said.err) == (0, "")
    bad, good = said.json["backends"]
    assert (bad["usable"], bad["used"], good["usable"], good["used"]) == (False, False, True, True)
    assert bad["why_not"].startswith("it disagrees with the reference: ")
    assert said.json["used"] == "cryptography"
    assert said.json["why"] == "unsound would be, but disagrees with the reference"
    text = here("keys", "backends").out
    assert "unsound       not used here: it disagrees with the reference" in text
