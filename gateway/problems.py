# SPDX-License-Identifier: Apache-2.0
"""Problem details (RFC 9457): every error answer has the same shape."""

from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from gateway.errors import Refused

MEDIA_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return a problem answer; its type is urn:assay:problem:CODE."""
    body: dict[str, Any] = {
        "type": f"urn:assay:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def of(refused: Refused) -> Response:
    """Return the problem answer of a refusal."""
    return problem(refused.status, refused.code, refused.detail, refused.headers)
