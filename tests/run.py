# SPDX-License-Identifier: Apache-2.0
"""Runs every test, with the floor of coverage that pyproject.toml sets; or what the arguments name, without it."""

import sys

import pytest

EVERYTHING = ["--cov", "--cov-report=term:skip-covered"]

sys.exit(pytest.main(["-n", "2", *(sys.argv[1:] or EVERYTHING)]))
