# SPDX-License-Identifier: Apache-2.0
"""What is taken out of a request, what is left alone, and what is said about it."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from gateway.card_data import MOST_RECORDED, REMOVED, CardData, PanFound, Redactor, SadFound, may_hold_card_data
from gateway.card_numbers import TEST_NUMBERS, Find, search

KEY = bytes(range(32))
REDACTOR = Redactor(KEY)
VISA, REAL = "4242424242424242", "4539148803436467"
BRANDS = [
    ("visa", VISA),
    ("visa", "4222222222222"),
    ("visa", "4000000000000000006"),
    ("mastercard", "5555555555554444"),
    ("mastercard", "2223003122003222"),
    ("mastercard", "2720990000000007"),
    ("amex", "378282246310005"),
    ("amex", "341111111111111"),
    ("discover", "6011111111111117"),
    ("discover", "6500000000000002"),
    ("jcb", "3566002020360505"),
    ("jcb", "3530111333300000"),
    ("diners", "36227206271667"),
    ("diners", "3056930009020004"),
    ("unionpay", "6205500000000000004"),
    ("unionpay", "8171999927660000"),
    ("mir", "2200000000000004"),
    ("maestro", "6759649826438453"),
    ("maestro", "6304000000000000"),
    ("maestro", "501800000009"),
]
SAID = {
    "card_code": (
        "cvv cvc cvn cvv2 cvc2 CVV cardCvv card_cvc cardCVV2 cvvCode cvc-code cvv_number cvv.value csc CSC cav2 CAV_2 "
        "cve2 cvd securityCode security_code Security-Code card_security_code cardCode card_verification "
        "cardVerificationValue card_verification_code verificationValue cardCid card_cid encryptedCvv cvv_enc "
        "payment_cvv ccCvv newcvv c\uff56v"
    ),
    "track": (
        "track1 track2 track3 track_1 trackOne track_two track1Data track2_data trackData track_data magstripe "
        "mag_stripe magStripeData magneticStripe msr swipeData swipe_data track2Equivalent encryptedTrack2 "
        "track2EquivalentData"
    ),
    "pin": "pin PIN cardPin card_pin newPin oldPin confirm_pin atmPin pinCode pin_number encryptedPin pin-data userPin",
    "pin_block": "pinBlock pin_block PINBLOCK encryptedPinBlock enc_pin_block epb epinblock ePinBlock pin_block_hex",
}


def redacted(value: Any) -> tuple[Any, CardData]:
    return REDACTOR.redact(json.dumps(value).encode(), value)


def kinds(value: Any) -> list[tuple[str, str]]:
    return [(found.path, found.kind) for found in redacted(value)[1].sad]


def numbers(value: Any) -> list[tuple[str, str]]:
    return [(found.path, found.brand) for found in redacted(value)[1].pans]


@pytest.mark.parametrize(("brand", "number"), BRANDS)
@pytest.mark.parametrize(
    "place",
    [
        lambda number: {"card": number},
        lambda number: {number: "card"},
        lambda number: {"note": f"please charge {number}, thanks"},
        lambda number: {"deep": [{"er": [0, number]}]},
        lambda number: {"url": f"https://pay.example/charge?amount=5&n={number}&done=1"},
        lambda number: {"written": f"card{number}x"},
        lambda number: {"card": int(number)},
    ],
    ids=["member", "key", "sentence", "nested", "url", "letters", "integer"],
)
def test_card_number_of_every_brand_becomes_a_token_wherever_it_is(
    brand: str, number: str, place: Callable[[str], Any]
) -> None:
    value = place(number)
    output, found = redacted(value)
    assert [pan.brand for pan in found.pans] == [brand]
    assert number not in json.dumps(output)
    assert found.pans[0].token in json.dumps(output)


@pytest.mark.parametrize(
    "written",
    [
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "4242/4242/4242/4242",
        "4242_4242_4242_4242",
        "4242+4242+4242+4242",
        "4242 - 4242 - 4242 - 4242",
        "4242\u00a04242\u00a04242\u00a04242",
        "4242\u202f4242\u202f4242\u202f4242",
        "4242\u200b4242\u200b4242\u200b4242",
        "4242\u20134242\u20134242\u20134242",
        "4242\u00b74242\u00b74242\u00b74242",
        "4242\t4242\n4242\r4242",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "42424242 42424242",
        "\uff14\uff12" * 8,
        "\u0664\u0662" * 8,
        "\U0001d7d2\U0001d7d0" * 8,
        "%34%32" * 8,
        "%2534%2532" * 8,
        "4242%204242%204242%204242",
        "4242%2D4242%2D4242%2D4242",
        "4242%C2%A04242%C2%A04242%C2%A04242",
        "0004242424242424242",
        "=4242424242424242=",
        "4242424242424242 12/29",
        "4242424242424242|1229|",
        "42424242424242422912",
        ";4242424242424242=29121011234567890?",
        "%B4242424242424242^DOE/JANE^29121011234567890?",
    ],
)
def test_one_card_has_one_token_however_it_is_written(written: str) -> None:
    output, found = redacted({"n": written})
    token = REDACTOR.redact_text(VISA)
    assert [(pan.path, pan.token, pan.brand, pan.test) for pan in found.pans] == [("/n", token, "visa", True)]
    assert token in output["n"]


@pytest.mark.parametrize(
    "body",
    [
        b"4242424242424242",
        b"-4242424242424242",
        b"4242424242424242.0",
        b"4.242424242424242e15",
        b"4.242424242424242E+15",
        b"42424242424242420e-1",
        b"[1,4242424242424242]",
        b'{"a":{"b":4242424242424242}}',
    ],
)
def test_whole_numbers_of_json_are_looked_at(body: bytes) -> None:
    output, found = REDACTOR.redact(body, json.loads(body))
    assert len(found.pans) == 1
    assert "4242" not in json.dumps(output).replace(found.pans[0].token, "")


@pytest.mark.parametrize(
    "body", [b"4000056655665556e0", b"[3782822463100.05e2]", b'{"n":500000000021e0}', b"[67e16,4e15]"]
)
def test_glance_never_overlooks_a_number_with_an_exponent(body: bytes) -> None:
    value = json.loads(body)
    assert may_hold_card_data(body) or REDACTOR._walked(value) == (value, CardData())


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for kind, names in SAID.items() for name in names.split()])
def test_member_that_says_what_it_holds_is_dropped(name: str, kind: str) -> None:
    output, found = redacted({"amount": 5, "card": {name: "123456789012"}})
    assert output == {"amount": 5, "card": {}}
    assert [(sad.path, sad.kind) for sad in found.sad] == [(f"/card/{name}", kind)]


@pytest.mark.parametrize(
    "secret",
    ["737", "9071", 737, 9071, 73.7, ["7", "3", "7"], {"value": "737"}, {"entered": [{"by": 1}]}, "a1", "x" * 16],
)
def test_secret_is_dropped_in_any_shape(secret: Any) -> None:
    output, found = redacted({"cvv": secret})
    assert (output, [sad.kind for sad in found.sad]) == ({}, ["card_code"])


@pytest.mark.parametrize(
    "value",
    [
        {"cvc_check": "pass", "cvv_result": "M", "address_line1_check": "pass"},
        {"cvv": "match", "cvc": "***", "pin": None, "track2": True, "cvc2": False, "pin_block": "present"},
        {"cvc_check": "fail", "pin_verified": True, "cvv_provided": True, "pin_tries": "none"},
        {"pin_code": "110001", "city": "New Delhi", "country": "IN"},
        {"address": "1 High Street", "pincode": 110001},
        {"shipping": {"line1": "1 High St", "pinCode": "110001"}},
        {"ping": "123", "pinned": "123", "spin": "123", "opinion": "12", "mapping": "1", "shipping": "123"},
        {"tracking_number": "1Z999AA10123456784", "soundtrack": "12", "track": "12"},
        {"cid": "123", "verification_code": "123456"},
        {"name": "cvv_result", "value": "M"},
        {"id": "colour", "value": "123"},
        {"cvv": {}, "pin": [], "track1": {"status": "read"}},
    ],
)
def test_verdicts_flags_masks_and_postal_codes_are_kept(value: Any) -> None:
    before = deepcopy(value)
    assert redacted(value) == (before, CardData())


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"number": "x", "cid": "123"}, [("/cid", "card_code")]),
        ({"card": {"cid": "123"}}, [("/card/cid", "card_code")]),
        ({"exp_month": 12, "verification_code": "123"}, [("/verification_code", "card_code")]),
        ({"track": "1234567890123"}, [("/track", "track")]),
        ({"pin_code": "1234"}, [("/pin_code", "pin")]),
        ({"pin": "1234", "city": "Pune"}, [("/pin", "pin")]),
        ({"name": "cvv", "value": "737"}, [("/value", "card_code")]),
        ({"key": "pin", "value": "7371"}, [("/value", "pin")]),
        ([{"field": "track2", "value": "abcdef1"}], [("/0/value", "track")]),
        ({"id": "pin_block", "value": "0412AC89ABCDEF67"}, [("/value", "pin_block")]),
        ({"a/b~c": {"cvv": "737"}}, [("/a~1b~0c/cvv", "card_code")]),
    ],
)
def test_neighbours_tell_what_a_member_holds(value: Any, found: list[tuple[str, str]]) -> None:
    assert kinds(value) == found


@pytest.mark.parametrize(
    ("text", "left", "kind"),
    [
        ("cvv=737", f"cvv={REMOVED}", "card_code"),
        ("CVC: 9071, thanks", f"CVC: {REMOVED}, thanks", "card_code"),
        ('{"cvv2": "737"}', f'{{"cvv2": "{REMOVED}"}}', "card_code"),
        ("security code = 737", f"security code = {REMOVED}", "card_code"),
        ("/pay?cvc=737&x=1", f"/pay?cvc={REMOVED}&x=1", "card_code"),
        ("cvv%3D737", f"cvv%3D{REMOVED}", "card_code"),
        ("pin: 7371", f"pin: {REMOVED}", "pin"),
        ("pin block: 0412AC89ABCDEF67", f"pin block: {REMOVED}", "pin_block"),
        (";1234567890128=29121011234567890?", REMOVED, "track"),
        ("%B1234567890128^DOE/JANE^29121011234567890?", REMOVED, "track"),
    ],
)
def test_authentication_data_is_cut_out_of_texts(text: str, left: str, kind: str) -> None:
    output, found = redacted({"note": text})
    assert (output["note"], [sad.kind for sad in found.sad]) == (left, [kind])


def test_track_gives_a_token_for_its_number_and_nothing_of_the_rest() -> None:
    for track in (f";{VISA}=29121011234567890?", f"%B{VISA}^DOE/JANE^29121011234567890?", f"{VISA}D29121011234567890"):
        output, found = redacted({"swiped": track})
        assert output["swiped"] == found.pans[0].token + REMOVED
        assert [sad.kind for sad in found.sad] == ["track"]


@pytest.mark.parametrize(
    "text",
    [
        "4a424242-4242-4242-8242-424242424242",
        "urn:uuid:42424242-4242-4242-8242-4242424242a2",
        "4242424242424242a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "ch_3MmlLrLkdIwHu7ix0snN0B15",
        "2025-11-24T16:00:00.000000Z",
        "2025-11-24 16:00:00+00:00",
        "1764000000000",
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "0.424242424242424242",
        "+501800000009",
        "4242424242424241",
        "1234567890123456",
        "0000000000000000",
        "9999999999999999",
        "42424242424242424242424242424242",
        "pan_0a1b2c3d4e5f60718293a4b5",
        "192.168.100.200:8080",
        "+44 20 7946 0958",
    ],
)
def test_identifiers_times_accounts_and_amounts_are_left_alone(text: str) -> None:
    assert redacted({"id": text, "list": [text], text: 1}) == ({"id": text, "list": [text], text: 1}, CardData())


@pytest.mark.parametrize(
    "number", [1764000000, 1764000000000, 4242424242424241, 0.4242424242424242, 10**12, True, 0, -1.5]
)
def test_numbers_that_are_no_cards_are_left_alone(number: float) -> None:
    assert redacted([number]) == ([number], CardData())


def test_numbers_that_providers_publish_for_tests_are_told_from_others() -> None:
    found = redacted([VISA, REAL])[1]
    assert [(pan.path, pan.test) for pan in found.pans] == [("/0", True), ("/1", False)]
    assert all(redacted([number])[1].pans[0].test for number in TEST_NUMBERS)


def test_members_whose_names_hold_the_same_number_stay_apart() -> None:
    value = {VISA: "a", "4242 4242 4242 4242": "b", "4242-4242-4242-4242": "c"}
    output, found = redacted(value)
    assert sorted(output.values()) == ["a", "b", "c"]
    assert len({pan.path for pan in found.pans}) == 3
    assert len({pan.token for pan in found.pans}) == 1


def test_the_given_value_is_never_changed() -> None:
    value = {"n": VISA, "card": {"cvv": "737", "list": [int(VISA)]}}
    before = deepcopy(value)
    assert redacted(value)[0] != before
    assert value == before


def test_same_key_gives_the_same_token_and_another_key_another() -> None:
    again, other = Redactor(KEY), Redactor(bytes(32))
    assert again.redact_text(REAL) == REDACTOR.redact_text(REAL) != other.redact_text(REAL)
    assert REDACTOR.redact_text(REAL) != REDACTOR.redact_text(VISA)


def test_key_of_another_size_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="has 32 bytes, got 31") as refused:
        Redactor(b"secret-key-material-of-31-bytes")
    assert "material" not in str(refused.value)


def test_nothing_that_is_shown_holds_what_was_found() -> None:
    value = {VISA: {"cvv": "73719"}, "track2": ";4539148803436467=29121011234567890?", "note": "4111 1111 1111 1111"}
    found = redacted(value)[1]
    shown = [repr(found), repr(REDACTOR), str(found.as_facts()), repr(search(VISA)), repr(search(VISA)[:1])]
    for text in shown:
        bare = text.replace(" ", "")
        assert not [
            secret for secret in (VISA, "73719", REAL, "29121011234567890", "4111111111111111") if secret in bare
        ]
    assert repr(Find(0, 16, "visa", VISA, None)) == "<Find 0:16>"
    assert KEY.hex() not in repr(REDACTOR)


def test_findings_become_facts_of_one_shape() -> None:
    output, found = redacted({"a": [VISA], "b": {"cvv": "737"}})
    assert found.as_facts() == {
        "pans": [{"path": "/a/0", "token": output["a"][0], "brand": "visa", "test": True}],
        "sad": [{"path": "/b/cvv", "kind": "card_code"}],
        "truncated": False,
    }
    assert CardData().as_facts() == {"pans": [], "sad": [], "truncated": False}
    assert CardData(
        (PanFound("/a", "t", "visa", test=False),), (SadFound("/b", "pin"),), truncated=True
    ).as_facts() == {
        "pans": [{"path": "/a", "token": "t", "brand": "visa", "test": False}],
        "sad": [{"path": "/b", "kind": "pin"}],
        "truncated": True,
    }


@pytest.mark.parametrize(("count", "truncated"), [(MOST_RECORDED, False), (MOST_RECORDED + 1, True)])
def test_only_so_many_findings_are_listed_but_all_are_redacted(count: int, truncated: bool) -> None:
    output, found = redacted([VISA] * count)
    assert (len(found.pans), found.truncated) == (MOST_RECORDED, truncated)
    assert VISA not in json.dumps(output)
    output, found = redacted([{"cvv": "737"}] * count)
    assert (len(found.sad), found.truncated) == (MOST_RECORDED, truncated)
    assert output == [{}] * count


@pytest.mark.parametrize("text", ["", "42", "4242424242424242", "größer", "0" * 400])
def test_texts_beside_the_body_are_redacted_too(text: str) -> None:
    assert (REDACTOR.redact_text(text) == text) is (text != VISA)


def test_body_without_anything_is_given_back_as_it_is() -> None:
    value = {"subject": {"id": "alice"}, "amount": 100}
    assert redacted(value)[0] is value
