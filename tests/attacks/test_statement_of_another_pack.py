# SPDX-License-Identifier: Apache-2.0
"""A valid statement, properly signed, about other files."""

import pytest

from evidence import statement
from evidence.errors import PackMalformed
from evidence.scope import Request
from evidence.statement import DSSE_NAME, NAME
from support.packs import Log, Pack, caught


@pytest.fixture(scope="module")
def other(log: Log) -> Pack:
    return log.pack(Request(first=5, last=20))


def test_the_envelope_of_another_pack(whole: Pack, other: Pack) -> None:
    pack = whole.copy()
    pack.files[DSSE_NAME] = other.files[DSSE_NAME]
    caught(pack.rebag(), 4, DSSE_NAME)


def test_envelope_and_statement_of_another_pack(whole: Pack, other: Pack) -> None:
    pack = whole.copy()
    pack.files |= {name: other.files[name] for name in (DSSE_NAME, NAME)}
    caught(pack.rebag(), 4, "data/entries/000000.bundle")


def test_a_file_that_the_statement_does_not_know(whole: Pack) -> None:
    pack = whole.copy()
    pack.files[f"data/policies/{'0' * 64}/main.rego"] = b"package assay\n"
    caught(pack.rebag(), 4, f"data/policies/{'0' * 64}/main.rego")


def test_a_file_that_only_the_statement_knows(whole: Pack) -> None:
    pack = whole.copy()
    del pack.files["data/facts/000000.jsonl"]
    caught(pack.rebag(), 4, "data/facts/000000.jsonl")


def test_a_file_that_no_pack_has(whole: Pack) -> None:
    pack = whole.copy()
    pack.files["data/README.txt"] = b"Everything is fine.\n"
    caught(pack.rebag(), 2, "data/README.txt", PackMalformed)


def test_a_statement_of_another_kind(whole: Pack) -> None:
    pack = whole.copy()
    pack.put_json(NAME, pack.json(NAME) | {"predicateType": "https://slsa.dev/provenance/v1"})
    pack.files[DSSE_NAME] = statement.sign(pack.files[NAME], pack.keys.pack)
    caught(pack.rebag(), 4, NAME, PackMalformed)
