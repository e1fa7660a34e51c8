# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document tells the truth: what the running service answers is what the document says it may."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.service import Service, eventually

OPERATIONS = {
    ("POST", "/access/v1/evaluation"): True,
    ("POST", "/access/v1/evaluations"): True,
    ("GET", "/.well-known/authzen-configuration"): False,
    ("GET", "/checkpoint"): False,
    ("GET", "/tile/{path}"): False,
    ("GET", "/ledger/entries/{index}"): True,
    ("GET", "/ledger/proof/inclusion"): True,
    ("GET", "/ledger/proof/consistency"): True,
    ("GET", "/healthz"): False,
    ("GET", "/readyz"): False,
    ("GET", "/metrics"): True,
    ("GET", "/openapi.json"): True,
}
"""Every operation, and whether it needs a key."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    with service.client("admin") as client:
        eventually(lambda: client.get("/ledger/entries/0").status_code == 200)
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def validated(service: Service, document: dict[str, Any], method: str, path: str, **parts: Any) -> int:
    """Ask once, check the answer against the document, return its status."""
    operation = schemathesis.openapi.from_dict(document)[path][method]
    case = operation.Case(**parts)
    headers = {"Authorization": f"Bearer {service.keys['admin']}"}
    answer = case.call_and_validate(base_url=service.url, headers=headers, checks=CHECKS)
    return int(answer.status_code)


def test_document_lists_every_operation_and_which_need_a_key(service: Service, document: dict[str, Any]) -> None:
    assert service.url
    found = {
        (method.upper(), path): "security" in operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert found == OPERATIONS
    assert document["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    assert "HTTPValidationError" not in str(document)


def test_problems_are_listed_where_they_can_happen(service: Service, document: dict[str, Any]) -> None:
    assert service.url
    for (method, path), needs_key in OPERATIONS.items():
        answers = document["paths"][path][method.lower()]["responses"]
        assert {"401", "403", "429"} <= set(answers) or not needs_key
        assert ("422" in answers) is path.startswith("/access")
        problems = {status for status, said in answers.items() if "application/problem+json" in said["content"]}
        assert problems == set(answers) - {"200"} - ({"503"} if path == "/readyz" else set())


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_the_document_tells_of(
    service: Service, document: dict[str, Any], method: str, path: str
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {service.keys['admin']}"}

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def every(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=service.url, headers=headers, checks=CHECKS)

    every()


@pytest.mark.parametrize(
    ("path", "parts", "status"),
    [
        ("/tile/{path}", {"path_parameters": {"path": "0/000.p/1"}}, 200),
        ("/tile/{path}", {"path_parameters": {"path": "entries/000.p/1"}}, 200),
        ("/tile/{path}", {"path_parameters": {"path": "9/000"}}, 404),
        ("/ledger/entries/{index}", {"path_parameters": {"index": "0"}}, 200),
        ("/ledger/entries/{index}", {"path_parameters": {"index": "9999999999999999"}}, 404),
        ("/ledger/entries/{index}", {"path_parameters": {"index": "\u0664"}}, 404),
        ("/ledger/proof/inclusion", {"query": {"index": 0}}, 200),
        ("/ledger/proof/inclusion", {"query": {"index": 0, "size": 1}}, 200),
        ("/ledger/proof/inclusion", {"query": {"index": 1, "size": 1}}, 404),
        ("/ledger/proof/inclusion", {"query": {"index": "x"}}, 400),
        ("/ledger/proof/inclusion", {"query": {"index": -1}}, 400),
        ("/ledger/proof/inclusion", {"query": {"index": 2**53}}, 400),
        ("/ledger/proof/inclusion", {"query": {}}, 400),
        ("/ledger/proof/consistency", {"query": {"first": 1}}, 200),
        ("/ledger/proof/consistency", {"query": {"first": 1, "second": 1}}, 200),
        ("/ledger/proof/consistency", {"query": {"first": 2, "second": 1}}, 404),
        ("/ledger/proof/consistency", {"query": {"first": 0, "second": 2**52}}, 404),
    ],
)
def test_answer_to_a_telling_question_is_as_documented(
    service: Service, document: dict[str, Any], path: str, parts: dict[str, Any], status: int
) -> None:
    assert validated(service, document, "GET", path, **parts) == status


@pytest.mark.parametrize("path", ["/access/v1/evaluation", "/access/v1/evaluations"])
def test_decisions_and_refusals_are_as_documented(
    service: Service, document: dict[str, Any], question: dict[str, Any], path: str
) -> None:
    items = {"evaluations": [question, {}, {**question, "subject": 1}]}
    asked = {"method": "POST", "path": path, "media_type": "application/json"}
    for body, status in ((question, 200), (items, 200 if path.endswith("s") else 400), ({}, 400), ([], 400)):
        assert validated(service, document, body=body, **asked) == status
    key = {"Idempotency-Key": f"documented{path}"}
    assert validated(service, document, body=question, headers=key, **asked) == 200
    assert validated(service, document, body={**question, "context": {"x": 1}}, headers=key, **asked) == 422
    assert validated(service, document, body={"subject": "x" * 300_000}, **asked) == 413


@pytest.mark.parametrize("lie", ["status", "media type", "schema"])
def test_untrue_document_would_be_noticed(service: Service, document: dict[str, Any], lie: str) -> None:
    content = (
        {"text/plain": {}} if lie == "media type" else {"application/json": {"schema": {"const": lie == "status"}}}
    )
    told = {"503" if lie == "status" else "200": {"description": "A lie.", "content": content}}
    paths = {"/healthz": {"get": {**document["paths"]["/healthz"]["get"], "responses": told}}}
    with pytest.raises(FailureGroup):
        validated(service, {**document, "paths": paths}, "GET", "/healthz")
