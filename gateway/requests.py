# SPDX-License-Identifier: Apache-2.0
"""Decision requests: OpenID AuthZEN Authorization API 1.0, sections 6 (evaluation) and 7 (evaluations).

Unknown members are ignored; a required member that is missing or of another type is bad input.
"""

from typing import Annotated, Any, Literal

import msgspec

from gateway.errors import BadInput

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


class Entity(msgspec.Struct, frozen=True):
    """A subject or a resource."""

    type: Name
    id: Identifier
    properties: dict[str, Any] = {}


class Action(msgspec.Struct, frozen=True):
    """What is to be done."""

    name: Name
    properties: dict[str, Any] = {}


class Request(msgspec.Struct, frozen=True):
    """One question: whether a subject may do an action to a resource in a context."""

    subject: Entity
    action: Action
    resource: Entity
    context: dict[str, Any] = {}


Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]


class Options(msgspec.Struct, frozen=True):
    """How a batch is evaluated."""

    evaluations_semantic: Semantic = "execute_all"


class Batch(msgspec.Struct, frozen=True):
    """Several questions; each item has all four members, its own or the batch's default, still unchecked."""

    items: tuple[dict[str, Any], ...]
    semantic: Semantic


def parse_request(value: Any) -> Request:
    """Return the request in a JSON value; raises BadInput that names the member."""
    try:
        return msgspec.convert(value, Request)
    except msgspec.ValidationError as error:
        # msgspec names types and the path, never the value.
        raise BadInput(400, "request_invalid", f"Not an access evaluation request: {error}.") from None


def parse_batch(value: Any, most: int) -> Batch | None:
    """Return the batch in a JSON value, or None where it is a single request (AuthZEN section 7.1).

    Raises BadInput if it has more than `most` items or is malformed itself; items are checked one by one later.
    """
    if not isinstance(value, dict):
        raise BadInput(400, "request_invalid", "Not an access evaluations request: expected an object.")
    items = value.get("evaluations")
    if items is None or items == []:
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadInput(400, "request_invalid", "`evaluations` is an array of objects.")
    if len(items) > most:
        raise BadInput(400, "too_many_evaluations", f"{len(items)} evaluations; at most {most} are accepted.")
    try:
        options = msgspec.convert(value.get("options", {}), Options)
    except msgspec.ValidationError as error:
        raise BadInput(400, "request_invalid", f"`options`: {error}.") from None
    defaults = {name: value[name] for name in ("subject", "action", "resource", "context") if name in value}
    return Batch(tuple({**defaults, **item} for item in items), options.evaluations_semantic)
