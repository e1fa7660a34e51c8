# SPDX-License-Identifier: Apache-2.0
"""An attacker signs with keys of their own, in the hope that nobody compares them."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

from support.packs import KEYS, Keys, Log, Pack, caught, story

THEIRS = Keys.of("attacker")


def pack_signed_with(keys: Keys, folder: Path) -> Pack:
    log = Log(folder, keys).append(islice(story(43, keys=keys), 12))
    pack = log.pack()
    log.close()
    pack.verify(keys.trust())
    return pack


def test_a_whole_log_under_other_keys(tmp_path: Path) -> None:
    caught(pack_signed_with(THEIRS, tmp_path), 3, "ledger/checkpoint", trust=KEYS.trust())


def test_one_of_two_log_keys_is_not_enough(tmp_path: Path) -> None:
    keys = replace(KEYS, log=(KEYS.log[0], THEIRS.log[1]))
    caught(pack_signed_with(keys, tmp_path), 3, "ledger/checkpoint", trust=KEYS.trust())


def test_one_of_two_pack_keys_is_not_enough(tmp_path: Path) -> None:
    for number, pack in enumerate(((THEIRS.pack[0], KEYS.pack[1]), (KEYS.pack[0], THEIRS.pack[1]))):
        other = pack_signed_with(replace(KEYS, pack=pack), tmp_path / str(number))
        caught(other, 4, "signatures/statement.dsse.json", trust=KEYS.trust())


def test_a_signature_less_is_not_enough(whole: Pack) -> None:
    pack = whole.copy()
    envelope = pack.json("signatures/statement.dsse.json")
    pack.put_json("signatures/statement.dsse.json", envelope | {"signatures": envelope["signatures"][:1]})
    caught(pack.rebag(), 4, "signatures/statement.dsse.json")


def test_entries_under_another_event_key(tmp_path: Path) -> None:
    other = pack_signed_with(replace(KEYS, event=THEIRS.event), tmp_path)
    caught(other, 6, "entry 0", trust=KEYS.trust())


def test_another_key_in_the_key_folder(whole: Pack) -> None:
    pack = whole.copy()
    name = f"data/keys/event-{KEYS.event.public.key_id.hex()}.pem"
    pack.files[name] = THEIRS.event.public.pem.encode()
    caught(pack.resign(), 13, name)


def test_a_further_key_in_the_key_folder(whole: Pack) -> None:
    pack = whole.copy()
    name = f"data/keys/event-{THEIRS.event.public.key_id.hex()}.pem"
    pack.files[name] = THEIRS.event.public.pem.encode()
    caught(pack.resign(), 13, name)


def test_a_key_that_is_left_out(whole: Pack) -> None:
    pack = whole.copy()
    name = f"data/keys/event-{KEYS.event.public.key_id.hex()}.pem"
    del pack.files[name]
    caught(pack.resign(), 13, name)


def test_a_key_history_that_hides_an_activation(whole: Pack) -> None:
    pack = whole.copy()
    pack.files["data/keys/history.jsonl"] = b""
    caught(pack.resign(), 13, "data/keys/history.jsonl")
