# SPDX-License-Identifier: Apache-2.0
"""Every backend that is installed: held against published vectors, and against every other."""

import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha256, shake_256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.backends.guard import Guard
from ledger.backends.port import Backend, Signed
from ledger.backends.reference import REFERENCE
from ledger.errors import KeyUnusable

SEED = sha256(b"one").digest()
MESSAGES = [f"message {number}".encode() * number for number in range(12)]
THREADS = [1, 2, 4]
seeds = st.binary(min_size=32, max_size=32)
messages = st.binary(max_size=3000)
EDGES = [0, 1, 524167, 524168, 524288, -1, -524167, -524168, -524287]
few = settings(deadline=None, max_examples=25)


def signed(backend: Backend, message: bytes, seed: bytes = SEED) -> bytes:
    """Return a signature."""
    (signature,) = backend.signing_key(seed).sign_many([message])
    return signature


def verifies(backend: Backend, pair: Signed, seed: bytes = SEED) -> bool:
    """Return whether a backend takes a signature under the key of a seed, as the reference makes it."""
    raw = REFERENCE.signing_key(seed).public_bytes()
    found = backend.verifying_key(raw).first_invalid([pair])
    assert found in {None, 0}
    return found is None


# Published vectors.


def test_seeds_make_the_keys_of_the_known_answers(backend: Backend, known_answers: list[dict[str, Any]]) -> None:
    assert len(known_answers) == 100
    for case in known_answers:
        assert backend.signing_key(case["xi"]).public_bytes() == case["pk"]


def test_messages_of_the_known_answers_are_signed_for_a_stranger_to_verify(
    backend: Backend, known_answers: list[dict[str, Any]]
) -> None:
    for case in known_answers[::5]:
        mldsa.MLDSA87PublicKey.from_public_bytes(case["pk"]).verify(
            signed(backend, case["msg"], case["xi"]), case["msg"]
        )


def test_known_answers_signed_with_a_context_do_not_verify_without_it(
    backend: Backend, known_answers: list[dict[str, Any]]
) -> None:
    for case in known_answers:
        signature, message, context = case["sm"][:4627], case["msg"], case["ctx"]
        assert (len(context), case["sm"][4627:]) == (16, message)
        mldsa.MLDSA87PublicKey.from_public_bytes(case["pk"]).verify(signature, message, context)
        for data in (message, context + message, bytes([0, len(context)]) + context + message):
            assert backend.verifying_key(case["pk"]).first_invalid([(signature, data)]) == 0


def test_signatures_of_wycheproof_verify_just_when_they_are_valid_and_have_no_context(
    backend: Backend, wycheproof_verify: list[dict[str, Any]]
) -> None:
    seen = {"valid": 0, "invalid": 0, "context": 0, "key": 0}
    wrong = []
    for group in wycheproof_verify:
        raw = bytes.fromhex(group["publicKey"])
        if len(raw) != 2592:
            assert all(test["result"] == "invalid" for test in group["tests"])
            seen["key"] += len(group["tests"])
            with pytest.raises(KeyUnusable):
                backend.verifying_key(raw)
            continue
        key = backend.verifying_key(raw)
        for test in group["tests"]:
            verdict = "context" if test.get("ctx") else test["result"]
            seen[verdict] += 1
            found = key.first_invalid([(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))])
            if found != (None if verdict == "valid" else 0):
                wrong.append((test["tcId"], test["comment"]))
    assert seen == {"valid": 69, "invalid": 161, "context": 7, "key": 4}
    assert_right_or_found_out(backend, wrong)


def test_seeds_of_wycheproof_make_its_keys_and_sign_its_messages(
    backend: Backend, wycheproof_sign: list[dict[str, Any]]
) -> None:
    for group in wycheproof_sign:
        seed = bytes.fromhex(group["privateSeed"])
        if len(seed) != 32:
            with pytest.raises(KeyUnusable):
                backend.signing_key(seed)
            continue
        key = backend.signing_key(seed)
        assert key.public_bytes().hex() == group["publicKey"]
        verifier = backend.verifying_key(key.public_bytes())
        tests = [test for test in group["tests"] if "msg" in test and not test.get("ctx")]
        theirs = [(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])) for test in tests]
        assert verifier.first_invalid(theirs) is None
        told = [message for _, message in theirs]
        ours = list(zip(key.sign_many(told), told, strict=True))
        assert REFERENCE.verifying_key(key.public_bytes()).first_invalid(ours) is None


def test_a_response_is_as_long_as_fips_204_allows_and_a_hint_at_nought_counts_down(
    backend: Backend, forged: Callable[..., Signed]
) -> None:
    # Algorithm 8, line 13: each coefficient of z is smaller than 2^19 - 120. Algorithm 40: r0 = 0 goes down.
    cases = [(forged(place, z), abs(z) < 524168) for place in (0, 255, 1791) for z in EDGES]
    cases.append((forged(0, 0, hint=True), True))
    key = backend.verifying_key(bytes(2592))
    wrong = [place for place, (pair, valid) in enumerate(cases) if (key.first_invalid([pair]) is None) != valid]
    assert_right_or_found_out(backend, wrong)


