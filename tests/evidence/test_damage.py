# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a pack, behind correct manifests and archive headers, verification ends in an EvidenceError."""

import json
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.errors import EvidenceError
from evidence.scope import Period, Request
from support.packs import Log, Pack, random_positions, story

OWN = ("bagit.txt", "bag-info.txt", "manifest-", "tagmanifest-")
IDENTIFIER = "ledger.example.com/payments [2,12)"
MADE_ANEW = {"data/scope.json", "data/statement.json"}


@cache
def small() -> Pack:
    with TemporaryDirectory() as folder:
        log = Log(Path(folder)).append(story(14), checkpoint_every=5)
        pack = log.pack(Request(period=Period(begin="2026-03-01T09:02:00Z", end="2026-03-01T09:12:00Z")))
        log.close()
    pack.verify()
    return pack


NAMES = [name for name in small().names() if not name.startswith(OWN)]
DOCUMENTS = [name for name in NAMES if name.endswith((".json", ".jsonl")) and small().files[name]]


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_in_any_file(name: str) -> None:
    content = small().files[name]
    for at in random_positions(len(content), 12, seed=len(name)):
        pack = small().copy()
        pack.files[name] = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises(EvidenceError) as caught:
            pack.rebag(IDENTIFIER).verify()
        assert caught.value.step in range(3, 10)
        assert caught.value.where


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_missing_or_empty(name: str) -> None:
    pack = small().copy()
    content = pack.files.pop(name)
    with pytest.raises(EvidenceError) as caught:
        pack.rebag(IDENTIFIER).verify()
    assert caught.value.where
    pack.files[name] = b"" if content else b"\n"
    with pytest.raises(EvidenceError):
        pack.rebag(IDENTIFIER).verify()


@pytest.mark.parametrize("name", [name for name in small().names() if name.startswith(OWN)])
def test_a_file_of_the_bag_that_is_missing_or_changed(name: str) -> None:
    pack = small().copy()
    content = pack.files.pop(name)
    with pytest.raises(EvidenceError) as caught:
        pack.verify()
    assert caught.value.step == 2
    for at in random_positions(len(content), 20, seed=3):
        pack.files[name] = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises(EvidenceError) as caught:
            pack.verify()
        assert caught.value.step == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 10**6), st.integers(0, 60), st.binary(max_size=60), st.booleans())
def test_arbitrary_edits(name: str, at: int, drop: int, insert: bytes, signed: bool) -> None:
    content = small().files[name]
    at %= len(content) + 1
    _damaged(name, content[:at] + insert + content[at + drop :], signed=signed)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 10**6), json_values, st.booleans())
def test_arbitrary_values_in_documents(name: str, seed: int, value: Any, signed: bool) -> None:
    text = small().files[name].decode()
    lines = text.splitlines()
    random = Random(seed)
    number = random.randrange(len(lines))
    document = json.loads(lines[number])
    parent, key = random.choice(_places(document))
    parent[key] = value
    # Written by another encoder: what has no canonical form must be refused as well.
    lines[number] = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    changed = "\n".join(lines) + "\n" * text.endswith("\n")
    _damaged(name, changed.encode("utf-8", "surrogatepass"), signed=signed)


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _damaged(name: str, changed: bytes, *, signed: bool) -> None:
    """Verify a pack with a file changed by somebody who can write bags, or sign packs as well."""
    pack = small().copy()
    if pack.files[name] == changed:
        return
    pack.files[name] = changed
    if not (signed and name.startswith("data/")) or name in MADE_ANEW:
        with pytest.raises(EvidenceError):
            pack.rebag(IDENTIFIER).verify()
        return
    try:
        pack.resign().verify()
    except EvidenceError as error:
        assert error.step is not None  # noqa: PT017 - the next line tells what may also be
    else:
        # Only what no entry says anything about: with the pack keys one may say other things there.
        assert name.startswith(("data/controls/", "data/facts/", "data/spec/"))
