# SPDX-License-Identifier: Apache-2.0
"""Settings: the file assay.toml in the home folder, read once at start."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gateway.errors import SettingsInvalid

TEMPLATE = """\
# Settings of this Assay home. Every line but the origin is optional; the values shown are the defaults.

# Name of the log in every checkpoint and event. It cannot be changed once the log exists.
origin = {origin}

# Tenant of callers that are added without one.
# tenant = "default"

# [engine]
# opa = ""                        # path of the opa program; empty: the one that `make` built, or else the one on PATH
# url = ""                        # an OPA that runs already, on loopback; empty: a child is started
# timeout_ms = 250                # an answer that takes longer is a denial (engine_timeout)

# [ledger]
# checkpoint_interval_ms = 1000   # how soon a recorded decision is under a published checkpoint
# backend = "auto"                # what signs: accelerator, liboqs, cryptography; auto: the fastest that is installed
# sign_threads = 0                # threads that sign events; 0: one for each core
# most_waiting = 1024             # events that may wait to be recorded; more are answered 503

# Where each private key is: file:PATH, relative to this folder or absolute.
# [keys]
# event = "file:keys/event.pem"
# log_ed25519 = "file:keys/log-ed25519.pem"
# log_ml_dsa_87 = "file:keys/log-ml-dsa-87.pem"
# pack_ed25519 = "file:keys/pack-ed25519.pem"
# pack_ml_dsa_87 = "file:keys/pack-ml-dsa-87.pem"

# [limits]
# requests_per_second = 5000      # per caller
# burst = 10000
# body_bytes = 262144
# evaluations = 100               # in one /access/v1/evaluations request
# idempotency_hours = 24
"""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where OPA is and how long an answer may take."""

    opa: str = ""
    url: str = ""
    timeout_ms: int = 250


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How events are signed and how often checkpoints are."""

    checkpoint_interval_ms: int = 1000
    backend: str = "auto"
    sign_threads: int = 0
    most_waiting: int = 1024


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Where each private key is."""

    event: str = "file:keys/event.pem"
    log_ed25519: str = "file:keys/log-ed25519.pem"
    log_ml_dsa_87: str = "file:keys/log-ml-dsa-87.pem"
    pack_ed25519: str = "file:keys/pack-ed25519.pem"
    pack_ml_dsa_87: str = "file:keys/pack-ml-dsa-87.pem"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller, one body and one batch may be."""

    requests_per_second: int = 5000
    burst: int = 10000
    body_bytes: int = 262_144
    evaluations: int = 100
    idempotency_hours: int = 24


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a home."""

    origin: str
    tenant: str = "default"
    engine: EngineSettings = EngineSettings()
    ledger: LedgerSettings = LedgerSettings()
    keys: KeySettings = KeySettings()
    limits: Limits = Limits()


def load(path: Path) -> Settings:
    """Return the settings in a file; raises SettingsInvalid naming the line's key."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path}: {error}") from None
    sections = {"engine": EngineSettings, "ledger": LedgerSettings, "keys": KeySettings, "limits": Limits}
    values: dict[str, Any] = {
        name: _section(path, name, kind, document.pop(name, {})) for name, kind in sections.items()
    }
    for name, value in document.items():
        if name not in ("origin", "tenant") or not isinstance(value, str) or not value:
            raise SettingsInvalid(f"{path}: `{name}` is not a setting, or not a non-empty text")
        values[name] = value
    if "origin" not in values:
        raise SettingsInvalid(f"{path}: `origin` is missing")
    return Settings(**values)


def _section(path: Path, name: str, kind: type, values: Any) -> Any:
    known = {field.name: field.default for field in fields(kind)}
    if not isinstance(values, dict):
        raise SettingsInvalid(f"{path}: `{name}` is a section")
    for key, value in values.items():
        default = known.get(key)
        if type(value) is not type(default) or (isinstance(value, int) and value < (0 if key == "sign_threads" else 1)):
            raise SettingsInvalid(f"{path}: `{name}.{key}` is not a setting, or has a value of the wrong kind")
    return kind(**values)