def assert_right_or_found_out(backend: Backend, wrong: Sequence[object]) -> None:
    """Assert that nothing is wrong; of liboqs before 0.15 with AVX2, that the guard keeps it from being used."""
    guard = Guard(backend)
    guard.check()
    if backend.name == "liboqs" and wrong:
        assert guard.fault == "it draws a limit of FIPS 204 elsewhere"
        assert guard.active is REFERENCE
    else:
        assert wrong == []
        assert guard.fault is None


# Each against each.


@few
@given(seed=seeds)
def test_all_make_the_same_public_key(every_backend: list[Backend], seed: bytes) -> None:
    assert len({backend.signing_key(seed).public_bytes() for backend in every_backend}) == 1


@few
@given(seed=seeds, message=messages)
def test_what_one_signs_verifies_under_each(maker: Backend, verifier: Backend, seed: bytes, message: bytes) -> None:
    assert verifies(verifier, (signed(maker, message, seed), message), seed)


@few
@given(seed=seeds, message=messages, bit=st.integers(0, 4627 * 8 - 1), data=st.data())
def test_all_refuse_what_differs_in_anything(
    maker: Backend, every_backend: list[Backend], seed: bytes, message: bytes, bit: int, data: st.DataObject
) -> None:
    signature = signed(maker, message, seed)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    stranger = data.draw(messages.filter(lambda other: other != message))
    wrong = [
        (bytes(flipped), message),
        (signature[: data.draw(st.integers(0, 4626))], message),
        (signature + data.draw(st.binary(min_size=1, max_size=40)), message),
        (signature, stranger),
        (signature, message + b"\0"),
        (signed(maker, message, sha256(seed).digest()), message),
    ]
    for backend in every_backend:
        assert verifies(backend, (signature, message), seed)
        assert not [place for place, pair in enumerate(wrong) if verifies(backend, pair, seed)]


@few
@given(
    signature=st.binary(min_size=4627, max_size=4627) | st.binary(max_size=5000),
    raw=st.binary(min_size=2592, max_size=2592),
    message=messages,
)
def test_all_give_one_verdict_on_random_bytes(
    every_backend: list[Backend], signature: bytes, raw: bytes, message: bytes
) -> None:
    verdicts = {backend.verifying_key(raw).first_invalid([(signature, message)]) for backend in every_backend}
    assert verdicts == {0}


@few
@given(bit=st.integers(0, 2592 * 8 - 1))
def test_all_refuse_a_signature_under_a_key_with_one_bit_flipped(every_backend: list[Backend], bit: int) -> None:
    raw = bytearray(REFERENCE.signing_key(SEED).public_bytes())
    pair = (signed(REFERENCE, b"data"), b"data")
    raw[bit // 8] ^= 1 << bit % 8
    for backend in every_backend:
        assert backend.verifying_key(bytes(raw)).first_invalid([pair]) == 0


@few
@given(bad=st.sets(st.integers(0, 11)), size=st.integers(0, 12), threads=st.sampled_from(THREADS))
def test_the_first_bad_place_of_several_is_named(backend: Backend, bad: set[int], size: int, threads: int) -> None:
    key = backend.signing_key(SEED)
    pairs = list(zip(key.sign_many(MESSAGES, threads), MESSAGES, strict=True))
    for place in bad:
        pairs[place] = (pairs[place][0], b"another")
    expected = min((place for place in bad if place < size), default=None)
    assert backend.verifying_key(key.public_bytes()).first_invalid(pairs[:size], threads) == expected


@pytest.mark.parametrize("threads", THREADS)
def test_an_empty_batch_is_signed_and_verified(backend: Backend, threads: int) -> None:
    key = backend.signing_key(SEED)
    assert key.sign_many([], threads) == []
    assert backend.verifying_key(key.public_bytes()).first_invalid([], threads) is None


# What is near ML-DSA-87 and is not it.


@pytest.mark.parametrize("size", [0, 31, 33, 64, 4864, 4896])
def test_a_seed_of_another_length_is_unusable(backend: Backend, size: int) -> None:
    with pytest.raises(KeyUnusable, match="32 bytes"):
        backend.signing_key(bytes(size))


@pytest.mark.parametrize("size", [0, 32, 1312, 1952, 2591, 2593, 2614])
def test_a_public_key_of_another_length_is_unusable(backend: Backend, size: int) -> None:
    with pytest.raises(KeyUnusable, match=f"^{size} bytes"):
        backend.verifying_key(bytes(size))


@pytest.mark.parametrize("kind", [mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey])
def test_keys_and_signatures_of_the_smaller_kinds_are_refused(
    backend: Backend, kind: type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey]
) -> None:
    smaller = kind.from_seed_bytes(SEED)
    with pytest.raises(KeyUnusable):
        backend.verifying_key(smaller.public_key().public_bytes_raw())
    signature = smaller.sign(b"data")
    for foreign in (signature, signature.ljust(4627, b"\0"), signature.rjust(4627, b"\0")):
        assert not verifies(backend, (foreign, b"data"))


