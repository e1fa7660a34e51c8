# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a ledger.

LedgerError
├── Malformed              bytes that are not what they claim to be
├── VerificationError      well-formed, and not true
│   ├── SignatureInvalid
│   ├── ProofInvalid
│   └── CheckpointInvalid
├── KeyUnusable            a key that is missing, of another algorithm or unreadable
├── BackendUnusable        an implementation of ML-DSA-87 that is not installed or cannot be used here
├── StoreError             the store did not do what was asked
│   ├── StoreUnavailable   it may later: disk full, read-only, locked
│   ├── StoreConflict      another writer was there first
│   ├── StoreCorrupt       what it holds is not what was written
│   └── StoreRolledBack    it holds less, or other, than what was signed
└── SequencerError
    ├── Overloaded         more is waiting than may wait
    └── SequencerClosed    it no longer takes events
"""


class LedgerError(Exception):
    """Base of every error this package raises on purpose."""


class Malformed(LedgerError):
    """Bytes that are not what they claim to be."""


class VerificationError(LedgerError):
    """Well-formed, and not true."""


class SignatureInvalid(VerificationError):
    """A signature that does not verify under the key it names; `place` is its place among those checked together."""

    def __init__(self, message: str, place: int = 0) -> None:
        """Take the sentence and the place."""
        super().__init__(message)
        self.place = place


class ProofInvalid(VerificationError):
    """A Merkle proof that leads to another root."""


class CheckpointInvalid(VerificationError):
    """A checkpoint of another log, or not signed by every key it must be signed by."""


class KeyUnusable(LedgerError):
    """A key that is missing, of another algorithm or unreadable."""


class BackendUnusable(LedgerError):
    """An implementation of ML-DSA-87 that is not installed or cannot be used here."""


class StoreError(LedgerError):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """The store cannot do it now and may later: disk full, read-only, locked."""


class StoreConflict(StoreError):
    """Another writer was there first."""


class StoreCorrupt(StoreError):
    """The store holds something that was not written by this ledger."""


class StoreRolledBack(StoreError):
    """The store holds less, or other, than what was signed."""


class SequencerError(LedgerError):
    """The sequencer did not take an event."""


class Overloaded(SequencerError):
    """More events are waiting than may wait."""


class SequencerClosed(SequencerError):
    """The sequencer no longer takes events."""
