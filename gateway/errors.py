# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the gateway.

GatewayError
├── HomeUnusable       the home folder is missing, not private, damaged or in use
├── SettingsInvalid    assay.toml says something that cannot be
├── PolicyUnusable     the policy bundle is missing, changed or broken
├── EngineUnusable     OPA is missing or does not start
├── EngineFailed       one question got no usable answer; carries a reason code
└── Refused            a request is answered with a problem (RFC 9457)
    └── BadInput       … because of what it says; recorded as bad input
"""

from collections.abc import Mapping


class GatewayError(Exception):
    """Base of every error this package raises on purpose."""


class HomeUnusable(GatewayError):
    """The home folder is missing, not private, damaged or in use."""


class SettingsInvalid(GatewayError):
    """The settings file says something that cannot be."""


class PolicyUnusable(GatewayError):
    """The policy bundle is missing, changed or broken."""


class EngineUnusable(GatewayError):
    """OPA is missing or does not start."""


class EngineFailed(GatewayError):
    """One question got no usable answer: a denial with this reason code."""

    def __init__(self, code: str, detail: str) -> None:
        """Take a reason code of the engine family and a sentence for the log."""
        super().__init__(detail)
        self.code = code


class Refused(GatewayError):
    """A request is answered with a problem: a status, a code that programs read and a sentence that people read."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Take the HTTP status, the problem's code, its detail and further headers."""
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})


class BadInput(Refused):
    """A request is refused because of what it says."""
