# SPDX-License-Identifier: Apache-2.0
"""Packs: built from a real ledger, the same for the same question, verified with nothing but themselves and trust."""

import base64
import hashlib
import shutil
import subprocess
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from evidence.archive import save
from evidence.build import LedgerView
from evidence.errors import EvidenceError, PackMalformed, PackUntrue, ScopeUnusable
from evidence.names import order
from evidence.scope import Period, Request
from evidence.statement import pae
from evidence.verify import Step, VerifiedPack, verify_file
from ledger.commitment import Disclosure
from ledger.event import DecisionRecorded
from ledger.keys import PublicKey
from support.packs import CATALOGUE, DIGEST, KEYS, MAPPING, POLICY, Keys, Log, Pack, caught, decision, story


def at(minute: float) -> str:
    return f"2026-03-01T09:{int(minute):02d}:{round(minute % 1 * 60):02d}Z"


def instead(view: LedgerView, **changes: Any) -> LedgerView:
    """Return a view of a ledger some of whose answers are others."""

    class Changed:
        def __getattr__(self, name: str) -> Any:
            return changes.get(name, getattr(view, name))

    return cast("LedgerView", Changed())


def test_a_pack_of_the_whole_log(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    save(path, log.built())
    steps: list[Step] = []
    pack = verify_file(path, KEYS.trust(), steps.append)
    assert [step.n for step in steps] == list(range(1, 14))
    assert tuple(steps) == pack.steps
    assert all(step.ok for step in steps)
    assert pack.checkpoint == log.reader.checkpoint().checkpoint
    events = list(pack.events())
    assert [index for index, _ in events] == list(range(43))
    assert events[5][1].id == "00000000-0000-4000-8000-000000000005"
    facts = dict(pack.facts())
    assert facts[2]["note"] == "größer"
    assert len(facts) == pack.scope.counts.decisions == 37
    assert pack.mapping() == MAPPING
    assert pack.catalogue() == CATALOGUE
    assert pack.policy(DIGEST) == POLICY


def test_the_same_question_gives_the_same_data(log: Log, whole: Pack) -> None:
    again = log.pack()
    assert again.data() == whole.data()
    assert [name for name in whole.names() if whole.files[name] != again.files[name]] == [
        "signatures/statement.dsse.json",
        "tagmanifest-sha256.txt",
        "tagmanifest-sha512.txt",
    ]


@pytest.mark.parametrize(
    "asked", [Request(), Request(period=Period(begin=at(5), end=at(15))), Request(facts=False), Request(last=0)]
)
def test_files_are_built_in_the_order_of_an_archive(log: Log, asked: Request) -> None:
    names = [name for name, _ in log.built(asked)]
    assert names == sorted(names, key=order)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 1), (0, 43), (42, 43), (43, 43), (7, 7), (7, 30), (31, 33)])
def test_any_range(log: Log, first: int, last: int) -> None:
    pack = log.pack(Request(first=first, last=last)).verify()
    assert [index for index, _ in pack.events()] == list(range(first, last))


def test_a_log_without_entries(tmp_path: Path) -> None:
    log = Log(tmp_path)
    pack = log.pack().verify()
    log.close()
    assert list(pack.events()) == []
    assert list(pack.facts()) == []


