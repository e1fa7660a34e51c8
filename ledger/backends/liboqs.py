# SPDX-License-Identifier: Apache-2.0
"""ML-DSA-87, and SLH-DSA where it has it, of an installed liboqs by way of liboqs-python. Nothing is ever downloaded.

The module `oqs` clones and builds liboqs when it finds none at its import, so the library is looked for first, where
`oqs` looks. What it says on stdout and its warning about versions stay inside. Its C functions are called without its
copies; ctypes lets go of Python's lock while they run, and they only read the keys.

liboqs makes no key from a seed. Its randomness is replaced by the seed while a pair is made, for that thread only, and
the public key must come out as the reference makes it.
"""

import ctypes
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from ctypes import CFUNCTYPE, c_char_p, c_int, c_size_t, c_void_p, create_string_buffer
from ctypes.util import find_library
from functools import cache, partial
from importlib import import_module, metadata
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from weakref import finalize

from ledger.backends.port import Signed
from ledger.backends.reference import REFERENCE, first_false, side_by_side
from ledger.errors import BackendUnusable, KeyUnusable

_Secret = ctypes.Array[ctypes.c_char]
_SEED_SIZE = 32
# Bytes of public key, private key and signature (FIPS 204, table 2), and of signatures alone (FIPS 205, table 2).
_ML_DSA_87 = (2592, 4896, 4627)
_SLH_DSA = {"128S": 7856, "128F": 17088, "192S": 16224, "192F": 35664, "256S": 29792, "256F": 49856}
_SLH_DSA_NAMES = {f"SLH_DSA_PURE_{hashing}_{kind}": kind for hashing in ("SHA2", "SHAKE") for kind in _SLH_DSA}
_HOW = "install liboqs 0.15 or newer where the loader or OQS_INSTALL_PATH finds it, and `pip install assay[oqs]`"


class _SigningKey:
    __slots__ = ("__weakref__", "_public", "_scheme", "_secret")

    def __init__(self, scheme: "_Scheme", public: bytes, secret: _Secret) -> None:
        self._scheme, self._public, self._secret = scheme, public, secret
        finalize(self, ctypes.memset, secret, 0, len(secret))

    def __reduce__(self) -> str:
        raise TypeError("a private key is not copied")

    def public_bytes(self) -> bytes:
        return self._public

    def sign_many(self, messages: Sequence[bytes], threads: int = 1) -> list[bytes]:
        return side_by_side(partial(self._scheme.sign, self._secret), messages, threads)


class _VerifyingKey(NamedTuple):
    scheme: "_Scheme"
    public: bytes

    def first_invalid(self, pairs: Sequence[Signed], threads: int = 1) -> int | None:
        return first_false(side_by_side(partial(self.scheme.verifies, self.public), pairs, threads))


class _Scheme:
    """One scheme of the C library; raises BackendUnusable if that has none of this name and these sizes."""

    def __init__(self, native: Any, scheme: str, sizes: tuple[int, int, int]) -> None:
        self.native, self.scheme, self.sizes, self._it = native, scheme, sizes, native.OQS_SIG_new(scheme.encode())
        if not self._it:
            raise BackendUnusable(f"the installed liboqs has no {scheme}")
        it = self._it.contents
        if (it.length_public_key, it.length_secret_key, it.length_signature) != sizes:
            raise BackendUnusable(f"the {scheme} of the installed liboqs has other sizes than the standard")
        data = (c_char_p, c_size_t)  # prototypes of our own: those of `native` belong to the module oqs
        self._keypair = CFUNCTYPE(c_int, *(c_void_p,) * 3)(("OQS_SIG_keypair", native))
        self._sign = CFUNCTYPE(c_int, *(c_void_p,) * 3, *data, c_void_p)(("OQS_SIG_sign", native))
        self._verify = CFUNCTYPE(c_int, c_void_p, *data, *data, c_char_p)(("OQS_SIG_verify", native))

    def keypair(self) -> tuple[bytes, _Secret]:
        public, secret = map(create_string_buffer, self.sizes[:2])
        if self._keypair(self._it, public, secret):
            raise KeyUnusable(f"liboqs could not make a key of {self.scheme}")
        return public.raw, secret

    def sign(self, secret: _Secret, message: bytes) -> bytes:
        signature, size = create_string_buffer(self.sizes[2]), c_size_t()
        if self._sign(self._it, signature, ctypes.byref(size), message, len(message), secret):
            raise KeyUnusable(f"liboqs could not sign with a key of {self.scheme}")
        return signature.raw

    def verifies(self, public: bytes, pair: Signed) -> bool:
        signature, message = pair
        fits = len(signature) == self.sizes[2]
        return fits and not self._verify(self._it, message, len(message), signature, len(signature), public)

    def verifying_key(self, raw: bytes) -> _VerifyingKey:
        """Return the key of its raw bytes; raises KeyUnusable."""
        if len(raw) != self.sizes[0]:
            raise KeyUnusable(f"{len(raw)} bytes are not a public key of {self.scheme}")
        return _VerifyingKey(self, raw)


