# SPDX-License-Identifier: Apache-2.0
"""Trust: what an auditor has to believe before anything can be shown, and nothing more.

    {"format": "assay-trust/1",
     "origin": "example.com/payments",
     "log_keys":   ["NAME+HASH+BASE64", …]    C2SP verifier keys: one Ed25519 and one ML-DSA-87; both must have signed
     "event_keys": ["-----BEGIN PUBLIC KEY-----…", …]    ML-DSA-87, one or more
     "pack_keys":  ["-----BEGIN PUBLIC KEY-----…", …]    one Ed25519 and one ML-DSA-87; both must have signed

An auditor gets this file by another way than the pack: a pack that brought its own trust could be anybody's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from evidence.errors import TrustUnusable
from ledger.canonical import decode, encode
from ledger.checkpoint import parse_verifier_key, verifier_key
from ledger.errors import LedgerError
from ledger.keys import ED25519, ML_DSA_87, PublicKey

FORMAT = "assay-trust/1"
MAX_TRUST_SIZE = 2**20
MAX_KEYS = 100
_MAX_ORIGIN = 255


@dataclass(frozen=True, slots=True)
class Trust:
    """The name of a log and the public keys that speak for it; raises TrustUnusable if they cannot."""

    origin: str
    log_keys: tuple[PublicKey, ...]
    event_keys: tuple[PublicKey, ...]
    pack_keys: tuple[PublicKey, ...]

    def __post_init__(self) -> None:
        """Check that every use has the keys it needs and no key has two uses."""
        odd = any(c.isspace() or c == "+" or not c.isprintable() for c in self.origin)
        if odd or not 0 < len(self.origin) <= _MAX_ORIGIN:
            raise TrustUnusable("an origin is a short text without spaces and plus signs", where="origin")
        for use, keys in (("log_keys", self.log_keys), ("pack_keys", self.pack_keys)):
            if sorted(key.algorithm for key in keys) != sorted((ED25519, ML_DSA_87)):
                raise TrustUnusable("exactly one Ed25519 and one ML-DSA-87 key are needed", where=use)
        if not self.event_keys or {key.algorithm for key in self.event_keys} != {ML_DSA_87}:
            raise TrustUnusable("one or more keys are needed, all of them ML-DSA-87", where="event_keys")
        every = [key.key_id for key in (*self.log_keys, *self.event_keys, *self.pack_keys)]
        if len(set(every)) != len(every):
            raise TrustUnusable("a key is named twice; a key has one use")

    @classmethod
    def from_json(cls, data: bytes) -> "Trust":
        """Return the trust in a trust file; raises TrustUnusable."""
        try:
            document = msgspec.convert(decode(data, max_bytes=MAX_TRUST_SIZE), _Document)
            if max(len(document.log_keys), len(document.event_keys), len(document.pack_keys)) > MAX_KEYS:
                raise TrustUnusable(f"at most {MAX_KEYS} keys of one use are accepted")
            named = [parse_verifier_key(text) for text in document.log_keys]
            event_keys, pack_keys = _from_pem(document.event_keys), _from_pem(document.pack_keys)
        except msgspec.ValidationError as error:
            raise TrustUnusable(f"not a trust file: {error}") from None
        except LedgerError as error:
            raise TrustUnusable(str(error)) from None
        if document.format != FORMAT:
            raise TrustUnusable(f"not of the format {FORMAT}", where="format")
        if any(name != document.origin for name, _ in named):
            raise TrustUnusable(f"a key of another log than {document.origin!r}", where="log_keys")
        return cls(document.origin, tuple(key for _, key in named), event_keys, pack_keys)

    def to_json(self) -> bytes:
        """Return the trust file as canonical JSON."""
        document = _Document(
            format=FORMAT,
            origin=self.origin,
            log_keys=[verifier_key(self.origin, key) for key in self.log_keys],
            event_keys=[key.pem for key in self.event_keys],
            pack_keys=[key.pem for key in self.pack_keys],
        )
        return encode(msgspec.to_builtins(document))

    def keys(self) -> dict[str, bytes]:
        """Return every key as PEM under its file name in a pack, which tells its use and its key id."""
        uses = (("event", self.event_keys), ("log", self.log_keys), ("pack", self.pack_keys))
        return {f"{use}-{key.key_id.hex()}.pem": key.pem.encode() for use, keys in uses for key in keys}


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    origin: str
    log_keys: list[str]
    event_keys: list[str]
    pack_keys: list[str]


def _from_pem(texts: Sequence[str]) -> tuple[PublicKey, ...]:
    return tuple(PublicKey.from_pem(text.encode("utf-8", "surrogatepass")) for text in texts)