@pytest.mark.parametrize("count", [255, 256, 257])
def test_chunks_of_256(tmp_path: Path, count: int) -> None:
    log = Log(tmp_path).append(story(count), checkpoint_every=count)
    pack = log.pack()
    log.close()
    assert len([name for name in pack.files if name.endswith(".bundle")]) == -(-count // 256)
    assert [index for index, _ in pack.verify(processes=2).events()] == list(range(count))


@pytest.mark.parametrize(
    ("begin", "end", "first", "last"),
    [
        (at(5), at(15), 5, 15),
        (at(4.5), at(14.5), 5, 15),
        ("2026-03-01T09:05:00.000001Z", at(15), 6, 15),
        (at(5), "2026-03-01T09:15:00.000001Z", 5, 16),
        ("2020-01-01T00:00:00Z", at(0), 0, 0),
        ("2020-01-01T00:00:00Z", at(1), 0, 1),
        (at(42), "2030-01-01T00:00:00Z", 42, 43),
        (at(43), "2030-01-01T00:00:00Z", 43, 43),
        (at(7.25), at(7.75), 8, 8),
        ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", 0, 43),
    ],
)
def test_a_period(log: Log, begin: str, end: str, first: int, last: int) -> None:
    pack = log.pack(Request(period=Period(begin=begin, end=end))).verify()
    assert (pack.scope.first, pack.scope.last) == (first, last)
    assert [index for index, _ in pack.events()] == list(range(first, last))


def test_a_period_reaches_to_its_last_entry_even_if_the_clock_went_back(tmp_path: Path) -> None:
    log = Log(tmp_path).append([decision(number) for number in (0, 5, 3, 6, 4, 9, 7)])
    pack = log.pack(Request(period=Period(begin=at(4), end=at(7)))).verify()
    log.close()
    assert (pack.scope.first, pack.scope.last) == (1, 5)


def test_a_period_that_its_entries_are_not_in(log: Log) -> None:
    pack = log.pack(Request(first=5, last=15, facts=False))
    around = log.pack(Request(period=Period(begin=at(5), end=at(15))))
    pack.files["ledger/neighbours.json"] = around.files["ledger/neighbours.json"]
    scope = pack.json("data/scope.json")
    for begin, end, where in ((at(6), at(15), "entry 5"), (at(5), at(14), "entry 14")):
        period = {"from": begin.replace("Z", ".000000Z"), "to": end.replace("Z", ".000000Z")}
        pack.put_json("data/scope.json", scope | {"period": period})
        caught(pack.resign(), 6, where)


def test_a_filter_by_control(log: Log) -> None:
    pack = log.pack(Request(controls=("pci-dss-4.0.1:8.4.2",))).verify()
    events = dict(pack.events())
    assert set(events) == {0, *range(2, 43, 2)}
    assert pack.scope.counts.included == len(events) < pack.scope.counts.entries == 43
    decisions = [event.body for event in events.values() if isinstance(event.body, DecisionRecorded)]
    assert {body.evaluated for body in decisions} == {("authentication.mfa_for_cde",)}


def test_a_filter_that_was_not_kept(log: Log) -> None:
    pack = log.pack(Request(controls=("pci-dss-4.0.1:8.4.2",)))
    pack.put_json("data/scope.json", pack.json("data/scope.json") | {"controls": ["pci-dss-4.0.1:3.7.6"]})
    caught(pack.resign(), 12, "entry 2")


def test_facts_may_be_kept_back_or_erased(log: Log) -> None:
    pack = log.pack(Request(facts=False))
    assert not [name for name in pack.files if name.startswith("data/facts/")]
    assert list(pack.verify().facts()) == []
    erased = log.pack(ledger=instead(log.reader, disclosure=lambda i: None if i % 2 else log.reader.disclosure(i)))
    assert [index for index, _ in erased.verify().facts()] == list(range(2, 43, 2))


@pytest.mark.parametrize(
    "asked",
    [
        Request(first=-1),
        Request(first=9, last=8),
        Request(last=44),
        Request(first=1, period=Period(begin=at(1), end=at(2))),
        Request(period=Period(begin=at(2), end=at(2))),
        Request(period=Period(begin="yesterday", end=at(2))),
        Request(period=Period(begin="2026-02-31T24:00:00Z", end=at(2))),
        Request(controls=("pci-dss-4.0.1:99",)),
    ],
)
def test_questions_that_have_no_answer(log: Log, asked: Request) -> None:
    with pytest.raises(ScopeUnusable):
        log.pack(asked)


def test_a_pack_is_signed_with_the_keys_auditors_trust(log: Log) -> None:
    with pytest.raises(ScopeUnusable):
        log.pack(signers=Keys.of("other").pack)
    with pytest.raises(PackUntrue):
        log.pack(trust=KEYS.trust("elsewhere.example.com"))


def test_a_ledger_that_changed_gives_no_pack(log: Log) -> None:
    real, entries = log.reader, list(log.reader.entries(0, 43))
    swapped = [entries[1], entries[0], *entries[2:]]
    for changes, where in (
        ({"leaves": lambda a, b: [bytes(32), *real.leaves(a + 1, b)]}, "ledger/leaves"),
        ({"leaves": lambda a, b: real.leaves(a, b - 1)}, "ledger/leaves"),
        ({"entries": lambda a, b: iter(swapped[a:b])}, "entry 0"),
        ({"entries": lambda a, b: iter(entries[a : b - 1])}, "entry 42"),
        ({"disclosure": lambda _: Disclosure(bytes(32), b"{}")}, "facts of entry 2"),
    ):
        with pytest.raises(EvidenceError) as caught:
            log.pack(ledger=instead(real, **changes))
        assert caught.value.where == where


def test_policies_that_are_not_those_that_decided(log: Log) -> None:
    with pytest.raises(PackUntrue):
        log.pack(policies=lambda _digest: {"main.rego": b"package other"})


def test_a_policy_that_is_not_in_the_pack(whole: Pack) -> None:
    pack = whole.copy()
    for name in [name for name in pack.files if name.startswith("data/policies/")]:
        del pack.files[name]
    caught(pack.resign(), 11, "entry 2")


def test_a_policy_that_was_changed(whole: Pack) -> None:
    pack = whole.copy()
    pack.files[f"data/policies/{DIGEST}/main.rego"] += b"\nallow := true\n"
    caught(pack.resign(), 11, f"data/policies/{DIGEST}")


def test_a_policy_that_decided_nothing(whole: Pack) -> None:
    pack = whole.copy()
    pack.files[f"data/policies/{'0' * 64}/main.rego"] = b"package assay\n"
    caught(pack.resign(), 11, f"data/policies/{'0' * 64}")


def test_a_mapping_that_is_not_that_of_the_decisions(whole: Pack) -> None:
    name, rules = "data/controls/mapping.json", MAPPING["rules"]
    pack = whole.copy()
    pack.put_json(name, {"rules": rules[:2]})
    caught(pack.resign(), 12, "entry 2")
    pack.put_json(name, {"rules": [{"id": rule["id"], "controls": []} for rule in rules]})
    caught(pack.resign(), 12, "entry 3")
    pack.put_json(name, {"rules": rules * 2})
    caught(pack.resign(), 12, name, PackMalformed)
    pack.put_json(name, ["rules"])
    caught(pack.resign(), 12, name, PackMalformed)


def test_only_verification_makes_a_verified_pack() -> None:
    with pytest.raises(TypeError, match="comes from"):
        VerifiedPack(object(), None, ())  # type: ignore[arg-type]


def test_what_is_read_after_verification_is_what_was_verified(whole: Pack, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(whole.zipped())
    pack = verify_file(path, KEYS.trust())
    other, name = whole.copy(), "data/facts/000000.jsonl"
    other.files[name] = other.files[name].replace(b"user-1", b"user-9")
    path.write_bytes(other.zipped())
    with pytest.raises(EvidenceError):
        list(pack.facts())


def test_an_error_says_step_place_and_what(whole: Pack) -> None:
    pack = whole.copy()
    pack.files["ledger/leaves"] = bytes(len(pack.files["ledger/leaves"]))
    with pytest.raises(PackUntrue, match=r"^step 8: entry 0: is not the entry of its leaf hash in ledger/leaves$"):
        pack.rebag().verify()


def test_an_old_pack_is_good_after_the_event_key_was_changed(tmp_path: Path) -> None:
    log = Log(tmp_path).append(islice(story(43), 10))
    old = log.pack()
    log.close()
    old.verify(replace(KEYS.trust(), event_keys=(*KEYS.trust().event_keys, Keys.of("next").event.public)))


def run(command: str, folder: Path, data: bytes = b"") -> str:
    return subprocess.run(command.split(), cwd=folder, input=data, check=True, capture_output=True).stdout.decode()


@pytest.mark.skipif(not shutil.which("sha512sum") or not shutil.which("openssl"), reason="needs coreutils and openssl")
def test_the_instructions_in_the_pack_work_with_common_tools(whole: Pack, tmp_path: Path) -> None:
    for name, content in whole.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    text = whole.files["data/spec/VERIFY.md"].decode()
    for program in ("sha256", "sha512"):
        command = f"{program}sum --check --strict manifest-{program}.txt tagmanifest-{program}.txt"
        assert f"    {command}\n" in text
        run(command, tmp_path)
    stated = whole.files["data/statement.json"]
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d " % len(stated) + stated
    assert signed == pae("application/vnd.in-toto+json", stated)
    (tmp_path / "pae.bin").write_bytes(signed)
    for signature in whole.json("signatures/statement.dsse.json")["signatures"]:
        name = f"data/keys/pack-{signature['keyid']}.pem"
        key = PublicKey.from_pem(whole.files[name])
        assert hashlib.sha256(key.spki).hexdigest() == signature["keyid"]
        command = f"openssl pkeyutl -verify -pubin -inkey {name} -rawin -in pae.bin -sigfile sig.bin"
        assert command.replace(signature["keyid"], "KEYID") in text
        (tmp_path / "sig.bin").write_bytes(base64.b64decode(signature["sig"]))
        if key.algorithm == "Ed25519":
            run(command, tmp_path)
    facts, tail = whole.files["data/facts/000000.jsonl"].splitlines()[0][len(b'{"facts":') :].rsplit(b',"index":2,', 1)
    salt = tail.split(b'"')[3].decode()
    (body,) = (event.body for index, event in whole.verify().events() if index == 2)
    assert isinstance(body, DecisionRecorded)
    said = run(f"openssl dgst -sha256 -mac HMAC -macopt hexkey:{salt}", tmp_path, facts)
    assert said.strip().endswith(body.facts_commitment)
