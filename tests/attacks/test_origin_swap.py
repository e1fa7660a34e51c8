# SPDX-License-Identifier: Apache-2.0
"""Evidence of one log is passed off as that of another whose keys are the same."""

from itertools import islice
from pathlib import Path

from evidence.errors import PackMalformed
from support.packs import KEYS, Log, Pack, caught, story

OTHER = "ledger.example.com/staging"


def test_a_pack_of_another_log_under_the_same_keys(tmp_path: Path) -> None:
    log = Log(tmp_path, origin=OTHER).append(islice(story(43, OTHER), 12))
    pack = log.pack()
    log.close()
    pack.verify(KEYS.trust(OTHER))
    caught(pack, 3, "ledger/checkpoint", trust=KEYS.trust())


def test_a_scope_that_names_another_log(whole: Pack) -> None:
    pack = whole.copy()
    pack.put_json("data/scope.json", pack.json("data/scope.json") | {"origin": OTHER})
    caught(pack.resign(), 5, "data/scope.json")


def test_a_statement_that_names_another_log(whole: Pack) -> None:
    pack = whole.copy()
    checkpoint = pack.verify().checkpoint
    renamed = type(checkpoint)(OTHER, checkpoint.size, checkpoint.root)
    caught(pack.resign(checkpoint=renamed), 4, "data/statement.json")


def test_a_bag_that_names_another_log(whole: Pack) -> None:
    caught(whole.copy().rebag(f"{OTHER} [0,43)"), 5, "bag-info.txt")


def test_a_checkpoint_note_that_was_renamed(whole: Pack) -> None:
    pack = whole.copy()
    pack.files["ledger/checkpoint"] = pack.files["ledger/checkpoint"].replace(b"payments\n", b"pay ments\n", 1)
    caught(pack.rebag(), 3, "ledger/checkpoint", PackMalformed)
