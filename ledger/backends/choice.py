# SPDX-License-Identifier: Apache-2.0
"""Which backend is used: the one that was asked for, or else the fastest that can be used here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ledger.backends import liboqs
from ledger.backends.guard import Guard
from ledger.backends.port import Backend
from ledger.backends.reference import REFERENCE
from ledger.errors import BackendUnusable

AUTO = "auto"


def _accelerator() -> Backend:
    from ledger.backends import accelerator  # noqa: PLC0415 - only who asks for the extension loads it

    return accelerator.load()


BACKENDS: Mapping[str, Callable[[], Backend]] = MappingProxyType(
    {"accelerator": _accelerator, "liboqs": liboqs.load, "cryptography": lambda: REFERENCE}
)
"""What loads each backend, the fastest first; raises BackendUnusable that says how to get it."""


def choose(wanted: str = AUTO) -> tuple[Backend, str]:
    """Return the backend to use and why; raises BackendUnusable if the one that is wanted cannot be used."""
    if wanted != AUTO:
        if wanted not in BACKENDS:
            raise BackendUnusable(f"there is no backend {wanted!r}; there are {', '.join((AUTO, *BACKENDS))}")
        return BACKENDS[wanted](), "the settings name it"
    for load in BACKENDS.values():
        try:
            return load(), "the fastest that can be used here"
        except BackendUnusable:
            continue
    raise BackendUnusable("not even the reference can be used")


def guarded(wanted: str = AUTO, on_fault: Callable[[str], None] = lambda _why: None) -> Guard:
    """Return the chosen backend, held against the reference; raises BackendUnusable as `choose` does."""
    guard = Guard(choose(wanted)[0], on_fault)
    guard.check()
    return guard
