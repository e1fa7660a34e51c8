# SPDX-License-Identifier: Apache-2.0
"""The settings file: what a new home's says, and what is refused."""

import re
from pathlib import Path

import pytest

from gateway import settings
from gateway.errors import SettingsInvalid

ORIGIN = 'origin = "log.example/payments"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "assay.toml"


def test_settings_that_a_new_home_shows_are_the_defaults(path: Path) -> None:
    written = settings.TEMPLATE.format(origin='"log.example/payments"')
    path.write_text(written)
    assert settings.load(path) == settings.Settings(origin="log.example/payments")
    spelled_out, lines = re.subn(r"^# (?=\[\w+\]$|\w+ = )", "", written, flags=re.MULTILINE)
    path.write_text(spelled_out)
    assert settings.load(path) == settings.Settings(origin="log.example/payments")
    fields = (settings.EngineSettings, settings.LedgerSettings, settings.KeySettings, settings.Limits)
    assert lines == 1 + sum(1 + len(section.__slots__) for section in fields), "every setting is shown"


def test_what_the_file_says_counts(path: Path) -> None:
    path.write_text(f'{ORIGIN}tenant = "shop"\n[engine]\ntimeout_ms = 90\n[limits]\nburst = 7\n')
    loaded = settings.load(path)
    assert (loaded.tenant, loaded.engine.timeout_ms, loaded.limits.burst) == ("shop", 90, 7)
    assert loaded.ledger == settings.LedgerSettings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "origin"),
        ('origin = ""', "origin"),
        ("origin = 7", "origin"),
        (f'{ORIGIN}tenent = "shop"', "tenent"),
        (f"{ORIGIN}[engin]", "engin"),
        (f"{ORIGIN}engine = 3", "engine"),
        (f"{ORIGIN}[engine]\ntimeout = 250", "engine.timeout"),
        (f'{ORIGIN}[engine]\ntimeout_ms = "250"', "engine.timeout_ms"),
        (f"{ORIGIN}[engine]\ntimeout_ms = 0", "engine.timeout_ms"),
        (f"{ORIGIN}[engine]\ntimeout_ms = true", "engine.timeout_ms"),
        (f"{ORIGIN}[engine]\ntimeout_ms = 2.5", "engine.timeout_ms"),
        (f"{ORIGIN}[ledger]\nsign_threads = -1", "ledger.sign_threads"),
        (f"{ORIGIN}[ledger]\nmost_waiting = -1", "ledger.most_waiting"),
        (f"{ORIGIN}[limits]\nburst = 0", "limits.burst"),
        (f"{ORIGIN}[keys]\nevents = 'file:x'", "keys.events"),
        (f"{ORIGIN}[keys]\nevent = 7", "keys.event"),
        (f"{ORIGIN}{ORIGIN}", "assay.toml"),
        ("origin: log", "assay.toml"),
    ],
)
def test_setting_that_cannot_be_is_refused_by_name(path: Path, text: str, named: str) -> None:
    path.write_text(text)
    with pytest.raises(SettingsInvalid) as refused:
        settings.load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert named in str(refused.value)


def test_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b'origin = "\xff"\n')
    with pytest.raises(SettingsInvalid, match=r"assay\.toml"):
        settings.load(path)


def test_settings_that_are_not_there_are_refused(path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="No such file"):
        settings.load(path)
