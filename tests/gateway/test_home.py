# SPDX-License-Identifier: Apache-2.0
"""The home folder: made once, private, refused if others could read it; callers' keys are not in it."""

import json
import logging
import os
import re
import socket
import subprocess
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway import logs
from gateway.callers import Callers, Role
from gateway.errors import GatewayError, HomeUnusable, SettingsInvalid
from gateway.home import KEY_FILES, Home
from support.service import ASSAY, add_caller, assay, new_home, serving

ORIGIN = "log.example/payments"
SECRETS = ["keys/master.secret", *(f"keys/{name}" for name, _ in KEY_FILES.values())]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home", ORIGIN)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Made once.


def test_new_home_is_readable_by_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = Home.create(tmp_path / "deep/home", ORIGIN)
        assert os.umask(0) == 0, "the caller's umask is given back"
    finally:
        os.umask(before)
    places = [made.path, *made.path.rglob("*")]
    assert {str(place.relative_to(made.path)) for place in places} >= {*SECRETS, "trust.json", "assay.toml"}
    assert [str(place) for place in places if place.stat().st_mode & 0o077] == []
    assert Home.open(made.path).settings.origin == ORIGIN


@pytest.mark.live
def test_what_the_service_adds_to_a_home_is_private_too(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    keys = {"admin": add_caller(home, "boss", "admin")}
    before = os.umask(0)
    try:
        with serving(home, keys):
            modes = {place.name: place.stat().st_mode for place in home.rglob("*")}
    finally:
        os.umask(before)
    assert {"lock", "entries.sqlite-wal", "main.rego", "callers.json"} <= set(modes)
    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_empty_folder_that_was_there_becomes_a_private_home(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.mkdir(mode=0o755)
    Home.create(place, ORIGIN)
    assert Home.open(place).path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("held", ["a home", "a file", "a hidden file", "a folder"])
def test_nothing_is_ever_overwritten_by_a_new_home(tmp_path: Path, held: str) -> None:
    place = tmp_path / "home"
    if held == "a home":
        Home.create(place, ORIGIN)
    else:
        place.mkdir(mode=0o750)
        what = place / (".note" if "hidden" in held else "note")
        what.mkdir() if held == "a folder" else what.write_text("mine")
    before, mode = contents(place), place.stat().st_mode
    done = assay("keys", "init", "--home", str(place), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "never overwritten" in done.stderr
    assert contents(place) == before
    assert place.stat().st_mode == mode


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "new\nline", "tab\there", "nul\0", "x" * 256, "\udcff"])
def test_name_that_no_log_can_have_leaves_nothing_behind(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SettingsInvalid, match="origin"):
        Home.create(tmp_path / "home", origin)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("origin", ['a"b', "back\\slash", 'a\\"b', "café.example/κάρτα", "{origin}", "a'''b", "#x"])
def test_name_of_the_log_is_kept_as_it_was_given(tmp_path: Path, origin: str) -> None:
    made = Home.create(tmp_path / "home", origin)
    assert Home.open(made.path).settings.origin == made.trust().origin == origin


def test_home_that_could_not_be_finished_is_not_left_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Home, "entries", full)
        with pytest.raises(HomeUnusable, match="No space left"):
            Home.create(tmp_path / "home", ORIGIN)
    assert list((tmp_path / "home").iterdir()) == []
    assert Home.create(tmp_path / "home", ORIGIN).keys.keys() == KEY_FILES.keys()


def test_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeUnusable, match=r"file/home"):
        Home.create(tmp_path / "file/home", ORIGIN)


def test_two_homes_have_no_key_or_secret_in_common(tmp_path: Path) -> None:
    one, other = (Home.create(tmp_path / name, ORIGIN) for name in ("one", "other"))
    ids = [key.public.key_id for home in (one, other) for key in home.keys.values()]
    assert len(set(ids)) == 2 * len(KEY_FILES)
    assert len({home.secret(label) for home in (one, other) for label in ("caller", "card-data")}) == 4


# Found by --home, ASSAY_HOME or ~/.assay.


def test_home_is_where_the_option_says_or_else_the_environment_or_else_the_user(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("option", "environment", "user")}
    (tmp_path / "user").mkdir()
    environment = {**os.environ, "HOME": str(places["user"])}
    environment.pop("ASSAY_HOME", None)
    for arguments, more in (
        (["--home", str(places["option"])], {"ASSAY_HOME": str(places["environment"])}),
        ([], {"ASSAY_HOME": str(places["environment"])}),
        ([], {}),
    ):
        command = [*ASSAY, "keys", "init", *arguments]
        subprocess.run(command, env={**environment, **more}, check=True, capture_output=True)
    made = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("assay.toml")}
    assert made == {"option", "environment", "user/.assay"}


