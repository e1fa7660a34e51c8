# SPDX-License-Identifier: Apache-2.0
"""Who gets in where, on the running service."""

from typing import Any

import pytest

from support.service import Service, add_caller, assay, eventually, new_home, serving

OPEN = [
    "/healthz",
    "/readyz",
    "/checkpoint",
    "/tile/0/000.p/1",
    "/tile/entries/000.p/1",
    "/.well-known/authzen-configuration",
]
REACHES = {
    "/ledger/entries/0": {"officer", "auditor", "admin"},
    "/ledger/proof/inclusion?index=0": {"gateway", "officer", "auditor", "admin"},
    "/ledger/proof/consistency?first=1": {"gateway", "officer", "auditor", "admin"},
    "/metrics": {"auditor", "admin"},
    "/openapi.json": {"gateway", "officer", "auditor", "admin"},
}


@pytest.mark.parametrize("path", OPEN)
def test_open_routes_need_no_key(service: Service, path: str) -> None:
    with service.client("") as client:
        eventually(lambda: client.get(path).status_code == 200)


@pytest.mark.parametrize("path", REACHES)
@pytest.mark.parametrize("role", ["gateway", "officer", "auditor", "admin"])
def test_role_reaches_what_it_is_there_for(service: Service, path: str, role: str) -> None:
    with service.client(role) as client:
        eventually(lambda: int(client.get("/checkpoint").text.split("\n")[1]) > 1)
        assert client.get(path).status_code == (200 if role in REACHES[path] else 403)


@pytest.mark.parametrize("path", [*REACHES, "/access/v1/evaluation", "/access/v1/evaluations"])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic Zzp6", "Bearer", "bearer a b"])
def test_everything_else_needs_a_valid_key(service: Service, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    with service.client("") as client:
        answer = client.request("POST" if "access" in path else "GET", path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", ["officer", "auditor"])
def test_readers_cannot_ask_for_decisions(service: Service, question: dict[str, Any], role: str) -> None:
    with service.client(role) as client:
        assert client.post("/access/v1/evaluation", json=question).status_code == 403


@pytest.mark.parametrize(
    "path", ["/tile/0/999", "/tile/0/0", "/tile/9/000", "/tile/%2e%2e/checkpoint", "/nothing", "/ledger/entries/x"]
)
def test_what_is_not_there_is_a_problem(service: Service, path: str) -> None:
    with service.client("auditor") as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_there_is_no_way_to_change_or_delete_an_entry(service: Service) -> None:
    with service.client("admin") as client:
        for method in ("PUT", "PATCH", "POST", "DELETE"):
            assert client.request(method, "/ledger/entries/0").status_code == 405


def test_metrics_show_decisions_rules_latency_lag_and_restarts(service: Service, question: dict[str, Any]) -> None:
    question["action"]["name"] = "can_do_nothing_of_the_kind"
    with service.client() as client:
        client.post("/access/v1/evaluation", json=question)
    with service.client("admin") as admin:
        text = admin.get("/metrics").text
    for name in (
        "assay_decisions_total",
        "assay_denials_total",
        "assay_engine_seconds_bucket",
        "assay_answer_seconds_count",
        "assay_sequencer_lag_seconds",
        "assay_opa_restarts",
        "assay_entries",
    ):
        assert name in text


@pytest.mark.enable_socket
@pytest.mark.live
def test_caller_beyond_its_rate_is_told_to_wait(tmp_path: Any, question: dict[str, Any]) -> None:
    home = new_home(tmp_path / "home", limits={"requests_per_second": 1, "burst": 3})
    keys = {"gateway": add_caller(home, "fast", "gateway"), "admin": add_caller(home, "calm", "admin")}
    with serving(home, keys) as service, service.client() as client:
        answers = [client.post("/access/v1/evaluation", json=question) for _ in range(6)]
        assert [answer.status_code for answer in answers][:3] == [200, 200, 200]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        with service.client("admin") as other:
            assert other.post("/access/v1/evaluation", json=question).status_code == 200


@pytest.mark.enable_socket
@pytest.mark.live
def test_callers_come_and_go_while_the_service_runs_and_the_ledger_says_so(
    tmp_path: Any, question: dict[str, Any]
) -> None:
    home = new_home(tmp_path / "home", ledger={"checkpoint_interval_ms": 100})
    keys = {"auditor": add_caller(home, "reader", "auditor")}
    with serving(home, keys) as service:
        service.keys["gateway"] = add_caller(home, "newcomer", "gateway")
        with service.client() as client:
            eventually(lambda: client.post("/access/v1/evaluation", json=question).status_code == 200)
            assay("keys", "caller", "remove", "newcomer", home=home)
            eventually(lambda: client.post("/access/v1/evaluation", json=question).status_code == 401)
        with service.client("auditor") as auditor:
            eventually(lambda: _changes(auditor)[-2:] == [("newcomer", "added"), ("newcomer", "removed")])
            eventually(lambda: any(event["type"] == "gateway:access:refused" for event in _events(auditor)))


def _events(client: Any) -> list[dict[str, Any]]:
    size = int(client.get("/checkpoint").text.split("\n")[1])
    return [client.get(f"/ledger/entries/{index}").json()["event"]["body"] for index in range(size)]


def _changes(client: Any) -> list[tuple[str, str]]:
    return [(body["caller"], body["change"]) for body in _events(client) if body["type"] == "gateway:caller:changed"]
