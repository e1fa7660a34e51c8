# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says of each route: who may ask, with what, and every answer there is."""

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
_SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"]
_SEVERAL: dict[str, Any] = {
    "type": "object",
    "required": ["evaluations"],
    "properties": {
        **_MEMBERS,
        "evaluations": {
            "type": "array",
            "minItems": 1,
            "description": "At most as many as the setting limits.evaluations says, 100 unless told.",
            "items": {"type": "object", "properties": _MEMBERS},
        },
        "options": {
            "type": "object",
            "properties": {"evaluations_semantic": {"type": "string", "enum": _SEMANTICS}},
        },
    },
}
_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_HASH: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _object(optional: tuple[str, ...] = (), /, **members: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object; what is not optional is required."""
    return {
        "type": "object",
        "required": [name for name in members if name not in optional],
        "properties": members,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_PROBLEM = _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, code=_TEXT, detail=_TEXT)
_REASON = _object(code=_TEXT, rule=_TEXT, controls=_list(_TEXT), severity=_TEXT, facts=_list(_TEXT))
_DECISION = _object(
    decision={"type": "boolean"},
    context=_object(
        # An item of a batch that is no request has `error` and `code` instead of what decided.
        ("decision_id", "reasons", "obligations", "policy_revision", "error", "code"),
        decision_id={"type": "string", "format": "uuid"},
        reasons=_list(_REASON),
        obligations=_list({"type": "object"}),
        policy_revision=_HASH,
        error=_object(status={"type": "integer"}, message=_TEXT),
        code=_TEXT,
        entry_index=_COUNT,
        proof=_TEXT,
    ),
)
_EVENT = _object(
    format={"const": "assay-event/1"},
    id={"type": "string", "format": "uuid"},
    time=_TEXT,
    origin=_TEXT,
    body={"type": "object", "required": ["type"], "properties": {"type": _TEXT}},
)
_PROBLEMS = {
    400: "The request is malformed.",
    401: "No valid bearer key.",
    403: "The caller's role does not reach this.",
    404: "There is no such entry, proof or tile, or it is not under a published checkpoint yet.",
    409: "The first request with this Idempotency-Key is still running.",
    413: "The body is too large; recorded as bad input.",
    422: "The Idempotency-Key was used with another request.",
    429: "Too many requests.",
    503: "The ledger cannot answer now; a decision that could not be recorded must not let the call through.",
}
_HEADERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    },
    {"name": "X-Request-ID", "in": "header", "required": False, "schema": {"type": "string"}},
]


def _described(good: dict[str, Any], *problems: int) -> dict[str, Any]:
    """Return the responses of an operation."""
    answers = {
        str(status): {"description": _PROBLEMS[status], "content": {"application/problem+json": {"schema": _PROBLEM}}}
        for status in problems
    }
    return {"responses": {"200": good, **answers}}


def _good(what: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {media_type: {"schema": schema}}}


def _json(what: str, **members: dict[str, Any]) -> dict[str, Any]:
    return _good(what, "application/json", _object(**members))


def _open(good: dict[str, Any], *problems: int) -> dict[str, Any]:
    """Return an operation for everyone."""
    return _described(good, *problems)


def _secured(good: dict[str, Any], *problems: int) -> dict[str, Any]:
    """Return an operation for callers."""
    return {"security": [{"bearer": []}], **_described(good, 401, 403, 429, *problems)}


def _question(request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters": _HEADERS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        **_secured(_good("The decision, recorded.", "application/json", response), 400, 409, 413, 422, 503),
    }


SINGLE = _question(_REQUEST, _DECISION)
BATCH = _question(
    {"anyOf": [_SEVERAL, _REQUEST]},
    {"anyOf": [_object(evaluations=_list(_DECISION)), _DECISION]},
)
CONFIGURATION = _open(
    _json(
        "Where the endpoints are.",
        policy_decision_point=_TEXT,
        access_evaluation_endpoint=_TEXT,
        access_evaluations_endpoint=_TEXT,
    )
)
CHECKPOINT = _open(_good("The checkpoint.", "text/plain", _TEXT), 503)
TILE = _open(_good("The tile.", "application/octet-stream", {"type": "string", "format": "binary"}), 404, 503)
ENTRY = _secured(_json("The entry.", index=_COUNT, leaf_hash=_HASH, event=_EVENT, entry=_TEXT, proof=_TEXT), 404, 503)
INCLUSION = _secured(
    _json(
        "The proof; the checkpoint if it is the newest one.",
        index=_COUNT,
        size=_COUNT,
        leaf_hash=_HASH,
        path=_list(_HASH),
        checkpoint={"anyOf": [_TEXT, {"type": "null"}]},
    ),
    *(400, 404, 503),
)
CONSISTENCY = _secured(_json("The proof.", first=_COUNT, second=_COUNT, path=_list(_HASH)), 400, 404, 503)
ALIVE = _open(_json("Alive.", status=_TEXT))
READY = _open(_json("Ready.", status={"const": "ready"}))
READY["responses"]["503"] = _json("Not ready, and which part is not.", status={"const": "not ready"})
METRICS = _secured(_good("The metrics.", "text/plain", _TEXT))
DOCUMENT = _secured(_json("The document.", openapi=_TEXT, info={"type": "object"}, paths={"type": "object"}))


def without_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without the validation errors that FastAPI adds by itself: ours are problems, under 400."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                del operation["responses"]["422"]
    schemas = document.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document