class Liboqs(_Scheme):
    """A Backend over liboqs; `load` makes it."""

    name = "liboqs"

    @property
    def version(self) -> str:
        """Library, the module it is used through, and whether the processor has what its fast path needs."""
        library = CFUNCTYPE(c_char_p)(("OQS_version", self.native))().decode()
        path = "with" if self.native.OQS_CPU_has_extension(4) else "without"  # OQS_CPU_EXT_AVX2
        return f"liboqs {library}, liboqs-python {metadata.version('liboqs-python')}, processor {path} AVX2"

    def signing_key(self, seed: bytes) -> _SigningKey:
        """Return the key of a seed; raises KeyUnusable."""
        expected, asked = REFERENCE.signing_key(seed).public_bytes(), list[int]()
        with _one_at_a_time:
            _turn.now = seed, asked
            self.native.OQS_randombytes_custom_algorithm(_RANDOMNESS)
            try:
                key = _SigningKey(self, *self.keypair())
            finally:
                failed = self.native.OQS_randombytes_switch_algorithm(b"system")
                del _turn.now
        if failed or asked != [_SEED_SIZE] or key.public_bytes() != expected:
            raise KeyUnusable("this liboqs does not make the ML-DSA-87 key of FIPS 204 from a seed")
        return key


class SlhDsa(_Scheme):
    """SLH-DSA (FIPS 205, pure, empty context, hedged) over liboqs; `load_slh_dsa` makes it."""

    def new_secret(self) -> bytes:
        """Return a new private key (FIPS 205, section 9.1). This is the secret itself."""
        return self.keypair()[1].raw

    def signing_key(self, secret: bytes) -> _SigningKey:
        """Return the key, whose second half is the public key, after one signature with it; raises KeyUnusable."""
        if len(secret) != self.sizes[1]:
            raise KeyUnusable(f"{len(secret)} bytes are not a private key of {self.scheme}")
        key = _SigningKey(self, secret[len(secret) // 2 :], create_string_buffer(secret, len(secret)))
        if not self.verifies(key.public_bytes(), (key.sign_many([b""])[0], b"")):
            raise KeyUnusable(f"the halves of this private key of {self.scheme} do not belong together")
        return key


def load() -> Liboqs:
    """Return the backend, once the reference and it took each other's signatures; raises BackendUnusable."""
    backend = Liboqs(_native(), "ML-DSA-87", _ML_DSA_87)
    with suppress(KeyUnusable):
        ours, theirs = (maker.signing_key(bytes(_SEED_SIZE)) for maker in (backend, REFERENCE))
        pairs = [(key.sign_many([b"assay"])[0], b"assay") for key in (ours, theirs)]
        if all(each.verifying_key(ours.public_bytes()).first_invalid(pairs) is None for each in (backend, REFERENCE)):
            return backend
    raise BackendUnusable(f"the installed liboqs has an ML-DSA-87 that is not that of FIPS 204: {_HOW}")


def load_slh_dsa(name: str = "SLH_DSA_PURE_SHA2_256S") -> SlhDsa:
    """Return SLH-DSA by its name in liboqs 0.16; raises KeyUnusable for other names, BackendUnusable if missing."""
    if (kind := _SLH_DSA_NAMES.get(name)) is None:
        raise KeyUnusable(f"{name!r} is not pure SLH-DSA of FIPS 205 (round 3's SPHINCS+ only has its sizes)")
    return SlhDsa(_native(), name, (int(kind[:3]) // 4, int(kind[:3]) // 2, _SLH_DSA[kind]))


@cache
def _native() -> Any:
    """Return the C library as the module oqs holds it; raises BackendUnusable."""
    root = Path(os.environ.get("OQS_INSTALL_PATH", os.path.expanduser("~/_oqs"))).absolute()  # noqa: PTH111 - no raise
    file = f"liboqs.{'dylib' if sys.platform == 'darwin' else 'so'}"
    places = find_library("liboqs"), find_library("oqs"), str(root / "lib" / file), str(root / "lib64" / file)
    if not any(map(_loads, filter(None, places))):
        raise BackendUnusable(f"liboqs is not installed: {_HOW}")
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module("oqs").native()
    except (ImportError, AttributeError, OSError, RuntimeError, SystemExit) as error:
        raise BackendUnusable(f"liboqs-python is not installed or cannot be used ({error}): {_HOW}") from None


def _loads(place: str) -> bool:
    with suppress(OSError):
        ctypes.CDLL(place)
        return True
    return False


def _answer(buffer: int, size: int) -> None:
    """Fill `buffer` with the seed if this thread is making a key and asks for 32 bytes first, else with randomness."""
    nobody: tuple[bytes, list[int]] = (b"", [])
    seed, asked = getattr(_turn, "now", nobody)
    asked.append(size)
    ctypes.memmove(buffer, seed if seed and asked == [_SEED_SIZE] else os.urandom(size), size)


_turn, _one_at_a_time = threading.local(), threading.Lock()
_RANDOMNESS = CFUNCTYPE(None, c_void_p, c_size_t)(_answer)  # lives as long as the module, for C may still hold it
