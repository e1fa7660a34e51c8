# SPDX-License-Identifier: Apache-2.0
"""Names of files in a pack: relative, portable and of one spelling, so that no extractor can be led astray.

Letters, digits and `_ . + @ = , -`, in parts joined by `/`. Thus no absolute path, drive, `..`, backslash, control
character or space; and no two names that a file system might hold to be the same.
"""

import re

from evidence.errors import PackMalformed

MAX_NAME = 512
"""Bytes."""
PAYLOAD = "data/"

_NAME = re.compile(r"[A-Za-z0-9_.+@=,-]+(?:/[A-Za-z0-9_.+@=,-]+){0,15}")


def check_name(name: str) -> None:
    """Raise PackMalformed unless a file of a pack may have this name."""
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise PackMalformed(_why(name), where=ascii(name)[1:-1] or "archive")
    if any(part.strip(".") == "" or part.endswith(".") for part in name.split("/")):
        raise PackMalformed("a part of this name is dots, or ends with one", where=name)


def order(name: str) -> tuple[bool, str]:
    """Return what files are sorted by: the payload first, then by name."""
    return not name.startswith(PAYLOAD), name


def _why(name: str) -> str:
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute path is not the name of a file in a pack"
    if "\\" in name:
        return "a backslash is not part of the name of a file in a pack"
    if any(c < " " or c == "\x7f" for c in name):
        return "a control character is not part of the name of a file in a pack"
    return "not the name of a file in a pack"
