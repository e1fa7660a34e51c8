# SPDX-License-Identifier: Apache-2.0
"""A small payment log, packs of it, and the tools of an attacker who can write bags and archives as well as we can."""

import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from evidence import bag, statement
from evidence.archive import Archive, Member, _central, _end, _local, write_archive
from evidence.bag import Digest
from evidence.build import build
from evidence.errors import EvidenceError, PackUntrue
from evidence.names import order
from evidence.policy import policy_digest
from evidence.scope import Request
from evidence.trust import Trust
from evidence.verify import Step, VerifiedPack, verify
from ledger.canonical import encode
from ledger.checkpoint import Checkpoint, sign
from ledger.commitment import Disclosure
from ledger.event import (
    Body,
    DecisionRecorded,
    Event,
    InputRefused,
    KeyActivated,
    Party,
    Reason,
    ServiceChanged,
)
from ledger.event import encode as encode_event
from ledger.keys import ED25519, ML_DSA_87, SoftwareKey
from ledger.reader import LedgerReader
from ledger.sequencer import Sequencer
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from ledger.tree import EMPTY_ROOT
from ledger.unit import Unsigned

ORIGIN = "ledger.example.com/payments"
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
POLICY = {
    "main.rego": b'package assay\n\ndecision := {"allow": true}\n',
    "domains/payment/data.json": b'{"resource_types":{"payment":true}}',
    "domains/payment/access/dual_control/dual_control.rego": b"package domains.payment.access.dual_control\n",
}
DIGEST = policy_digest(POLICY)
MAPPING = {
    "rules": [
        {"id": "access.dual_control", "controls": ["nist-800-53-r5:ac-5", "pci-dss-4.0.1:3.7.6"]},
        {"id": "access.tenant_isolation", "controls": ["pci-dss-4.0.1:7.2.1"]},
        {"id": "authentication.mfa_for_cde", "controls": ["pci-dss-4.0.1:8.4.2"]},
    ]
}
CATALOGUE = {"controls": ["nist-800-53-r5:ac-5", "pci-dss-4.0.1:3.7.6", "pci-dss-4.0.1:7.2.1", "pci-dss-4.0.1:8.4.2"]}


def key(algorithm: str, name: str) -> SoftwareKey:
    """Return a key that is the same in every run."""
    return SoftwareKey.from_seed(algorithm, sha256(name.encode()).digest())


@dataclass(frozen=True)
class Keys:
    """The private keys of one log."""

    event: SoftwareKey
    log: tuple[SoftwareKey, SoftwareKey]
    pack: tuple[SoftwareKey, SoftwareKey]

    @classmethod
    def of(cls, name: str) -> "Keys":
        log, pack = (
            (key(ED25519, f"{name} {use} ed25519"), key(ML_DSA_87, f"{name} {use} ml-dsa")) for use in ("log", "pack")
        )
        return cls(key(ML_DSA_87, f"{name} event"), log, pack)

    def trust(self, origin: str = ORIGIN) -> Trust:
        return Trust(
            origin, tuple(k.public for k in self.log), (self.event.public,), tuple(k.public for k in self.pack)
        )


KEYS = Keys.of("payments")


