# SPDX-License-Identifier: Apache-2.0
"""Verifying a pack, offline: bytes and trust in, verified evidence out; no clock, no network, no ledger.

What must be shown, in this order:

 1. Archive       every byte of the file is as the one form of its members demands, and no member is damaged.
 2. Bag           every file is listed in the manifests with its digests; nothing is missing and nothing unknown.
 3. Checkpoint    the newest checkpoint is of the trusted log and signed by both of its keys.
 4. Statement     both pack keys signed it; it is about exactly the files below data/, this log and this checkpoint.
 5. Scope         it is of this log, range and tree; the pack has as many files as its counts ask for.
 6. Entries       each is signed by a trusted event key, is an event of this log, and lies in the range and the period.
 7. Inclusion     each has a proof that leads from its index to the checkpoint's root.
 8. Completeness  the leaf hashes of the whole range lead to that root; every index is in the pack or accounted for,
                  the counts come out, and the entries beside a period lie outside it.
 9. Consistency   each checkpoint of the range is signed by both keys and continues the one before, up to the newest.
10. Facts         the disclosed facts are those that their entries commit to.
11. Policies      for every policy bundle that decided, its files are there and have its digest.
12. Controls      every rule a decision names is mapped, reasons claim only mapped controls, and a filter was kept.
13. Keys          the keys in the pack are the trusted ones, and every key that came into use is in its history.

What the caller still owes: the trust file must have come by another way than the pack, and a newer checkpoint seen
elsewhere should be handed in as `known`. A pack cannot show what its log recorded later, nor what was never recorded.
A pack for some controls shows that what it has bears on them and how many other entries there are, not what these say.
Times are those in the events: an entry recorded far out of turn can lie in a period and outside the range that a pack
of the period has. Files below anchors/ and renewals/ are compared with the manifests and otherwise not looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evidence import layout
from evidence.archive import PackFiles, open_archive
from evidence.documents import lines, read_json
from evidence.errors import EvidenceError
from evidence.steps import Progress, Verification, files_below
from evidence.trust import Trust
from ledger import envelope
from ledger import event as events
from ledger.backends.guard import Guard
from ledger.backends.reference import REFERENCE
from ledger.checkpoint import Checkpoint
from ledger.keys import Verifier
from ledger.tiles import decode_bundle

_MADE_HERE = object()
_REFERENCE = Guard(REFERENCE)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of verification, and whether what it must show was shown."""

    n: int
    what: str
    ok: bool = True


OnStep = Callable[[Step], None]


class VerifiedPack:
    """Evidence that was verified. Only `verify` makes one; what it reads later is compared with what was verified."""

    __slots__ = ("_files", "_indexes", "checkpoint", "origin", "scope", "steps")

    def __init__(self, made_by: object, found: "Verification", steps: Sequence[Step]) -> None:
        """Refuse to be made elsewhere."""
        if made_by is not _MADE_HERE:
            raise TypeError("a VerifiedPack comes from evidence.verify.verify")
        self.origin, self.scope, self.checkpoint = found.trust.origin, found.scope, found.checkpoint
        self.steps = tuple(steps)
        self._files, self._indexes = found.files, found.indexes()

    def events(self) -> Iterator[tuple[int, events.Event]]:
        """Yield index and event of every included entry, in order."""
        indexes = iter(self._indexes)
        for number in range(layout.chunks(len(self._indexes))):
            for entry in decode_bundle(self._files.read(layout.bundle(number))):
                yield next(indexes), events.decode(envelope.parse(entry).payload)

    def facts(self) -> Iterator[tuple[int, Any]]:
        """Yield index and facts of every decision whose facts are disclosed, in order."""
        for number in range(layout.chunks(len(self._indexes)) if self.scope.facts else 0):
            name = layout.facts(number)
            for line in lines(self._files.read(name), name):
                index, _, text = layout.parse_facts_line(line, name)
                yield index, read_json(text, name)

    def mapping(self) -> Any:
        """Return the mapping of rules to controls."""
        return read_json(self._files.read(layout.MAPPING), layout.MAPPING)

    def catalogue(self) -> Any:
        """Return the catalogue of controls."""
        return read_json(self._files.read(layout.CATALOGUE), layout.CATALOGUE)

    def policy(self, digest: str) -> dict[str, bytes]:
        """Return the files of a policy bundle, for running a decision again."""
        return files_below(self._files, f"{layout.POLICIES}{digest}/")


def verify_file(
    path: Path,
    trust: Trust,
    on_step: OnStep = lambda _: None,
    *,
    known: Checkpoint | None = None,
    verifier: Verifier = _REFERENCE,
    processes: int = 1,
    progress: Progress = lambda _what, _done, _of: None,
) -> VerifiedPack:
    """Verify the pack in a file; see `verify`. The file is opened again whenever the VerifiedPack is read."""
    with _step(1, "archive", on_step):
        archive = open_archive(path)
        archive.check()
    return verify(archive, trust, on_step, known=known, verifier=verifier, processes=processes, progress=progress)


def verify(
    files: PackFiles,
    trust: Trust,
    on_step: OnStep = lambda _: None,
    *,
    known: Checkpoint | None = None,
    verifier: Verifier = _REFERENCE,
    processes: int = 1,
    progress: Progress = lambda _what, _done, _of: None,
) -> VerifiedPack:
    """Verify the files of a pack under `trust`; raises PackMalformed or PackUntrue with step and place.

    `known` is a checkpoint of this log that the caller has verified before: the pack must not contradict it.
    `verifier` checks the signatures of entries. With more than one of `processes` the work is shared by as many, which
    the caller may ask for only while it has no other threads. `on_step` is told of every step as it ends, `progress`
    how many entries of how many were verified.
    """
    found = Verification(files, trust)
    done = [Step(1, "archive")]
    note = _both(done.append, on_step)
    for n, what, step in (
        (2, "bag", partial(found.bag, processes)),
        (3, "checkpoint", found.newest),
        (4, "statement", found.statement),
        (5, "scope", found.bounds),
        (6, "entries", partial(found.entries, verifier, processes, progress)),
        (7, "inclusion", found.inclusion),
        (8, "completeness", found.completeness),
        (9, "consistency", partial(found.consistency, known)),
        (10, "facts", found.facts),
        (11, "policies", found.policies),
        (12, "controls", found.controls),
        (13, "keys", found.keys),
    ):
        with _step(n, what, note):
            step()
    return VerifiedPack(_MADE_HERE, found, done)


def _both(first: OnStep, second: OnStep) -> OnStep:
    def tell(step: Step) -> None:
        first(step)
        second(step)

    return tell


@contextmanager
def _step(n: int, what: str, on_step: OnStep) -> Iterator[None]:
    """Give what goes wrong in a step its number, and tell how the step ended."""
    try:
        yield
    except EvidenceError as error:
        error.step = n
        on_step(Step(n, what, ok=False))
        raise
    on_step(Step(n, what))
