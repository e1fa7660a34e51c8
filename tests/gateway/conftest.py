# SPDX-License-Identifier: Apache-2.0
"""One running service for all tests of its HTTP interface."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.service import Service, add_caller, new_home, serving

VECTORS = Path(__file__).parent.parent / "vectors/authzen/todo-decisions-1_0-02.json"
ROLES = ("gateway", "officer", "auditor", "admin")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that talk to the live service open sockets."""
    for item in items:
        if "service" in getattr(item, "fixturenames", ()):
            item.add_marker("enable_socket")
            item.add_marker("live")
            item.add_marker(pytest.mark.xdist_group("service"))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service with one caller for each role."""
    home = new_home(tmp_path_factory.mktemp("live") / "home", ledger={"checkpoint_interval_ms": 100})
    keys = {role: add_caller(home, f"the-{role}", role) for role in ROLES}
    with serving(home, keys) as running:
        yield running


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """Return the Todo interop scenario of AuthZEN."""
    document: dict[str, Any] = json.loads(VECTORS.read_text())
    return document


@pytest.fixture
def question(vectors: dict[str, Any]) -> dict[str, Any]:
    """Return a request that is allowed."""
    request: dict[str, Any] = copy.deepcopy(vectors["evaluation"][0]["request"])
    return request
