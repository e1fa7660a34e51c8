# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 9162, section 2.1, written down again word for word and slowly: an oracle for tests only.

Names are those of the RFC: D_n is a list of n entries, MTH its tree hash, PATH an inclusion proof (2.1.3.1), PROOF and
SUBPROOF a consistency proof (2.1.4.1). Nothing here is shared with the code under test but SHA-256.
"""

from hashlib import sha256


def largest_power_of_two_below(n: int) -> int:
    """Return k with k < n <= 2k, for n > 1."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: list[bytes]) -> bytes:
    """Return the Merkle tree hash of the entries."""
    n = len(d)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + d[0]).digest()
    k = largest_power_of_two_below(n)
    return sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: list[bytes]) -> list[bytes]:
    """Return the inclusion proof of entry m."""
    n = len(d)
    if n == 1:
        return []
    k = largest_power_of_two_below(n)
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def proof(m: int, d: list[bytes]) -> list[bytes]:
    """Return the consistency proof from the first m entries, 0 < m < n."""
    return subproof(m, d, b=True)


def subproof(m: int, d: list[bytes], *, b: bool) -> list[bytes]:
    """Return the consistency proof; `b` tells whether the first m entries are the whole older tree."""
    n = len(d)
    if m == n:
        return [] if b else [mth(d)]
    k = largest_power_of_two_below(n)
    if m <= k:
        return [*subproof(m, d[:k], b=b), mth(d[k:])]
    return [*subproof(m - k, d[k:], b=False), mth(d[:k])]
