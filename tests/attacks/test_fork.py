# SPDX-License-Identifier: Apache-2.0
"""The log's operator, who has the log keys, shows different histories to different people."""

from collections.abc import Iterator
from itertools import chain, islice

import pytest

from support.packs import Log, Pack, caught, decision, story


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    events = chain(islice(story(43), 20), (decision(number, action="payment.refund") for number in range(20, 43)))
    forked = Log(tmp_path_factory.mktemp("fork")).append(events)
    yield forked
    forked.close()


def test_a_checkpoint_of_the_other_branch_does_not_fit_between_the_others(whole: Pack, forked: Log) -> None:
    pack = whole.copy()
    pack.files["ledger/checkpoints/002"] = forked.pack().files["ledger/checkpoints/002"]
    caught(pack.rebag(), 9, "ledger/checkpoints/002")


def test_an_auditor_who_has_seen_one_branch_is_not_shown_the_other(whole: Pack, forked: Log) -> None:
    caught(whole, 9, "ledger/checkpoint", known=forked.reader.checkpoint().checkpoint)


def test_a_size_between_checkpoints_is_compared_too(whole: Pack, forked: Log) -> None:
    (between,) = forked.reader.checkpoints(30, 31, 2)
    pack = whole.copy()
    for name in [name for name in pack.files if name.startswith("ledger/checkpoints/")]:
        del pack.files[name]
    pack.files["ledger/checkpoints/000"] = pack.files["ledger/checkpoint"]
    pack.put_json("ledger/consistency.json", {"proofs": []})
    pack.rebag().verify()
    caught(pack, 9, "ledger/checkpoint", known=between.checkpoint)


def test_a_known_checkpoint_of_this_branch_is_accepted(whole: Pack, log: Log) -> None:
    for known in log.reader.checkpoints(0, 99, 99):
        whole.verify(known=known.checkpoint)
