# SPDX-License-Identifier: Apache-2.0
"""Events: what the ledger says happened. Each is canonical JSON (RFC 8785) and becomes one entry.

An entry never changes and is widely copied, so an event holds no personal data and no card data: people and things
appear as keyed pseudonyms, facts as a commitment, reasons as codes. Types read source:subject:action.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from ledger.canonical import MAX_SAFE_INTEGER
from ledger.errors import Malformed

FORMAT: Final = "assay-event/1"
MAX_EVENT_SIZE = 60_000
"""Bytes of payload; leaves room in an entry for the header and the signature."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Party(_Value, frozen=True, kw_only=True):
    """Who or what, as a type and a keyed pseudonym (hex) that only the key's holder can link to a name."""

    type: str
    pseudonym: str


class Reason(_Value, frozen=True, kw_only=True):
    """Why a decision is a denial: a code, the rule that says so, its controls and the facts it looked at."""

    code: str
    rule: str
    controls: tuple[str, ...] = ()
    severity: str = "high"
    facts: tuple[str, ...] = ()


class DecisionRecorded(_Value, frozen=True, kw_only=True, tag_field="type", tag="gateway:decision:recorded"):
    """One answer to a gateway, with everything needed to run it again."""

    caller: str
    tenant: str
    subject: Party
    action: str
    resource: Party
    outcome: Literal["allow", "deny"]
    domain: str | None
    reasons: tuple[Reason, ...]
    evaluated: tuple[str, ...]
    obligations: tuple[str, ...]
    policy: str
    engine: str
    facts_commitment: str
    pans: Count
    sad: Count
    previous: tuple[str, ...] = ()


class InputRefused(_Value, frozen=True, kw_only=True, tag_field="type", tag="gateway:input:refused"):
    """A request that could not be read as a decision request."""

    caller: str
    tenant: str
    route: str
    code: str
    size: Count


class AccessRefused(_Value, frozen=True, kw_only=True, tag_field="type", tag="gateway:access:refused"):
    """Requests turned away for lack of a valid key or role, counted over a short while."""

    since: str
    unauthenticated: Count
    forbidden: Count


class CallerChanged(_Value, frozen=True, kw_only=True, tag_field="type", tag="gateway:caller:changed"):
    """A caller's key was there when the service started, was added or was taken away."""

    caller: str
    tenant: str
    role: str
    change: Literal["present", "added", "removed"]


class ServiceChanged(_Value, frozen=True, kw_only=True, tag_field="type", tag="gateway:service:changed"):
    """The service opened or closed the log (PCI DSS 10.2.1.6)."""

    change: Literal["started", "stopped"]
    version: str
    policy: str
    engine: str


class EngineChanged(_Value, frozen=True, kw_only=True, tag_field="type", tag="gateway:engine:changed"):
    """The policy engine stopped answering, or answers again (PCI DSS 10.7.2)."""

    change: Literal["down", "up"]
    restarts: Count


class BackendChanged(_Value, frozen=True, kw_only=True, tag_field="type", tag="ledger:backend:changed"):
    """An implementation of ML-DSA-87 came into use: at a start, or because the one before was found to be wrong."""

    backend: str
    version: str
    reason: Literal["started", "disagreement"]


class KeyActivated(_Value, frozen=True, kw_only=True, tag_field="type", tag="ledger:key:activated"):
    """A public key came into use: for events, for checkpoints or for packs."""

    use: Literal["event", "log", "pack"]
    algorithm: str
    key_id: str


Body = (
    DecisionRecorded
    | InputRefused
    | AccessRefused
    | CallerChanged
    | ServiceChanged
    | EngineChanged
    | BackendChanged
    | KeyActivated
)


class Event(_Value, frozen=True, kw_only=True):
    """One thing that happened: `id` is a UUIDv4, `time` RFC 3339 in UTC with microseconds, `origin` the log's."""

    id: str
    time: str
    origin: str
    body: Body
    format: Literal["assay-event/1"] = FORMAT

    @property
    def type(self) -> str:
        """The type tag of the body, source:subject:action."""
        return str(self.body.__struct_config__.tag)


# With texts, whole numbers, lists and ASCII member names only, msgspec's sorted JSON is that of RFC 8785.
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """Return the canonical JSON of an event; raises Malformed if `decode` would not read it back."""
    try:
        payload = _ENCODER.encode(event)
    except (UnicodeEncodeError, TypeError, ValueError) as error:
        raise Malformed(f"no canonical JSON for this event ({type(error).__name__})") from None
    decode(payload)
    return payload


def decode(payload: bytes) -> Event:
    """Return the event of a payload.

    Raises Malformed unless it is the canonical JSON of a known event type, of at most 60,000 bytes.
    """
    if len(payload) > MAX_EVENT_SIZE:
        raise Malformed(f"an event of {len(payload)} bytes; at most {MAX_EVENT_SIZE} fit")
    try:
        event = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not an event: {error}") from None
    # One event has one text: whatever else was written (a key twice, 1.0 for 1, an escape, a blank) differs here.
    if _ENCODER.encode(event) != payload:
        raise Malformed("not the canonical JSON of this event")
    return event


def to_json(event: Event) -> dict[str, Any]:
    """Return the event as plain JSON values."""
    value: dict[str, Any] = msgspec.to_builtins(event)
    return value
