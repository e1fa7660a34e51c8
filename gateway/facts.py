# SPDX-License-Identifier: Apache-2.0
"""Facts: what the engine is asked with, and what a decision can be run again with.

Members `subject`, `action`, `resource` and `context` are the caller's word, redacted; `caller`, `time` and `card_data`
are the gateway's own. See policies/schema/input.json for each fact and who asserts it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.callers import Caller
from gateway.card_data import CardData
from gateway.requests import Request
from ledger.canonical import encode

SCHEMA = "assay-facts/1"


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one request, as a JSON value and as the canonical text that is committed to."""

    value: dict[str, Any]
    text: bytes
    time: str


def timestamp(moment: datetime) -> str:
    """Return a UTC moment as RFC 3339 with microseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def gather(request: Request, caller: Caller, card_data: CardData, moment: datetime, request_id: str | None) -> Facts:
    """Return the facts of a redacted request at a UTC moment; raises Malformed if they have no canonical form."""
    time = timestamp(moment)
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "time": time,
        "time_unix": int(moment.timestamp()),
        "caller": {"id": caller.name, "role": caller.role.value, "tenant": caller.tenant},
        "subject": {
            "type": request.subject.type,
            "id": request.subject.id,
            "properties": request.subject.properties,
        },
        "action": {"name": request.action.name, "properties": request.action.properties},
        "resource": {
            "type": request.resource.type,
            "id": request.resource.id,
            "properties": request.resource.properties,
        },
        "context": request.context,
        "card_data": card_data.as_facts(),
    }
    if request_id is not None:
        value["request_id"] = request_id
    return Facts(value, encode(value), time)
