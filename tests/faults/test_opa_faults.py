# SPDX-License-Identifier: Apache-2.0
"""OPA killed, stopped, or another program in its place: every answer is a recorded denial that says why."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway import bundle
from ledger.event import EngineChanged
from support.service import Service, add_caller, eventually, new_home, serving

if TYPE_CHECKING:
    from tests.faults.conftest import Tools

ASK = "/access/v1/evaluation"
pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for OPA in /proc"),
]


# OPA killed or stopped


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Run a service with an OPA of its own."""
    home = new_home(tmp_path / "home", ledger={"checkpoint_interval_ms": 100})
    keys = {role: add_caller(home, f"the-{role}", role) for role in ("gateway", "admin")}
    with serving(home, keys) as running:
        yield running


def _opa(service: Service, tools: "Tools") -> int:
    """Wait for the service's OPA and return its process id."""
    found: list[int] = []

    def there() -> bool:
        found[:] = [pid for pid, name in tools.processes(service.home).items() if name == "opa"]
        return bool(found)

    eventually(there)
    return found[0]


def _ready(service: Service) -> bool:
    with service.client("") as client:
        return client.get("/readyz").status_code == 200


def _metric(service: Service, name: str) -> float:
    with service.client("admin") as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _engine_changes(service: Service, tools: "Tools") -> list[tuple[str, int]]:
    bodies = [found.body for found in tools.recorded(service.home)]
    return [(body.change, body.restarts) for body in bodies if isinstance(body, EngineChanged)]


def test_killed_opa_is_a_denial_until_it_is_back_by_itself(
    service: Service, question: dict[str, Any], tools: "Tools"
) -> None:
    with tools.Load(service, question) as load:
        for kills in (1, 2, 3):
            before = len(load.told)
            eventually(lambda before=before: any(answer.allow for answer in load.told[before:]))
            killed, before = _opa(service, tools), len(load.told)
            os.kill(killed, signal.SIGKILL)
            eventually(lambda before=before: any(not answer.allow for answer in load.told[before:]))
            eventually(lambda kills=kills: _metric(service, "assay_opa_restarts") == kills)
            before = len(load.told)
            eventually(lambda before=before: any(answer.allow for answer in load.told[before:]), 10)
    assert load.refused == []
    assert load.broken == []
    denials = [answer for answer in load.told if not answer.allow]
    assert {code for answer in denials for code in answer.codes} <= {"engine_unreachable", "engine_timeout"}
    assert all(len(answer.codes) == 1 for answer in denials)
    assert tools.unrecorded(service.home, load.told) == []
    assert _metric(service, "assay_fail_closed_total") == len(denials)
    eventually(lambda: _ready(service))
    eventually(lambda: _engine_changes(service, tools)[-1:] == [("up", 3)])


def test_opa_killed_while_it_starts_is_started_again_soon(
    service: Service, question: dict[str, Any], tools: "Tools"
) -> None:
    for _ in range(3):
        os.kill(_opa(service, tools), signal.SIGKILL)
        time.sleep(0.02)
    with service.client() as client:
        eventually(lambda: client.post(ASK, json=question).json()["decision"])
    assert _metric(service, "assay_opa_restarts") >= 2


def test_stopped_opa_is_a_timely_denial_until_it_goes_on(
    service: Service, question: dict[str, Any], tools: "Tools"
) -> None:
    opa = _opa(service, tools)
    with tools.Load(service, question, connections=8) as load:
        eventually(lambda: any(answer.allow for answer in load.told))
        os.kill(opa, signal.SIGSTOP)
        try:
            # Questions that OPA answered before it was stopped may still be on their way.
            time.sleep(0.5)
            before = len(load.told)
            eventually(lambda: len(load.told) > before + 20)
            stopped = load.told[before : before + 20]
            eventually(lambda: _engine_changes(service, tools)[-1:] == [("down", 0)])
            assert not _ready(service)
        finally:
            os.kill(opa, signal.SIGCONT)
        after = len(load.told)
        eventually(lambda: any(answer.allow for answer in load.told[after:]))
    assert {answer.codes for answer in stopped} == {("engine_timeout",)}
    assert not any(answer.allow for answer in stopped)
    assert min(answer.seconds for answer in stopped) > 0.2
    assert tools.unrecorded(service.home, load.told) == []
    eventually(lambda: _engine_changes(service, tools)[-1:] == [("up", 0)])
    assert _ready(service)
    assert _metric(service, "assay_opa_restarts") == 0


# Another program in OPA's place

POLICY = bundle.shipped().digest
LOADED = {"bundles": {"policies": {"revision": POLICY}}}
GOOD: dict[str, Any] = {"allow": True, "domain": "todo", "reasons": [], "evaluated": ["a.rule"], "obligations": []}
REASON = {"code": "mfa_missing", "rule": "authentication.mfa_for_cde", "controls": [], "severity": "high", "facts": []}

