# SPDX-License-Identifier: Apache-2.0
"""An event that was signed for another log is put into this one: same key, valid signature, other context."""

from itertools import chain, islice
from pathlib import Path

import pytest

from evidence.errors import PackMalformed
from evidence.statement import DSSE_NAME, pae
from ledger import envelope
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.errors import LedgerError
from support.packs import KEYS, Log, Pack, caught, decision, story


def test_an_event_of_another_log_in_this_one(tmp_path: Path) -> None:
    log = Log(tmp_path).append(chain(islice(story(43), 8), [decision(8, "ledger.example.com/staging")]))
    pack = log.pack()
    log.close()
    caught(pack, 6, "entry 8")


def test_an_event_that_was_recorded_before_is_not_at_another_index(whole: Pack) -> None:
    pack = whole.copy()
    lines = pack.files["data/entries/000000.jsonl"].splitlines(keepends=True)
    lines[9] = lines[9].replace(b'"index":9', b'"index":8')
    pack.files["data/entries/000000.jsonl"] = b"".join(lines)
    caught(pack.resign(), 6, "entry 8")


def test_a_statement_signature_is_no_entry_and_no_checkpoint() -> None:
    text = Checkpoint("a", 1, bytes(32)).text()
    with pytest.raises(LedgerError):
        envelope.open_entry(pae("t", text), {KEYS.event.public.key_id: KEYS.event.public})
    with pytest.raises(LedgerError):
        open_checkpoint(pae("t", text), "a", [k.public for k in KEYS.log])


def test_a_statement_of_another_type_of_payload(whole: Pack) -> None:
    pack = whole.copy()
    pack.put_json(DSSE_NAME, pack.json(DSSE_NAME) | {"payloadType": "application/vnd.assay.event+json"})
    caught(pack.rebag(), 4, DSSE_NAME, PackMalformed)
