# SPDX-License-Identifier: Apache-2.0
"""Pieces of work, done by several processes where that pays.

A worker is forked, so it has whatever the work refers to without being sent it; only results travel. The caller must
have no other threads at that moment, which is why nothing but a command asks for more than one process.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

_FEWEST = 8
"""Pieces from which on forking pays."""

_R = TypeVar("_R")
_adopted: list[Callable[[int], Any]] = []
"""In a worker: its work."""


def each(work: Callable[[int], _R], count: int, processes: int) -> Iterator[_R]:
    """Yield `work(0)` to `work(count - 1)`, in this order; the first error ends it.

    Results and errors of `work` must be picklable. Where there is no fork, or it would not pay, all is done here.
    """
    if processes <= 1 or count < _FEWEST or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(work, range(count))
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_adopted.append, initargs=(work,)) as pool:
        yield from pool.map(_piece, range(count))


def _piece(number: int) -> Any:
    return _adopted[-1](number)
