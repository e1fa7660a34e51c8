# SPDX-License-Identifier: Apache-2.0
"""The guard finds every lie of a backend and goes on without it; the choice takes what is there and fetches nothing."""

import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.backends import choice, guard
from ledger.backends.choice import AUTO, BACKENDS, choose, guarded
from ledger.backends.guard import Guard
from ledger.backends.port import Backend, Signed
from ledger.backends.reference import REFERENCE
from ledger.errors import BackendUnusable, KeyUnusable, SignatureInvalid
from ledger.keys import ED25519, ML_DSA_87, SoftwareKey
from support.ledgers import key

ROOT = Path(__file__).resolve().parents[2]
EVENT = key(ML_DSA_87, "event")
SEED = sha256(b"event").digest()
DATA = [b"one", b"two", b"three", b"four"]
TRUE = list(zip(EVENT.sign_many(DATA), DATA, strict=True))
FALSE = [TRUE[0], TRUE[1], (TRUE[0][0], b"three"), (TRUE[0][0], b"four")]


class Wrong(Exception):
    """What a backend raises that works no more."""


@dataclass
class Liar:
    """A backend that is the reference, but for what `lie` says at the moment."""

    lie: str = ""
    name: str = "liar"
    version: str = "liar 1"
    asked: int = 0

    def signing_key(self, seed: bytes) -> "LyingSigner":
        self.fails("signing_key", seed)
        return LyingSigner(self, seed)

    def verifying_key(self, raw: bytes) -> "LyingVerifier":
        self.fails("verifying_key", raw)
        return LyingVerifier(self, raw)

    def fails(self, what: str, secret: bytes = b"") -> None:
        if self.lie == f"fails in {what}":
            raise Wrong(f"seed {secret.hex()} {secret!r}")


@dataclass(repr=False)
class LyingSigner:
    liar: Liar
    seed: bytes

    def public_bytes(self) -> bytes:
        self.liar.fails("public_bytes", self.seed)
        other = self.liar.lie == "makes another key"
        return REFERENCE.signing_key(bytes(32) if other else self.seed).public_bytes()

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        self.liar.fails("sign_many", self.seed)
        lie = self.liar.lie
        sure = REFERENCE.signing_key(bytes(32) if lie == "signs with another key" else self.seed)
        made = sure.sign_many([b"." if lie == "signs something else" else data for data in messages], threads)
        garbage, backwards = [bytes(4627) for _ in made], made[::-1]
        lies = {"signs garbage": garbage, "signs in another order": backwards, "signs all but one": made[:-1]}
        return lies.get(lie, made)


@dataclass
class LyingVerifier:
    liar: Liar
    raw: bytes

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        self.liar.asked += 1
        self.liar.fails("first_invalid")
        bad = [place for place, pair in enumerate(pairs) if not self.takes(pair)]
        first = min(bad, default=None)
        lies = {
            "refuses what is good": 0,
            "refuses what is not there": len(pairs),
            "refuses what comes before": -1,
            "looks at the first only": 0 if 0 in bad else None,
            "takes all with threads": None if threads > 1 else first,
            "names the last": max(bad, default=None),
        }
        return lies.get(self.liar.lie, first)

    def takes(self, pair: Signed) -> bool:
        (signature, data), (lie, _, where) = pair, self.liar.lie.partition(" at byte ")
        other = REFERENCE.verifying_key(REFERENCE.signing_key(guard._OTHER_SEED).public_bytes())
        taken_for = [pair]
        match lie:
            case "takes a flipped bit" if len(signature) == 4627:
                at = int(where)
                taken_for.append((signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], data))
            case "takes another message":
                taken_for += [(signature, message) for message in guard._MESSAGES]
            case "takes a short signature" if len(signature) == 4626:
                taken_for += [(signature + bytes([last]), data) for last in range(76)]
            case "takes another key" if other.first_invalid([pair]) is None:
                return True
            case "takes no signature" if not signature:
                return True
            case "takes too long a response" if pair == guard._LIMITS[1]:
                return True
        return any(REFERENCE.verifying_key(self.raw).first_invalid([one]) is None for one in taken_for)


NOT_TRUE = "it verifies what is not true"
LIES = {
    "makes another key": "it makes another public key from the same seed",
    "signs garbage": "what it signs does not verify",
    "signs with another key": "what it signs does not verify",
    "signs something else": "what it signs does not verify",
    "signs in another order": "what it signs does not verify",
    "signs all but one": "what it signs does not verify",
    "refuses what is good": "it does not verify what the reference signs",
    "refuses what is not there": "it does not verify what the reference signs",
    "refuses what comes before": "it does not verify what the reference signs",
    **{f"takes a flipped bit at byte {at}": NOT_TRUE for at in guard._SPOILT_AT},
    "takes another message": NOT_TRUE,
    "takes another key": NOT_TRUE,
    "takes no signature": NOT_TRUE,
    "takes a short signature": NOT_TRUE,
    "takes too long a response": "it draws a limit of FIPS 204 elsewhere",
    "looks at the first only": "it does not name the first signature that does not verify",
    "takes all with threads": "it does not name the first signature that does not verify",
    "names the last": "it does not name the first signature that does not verify",
    **{
        f"fails in {what}": "it failed with Wrong"
        for what in ("signing_key", "verifying_key", "public_bytes", "sign_many", "first_invalid")
    },
}


