# SPDX-License-Identifier: Apache-2.0
"""The catalogue is whole: every assessable PCI DSS requirement, and the NIST HIGH baseline with what goes beyond it."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from controls.catalogue import FORMAT, FRAMEWORKS, Control, load
from controls.errors import ControlsError, UnknownControl

PCI, NIST = "pci-dss-4.0.1", "nist-800-53-r5"
# NIST SP 800-53B: the HIGH baseline has 370 controls and enhancements.
HIGH, REQUIREMENTS = 370, 280


def pairs(name: str) -> list[tuple[str, Any]]:
    """Return the ids and titles of a data file as they stand there, doubles included."""
    text = (files("controls") / "data" / f"{name}.json").read_text("utf-8")
    whole: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    inner: list[tuple[str, Any]] | None = dict(whole).get("controls")
    return whole if inner is None else inner


def place(number: str) -> list[tuple[str, int]]:
    """Return what puts requirement numbers in the standard's order: 2.1 before 10.1, appendices last."""
    return [(part.rstrip("0123456789"), int(part.lstrip("AN"))) for part in number.split(".")]


def test_every_requirement_of_pci_dss_is_there_once_and_in_its_order() -> None:
    numbers = [number for number, _ in pairs(PCI)]
    assert len(numbers) == len(set(numbers)) == REQUIREMENTS
    assert all(re.fullmatch(r"(A[1-3]|[1-9]|1[0-2])(\.[1-9][0-9]?){2,4}", number) for number in numbers)
    assert numbers == sorted(numbers, key=place)
    assert {number.partition(".")[0] for number in numbers} == {*map(str, range(1, 13)), "A1", "A2", "A3"}


def test_high_baseline_of_nist_is_there_with_what_goes_beyond_it() -> None:
    ids = [number for number, _ in pairs(NIST)]
    beyond = dict(pairs("nist-beyond-high"))
    assert len(ids) == len(set(ids))
    assert ids == sorted(ids)
    assert set(beyond) <= set(ids)
    assert all(re.fullmatch(r"[a-z]{2}-[1-9][0-9]?(\.[1-9][0-9]?)?", number) for number in ids)
    # A title of NIST's own marks a control of the baseline, ours one beyond it.
    assert sum(title != beyond.get(number) for number, title in pairs(NIST)) == HIGH
    assert all(title for _, title in pairs(NIST))


@pytest.mark.parametrize(
    ("control", "title"),
    [
        ("nist-800-53-r5:ac-2.3", "Disable Accounts"),
        ("nist-800-53-r5:ac-5", "Separation of Duties"),
        ("nist-800-53-r5:au-10", "Non-repudiation"),
        ("nist-800-53-r5:sc-13", "Cryptographic Protection"),
        ("nist-800-53-r5:ac-3.2", "Two people for one action"),
        ("pci-dss-4.0.1:1.1.1", None),
    ],
)
def test_title_is_told_where_it_may_be(control: str, title: str | None) -> None:
    assert load()[control] == Control(control, title)
    assert load()[control].framework == control.partition(":")[0]


@pytest.mark.parametrize("number", ["3.3.1", "3.4.1", "3.7.6", "7.2.1", "8.2.6", "8.2.8", "8.4.2", "10.2.1", "12.10.1"])
def test_requirement_of_pci_dss_is_known_by_its_number(number: str) -> None:
    assert f"{PCI}:{number}" in load()


@pytest.mark.parametrize(
    "control",
    ["", "ac-2", "nist-800-53-r5:ac-99", "nist-800-53-r5:AC-2", "pci-dss-4.0.1:13.1.1", "pci-dss-4.0:8.2.8", "8.2.8"],
)
def test_control_that_no_framework_has_is_unknown(control: str) -> None:
    assert control not in load()
    with pytest.raises(UnknownControl, match=f"no catalogue has '{control}'") as unknown:
        load()[control]
    assert isinstance(unknown.value, ControlsError)


def test_catalogue_for_a_pack_holds_every_control_and_says_whose_words_these_are() -> None:
    document = load().as_document()
    assert document == load().as_document()
    assert document["format"] == FORMAT
    assert set(document["notes"]) == set(FRAMEWORKS)
    assert "not quoted" in document["notes"][PCI]
    assert "Public domain" in document["notes"][NIST]
    assert [row["id"] for row in document["controls"]] == [control.id for control in load()]
    assert len(document["controls"]) == len(load()) == REQUIREMENTS + len(pairs(NIST))
    assert all(set(row) == {"id", "title"} for row in document["controls"])