Act = Callable[["_Asked"], None]


class _Server(ThreadingHTTPServer):
    """A program that knows which bundle OPA should have loaded, and answers questions as the test says."""

    daemon_threads = True
    request_queue_size = 64
    act: Act

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: callers hang up on this server all the time."""


class _Asked(BaseHTTPRequestHandler):
    """One question that came."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer honestly whether the right bundle is loaded, and all else as the test says."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked["input"]:
            self.server.act(self)
        else:
            self.say(200, {"result": {**GOOD, "allow": False, "reasons": [REASON]}, "provenance": LOADED})

    do_GET = do_POST  # noqa: N815 - named by the base class

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        """Keep quiet."""

    def say(self, status: int, value: Any, kind: str = "application/json", **headers: str) -> None:
        """Send a whole answer; text and bytes go as they are."""
        body = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        for name, content in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def engine() -> Iterator[_Server]:
    """Run the program that stands in for OPA."""
    with _Server(("127.0.0.1", 0), _Asked) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def fooled(engine: _Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service that was told to ask that program."""
    url = f"http://127.0.0.1:{engine.server_address[1]}"
    home = new_home(tmp_path_factory.mktemp("fooled") / "home", engine={"url": url, "timeout_ms": 300})
    with serving(home, {"gateway": add_caller(home, "till", "gateway")}) as running:
        yield running


def _result(**changes: Any) -> Act:
    """Return what gives a good answer with changes; a change to None leaves the member out."""
    result = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return lambda asked: asked.say(200, {"result": result, "provenance": LOADED})


def _whole(value: Any, status: int = 200, kind: str = "application/json") -> Act:
    return lambda asked: asked.say(status, value, kind)


def _good(asked: _Asked) -> None:
    asked.say(200, {"result": GOOD, "provenance": LOADED})


def _redirect(status: int) -> Act:
    """Return what sends the asker to another place, where an allowance waits."""

    def act(asked: _Asked) -> None:
        if asked.path.startswith("/elsewhere"):
            _good(asked)
        else:
            asked.say(status, {"result": GOOD, "provenance": LOADED}, Location="/elsewhere")

    return act


def _hangs_up(asked: _Asked) -> None:
    asked.close_connection = True


def _breaks_off(asked: _Asked) -> None:
    asked.send_response(200)
    asked.send_header("Content-Type", "application/json")
    asked.send_header("Content-Length", "100000")
    asked.end_headers()
    asked.wfile.write(json.dumps({"result": GOOD, "provenance": LOADED}).encode())
    asked.close_connection = True


def _never_ends(asked: _Asked) -> None:
    asked.send_response(200)
    asked.send_header("Content-Type", "application/json")
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    with suppress(OSError):
        for _ in range(30):
            asked.wfile.write(b"1\r\n \r\n")
            time.sleep(0.05)
    asked.close_connection = True


def _is_late(asked: _Asked) -> None:
    time.sleep(0.8)
    with suppress(OSError):
        _good(asked)


def _huge(asked: _Asked) -> None:
    with suppress(OSError):
        asked.say(200, json.dumps({"result": GOOD, "provenance": LOADED}) + " " * 30_000_000)
    asked.close_connection = True


def _no_http(asked: _Asked) -> None:
    asked.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    asked.close_connection = True


def _other_bundle(bundles: dict[str, Any]) -> Act:
    return lambda asked: asked.say(200, {"result": GOOD, "provenance": {"bundles": bundles}})


MANY = [{**REASON, "rule": f"a.rule_{number}"} for number in range(1000)]
ANSWERS: list[tuple[str, Act, str]] = [
    ("nothing", _whole({}), "engine_undefined"),
    ("nothing but provenance", _whole({"provenance": LOADED}), "engine_undefined"),
    ("a decision without its envelope", _whole(GOOD), "engine_undefined"),
    ("a list", _whole([{"result": GOOD}]), "engine_undefined"),
    ("null", _whole({"result": None, "provenance": LOADED}), "engine_bad_answer"),
    ("true", _whole({"result": True, "provenance": LOADED}), "engine_bad_answer"),
    ("allow without evaluated rules", _result(evaluated=[]), "engine_bad_answer"),
    ("allow with reasons", _result(reasons=[REASON]), "engine_bad_answer"),
    ("allow without a domain", _whole({"result": GOOD | {"domain": None}, "provenance": LOADED}), "engine_bad_answer"),
    ("allow as text", _result(allow="true"), "engine_bad_answer"),
    ("allow as a number", _result(allow=1), "engine_bad_answer"),
    ("allow left out", _result(allow=None), "engine_bad_answer"),
    ("deny without reasons", _result(allow=False), "engine_bad_answer"),
    ("a member nobody knows", _result(allowed=True), "engine_bad_answer"),
    ("reasons left out", _result(reasons=None), "engine_bad_answer"),
    ("evaluated as text", _result(evaluated="a.rule"), "engine_bad_answer"),
    ("more reasons than an entry holds", _result(allow=False, reasons=MANY), "engine_bad_answer"),
    ("text that is no Unicode", _result(evaluated=["\ud800"]), "engine_bad_answer"),
    ("an obligation with a number beyond all", _result(obligations=[{"id": "x", "n": 2**70}]), "engine_bad_answer"),
    ("an obligation that is no number", _result(obligations=[{"id": "x", "n": float("nan")}]), "engine_bad_answer"),
    ("server error with an allowance", _whole({"result": GOOD, "provenance": LOADED}, 500), "engine_bad_answer"),
    ("accepted for later", _whole({"result": GOOD, "provenance": LOADED}, 202), "engine_bad_answer"),
    ("not found", _whole({"code": "not found"}, 404), "engine_bad_answer"),
    ("unauthorised", _whole({"code": "unauthorized"}, 401), "engine_bad_answer"),
    ("HTML", _whole("<html>Welcome</html>", 200, "text/html"), "engine_bad_answer"),
    ("HTML said to be JSON", _whole("<html>Welcome</html>"), "engine_bad_answer"),
    ("half of the JSON", _whole('{"result": {"allow": true, '), "engine_bad_answer"),
    ("no bytes", _whole(""), "engine_bad_answer"),
    ("bytes that are no text", _whole(b"\xff\xfe\x00"), "engine_bad_answer"),
    ("redirect 301", _redirect(301), "engine_bad_answer"),
    ("redirect 302", _redirect(302), "engine_bad_answer"),
    ("redirect 303", _redirect(303), "engine_bad_answer"),
    ("redirect 307", _redirect(307), "engine_bad_answer"),
    ("redirect 308", _redirect(308), "engine_bad_answer"),
    ("30 MB", _huge, "engine_bad_answer"),
    ("another protocol", _no_http, "engine_bad_answer"),
    ("the right answer of another bundle", _other_bundle({"policies": {"revision": "0" * 64}}), "engine_other_policy"),
    ("the right answer of no bundle", _other_bundle({}), "engine_other_policy"),
    ("the right answer of two bundles", _other_bundle(LOADED["bundles"] | {"more": {}}), "engine_other_policy"),
    ("the right answer with damaged provenance", _other_bundle({"policies": 7}), "engine_other_policy"),
    ("hangs up", _hangs_up, "engine_unreachable"),
    ("breaks off", _breaks_off, "engine_unreachable"),
    ("never ends", _never_ends, "engine_timeout"),
    ("is late", _is_late, "engine_timeout"),
]


@pytest.mark.xdist_group("fooled")
@pytest.mark.parametrize(("act", "code"), [pytest.param(act, code, id=name) for name, act, code in ANSWERS])
def test_engine_that_misbehaves_is_a_denial_with_its_own_code(
    fooled: Service, engine: _Server, question: dict[str, Any], tools: "Tools", act: Act, code: str
) -> None:
    engine.act = _good
    with fooled.client() as client:
        eventually(lambda: client.post(ASK, json=question).json()["decision"] is True)
        engine.act = act
        response = client.post(ASK, json=question)
    assert (response.status_code, response.json().get("decision")) == (200, False), response.text
    answer = tools.told(response)
    assert answer.codes == (code,)
    assert tools.unrecorded(fooled.home, [answer]) == []


@pytest.mark.parametrize(
    ("provenance", "says"),
    [({}, "bundle none loaded"), ({"bundles": {"other": {"revision": "abc"}}}, "bundle abc loaded")],
)
def test_engine_with_another_bundle_is_refused_at_start(tmp_path: Path, provenance: dict[str, Any], says: str) -> None:
    class Honest(_Asked):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.say(200, {"result": GOOD, "provenance": provenance})

    with _Server(("127.0.0.1", 0), Honest) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        home = new_home(tmp_path / "home", engine={"url": f"http://127.0.0.1:{server.server_address[1]}"})
        with pytest.raises(AssertionError, match=f"exited 2.*{says}"), serving(home, {}):
            pass
        server.shutdown()
        thread.join()


def test_requests_during_an_outage_of_the_engine_do_not_wait_for_one_another(
    fooled: Service, engine: _Server, question: dict[str, Any]
) -> None:
    lock, there, most = threading.Lock(), 0, 0

    def counted(asked: _Asked) -> None:
        nonlocal there, most
        with lock:
            there += 1
            most = max(most, there)
        _is_late(asked)
        with lock:
            there -= 1

    engine.act = counted
    batch = {**question, "evaluations": [{"resource": {"type": "todo", "id": str(n)}} for n in range(40)]}
    with fooled.client() as client:
        answer: httpx.Response = client.post("/access/v1/evaluations", json=batch)
    assert [item["decision"] for item in answer.json()["evaluations"]] == [False] * 40
    assert most > 20
