# SPDX-License-Identifier: Apache-2.0
"""liboqs as a backend: the keys and signatures of the reference, never a download, nothing on stdout."""

import copy
import ctypes
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ctypes.util import find_library
from hashlib import sha256, shake_256
from importlib.util import find_spec
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.backends import liboqs
from ledger.backends.liboqs import Liboqs, SlhDsa, load, load_slh_dsa
from ledger.backends.port import Backend
from ledger.backends.reference import REFERENCE
from ledger.errors import BackendUnusable, KeyUnusable

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".tools/liboqs"
needs_liboqs = pytest.mark.skipif(
    not (BUILT / "lib/liboqs.so").exists() or find_spec("oqs") is None,
    reason="run tools/liboqs.sh and pip install -r requirements/oqs.txt",
)
SEED = sha256(b"liboqs").digest()
MESSAGES = [f"message {place}".encode() for place in range(9)]
ROUND_3 = "SPHINCS+-SHA2-128f-simple"
LOAD = "from ledger.backends.liboqs import load\n"
LOAD_FAILS = (
    "from ledger.backends.liboqs import load\nfrom ledger.errors import BackendUnusable\nimport sys\n"
    "try: load()\nexcept BackendUnusable as error: print(error, 'oqs' in sys.modules, file=sys.stderr)"
)


@pytest.fixture(scope="module")
def backend() -> Iterator[Liboqs]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OQS_INSTALL_PATH", str(BUILT))
        yield load()


@pytest.fixture(scope="module")
def round_3(backend: Liboqs) -> SlhDsa:
    """SPHINCS+ in SLH-DSA's place: the same C calls, key layout and sizes; other signatures."""
    if not backend.native.OQS_SIG_alg_is_enabled(ROUND_3.encode()):
        pytest.skip("this liboqs has no SPHINCS+ any more")
    return SlhDsa(backend.native, ROUND_3, (32, 64, 17088))


