# SPDX-License-Identifier: Apache-2.0
"""Assay with a signer that signs nothing. No setting leads here; entries made this way never verify."""

from collections.abc import Sequence
from functools import partial

from gateway import app
from gateway.cli import serve
from gateway.cli.main import main
from ledger.keys import ML_DSA_87, ML_DSA_87_SIGNATURE_SIZE, PublicKey, SoftwareKey


class Unsigned:
    """A Signer in name: zeros of a signature's length."""

    def __init__(self) -> None:
        self.public: PublicKey = SoftwareKey.from_seed(ML_DSA_87, bytes(32)).public

    def sign(self, _data: bytes) -> bytes:
        """Return zeros."""
        return bytes(ML_DSA_87_SIGNATURE_SIZE)

    def sign_many(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return zeros for each."""
        return [self.sign(message) for message in messages]


vars(serve)["running"] = partial(app.running, event_signer=Unsigned())
main()
