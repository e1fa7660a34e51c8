# SPDX-License-Identifier: Apache-2.0
"""The command line within the test's own process: quicker than a process for each question."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.cli.main import main


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON on standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Here:
    """Runs commands within this process; those that start the service or OPA for good need one of their own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Take pytest's means to read what is printed."""
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Said:
        mask = os.umask(0o077)  # opening a home changes it for the process
        try:
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        finally:
            os.umask(mask)
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, *self._capsys.readouterr())