@dataclass
class Log:
    """A real ledger in a folder."""

    folder: Path
    keys: Keys = KEYS
    origin: str = ORIGIN

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.entries = SqliteEntries(self.folder / "entries.sqlite", create=True)
        self.checkpoints = SqliteCheckpoints(self.folder / "checkpoints.sqlite", create=True)
        self.checkpoints.publish(None, sign(Checkpoint(self.origin, 0, EMPTY_ROOT), self.keys.log))
        self.reader = LedgerReader(self.entries, self.checkpoints)

    def append(self, events: Iterable[Unsigned], *, checkpoint_every: int = 10) -> "Log":
        """Record events, and publish a checkpoint after each so many."""
        waiting = list(events)
        for begin in range(0, len(waiting), checkpoint_every):
            sequencer = Sequencer(
                origin=self.origin,
                entries=self.entries,
                checkpoints=self.checkpoints,
                event_signer=self.keys.event,
                log_signers=self.keys.log,
                event_keys={self.keys.event.public.key_id: self.keys.event.public},
                threads=1,
                interval=60.0,
            )
            sequencer.open()
            sequencer.append(waiting[begin : begin + checkpoint_every])
            sequencer.close()
        return self

    def close(self) -> None:
        self.entries.close()
        self.checkpoints.close()

    def pack(self, request: Request | None = None, **changed: Any) -> "Pack":
        """Return a pack of this log, whose files can be changed."""
        return Pack(dict(self.built(request, **changed)), self.keys)

    def built(self, request: Request | None = None, **changed: Any) -> Iterator[tuple[str, bytes]]:
        """Return the files of a pack as they are built."""
        arguments: dict[str, Any] = {
            "ledger": self.reader,
            "trust": self.keys.trust(self.origin),
            "signers": self.keys.pack,
            "policies": {DIGEST: POLICY}.__getitem__,
            "mapping": MAPPING,
            "catalogue": CATALOGUE,
        }
        return build(request=request or Request(), **(arguments | changed))


def decision(number: int, origin: str = ORIGIN, **changed: Any) -> Unsigned:
    """Return the event of a decision; every fourth is a denial."""
    facts = {"amount": number * 100, "subject": {"id": f"user-{number % 5}"}, "note": "größer"}
    rules = ("access.dual_control", "access.tenant_isolation") if number % 2 else ("authentication.mfa_for_cde",)
    denied = number % 4 == 3
    reason = Reason(
        code="rule_violated", rule=rules[0], controls=("pci-dss-4.0.1:3.7.6",), facts=("action.properties.approvers",)
    )
    salt = sha256(f"salt {number}".encode()).digest()
    disclosure = Disclosure(salt, encode(facts))
    body = DecisionRecorded(
        caller="gateway-1",
        tenant="default",
        subject=Party(type="user", pseudonym=f"{number % 5:032x}"),
        action="payment.approve",
        resource=Party(type="payment", pseudonym=f"{number:032x}"),
        outcome="deny" if denied else "allow",
        domain="payment",
        reasons=(reason,) if denied else (),
        evaluated=rules,
        obligations=(),
        policy=DIGEST,
        engine="opa 1.20.2",
        facts_commitment=disclosure.commitment(),
        pans=0,
        sad=0,
    )
    for name, value in changed.items():
        body = _replace(body, name, value)
    return _event(number, body, origin, disclosure)


def _replace(body: DecisionRecorded, name: str, value: Any) -> DecisionRecorded:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(body, **{name: value})


