# SPDX-License-Identifier: Apache-2.0
"""The summary: numbers that come from verified evidence only."""

import json

from evidence.scope import Period, Request
from reports.summary import render_text, summarise
from support.packs import Log, Pack


def test_a_summary_counts_what_the_pack_shows(whole: Pack) -> None:
    summary = summarise(whole.verify())
    assert (summary.calls, summary.allowed, summary.denied, summary.bad_inputs) == (37, 29, 8, 4)
    assert summary.entries == summary.shown == summary.checkpoint_size == 43
    assert [(by.rule, by.controls, by.denials) for by in summary.denied_by] == [
        ("access.dual_control", ("pci-dss-4.0.1:3.7.6",), 8)
    ]
    assert json.loads(json.dumps(summary.as_json()))["denied_by"][0]["denials"] == 8


def test_a_summary_is_a_short_table(log: Log) -> None:
    period = Period(begin="2026-03-01T09:05:00Z", end="2026-03-01T09:15:00Z")
    pack = log.pack(Request(period=period, controls=("pci-dss-4.0.1:3.7.6",))).verify()
    assert (
        render_text(summarise(pack))
        == f"""\
log         ledger.example.com/payments
checkpoint  43 entries, root {pack.checkpoint.root.hex()}
range       [5,15)
period      from 2026-03-01T09:05:00.000000Z to 2026-03-01T09:15:00.000000Z
controls    pci-dss-4.0.1:3.7.6
entries     10, of which 4 are in the pack
calls       4
  allowed   2
  denied    2
bad inputs  0

denied by            denials  controls
access.dual_control  2        pci-dss-4.0.1:3.7.6
"""
    )
