# SPDX-License-Identifier: Apache-2.0
"""Somebody shows the log as it was before the entries they dislike."""

from itertools import islice
from pathlib import Path

import pytest

from evidence.errors import PackMalformed
from evidence.scope import Request
from evidence.verify import verify_file
from support.packs import KEYS, Log, Pack, caught, story


@pytest.fixture
def older(tmp_path: Path) -> Pack:
    log = Log(tmp_path / "older").append(islice(story(43), 30))
    pack = log.pack()
    log.close()
    return pack


def test_a_pack_of_the_older_log_does_not_fit_a_newer_checkpoint_seen_before(older: Pack, log: Log) -> None:
    older.verify()
    caught(older, 9, "ledger/checkpoint", known=log.reader.checkpoint().checkpoint)


def test_an_older_checkpoint_is_not_the_one_the_statement_is_about(whole: Pack, older: Pack) -> None:
    pack = whole.copy()
    pack.files["ledger/checkpoint"] = older.files["ledger/checkpoint"]
    caught(pack.rebag(), 4, "data/statement.json")


def test_a_pack_that_does_not_show_the_known_size_is_not_accepted(log: Log) -> None:
    (known,) = log.reader.checkpoints(10, 11, 2)
    caught(log.pack(Request(first=35, last=40)), 9, "ledger/checkpoint", known=known.checkpoint)


@pytest.mark.parametrize("keep", [0, 1, 21, 22, 1000, -23, -22, -1])
def test_a_file_that_was_cut_short_is_not_an_archive(whole: Pack, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(whole.zipped()[:keep])
    with pytest.raises(PackMalformed, match=r"step 1: end of archive: no end record: cut short"):
        verify_file(path, KEYS.trust())
