# SPDX-License-Identifier: Apache-2.0
"""A member's name leads out of the folder into which somebody unpacks."""

import pytest

from evidence.archive import write_archive
from evidence.errors import PackMalformed
from support.packs import archive, raw_archive

NAMES = [
    "../../etc/cron.d/x",
    "data/../../x",
    "data/./x",
    "data//x",
    "/etc/passwd",
    "C:/Windows/x",
    "data\\..\\x",
    "data/x\x00.json",
    "data/x\n",
    "data/x ",
    "data/x.",
    "data/",
    "data/caf\u00e9",
    "data/\u202ex",
    "data/x:stream",
    "~/x/~",
    "",
    "x" * 513,
    "/".join("x" * 20),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere(name: str) -> None:
    with pytest.raises(PackMalformed) as caught:
        archive(raw_archive([("data/a", b""), (name, b"root::0:0::/:/bin/sh")]))
    assert caught.value.where == ascii(name)[1:-1][:512] or len(name) > 512 or name.isascii()


@pytest.mark.parametrize("name", NAMES)
def test_we_write_no_such_name(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with (tmp_path_factory.mktemp("out") / "pack.zip").open("wb") as out, pytest.raises(PackMalformed):
        write_archive(out, [(name, b"")])


def test_a_name_that_is_not_utf_8() -> None:
    data = raw_archive([("data/ab", b"")]).replace(b"data/ab", b"data/\xff\xfe")
    with pytest.raises(PackMalformed):
        archive(data)
