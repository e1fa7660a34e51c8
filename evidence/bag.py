# SPDX-License-Identifier: Apache-2.0
"""The bag: BagIt 1.0 (RFC 8493) around a pack, so that `sha512sum -c manifest-sha512.txt` finds what was damaged.

bagit.txt                          the declaration
bag-info.txt                       payload size, and the log and range the pack is of; no clock
manifest-sha256.txt, -sha512.txt       digests of every file below data/
tagmanifest-sha256.txt, -sha512.txt    digests of every other file

A bag detects accidents. Whoever changes a file can write the manifests anew; signatures and proofs detect that.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256, sha512
from heapq import merge
from itertools import chain
from operator import itemgetter

from evidence.archive import PackFiles
from evidence.errors import PackMalformed, PackUntrue
from evidence.names import PAYLOAD

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAGIT, INFO = "bagit.txt", "bag-info.txt"
ALGORITHMS = ("sha256", "sha512")
MANIFESTS = tuple(f"manifest-{algorithm}.txt" for algorithm in ALGORITHMS)
TAG_MANIFESTS = tuple(f"tagmanifest-{algorithm}.txt" for algorithm in ALGORITHMS)

_INFO = (
    "Bag-Software-Agent: Assay evidence pack 1\n"
    "External-Identifier: {identifier}\n"
    "Payload-Oxum: {octets}.{streams}\n"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Digest:
    """Size and digests of a file."""

    size: int
    sha256: str
    sha512: str

    @classmethod
    def of(cls, content: bytes) -> "Digest":
        """Return the digest of a file's bytes."""
        return cls(len(content), sha256(content).hexdigest(), sha512(content).hexdigest())


def info(payload: Iterable[Digest], identifier: str) -> bytes:
    """Return bag-info.txt."""
    sizes = [digest.size for digest in payload]
    return _INFO.format(identifier=identifier, octets=sum(sizes), streams=len(sizes)).encode()


def manifest(algorithm: str, digests: Mapping[str, Digest]) -> bytes:
    """Return a manifest over files, sorted by name."""
    return "".join(f"{getattr(digests[name], algorithm)}  {name}\n" for name in sorted(digests)).encode()


def wrap(members: Iterable[tuple[str, bytes]], identifier: str) -> Iterator[tuple[str, bytes]]:
    """Yield files in the archive's order with the bag's own files among them.

    Requires files in that order, those of the bag itself left out, and none that sorts behind its tag manifests.
    """
    payload: dict[str, Digest] = {}
    tags: dict[str, Digest] = {}
    rest = iter(members)
    for name, content in rest:
        if not name.startswith(PAYLOAD):
            rest = chain([(name, content)], rest)
            break
        payload[name] = Digest.of(content)
        yield name, content
    own = [(INFO, info(payload.values(), identifier)), (BAGIT, DECLARATION)]
    own += [(name, manifest(algorithm, payload)) for name, algorithm in zip(MANIFESTS, ALGORITHMS, strict=True)]
    for name, content in merge(own, rest, key=itemgetter(0)):
        tags[name] = Digest.of(content)
        yield name, content
    for name, algorithm in zip(TAG_MANIFESTS, ALGORITHMS, strict=True):
        yield name, manifest(algorithm, tags)


def check(files: PackFiles, threads: int = 1) -> tuple[dict[str, Digest], str]:
    """Return the digests of all files, having compared them with the manifests, and the bag's External-Identifier.

    `threads` is how many files are hashed at a time.
    Raises PackMalformed for a file that is missing, not listed or damaged, and for anything but our own form of bag.
    """
    names = files.names()
    with ThreadPoolExecutor(threads, thread_name_prefix="digest") as pool:
        # Hashing lets go of Python's lock. What is hashed is dropped at once, so memory stays that of a few files.
        digests = dict(zip(names, pool.map(lambda name: Digest.of(files.read(name)), names), strict=True))
    payload = {name: digest for name, digest in digests.items() if name.startswith(PAYLOAD)}
    tags = {name: d for name, d in digests.items() if name not in payload and name not in TAG_MANIFESTS}
    for names, listed in ((MANIFESTS, payload), (TAG_MANIFESTS, tags)):
        for name, algorithm in zip(names, ALGORITHMS, strict=True):
            _compare(name, files.read(name), manifest(algorithm, listed))
    if files.read(BAGIT) != DECLARATION:
        raise PackMalformed("not the declaration of a BagIt 1.0 bag", where=BAGIT)
    found = re.search(rb"^External-Identifier: ([^\r\n]+)$", files.read(INFO), re.MULTILINE)
    identifier = found[1].decode("utf-8", "replace") if found else ""
    if info(payload.values(), identifier) != files.read(INFO):
        raise PackMalformed("does not say the size of the payload, or not in the usual form", where=INFO)
    return digests, identifier


def _compare(name: str, got: bytes, want: bytes) -> None:
    if got == want:
        return
    try:
        rows = _rows(got)
    except ValueError:
        raise PackMalformed("not a manifest", where=name) from None
    wanted = _rows(want)
    for path in sorted(wanted.keys() | rows.keys()):
        if path not in wanted:
            raise PackMalformed(f"is listed in {name} and not in the pack", where=path)
        if path not in rows:
            raise PackMalformed(f"is not listed in {name}", where=path)
        if rows[path] != wanted[path]:
            raise PackUntrue(f"has digest {wanted[path]}; {name} says {rows[path]}", where=path)
    raise PackMalformed("not a manifest in the usual form", where=name)


def _rows(listed: bytes) -> dict[str, str]:
    """Return the digest of each file in a manifest; raises ValueError."""
    rows: dict[str, str] = {}
    for line in listed.decode("ascii").splitlines():
        digest, name = line.split("  ", 1)
        rows[name] = digest
    return rows
