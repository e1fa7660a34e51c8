# SPDX-License-Identifier: Apache-2.0
"""The home folder: everything one Assay installation must not lose, readable by its owner alone.

assay.toml                settings                 callers.json       who may ask, as keyed hashes
trust.json                public: for auditors     lock               held by the one service that runs
keys/*.pem                private keys (PKCS#8)    keys/master.secret 32 bytes; other secrets are derived from it
ledger/entries.sqlite     entries and facts        ledger/checkpoints.sqlite   kept apart from them
policies/DIGEST/          every policy bundle that was ever active
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from evidence.errors import TrustUnusable
from evidence.trust import Trust
from gateway import settings
from gateway.errors import HomeUnusable, SettingsInvalid
from gateway.key_location import check_private, load_key
from ledger.checkpoint import Checkpoint, sign, verifier_key
from ledger.keys import ED25519, ML_DSA_87, SoftwareKey
from ledger.sqlite import SqliteCheckpoints, SqliteEntries
from ledger.tree import EMPTY_ROOT

KEY_FILES = {
    "event": ("event.pem", ML_DSA_87),
    "log-ed25519": ("log-ed25519.pem", ED25519),
    "log-ml-dsa-87": ("log-ml-dsa-87.pem", ML_DSA_87),
    "pack-ed25519": ("pack-ed25519.pem", ED25519),
    "pack-ml-dsa-87": ("pack-ml-dsa-87.pem", ML_DSA_87),
}
_SECRET_SIZE = 32
_PRIVATE = 0o077


@dataclass(frozen=True)
class Home:
    """An existing, private home folder."""

    path: Path

    @classmethod
    def create(cls, path: Path, origin: str) -> "Home":
        """Make a new home with fresh keys and an empty, signed log; raises HomeUnusable if there is one already."""
        keys = {
            use: SoftwareKey.from_seed(algorithm, secrets.token_bytes(_SECRET_SIZE))
            for use, (_, algorithm) in KEY_FILES.items()
        }
        # First, so that a name which no log can have leaves nothing behind.
        trust = _trust(origin, keys)
        old_umask = os.umask(_PRIVATE)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise HomeUnusable(f"{path} is not empty; a home is never overwritten. Choose another folder")
            path.chmod(0o700)
            with _nothing_left(path):
                for folder in ("keys", "ledger", "policies"):
                    (path / folder).mkdir()
                quoted = json.dumps(origin, ensure_ascii=False)
                _write(path / "assay.toml", settings.TEMPLATE.format(origin=quoted).encode())
                _write(path / "keys/master.secret", f"{secrets.token_hex(_SECRET_SIZE)}\n".encode())
                for use, (name, _) in KEY_FILES.items():
                    _write(path / "keys" / name, keys[use].to_pem())
                home = cls(path)
                home._start_log(origin)
                _write(path / "trust.json", trust.to_json() + b"\n")
        except OSError as error:
            raise HomeUnusable(f"{path}: {error.strerror}") from None
        finally:
            os.umask(old_umask)
        return home

    @classmethod
    def open(cls, path: Path) -> "Home":
        """Return the home at `path`; raises HomeUnusable if it is missing or anyone else could read it."""
        if not (path / "assay.toml").is_file():
            raise HomeUnusable(f"{path} is not an Assay home. Make one with: assay keys init --home {path}")
        for place in (path, path / "keys", *sorted((path / "keys").iterdir())):
            check_private(place)
        os.umask(_PRIVATE)
        return cls(path)

    @cached_property
    def settings(self) -> settings.Settings:
        """The settings in assay.toml."""
        return settings.load(self.path / "assay.toml")

    @cached_property
    def keys(self) -> dict[str, SoftwareKey]:
        """The private keys by use: event, log-ed25519, log-ml-dsa-87, pack-ed25519, pack-ml-dsa-87."""
        return {
            use: load_key(getattr(self.settings.keys, use.replace("-", "_")), self.path, algorithm)
            for use, (_, algorithm) in KEY_FILES.items()
        }

    @property
    def log_keys(self) -> list[SoftwareKey]:
        """The two keys that sign checkpoints."""
        return [self.keys["log-ed25519"], self.keys["log-ml-dsa-87"]]

    @property
    def pack_keys(self) -> list[SoftwareKey]:
        """The two keys that sign evidence packs."""
        return [self.keys["pack-ml-dsa-87"], self.keys["pack-ed25519"]]

    def secret(self, label: str) -> bytes:
        """Return the 32-byte secret for one purpose, derived from the master secret (HKDF-SHA256, RFC 5869)."""
        try:
            master = bytes.fromhex((self.path / "keys/master.secret").read_text("ascii").strip())
        except (OSError, ValueError):
            master = b""
        if len(master) != _SECRET_SIZE:
            raise HomeUnusable(f"{self.path / 'keys/master.secret'} is not 32 bytes in hex")
        return HKDF(SHA256(), _SECRET_SIZE, salt=None, info=b"assay/1/" + label.encode()).derive(master)

    def trust(self) -> Trust:
        """Return what an auditor has to believe: this log's origin and public keys."""
        return _trust(self.settings.origin, self.keys)

    def entries(self, *, create: bool = False) -> SqliteEntries:
        """Open the entry store."""
        return SqliteEntries(self.path / "ledger/entries.sqlite", create=create)

    def checkpoints(self, *, create: bool = False) -> SqliteCheckpoints:
        """Open the checkpoint store."""
        return SqliteCheckpoints(self.path / "ledger/checkpoints.sqlite", create=create)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the home for one service; raises HomeUnusable if another process holds it."""
        try:
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HomeUnusable(f"{self.path / 'lock'}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "?"
                raise HomeUnusable(
                    f"{self.path} is in use by another Assay process (pid {holder}). One log has one writer; "
                    "stop that one first, or ask it over HTTP with --url"
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)

    def _start_log(self, origin: str) -> None:
        self.entries(create=True).close()
        checkpoints = self.checkpoints(create=True)
        checkpoints.publish(None, sign(Checkpoint(origin, 0, EMPTY_ROOT), self.log_keys))
        checkpoints.close()


def _trust(origin: str, keys: Mapping[str, SoftwareKey]) -> Trust:
    try:
        return Trust(
            origin=origin,
            log_keys=(keys["log-ed25519"].public, keys["log-ml-dsa-87"].public),
            event_keys=(keys["event"].public,),
            pack_keys=(keys["pack-ml-dsa-87"].public, keys["pack-ed25519"].public),
        )
    except TrustUnusable as error:
        raise SettingsInvalid(f"{error}") from None


def _write(path: Path, content: bytes) -> None:
    """Write a new file through to the disk: a power cut must not leave a ledger whose keys are gone."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Empty the folder again if what is done in it fails."""
    try:
        yield
    except BaseException:
        for place in folder.iterdir():
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        raise


def describe_keys(home: Home) -> list[dict[str, str]]:
    """Return use, algorithm and key id of each key, and the vkey of those that sign checkpoints."""
    rows = []
    for use, key in home.keys.items():
        row = {"use": use, "algorithm": key.public.algorithm, "key_id": key.public.key_id.hex()}
        if use.startswith("log-"):
            row["vkey"] = verifier_key(home.settings.origin, key.public)
        rows.append(row)
    return rows