def run(code: str, *paths: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a process of its own, for oqs is imported once in a process."""
    path = ":".join(map(str, (*paths, ROOT)))
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        command,
        cwd="/",
        env={"PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@needs_liboqs
@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_a_seed_makes_the_key_that_the_reference_makes(backend: Liboqs, seed: bytes) -> None:
    assert backend.signing_key(seed).public_bytes() == REFERENCE.signing_key(seed).public_bytes()


@needs_liboqs
@given(st.binary(max_size=5000))
@settings(max_examples=20, deadline=None)
def test_signatures_verify_both_ways(backend: Liboqs, message: bytes) -> None:
    makers: list[Backend] = [backend, REFERENCE]
    for maker in makers:
        key = maker.signing_key(SEED)
        pairs = [(signature, message) for signature in key.sign_many([message, message])]
        assert pairs[0] != pairs[1], "signing is not hedged"
        for verifier in makers:
            assert verifier.verifying_key(key.public_bytes()).first_invalid(pairs) is None


@needs_liboqs
@given(st.integers(0, 4626), st.integers(0, 7))
@settings(max_examples=50, deadline=None)
def test_a_spoilt_signature_does_not_verify(backend: Liboqs, place: int, bit: int) -> None:
    key = REFERENCE.signing_key(SEED)
    spoilt = bytearray(key.sign_many([b"data"])[0])
    spoilt[place] ^= 1 << bit
    assert backend.verifying_key(key.public_bytes()).first_invalid([(bytes(spoilt), b"data")]) == 0


@needs_liboqs
@pytest.mark.parametrize("threads", [1, 2, 20])
def test_the_first_signature_that_does_not_verify_is_named_by_its_place(backend: Liboqs, threads: int) -> None:
    key = backend.signing_key(SEED)
    pairs = list(zip(key.sign_many(MESSAGES, threads), MESSAGES, strict=True))
    verifier = backend.verifying_key(key.public_bytes())
    assert verifier.first_invalid(pairs, threads) is None
    assert verifier.first_invalid([], threads) is None
    pairs[3], pairs[5] = (pairs[3][0], b"another"), (pairs[5][0], b"another")
    assert verifier.first_invalid(pairs, threads) == 3
    other = REFERENCE.signing_key(bytes(32)).public_bytes()
    assert backend.verifying_key(other).first_invalid(pairs, threads) == 0


@needs_liboqs
@pytest.mark.parametrize("size", [0, 1, 4595, 4626, 4628, 9254])
def test_a_signature_of_another_length_does_not_verify(backend: Liboqs, size: int) -> None:
    key = backend.signing_key(SEED)
    signature = (key.sign_many([b"data"])[0] * 2)[:size]
    assert backend.verifying_key(key.public_bytes()).first_invalid([(signature, b"data")]) == 0


@needs_liboqs
@pytest.mark.parametrize("size", [0, 32, 1952, 2591, 2593])
def test_a_public_key_of_another_length_is_unusable(backend: Liboqs, size: int) -> None:
    with pytest.raises(KeyUnusable, match=f"^{size} bytes"):
        backend.verifying_key(bytes(size))


@needs_liboqs
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_unusable(backend: Liboqs, size: int) -> None:
    with pytest.raises(KeyUnusable, match="32 bytes"):
        backend.signing_key(bytes(size))


@needs_liboqs
def test_signatures_of_ml_dsa_65_with_a_context_or_as_in_round_3_do_not_verify(backend: Liboqs) -> None:
    key = mldsa.MLDSA87PrivateKey.from_seed_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    smaller = mldsa.MLDSA65PrivateKey.from_seed_bytes(SEED).sign(b"data")
    # Round 3 signs SHAKE256(H(public key) ‖ message); FIPS 204 puts two bytes and the context between them.
    first = shake_256(public).digest(64)
    pure, round_3 = (key.sign_mu(shake_256(first + between + b"data").digest(64)) for between in (b"\0\0", b""))
    verifier = backend.verifying_key(public)
    assert verifier.first_invalid([(pure, b"data")]) is None
    for foreign in (smaller, smaller.ljust(4627, b"\0"), key.sign(b"data", b"context"), round_3):
        assert verifier.first_invalid([(foreign, b"data")]) == 0


@needs_liboqs
def test_many_threads_make_keys_and_sign_with_one_key(backend: Liboqs) -> None:
    shared = backend.signing_key(SEED)
    seeds = [sha256(message).digest() for message in MESSAGES * 10]
    with ThreadPoolExecutor(8) as pool:
        signatures = pool.map(lambda seed: shared.sign_many([seed])[0], seeds)
        publics = pool.map(lambda seed: backend.signing_key(seed).public_bytes(), seeds)
        pairs = list(zip(signatures, seeds, strict=True))
    assert list(publics) == [REFERENCE.signing_key(seed).public_bytes() for seed in seeds]
    assert REFERENCE.verifying_key(shared.public_bytes()).first_invalid(pairs) is None


@needs_liboqs
def test_the_seed_is_given_to_nobody_but_the_thread_that_makes_the_key(
    backend: Liboqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, heard = backend.keypair, ctypes.create_string_buffer(32)

    def while_another_thread_asks() -> tuple[bytes, ctypes.Array[ctypes.c_char]]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(backend.native.OQS_randombytes, heard, 32).result()
        return make()

    monkeypatch.setattr(backend, "keypair", while_another_thread_asks)
    assert backend.signing_key(SEED).public_bytes() == REFERENCE.signing_key(SEED).public_bytes()
    assert heard.raw not in (SEED, bytes(32))


@needs_liboqs
@pytest.mark.parametrize("sizes", [(), (64,), (32, 32), (16, 16)])
def test_a_liboqs_that_asks_for_other_randomness_makes_no_key(
    backend: Liboqs, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...]
) -> None:
    pair = backend.keypair()
    heard = [ctypes.create_string_buffer(size) for size in sizes]

    def asking() -> tuple[bytes, ctypes.Array[ctypes.c_char]]:
        for buffer in heard:
            backend.native.OQS_randombytes(buffer, len(buffer))
        return REFERENCE.signing_key(SEED).public_bytes(), pair[1]

    monkeypatch.setattr(backend, "keypair", asking)
    with pytest.raises(KeyUnusable, match="FIPS 204 from a seed"):
        backend.signing_key(SEED)
    assert pair[1].raw == bytes(4896), "the refused key was not wiped"
    again = [ctypes.create_string_buffer(32) for _ in range(2)]
    for buffer in again:
        backend.native.OQS_randombytes(buffer, 32)
    assert len({SEED, *(buffer.raw for buffer in again)}) == 3, "liboqs has not its own randomness again"


@needs_liboqs
def test_a_private_key_is_neither_shown_nor_copied_and_is_wiped_when_it_goes(backend: Liboqs) -> None:
    key = backend.signing_key(SEED)
    secret = key._secret
    shown = secret.raw
    assert shown.count(0) < 200
    assert shown[:8].hex() not in repr(key)
    with pytest.raises(TypeError, match="not copied"):
        copy.copy(key)
    with pytest.raises(TypeError, match="not copied"):
        copy.deepcopy(key)
    del key
    assert secret.raw == bytes(4896)


@needs_liboqs
def test_the_version_names_library_module_and_processor(backend: Liboqs) -> None:
    words = backend.version.split()
    assert words[0] == "liboqs"
    assert words[2:4] == ["liboqs-python", "0.16.0.1,"]
    assert backend.name == "liboqs"


@needs_liboqs
def test_a_library_that_disagrees_with_the_reference_is_refused(
    backend: Liboqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Liboqs, "verifies", lambda *_: False)
    with pytest.raises(BackendUnusable, match="not that of FIPS 204"):
        load()
    monkeypatch.undo()
    monkeypatch.setattr(liboqs, "_SEED_SIZE", 31)
    with pytest.raises(BackendUnusable, match="not that of FIPS 204"):
        load()
    with pytest.raises(BackendUnusable, match="has no Dilithium9"):
        Liboqs(backend.native, "Dilithium9", (1, 1, 1))
    with pytest.raises(BackendUnusable, match="other sizes than the standard"):
        Liboqs(backend.native, "ML-DSA-87", (2592, 4864, 4595))


@needs_liboqs
@pytest.mark.parametrize("calls", ["keypair", "sign"])
def test_a_failure_in_c_is_an_error(backend: Liboqs, monkeypatch: pytest.MonkeyPatch, calls: str) -> None:
    key = backend.signing_key(SEED)
    monkeypatch.setattr(backend, f"_{calls}", lambda *_: -1)
    with pytest.raises(KeyUnusable, match="liboqs could not"):
        backend.signing_key(SEED) if calls == "keypair" else key.sign_many([b"data"])


@pytest.mark.parametrize(
    "name", [ROUND_3, "SPHINCS+-SHA2-256s-simple", "SLH_DSA_SHA2_256_PREHASH_SHA2_256S", "ML-DSA-87", ""]
)
def test_what_is_not_pure_slh_dsa_is_refused_under_any_name(name: str) -> None:
    with pytest.raises(KeyUnusable, match="not pure SLH-DSA"):
        load_slh_dsa(name)


@needs_liboqs
def test_slh_dsa_signs_and_verifies_where_liboqs_has_it(backend: Liboqs) -> None:
    if not backend.native.OQS_SIG_alg_is_enabled(b"SLH_DSA_PURE_SHA2_128F"):
        with pytest.raises(BackendUnusable, match="has no SLH_DSA_PURE_SHA2_256S"):
            load_slh_dsa()
        pytest.skip("this liboqs has no SLH-DSA; that was refused")
    signs_and_verifies(load_slh_dsa("SLH_DSA_PURE_SHA2_128F"))


@needs_liboqs
def test_the_calls_for_slh_dsa_hold_for_its_forerunner(round_3: SlhDsa) -> None:
    signs_and_verifies(round_3)


def signs_and_verifies(scheme: SlhDsa) -> None:
    secret = scheme.new_secret()
    assert secret != scheme.new_secret()
    key = scheme.signing_key(secret)
    verifier = scheme.verifying_key(key.public_bytes())
    pairs = list(zip(key.sign_many(MESSAGES[:2], 2), MESSAGES[:2], strict=True))
    assert verifier.first_invalid(pairs, 2) is None
    assert verifier.first_invalid([pairs[0], (pairs[1][0], b"another")]) == 1
    assert verifier.first_invalid([(pairs[0][0][:-1], pairs[0][1])]) == 0
    with pytest.raises(KeyUnusable, match="65 bytes are not a private key"):
        scheme.signing_key(secret + b"\0")
    with pytest.raises(KeyUnusable, match="do not belong together"):
        scheme.signing_key(secret[:-1] + bytes([secret[-1] ^ 1]))
    with pytest.raises(KeyUnusable, match="31 bytes are not a public key"):
        scheme.verifying_key(bytes(31))


@needs_liboqs
def test_loading_says_nothing() -> None:
    done = run(f"{LOAD}print(load().name)", OQS_INSTALL_PATH=str(BUILT))
    assert (done.stdout, done.stderr, done.returncode) == ("liboqs\n", "", 0)


@pytest.mark.skipif(bool(find_library("oqs")), reason="liboqs is installed on this system")
@pytest.mark.parametrize("place", ["HOME", "OQS_INSTALL_PATH"])
def test_where_there_is_no_liboqs_none_is_fetched_or_built(tmp_path: Path, place: str) -> None:
    done = run(LOAD_FAILS, PATH=str(tmp_path), **{"HOME": str(tmp_path), place: str(tmp_path)})
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr.startswith("liboqs is not installed: install liboqs 0.15 or newer")
    assert done.stderr.endswith("`pip install assay[oqs]` False\n"), "oqs was imported"
    assert list(tmp_path.iterdir()) == []


@needs_liboqs
@pytest.mark.parametrize("module", ["raise SystemExit(1)", "raise ImportError('no oqs')", "print('hello')"])
def test_a_module_oqs_that_cannot_be_used_is_an_error_that_says_so(tmp_path: Path, module: str) -> None:
    (tmp_path / "oqs.py").write_text(module)
    done = run(LOAD_FAILS, tmp_path, OQS_INSTALL_PATH=str(BUILT))
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr.startswith("liboqs-python is not installed or cannot be used")


def test_a_file_that_is_no_library_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OQS_INSTALL_PATH", str(tmp_path))
    monkeypatch.setattr(liboqs, "find_library", lambda _: None)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/liboqs.so").write_bytes(b"not ELF")
    with pytest.raises(BackendUnusable, match=r"pip install assay\[oqs\]"):
        liboqs._native.__wrapped__()