def checked(lie: str = "") -> tuple[Liar, Guard, list[str]]:
    """Return a backend, its guard after a check, and what that told."""
    told: list[str] = []
    liar = Liar(lie)
    held = Guard(liar, told.append)
    held.check()
    return liar, held, told


def assert_right(held: Guard) -> None:
    """Assert that what a guard signs and says of signatures is so."""
    signer = held.signer(EVENT)
    assert signer.public == EVENT.public
    EVENT.public.verify(signer.sign(b"data"), b"data")
    for signature, data in zip(signer.sign_many(DATA), DATA, strict=True):
        EVENT.public.verify(signature, data)
    for threads in (1, 2, 4):
        held.verify_many(EVENT.public, TRUE, threads)
        held.verify_many(EVENT.public, [], threads)
        with pytest.raises(SignatureInvalid, match=EVENT.public.key_id.hex()[:16]) as caught:
            held.verify_many(EVENT.public, FALSE, threads)
        assert caught.value.place == 2


def test_a_backend_that_tells_the_truth_is_used() -> None:
    liar, held, told = checked()
    assert (held.fault, told, held.active) == (None, [], liar)
    assert_right(held)
    before = liar.asked
    held.verify_many(EVENT.public, TRUE)
    assert liar.asked == before + 1
    assert (held.fault, told, held.active) == (None, [], liar)


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_found_and_told_once_and_the_reference_goes_on(lie: str) -> None:
    liar, held, told = checked(lie)
    assert held.fault == LIES[lie]
    assert told == [f"liar (liar 1) is no longer used: {LIES[lie]}"]
    assert held.active is REFERENCE
    asked = liar.asked
    held.check()
    assert_right(held)
    liar.lie = ""
    held.check()
    assert_right(held)
    assert (len(told), held.fault, held.active, liar.asked) == (1, LIES[lie], REFERENCE, asked)


@pytest.mark.parametrize("lie", LIES)
def test_a_backend_that_begins_to_lie_is_found_by_the_next_check(lie: str) -> None:
    liar, held, told = checked()
    signer = held.signer(EVENT)
    liar.lie = lie
    held.check()
    assert (held.fault, len(told), held.active) == (LIES[lie], 1, REFERENCE)
    EVENT.public.verify(signer.sign(b"data"), b"data")
    assert_right(held)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("refuses what is good", "it refused a signature that verifies"),
        ("refuses what is not there", "it refused a signature that verifies"),
        ("fails in first_invalid", "it failed with Wrong when it verified"),
        ("fails in verifying_key", "it failed with Wrong when it verified"),
    ],
)
def test_a_good_signature_is_never_called_invalid(lie: str, why: str, threads: int) -> None:
    for pairs, place in ((TRUE, None), (FALSE, 2)):
        liar, held, told = checked()
        liar.lie = lie
        if place is None:
            held.verify_many(EVENT.public, pairs, threads)
        else:
            with pytest.raises(SignatureInvalid) as caught:
                held.verify_many(EVENT.public, pairs, threads)
            assert caught.value.place == place
        assert (held.fault, held.active) == (why, REFERENCE)
        assert told == [f"liar (liar 1) is no longer used: {why}"]
        assert_right(held)


def test_a_signer_whose_backend_fails_signs_in_that_very_call() -> None:
    liar, held, told = checked()
    signer = held.signer(EVENT)
    liar.lie = "fails in sign_many"
    for signature, data in zip(signer.sign_many(DATA), DATA, strict=True):
        EVENT.public.verify(signature, data)
    assert told == ["liar (liar 1) is no longer used: it failed with Wrong when it signed"]
    liar.lie = ""
    assert_right(held)


def test_a_key_that_the_backend_fails_to_take_is_signed_with_all_the_same() -> None:
    liar, held, told = checked()
    liar.lie = "fails in signing_key"
    EVENT.public.verify(held.signer(EVENT).sign(b"data"), b"data")
    assert told == ["liar (liar 1) is no longer used: it failed with Wrong when it took a key"]
    assert_right(held)


def test_a_bad_signature_is_no_disagreement() -> None:
    liar, held, told = checked()
    for place in range(4):
        pairs = [*TRUE[:place], (TRUE[place][0], b"other"), *TRUE[place + 1 :]]
        with pytest.raises(SignatureInvalid) as caught:
            held.verify_many(EVENT.public, pairs)
        assert caught.value.place == place
        assert caught.value.__cause__ is None
    assert (held.fault, held.active, told) == (None, liar, [])


def test_many_threads_that_meet_a_fault_tell_it_once_and_all_get_what_they_asked_for() -> None:
    liar, held, told = checked()
    signer, made = held.signer(EVENT), list[Signed]()
    start = threading.Barrier(8)
    liar.lie = "fails in sign_many"

    def work() -> None:
        start.wait()
        made.append((signer.sign(b"data"), b"data"))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(made), len(told)) == (8, 1)
    held.verify_many(EVENT.public, made, 2)


