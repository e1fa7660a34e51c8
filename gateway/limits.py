# SPDX-License-Identifier: Apache-2.0
"""Rate limits: one token bucket for each caller."""

from collections.abc import Callable
from math import ceil

from gateway.errors import Refused


class RateLimiter:
    """Buckets of `burst` tokens that refill at `rate` a second; one request takes one token."""

    def __init__(self, rate: int, burst: int, clock: Callable[[], float]) -> None:
        """Take rate and burst, and a clock that counts seconds and never goes back."""
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str, tokens: int = 1) -> None:
        """Take tokens from a caller's bucket; raises Refused (429, with Retry-After) when it is empty."""
        now = self._clock()
        level, since = self._buckets.get(name, (float(self._burst), now))
        level = min(float(self._burst), level + (now - since) * self._rate)
        if level < tokens:
            self._buckets[name] = (level, now)
            wait = ceil((tokens - level) / self._rate)
            raise Refused(429, "rate_limited", "Too many requests.", {"Retry-After": str(wait)})
        self._buckets[name] = (level - tokens, now)
