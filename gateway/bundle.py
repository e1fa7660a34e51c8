# SPDX-License-Identifier: Apache-2.0
"""The policy bundle: Rego and data named by their digest, frozen in the home so that what decided stays known."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from evidence.policy import policy_digest
from gateway.errors import PolicyUnusable

_SUFFIXES = (".rego", ".json")
_MANIFEST = ".manifest"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A policy bundle: its digest and its files by path."""

    digest: str
    files: dict[str, bytes]


def shipped() -> Bundle:
    """Return the policies this version of Assay comes with, tests left out."""
    return _bundle(dict(_walk(files("policies"), "")), "the package")


def read(folder: Path) -> Bundle:
    """Return the bundle in a folder, tests and manifest left out; raises PolicyUnusable if there is none."""
    if not folder.is_dir():
        raise PolicyUnusable(f"{folder} is not a folder of policies")
    return _bundle(dict(_walk(folder, "")), str(folder))


def freeze(bundle: Bundle, home: Path) -> Path:
    """Keep a bundle in `home`/policies/DIGEST and return that folder; raises PolicyUnusable if it was changed there."""
    place = home / "policies" / bundle.digest
    try:
        if not place.is_dir():
            staged = Path(tempfile.mkdtemp(dir=place.parent, prefix=".new-"))
            for path, content in bundle.files.items():
                (staged / path).parent.mkdir(parents=True, exist_ok=True)
                (staged / path).write_bytes(content)
            # OPA reports the manifest's revision with each answer, which shows which bundle it has loaded.
            (staged / _MANIFEST).write_bytes(_manifest(bundle.digest))
            os.rename(staged, place)  # noqa: PTH104 - refuses to overwrite, unlike Path.replace
    except OSError as error:
        shutil.rmtree(locals().get("staged", place / "never"), ignore_errors=True)
        raise PolicyUnusable(f"the policies cannot be kept in {place}: {error.strerror}") from None
    load(home, bundle.digest)
    return place


def kept(home: Path) -> list[str]:
    """Return the digests of the bundles kept in a home."""
    return [place.name for place in (home / "policies").iterdir() if place.is_dir() and not place.name.startswith(".")]


def load(home: Path, digest: str) -> Bundle:
    """Return a frozen bundle; raises PolicyUnusable if its folder no longer holds just the files of its digest."""
    place = home / "policies" / digest
    bundle = read(place)
    if bundle.digest != digest:
        raise PolicyUnusable(f"{place} was changed: its files have digest {bundle.digest}")
    # OPA would read files too that the digest leaves out, such as tests, and it believes the manifest.
    there = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_symlink() or not path.is_dir()}
    if odd := there ^ {_MANIFEST, *bundle.files}:
        raise PolicyUnusable(f"{place} was changed: {min(odd)} was added or removed")
    if (place / _MANIFEST).read_bytes() != _manifest(digest):
        raise PolicyUnusable(f"{place} was changed: {_MANIFEST} is another one")
    return bundle


def _manifest(digest: str) -> bytes:
    return json.dumps({"revision": digest}).encode()


def _bundle(found: dict[str, bytes], place: str) -> Bundle:
    if "main.rego" not in found:
        raise PolicyUnusable(f"{place} has no main.rego, which every policy bundle has")
    return Bundle(policy_digest(found), found)


def _walk(folder: Traversable | Path, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for place in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{prefix}{place.name}"
        if place.is_dir():
            found += _walk(place, f"{path}/")
        elif place.name.endswith(_SUFFIXES) and not place.name.endswith("_test.rego"):
            found.append((path, place.read_bytes()))
    return found
