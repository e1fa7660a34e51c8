# SPDX-License-Identifier: Apache-2.0
"""What an event says of things it must not name: commitments to facts and pseudonyms of parties.

A commitment is HMAC-SHA256(salt, JCS(facts)) with a random 32-byte salt. Whoever is given salt and facts can check it;
once the salt is destroyed nobody can link it to any facts. A pseudonym is HMAC-SHA256 under a key per tenant.
"""

import hmac
from dataclasses import dataclass, field

from ledger.errors import Malformed, ProofInvalid

SALT_SIZE = 32
PSEUDONYM_HEX = 32


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The facts of one decision as canonical JSON, and the salt that opens their commitment."""

    salt: bytes = field(repr=False)
    facts: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Check the salt's length."""
        if len(self.salt) != SALT_SIZE:
            raise Malformed(f"a salt has {SALT_SIZE} bytes, got {len(self.salt)}")

    def commitment(self) -> str:
        """Return the commitment as hex."""
        return hmac.digest(self.salt, self.facts, "sha256").hex()

    def verify(self, commitment: str) -> None:
        """Check that these facts are what `commitment` was made of; raises ProofInvalid."""
        if not hmac.compare_digest(self.commitment().encode(), commitment.encode("utf-8", "surrogatepass")):
            raise ProofInvalid("the facts are not those that the event commits to")


def pseudonym(key: bytes, kind: str, name: str) -> str:
    """Return the keyed pseudonym (32 hex digits, 128 bits) of a party: the same name gives the same one per key."""
    message = kind.encode() + b"\x00" + name.encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, "sha256").hex()[:PSEUDONYM_HEX]
