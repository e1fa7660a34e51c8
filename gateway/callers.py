# SPDX-License-Identifier: Apache-2.0
"""Callers: who may ask, with which role. Their bearer keys are stored as keyed hashes and shown once."""

import hmac
import json
import os
import re
import secrets
import tempfile
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import HomeUnusable

FORMAT = "assay-callers/1"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class Role(StrEnum):
    """What a caller is there for."""

    GATEWAY = "gateway"
    OFFICER = "officer"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """A program or person with a key: name, role, tenant, and HMAC-SHA256 of the key as hex."""

    name: str
    role: Role
    tenant: str
    key_hash: str


class Callers:
    """The callers in callers.json, looked up by bearer key."""

    def __init__(self, path: Path, secret: bytes) -> None:
        """Take the file's place and the 32-byte secret that hashes keys."""
        self._path, self._secret = path, secret
        self._stamp: tuple[int, int] | None = None
        self._by_hash: dict[str, Caller] = {}

    def __repr__(self) -> str:
        return f"<Callers {sorted(caller.name for caller in self._by_hash.values())}>"

    def all(self) -> list[Caller]:
        """Return the callers by name, as last read."""
        return sorted(self._by_hash.values(), key=lambda caller: caller.name)

    def changed(self) -> bool:
        """Return whether the file is another than the one last read."""
        return self._stat() != self._stamp

    def read(self) -> list[Caller]:
        """Return the callers in the file; raises HomeUnusable if it is damaged. `adopt` makes them count."""
        self._stamp = self._stat()
        if self._stamp is None:
            return []
        try:
            document = json.loads(self._path.read_text("utf-8"))
            if document["format"] != FORMAT:
                raise ValueError
            rows = document["callers"]
            callers = [Caller(row["name"], Role(row["role"]), row["tenant"], row["key_hash"]) for row in rows]
        except (OSError, ValueError, KeyError, TypeError):
            raise HomeUnusable(f"{self._path} is damaged: not a list of callers") from None
        return callers

    def adopt(self, callers: list[Caller]) -> None:
        """Let exactly these callers in from now on."""
        self._by_hash = {caller.key_hash: caller for caller in callers}

    def authenticate(self, key: str) -> Caller | None:
        """Return the caller that holds a bearer key, or None."""
        # The lookup is by a keyed hash, so its timing tells nothing about any stored key.
        return self._by_hash.get(self._hash(key))

    def add(self, name: str, role: Role, tenant: str) -> str:
        """Write a new caller to the file and return its key, which is stored nowhere; raises HomeUnusable."""
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(tenant):
            raise HomeUnusable("names are 1 to 64 of: a-z 0-9 . _ - (with a letter or digit at both ends)")
        callers = self.read()
        if any(caller.name == name for caller in callers):
            raise HomeUnusable(f"there is a caller {name} already; remove it first to give it a new key")
        key = f"assay_{secrets.token_urlsafe(32)}"
        self._write([*callers, Caller(name, role, tenant, self._hash(key))])
        return key

    def remove(self, name: str) -> None:
        """Take a caller out of the file; raises HomeUnusable if it is not there."""
        callers = self.read()
        left = [caller for caller in callers if caller.name != name]
        if len(left) == len(callers):
            raise HomeUnusable(f"there is no caller {name}; `assay keys caller list` shows who there is")
        self._write(left)

    def _hash(self, key: str) -> str:
        return hmac.digest(self._secret, key.encode("utf-8", "surrogateescape"), "sha256").hex()

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _write(self, callers: list[Caller]) -> None:
        document = {"format": FORMAT, "callers": [asdict(caller) for caller in callers]}
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".callers-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path)
