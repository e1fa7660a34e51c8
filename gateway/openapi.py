# SPDX-License-Identifier: Apache-2.0
"""Request and response schemas of the access routes, for the OpenAPI document."""

from typing import Any

_ENTITY: dict[str, Any] = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {
        "type": {"type": "string", "minLength": 1, "maxLength": 256},
        "id": {"type": "string", "minLength": 1, "maxLength": 2048},
        "properties": {"type": "object"},
    },
}
_ACTION: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 256}, "properties": {"type": "object"}},
}
_MEMBERS: dict[str, Any] = {
    "subject": _ENTITY,
    "action": _ACTION,
    "resource": _ENTITY,
    "context": {"type": "object"},
}
_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["subject", "action", "resource"],
    "properties": _MEMBERS,
}
_DECISION: dict[str, Any] = {
    "type": "object",
    "required": ["decision", "context"],
    "properties": {"decision": {"type": "boolean"}, "context": {"type": "object"}},
}
_SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"]
_SEVERAL: dict[str, Any] = {
    "type": "object",
    "required": ["evaluations"],
    "properties": {
        **_MEMBERS,
        "evaluations": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {"type": "object", "properties": _MEMBERS},
        },
        "options": {
            "type": "object",
            "properties": {"evaluations_semantic": {"type": "string", "enum": _SEMANTICS}},
        },
    },
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}
PROBLEMS: dict[str, Any] = {
    str(status): {"description": what, "content": {"application/problem+json": {"schema": _PROBLEM}}}
    for status, what in {
        400: "The request is malformed; recorded as bad input.",
        401: "No valid bearer key.",
        403: "The caller's role does not reach this.",
        404: "There is no such entry, proof or tile, or it is not under a published checkpoint yet.",
        409: "The first request with this Idempotency-Key is still running.",
        413: "The body is too large; recorded as bad input.",
        422: "The Idempotency-Key was used with another request.",
        429: "Too many requests.",
        503: "The decision could not be recorded; do not let the call through.",
    }.items()
}
_HEADERS = [
    {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "minLength": 1}},
    {"name": "X-Request-ID", "in": "header", "required": False, "schema": {"type": "string"}},
]


def _operation(request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters": _HEADERS,
        "security": [{"bearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": {"description": "The decision, recorded.", "content": {"application/json": {"schema": response}}},
            **PROBLEMS,
        },
    }


SINGLE = _operation(_REQUEST, _DECISION)
BATCH = _operation(
    {"anyOf": [_SEVERAL, _REQUEST]},
    {
        "anyOf": [
            {
                "type": "object",
                "required": ["evaluations"],
                "properties": {"evaluations": {"type": "array", "items": _DECISION}},
            },
            _DECISION,
        ]
    },
)
