# SPDX-License-Identifier: Apache-2.0
"""Commitments to facts, pseudonyms of parties."""

import hmac

import pytest

from ledger.commitment import Disclosure, pseudonym
from ledger.errors import Malformed, ProofInvalid

SALT = bytes(range(32))


def test_a_commitment_is_the_hmac_of_the_facts_under_the_salt() -> None:
    commitment = Disclosure(SALT, b'{"mfa":true}').commitment()
    assert commitment == hmac.new(SALT, b'{"mfa":true}', "sha256").hexdigest()
    Disclosure(SALT, b'{"mfa":true}').verify(commitment)


@pytest.mark.parametrize(
    "other",
    [Disclosure(SALT, b'{"mfa":false}'), Disclosure(SALT, b'{"mfa":true} '), Disclosure(SALT[::-1], b'{"mfa":true}')],
)
def test_other_facts_or_another_salt_do_not_open_it(other: Disclosure) -> None:
    with pytest.raises(ProofInvalid):
        other.verify(Disclosure(SALT, b'{"mfa":true}').commitment())


@pytest.mark.parametrize("commitment", ["", "é" * 64, "\ud800", "A" * 64])
def test_a_commitment_of_odd_characters_is_just_wrong(commitment: str) -> None:
    with pytest.raises(ProofInvalid):
        Disclosure(SALT, b"{}").verify(commitment)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_has_32_bytes(size: int) -> None:
    with pytest.raises(Malformed, match="32 bytes"):
        Disclosure(bytes(size), b"{}")


def test_salt_and_facts_do_not_show() -> None:
    assert repr(Disclosure(SALT, b'{"amount":100}')) == "Disclosure()"


def test_a_pseudonym_is_the_same_for_one_name_under_one_key_and_no_other() -> None:
    name = pseudonym(b"tenant 1", "user", "alice")
    assert name == pseudonym(b"tenant 1", "user", "alice")
    assert len(name) == 32
    others = {
        pseudonym(b"tenant 2", "user", "alice"),
        pseudonym(b"tenant 1", "device", "alice"),
        pseudonym(b"tenant 1", "user", "Alice"),
        pseudonym(b"tenant 1", "user", "\ud800"),
    }
    assert len(others | {name}) == 5