def test_ed25519_is_verified_by_the_same_call_and_named_by_its_place() -> None:
    liar, held, _ = checked()
    small = key(ED25519, "log")
    pairs = list(zip(small.sign_many(DATA), DATA, strict=True))
    asked = liar.asked
    held.verify_many(small.public, pairs, 2)
    held.verify_many(small.public, [])
    for place in range(4):
        with pytest.raises(SignatureInvalid, match=ED25519) as caught:
            held.verify_many(small.public, [*pairs[:place], (pairs[place][0], b"x"), *pairs[place + 1 :]])
        assert caught.value.place == place
    assert (held.fault, liar.asked) == (None, asked)


def test_only_an_ml_dsa_key_is_signed_with() -> None:
    liar, held, _ = checked()
    with pytest.raises(KeyUnusable, match="not Ed25519"):
        held.signer(key(ED25519, "log"))
    assert (held.fault, held.active) == (None, liar)


@pytest.mark.parametrize("lie", ["", *(lie for lie in LIES if lie.startswith("fails in"))])
def test_no_secret_is_shown_by_guard_signer_or_fault(lie: str) -> None:
    _, held, told = checked()
    liar, failed, told = checked(lie)
    signer = held.signer(EVENT)
    shown = [f"{held!r} {failed!r} {signer!r} {signer} {[signer]} {failed.fault} {failed.signer(EVENT)!r}", *told]
    for one in (held, signer, SoftwareKey.from_seed(ML_DSA_87, SEED).loaded(REFERENCE)):
        with pytest.raises((TypeError, pickle.PicklingError, AttributeError)) as caught:
            pickle.dumps(one)
        shown += traceback.format_exception(caught.value)
    for seed in (SEED, guard._SEED):
        for secret in (seed.hex(), repr(seed)[2:-1]):
            assert secret not in "".join(shown)
    assert EVENT.public.key_id.hex()[:16] in repr(signer)
    assert liar.lie == lie


# The choice.


def unusable(why: str) -> Callable[[], Backend]:
    """Return what loads a backend that is not there."""

    def load() -> Backend:
        raise BackendUnusable(why)

    return load


def test_auto_takes_the_fastest_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(BACKENDS) == ["accelerator", "liboqs", "cryptography"]
    first, second = Liar(name="first"), Liar(name="second")
    loads: dict[str, Callable[[], Backend]] = {"first": lambda: first, "second": lambda: second}
    monkeypatch.setattr(choice, "BACKENDS", loads)
    assert choose() == (first, "the fastest that can be used here")
    assert choose("second") == (second, "the settings name it")
    loads["first"] = unusable("there is none")
    assert choose(AUTO)[0] is second
    loads["second"] = unusable("nor any other")
    with pytest.raises(BackendUnusable, match="not even the reference"):
        choose()


def test_a_chosen_backend_is_checked_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(choice, "BACKENDS", {"liar": lambda: Liar("signs garbage")})
    held = guarded(AUTO, told.append)
    assert held.active is REFERENCE
    assert told == ["liar (liar 1) is no longer used: what it signs does not verify"]
    assert_right(held)


def test_a_backend_that_there_is_not_is_said_with_those_that_there_are() -> None:
    for name in ("oqs", "", "Cryptography"):
        with pytest.raises(BackendUnusable, match=r"there are auto, accelerator, liboqs, cryptography$"):
            guarded(name)


def test_a_backend_that_is_named_and_missing_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['assay_accel'] = sys.modules['oqs'] = None\n"
        "from ledger.backends.choice import choose, BackendUnusable\n"
        "for name in ('accelerator', 'liboqs'):\n"
        "    try: choose(name)\n"
        "    except BackendUnusable as error: print(error)\n"
        "print(choose()[0].name)"
    )
    accelerator, liboqs, used = python(code, tmp_path).splitlines()
    assert "not installed" in accelerator
    assert "`make accel`" in accelerator
    assert "install liboqs" in liboqs
    assert "pip install assay[oqs]" in liboqs
    assert used == "cryptography"


@pytest.mark.parametrize(("wanted", "others"), [("cryptography", ("assay_accel", "oqs")), ("accelerator", ("oqs",))])
def test_what_is_not_asked_for_is_neither_imported_nor_fetched(
    tmp_path: Path, wanted: str, others: tuple[str, ...]
) -> None:
    code = (
        "import sys\nfrom ledger.backends.choice import guarded, BackendUnusable\n"
        f"try: guarded({wanted!r})\nexcept BackendUnusable: pass\n"
        f"print([name for name in {others!r} if name in sys.modules])"
    )
    assert python(code, tmp_path) == "[]\n"
    assert list(tmp_path.iterdir()) == []


def python(code: str, home: Path) -> str:
    """Run Python in a process of its own, in a home and with a path where there is nothing."""
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(home), "PATH": str(home), "OQS_INSTALL_PATH": str(home)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout
