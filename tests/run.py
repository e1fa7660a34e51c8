# SPDX-License-Identifier: Apache-2.0
"""Runs every test."""

import sys

import pytest

sys.exit(pytest.main(["-n", "2", *sys.argv[1:]]))
