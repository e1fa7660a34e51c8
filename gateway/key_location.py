# SPDX-License-Identifier: Apache-2.0
"""Where a private key is, as data: `file:PATH`, relative to the home or absolute; a PKCS#8 PEM only we can read."""

import os
from pathlib import Path

from gateway.errors import HomeUnusable
from ledger.errors import LedgerError
from ledger.keys import SoftwareKey

_OTHERS = 0o077


def load_key(location: str, home: Path, algorithm: str) -> SoftwareKey:
    """Return the key at a location; raises HomeUnusable if it is not there, not private or of another algorithm."""
    scheme, _, place = location.partition(":")
    if scheme == "pkcs11":
        raise HomeUnusable(f"{location}: this version takes no keys from an HSM; give a file: location in assay.toml")
    if scheme != "file" or not place:
        raise HomeUnusable(f"{location!r} is not a location of a key; write file:PATH in assay.toml")
    path = home / place
    try:
        check_private(path)
        key = SoftwareKey.from_pem(path.read_bytes())
    except OSError as error:
        raise HomeUnusable(f"{path}: {error.strerror}") from None
    except LedgerError as error:
        raise HomeUnusable(f"{path}: {error}") from None
    if key.public.algorithm != algorithm:
        raise HomeUnusable(f"{path} is an {key.public.algorithm} key, want {algorithm}")
    return key


def check_private(place: Path) -> None:
    """Raise HomeUnusable if anybody else can read a file or folder, or owns it; OSError if it is not there."""
    status = place.stat()
    if status.st_mode & _OTHERS:
        raise HomeUnusable(
            f"{place} can be read by others (mode {status.st_mode & 0o777:o}). Keys that others could read are not "
            f"used. If they were never exposed: chmod -R go-rwx {place}"
        )
    if status.st_uid != os.geteuid():
        raise HomeUnusable(f"{place} belongs to another user; run Assay as that user")
