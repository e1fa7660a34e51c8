# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with evidence.

EvidenceError
├── PackMalformed     an archive, a bag or a document in it that is not what it claims to be
├── PackUntrue        well-formed, and not true
├── ScopeUnusable     a pack was asked for that this ledger cannot give
└── TrustUnusable     a trust file that is unreadable or names too few, too many or the wrong keys
"""

from ledger.errors import LedgerError, VerificationError


class EvidenceError(Exception):
    """Base of every error this package raises on purpose."""

    def __init__(self, message: str, *, where: str = "", step: int | None = None) -> None:
        """Take a sentence, the file or entry it is about, and the number of the step of verification it failed."""
        super().__init__(message)
        self.message, self.where, self.step = message, where, step

    def __str__(self) -> str:
        """Return step, place and sentence."""
        step = "" if self.step is None else f"step {self.step}"
        return ": ".join(part for part in (step, self.where, self.message) if part)


class PackMalformed(EvidenceError):
    """An archive, a bag or a document in it that is not what it claims to be."""


class PackUntrue(EvidenceError):
    """Well-formed, and not true."""


class ScopeUnusable(EvidenceError):
    """A pack was asked for that this ledger cannot give."""


class TrustUnusable(EvidenceError):
    """A trust file that is unreadable or names too few, too many or the wrong keys."""


class about:  # noqa: N801 - reads as a word of the statement it begins
    """Fold the ledger's errors into ours, as being about the file or entry `where`."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise PackUntrue for what is not true, PackMalformed for every other error of the ledger."""
        if isinstance(error, LedgerError):
            kind = PackUntrue if isinstance(error, VerificationError) else PackMalformed
            raise kind(str(error), where=self._where) from None
