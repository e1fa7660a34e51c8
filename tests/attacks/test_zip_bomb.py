# SPDX-License-Identifier: Apache-2.0
"""A small file that would fill the auditor's memory or disk."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from evidence.archive import MAX_MEMBER, MAX_MEMBERS, _end
from evidence.errors import PackMalformed
from evidence.verify import verify_file
from support.packs import KEYS, archive, raw_archive


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_member(tmp_path: Path, method: int) -> None:
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w", method) as bomb:
        bomb.writestr("data/entries/000000.bundle", bytes(2**24))
    with pytest.raises(PackMalformed, match="may be a zip bomb") as caught:
        verify_file(path, KEYS.trust())
    assert (caught.value.step, caught.value.where) == (1, "data/entries/000000.bundle")


def test_a_member_that_claims_to_be_larger_than_its_archive() -> None:
    data = bytearray(raw_archive([("data/a", b"abc")]))
    for at in (data.index(b"PK\x01\x02") + 20, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = struct.pack("<I", MAX_MEMBER)
    with pytest.raises(PackMalformed, match="larger than the archive") as caught:
        archive(bytes(data))
    assert caught.value.where == "data/a"


def test_a_member_beyond_the_limit() -> None:
    data = bytearray(raw_archive([("data/a", b"abc")]))
    for at in (data.index(b"PK\x01\x02") + 20, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = struct.pack("<I", MAX_MEMBER + 1)
    with pytest.raises(PackMalformed, match="at most"):
        archive(bytes(data))


def test_an_encrypted_member() -> None:
    data = bytearray(raw_archive([("data/a", b"abc")]))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(PackMalformed, match="encrypted") as caught:
        archive(bytes(data))
    assert caught.value.where == "data/a"


def test_more_members_than_the_limit() -> None:
    with pytest.raises(PackMalformed, match=f"at most {MAX_MEMBERS}"):
        archive(_end(MAX_MEMBERS + 1, 0, 0))


def test_members_that_overlap() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bomb:
        for name in ("data/a", "data/b"):
            bomb.writestr(zipfile.ZipInfo(name), b"x" * 50)
        bomb.infolist()[1].header_offset = 0
        bomb.start_dir = bomb.fp.tell() if bomb.fp else 0
    with pytest.raises(PackMalformed) as caught:
        archive(out.getvalue())
    assert caught.value.where in {"data/a", "data/b"}