def _event(number: int, body: Body, origin: str, disclosure: Disclosure | None = None) -> Unsigned:
    moment = (START + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    identifier = f"00000000-0000-4000-8000-{number:012d}"
    return Unsigned(encode_event(Event(id=identifier, time=moment, origin=origin, body=body)), disclosure)


def story(count: int, origin: str = ORIGIN, keys: Keys = KEYS) -> Iterator[Unsigned]:
    """Yield events of a log, one a minute: key and service first, then decisions with some bad input among them."""
    for number in range(count):
        if number == 0:
            activated = KeyActivated(use="event", algorithm=ML_DSA_87, key_id=keys.event.public.key_id.hex())
            yield _event(number, activated, origin)
        elif number == 1:
            started = ServiceChanged(change="started", version="0.1.0", policy=DIGEST, engine="opa 1.20.2")
            yield _event(number, started, origin)
        elif number % 10 == 9:
            refused = InputRefused(caller="gateway-1", tenant="default", route="/v1", code="body_invalid", size=17)
            yield _event(number, refused, origin)
        else:
            yield decision(number, origin)


class Pack:
    """The files of a pack, which an attacker may change before the bag and the archive are made anew."""

    def __init__(self, files: Mapping[str, bytes], keys: Keys) -> None:
        self.files, self.keys = dict(files), keys

    def names(self) -> list[str]:
        return sorted(self.files, key=order)

    def copy(self) -> "Pack":
        return Pack(self.files, self.keys)

    def data(self) -> dict[str, bytes]:
        return {name: content for name, content in self.files.items() if name.startswith("data/")}

    def json(self, name: str) -> Any:
        return json.loads(self.files[name])

    def put_json(self, name: str, value: Any) -> None:
        self.files[name] = encode(value)

    def rebag(self, identifier: str | None = None) -> "Pack":
        """Write the bag's own files anew."""
        own = {bag.BAGIT, bag.INFO, *bag.MANIFESTS, *bag.TAG_MANIFESTS}
        rest = {name: content for name, content in self.files.items() if name not in own}
        if identifier is None:
            scope = self.json("data/scope.json")
            identifier = f"{scope['origin']} [{scope['first']},{scope['last']})"
        self.files = dict(bag.wrap(sorted(rest.items(), key=lambda item: order(item[0])), identifier))
        return self

    def resign(self, keys: Keys | None = None, *, checkpoint: Checkpoint | None = None) -> "Pack":
        """Make and sign the statement anew, as only a holder of the pack keys can, and write the bag anew."""
        said = self.json(statement.NAME)["predicate"]
        if checkpoint is None:
            checkpoint = Checkpoint(said["origin"], said["size"], bytes.fromhex(said["root"]))
        scope = self.json("data/scope.json")
        payload = {n: Digest.of(c) for n, c in self.data().items() if n != statement.NAME}
        stated = statement.make(payload, checkpoint, scope["first"], scope["last"])
        self.files[statement.NAME] = stated
        self.files[statement.DSSE_NAME] = statement.sign(stated, (keys or self.keys).pack)
        return self.rebag()

    def zipped(self) -> bytes:
        """Return the archive."""
        out = io.BytesIO()
        write_archive(out, [(name, self.files[name]) for name in self.names()])
        return out.getvalue()

    def archive(self) -> Archive:
        return archive(self.zipped())

    def verify(self, trust: Trust | None = None, **options: Any) -> VerifiedPack:
        return verify(self.archive(), trust or self.keys.trust(), **options)


def archive(data: bytes) -> Archive:
    """Return the archive in memory."""
    return Archive(lambda: io.BytesIO(data))


def edit_lines(content: bytes, change: Callable[[int, Any], Any]) -> bytes:
    """Return JSON Lines with each line's value changed."""
    return b"".join(encode(change(i, json.loads(line))) + b"\n" for i, line in enumerate(content.splitlines()))


def random_positions(size: int, count: int, seed: int) -> Sequence[int]:
    """Return places in a file, the same in each run."""
    import random  # noqa: PLC0415

    return random.Random(seed).sample(range(size), min(count, size))


def caught(
    pack: Pack,
    step: int,
    where: str,
    kind: type[EvidenceError] = PackUntrue,
    trust: Trust | None = None,
    **options: Any,
) -> None:
    """Check that verification fails, at this step and place, and says so."""
    steps: list[Step] = []
    with pytest.raises(EvidenceError) as caught:
        pack.verify(trust, on_step=steps.append, **options)
    assert (caught.value.step, caught.value.where, type(caught.value)) == (step, where, kind), str(caught.value)
    assert [s.n for s in steps] == list(range(2, step + 1))
    assert [s.ok for s in steps] == [True] * (step - 2) + [False]


def raw_archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an archive in the right form, whatever its names and their order."""
    body, directory = b"", b""
    for name, content in members:
        member = Member(len(content), zlib.crc32(content), len(body))
        directory += _central(name, member)
        body += _local(name, member) + content
    return body + directory + _end(len(members), len(directory), len(body))


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """Give a log of 43 entries under five checkpoints; nobody writes to it."""
    log = Log(tmp_path_factory.mktemp("log")).append(story(43))
    yield log
    log.close()


@pytest.fixture(scope="session")
def whole(log: Log) -> Pack:
    """Give a pack of the whole log; copy it before changing it."""
    return log.pack()