def test_dilithium5_of_round_3_is_refused(backend: Backend) -> None:
    # It has public keys of the same 2,592 bytes. Its signatures have 4,595: the hash is 32 bytes long, not 64. It signs
    # SHAKE256(H(key) ‖ message), with an H of 32 bytes; FIPS 204 has 64, then two bytes and the context.
    key = mldsa.MLDSA87PrivateKey.from_seed_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    pure = key.sign_mu(shake_256(shake_256(public).digest(64) + b"\0\0data").digest(64))
    assert verifies(backend, (pure, b"data"))
    for size in (32, 48, 64):
        signature = key.sign_mu(shake_256(shake_256(public).digest(size) + b"data").digest(64))
        short = signature[:32] + signature[64:]
        assert len(short) == 4595
        for foreign in (signature, short, short.ljust(4627, b"\0"), short.rjust(4627, b"\0")):
            assert not verifies(backend, (foreign, b"data"))
    assert not verifies(backend, (pure[:32] + pure[64:], b"data"))


@pytest.mark.parametrize("context", [b"\0", b"context", bytes(255)])
def test_a_signature_with_a_context_does_not_verify(backend: Backend, context: bytes) -> None:
    key = mldsa.MLDSA87PrivateKey.from_seed_bytes(SEED)
    assert verifies(backend, (key.sign(b"data", b""), b"data"))
    assert not verifies(backend, (key.sign(b"data", context), b"data"))


# Signing.


def test_signing_is_hedged_and_keeps_the_order(backend: Backend) -> None:
    key = backend.signing_key(SEED)
    for threads in THREADS:
        same = key.sign_many([b"data"] * 8, threads)
        assert len(set(same)) == 8
        signatures = key.sign_many(MESSAGES, threads)
        for signature, message in zip(signatures, MESSAGES, strict=True):
            mldsa.MLDSA87PublicKey.from_public_bytes(key.public_bytes()).verify(signature, message)


def test_keys_are_used_by_many_threads_at_once(backend: Backend) -> None:
    key = backend.signing_key(SEED)
    verifier = backend.verifying_key(key.public_bytes())
    found: list[int | None] = []

    def work(number: int) -> None:
        for threads in THREADS:
            pairs = list(zip(key.sign_many(MESSAGES, threads), MESSAGES, strict=True))
            found.append(verifier.first_invalid(pairs, threads))
            pairs[number] = (pairs[number - 1][0], pairs[number][1])
            found.append(verifier.first_invalid(pairs, threads))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(place or 0 for place in found) == [0] * 12 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3


@pytest.mark.parametrize("threads", THREADS)
def test_other_python_threads_go_on_while_it_works(backend: Backend, threads: int) -> None:
    key = backend.signing_key(SEED)
    verifier = backend.verifying_key(key.public_bytes())
    batch = [bytes(100_000)] * 20
    pairs = list(zip(key.sign_many(batch, threads), batch, strict=True))
    assert goes_on_during(lambda: key.sign_many(batch, threads))
    assert goes_on_during(lambda: verifier.first_invalid(pairs, threads))


def goes_on_during(call: Callable[[], object]) -> bool:
    """Return whether a thread ran within one of some calls; it only gets its turn if Python's lock is let go."""
    turns, over = [0], threading.Event()

    def count() -> None:
        while not over.is_set():
            turns[0] += 1
            time.sleep(0.0001)

    counting, interval = threading.Thread(target=count), sys.getswitchinterval()
    counting.start()
    sys.setswitchinterval(1000)
    try:
        for _ in range(50):
            before = turns[0]
            call()
            if turns[0] > before:
                return True
    finally:
        sys.setswitchinterval(interval)
        over.set()
        counting.join()
    return False


# Secrets.


def test_a_key_shows_its_seed_to_nobody(backend: Backend) -> None:
    key = backend.signing_key(SEED)
    verifier = backend.verifying_key(key.public_bytes())
    shown = f"{key!r} {key} {[key]} {backend!r} {backend.version} {verifier!r}"
    for secret in (SEED.hex(), repr(SEED)[2:-1]):
        assert secret not in shown
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((TypeError, pickle.PicklingError, AttributeError)) as caught:
            pickle.dumps(key, protocol)
        assert SEED.hex() not in str(caught.value)


def test_the_error_of_a_wrong_seed_does_not_quote_it(backend: Backend) -> None:
    for wrong in (SEED[:-1], SEED + b"\0"):
        with pytest.raises(KeyUnusable) as caught:
            backend.signing_key(wrong)
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
        for secret in (SEED[:31].hex(), repr(SEED[:31])[2:-1]):
            assert secret not in told
