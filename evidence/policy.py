# SPDX-License-Identifier: Apache-2.0
"""The digest that names a policy bundle."""

from collections.abc import Mapping
from hashlib import sha256

from ledger.canonical import encode


def policy_digest(files: Mapping[str, bytes]) -> str:
    """Return the hex SHA-256 of the canonical JSON {"files": {PATH: SHA-256 of the file as hex}}."""
    hashes = {path: sha256(content).hexdigest() for path, content in files.items()}
    return sha256(encode({"files": hashes})).hexdigest()