@pytest.mark.parametrize(
    "command", [["serve", "--port", "0"], ["keys", "list"], ["ledger", "checkpoint"], ["keys", "caller", "list"]]
)
def test_command_without_a_home_says_how_to_make_one(tmp_path: Path, command: list[str]) -> None:
    done = assay(*command, home=tmp_path / "none", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"assay keys init --home {tmp_path / 'none'}" in done.stderr
    assert not (tmp_path / "none").exists()


# Refused if others could read it.


@pytest.mark.parametrize("place", [".", "keys", *SECRETS])
def test_home_that_others_could_use_is_refused_by_place(home: Home, place: str) -> None:
    path = home.path / place
    private = path.stat().st_mode & 0o777
    for more in (0o040, 0o020, 0o010, 0o004, 0o002, 0o001):
        path.chmod(private | more)
        with pytest.raises(HomeUnusable, match=r"can be read by others .*chmod -R go-rwx") as refused:
            Home.open(home.path)
        assert str(refused.value).startswith(f"{path} ")
    path.chmod(private)
    assert Home.open(home.path) == home


@pytest.mark.parametrize(
    "command", [["serve", "--port", "0"], ["keys", "list"], ["ledger", "recount"], ["pack", "build", "--out", "p.zip"]]
)
def test_no_command_uses_keys_that_everyone_could_read(home: Home, command: list[str]) -> None:
    (home.path / "keys/event.pem").chmod(0o644)
    done = assay(*command, home=home.path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "event.pem can be read by others (mode 644)" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("place", [".", "keys", "keys/event.pem", "keys/master.secret"])
def test_home_of_another_user_is_refused(home: Home, place: str) -> None:
    os.chown(home.path / place, 65534, 65534)
    with pytest.raises(HomeUnusable, match="belongs to another user"):
        Home.open(home.path)


@pytest.mark.parametrize("place", SECRETS)
@pytest.mark.parametrize("harm", ["gone", "empty", "another's", "not text"])
def test_damaged_key_is_named_and_never_replaced(home: Home, place: str, harm: str) -> None:
    path = home.path / place
    other = "keys/log-ed25519.pem" if "ml-dsa" in place or "event" in place else "keys/event.pem"
    harmed = {"empty": b"", "another's": (home.path / other).read_bytes(), "not text": b"\xff\xfe"}
    path.unlink() if harm == "gone" else path.write_bytes(harmed[harm])
    opened = Home.open(home.path)
    use = partial(opened.secret, "caller") if place.endswith("secret") else opened.trust
    with pytest.raises(HomeUnusable, match=re.escape(path.name)):
        use()
    assert not path.exists() if harm == "gone" else path.read_bytes() == harmed[harm]


# Callers' keys are shown once.


@pytest.mark.live
def test_bearer_key_is_shown_once_and_is_nowhere_in_the_home(tmp_path: Path, question: dict[str, Any]) -> None:
    home = new_home(tmp_path / "home")
    key = add_caller(home, "till", "gateway")
    assert re.fullmatch(r"assay_[A-Za-z0-9_-]{43}", key)
    request = tmp_path / "question.json"
    request.write_text(json.dumps(question))
    assert assay("decide", str(request), home=home).returncode == 0
    said = (
        assay("keys", "caller", "list", "--json", home=home).stdout + assay("keys", "caller", "list", home=home).stdout
    )
    secret = key.removeprefix("assay_")
    everything = {**contents(home), "what the list says": said.encode()}
    assert [name for name, content in everything.items() if secret.encode() in content] == []
    (row,) = json.loads((home / "callers.json").read_text())["callers"]
    assert sorted(row) == ["key_hash", "name", "role", "tenant"]
    assert re.fullmatch(r"[0-9a-f]{64}", row["key_hash"])


def test_hash_of_a_bearer_key_needs_the_secret_of_the_home(tmp_path: Path) -> None:
    path = tmp_path / "callers.json"
    key = Callers(path, b"a" * 32).add("till", Role.GATEWAY, "default")
    for secret, found in ((b"a" * 32, "till"), (b"b" * 32, None)):
        callers = Callers(path, secret)
        callers.adopt(callers.read())
        caller = callers.authenticate(key)
        assert (caller and caller.name) == found
        assert callers.authenticate(key[:-1]) is None
        assert key not in repr(callers)


def test_name_is_given_to_one_caller_at_a_time(tmp_path: Path) -> None:
    callers = Callers(tmp_path / "callers.json", b"a" * 32)
    first = callers.add("till", Role.GATEWAY, "default")
    with pytest.raises(HomeUnusable, match="already"):
        callers.add("till", Role.ADMIN, "default")
    callers.remove("till")
    second = callers.add("till", Role.GATEWAY, "default")
    callers.adopt(callers.read())
    assert (callers.authenticate(first), callers.authenticate(second)) == (None, callers.all()[0])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "assay-callers/2", "callers": []}', '{"callers": [1]}'])
def test_damaged_list_of_callers_lets_nobody_in_and_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "callers.json"
    path.write_text(text)
    callers = Callers(path, b"a" * 32)
    for use in (callers.read, lambda: callers.add("till", Role.GATEWAY, "default"), lambda: callers.remove("till")):
        with pytest.raises(GatewayError, match="damaged"):
            use()
    assert callers.all() == []
    assert path.read_text() == text


# Its log.


@pytest.mark.live
@pytest.mark.enable_socket
def test_log_is_lines_of_json_without_anything_of_a_request(tmp_path: Path, question: dict[str, Any]) -> None:
    home = new_home(tmp_path / "home", limits={"body_bytes": 4096}, engine={"timeout_ms": 5000})
    keys = {"gateway": add_caller(home, "till", "gateway"), "auditor": add_caller(home, "reader", "auditor")}
    mark = "zebra7351"
    question["subject"]["id"] = question["context"] = mark
    marked = {
        "subject": {"type": mark, "id": mark, "properties": {mark: mark}},
        "action": {"name": mark},
        "resource": {"type": mark, "id": mark},
        "context": {"cvv": "737", "note": f"{mark} 4242424242424242"},
    }
    headers = {"X-Request-ID": mark, "User-Agent": mark, "Cookie": mark, "Content-Type": "application/json"}
    with serving(home, keys) as service:
        with service.client() as client:
            client.headers.update(headers)
            asked = [
                client.post("/access/v1/evaluation", json=marked, headers={"Idempotency-Key": mark}),
                client.post("/access/v1/evaluation", json=question),
                client.post("/access/v1/evaluation", content=f'{{"{mark}": "{mark}"'),
                client.post("/access/v1/evaluation", content=f'"{mark}\ud83d"'.encode("utf-8", "surrogatepass")),
                client.post("/access/v1/evaluation", content=mark * 1000),
                client.post("/access/v1/evaluation", content=mark, headers={"Content-Type": mark}),
                client.post(f"/{mark}?{mark}={mark}", content=mark),
                client.get(f"/ledger/entries/{mark}", headers={"Authorization": f"Bearer {keys['auditor']}"}),
                client.get(f"/ledger/proof/inclusion?index={mark}"),
                client.get("/metrics", headers={"Authorization": f"Bearer {mark}"}),
            ]
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            raw.sendall(f"{mark} {mark}\r\n\r\n".encode())
            raw.recv(4096)
        assert service.stop() == 0
    assert {answer.status_code for answer in asked} >= {200, 400, 401, 404, 413}
    text = (tmp_path / "home.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert any(line.get("source") == "uvicorn.error" for line in lines), "what was no request is told of"
    for secret in (mark, "4242424242424242", *keys.values()):
        assert secret not in text


def test_log_tells_of_an_exception_only_what_kind_it_is_and_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("assay-test")
    before = (logging.root.handlers[:], logging.root.level)
    try:
        logs.configure()
        try:
            json.loads("4242424242424242 is no JSON")
        except ValueError:
            logger.exception("two\nlines, %s", "one record")
    finally:
        logging.root.handlers, logging.root.level = before
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["message"] == "two\nlines, one record"
    assert (told["level"], told["source"]) == ("error", "assay-test")
    assert re.fullmatch(r"JSONDecodeError at decode:\d+", told["exception"])
    assert datetime.fromisoformat(told["time"]).tzinfo == UTC


def test_key_may_be_kept_elsewhere_and_its_location_is_data(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home", ORIGIN)
    before = home.keys["event"].public
    (tmp_path / "safe").mkdir()
    elsewhere = (tmp_path / "home/keys/event.pem").rename(tmp_path / "safe/event.pem")
    with (tmp_path / "home/assay.toml").open("a") as file:
        file.write(f'[keys]\nevent = "file:{elsewhere}"\n')
    assert Home.open(tmp_path / "home").keys["event"].public == before
    elsewhere.chmod(0o640)
    with pytest.raises(HomeUnusable, match="can be read by others"):
        _ = Home.open(tmp_path / "home").keys


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("pkcs11:token=assay;object=event", "no keys from an HSM"),
        ("file:", "not a location"),
        ("keys/event.pem", "not a location"),
        ("https://keys.example/event.pem", "not a location"),
        ("file:keys/none.pem", "No such file"),
        ("file:keys/log-ed25519.pem", "is an Ed25519 key, want ML-DSA-87"),
        ("file:keys/master.secret", "not a PEM private key"),
    ],
)
def test_location_that_leads_to_no_key_is_refused(tmp_path: Path, location: str, why: str) -> None:
    Home.create(tmp_path / "home", ORIGIN)
    with (tmp_path / "home/assay.toml").open("a") as file:
        file.write(f'[keys]\nevent = "{location}"\n')
    with pytest.raises(HomeUnusable, match=why):
        _ = Home.open(tmp_path / "home").keys
