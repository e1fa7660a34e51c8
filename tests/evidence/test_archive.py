# SPDX-License-Identifier: Apache-2.0
"""The archive: one form for its members, readable by other programs, and nothing else accepted."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import archive as archives
from evidence.archive import Archive, Member, open_archive, save, write_archive
from evidence.errors import EvidenceError, PackMalformed
from evidence.names import order
from evidence.verify import verify_file
from support.packs import KEYS, Pack, archive, random_positions, raw_archive

SMALL = [("data/a", b"first"), ("data/b/c", b""), ("bag", b"\x00\xff")]


def written(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    write_archive(out, members)
    return out.getvalue()


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}_", fullmatch=True), st.binary(max_size=99)))
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    read = archive(written(sorted(files.items(), key=lambda item: order(item[0]))))
    assert {name: read.read(name) for name in read.names()} == files
    assert {name: read.size(name) for name in read.names()} == {name: len(content) for name, content in files.items()}
    read.check()


def test_other_programs_read_it_too(whole: Pack) -> None:
    with zipfile.ZipFile(io.BytesIO(whole.zipped())) as file:
        assert file.testzip() is None
        assert {info.filename: file.read(info) for info in file.infolist()} == whole.files
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_every_bit_of_a_small_archive_counts() -> None:
    data = written(SMALL)
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises(PackMalformed) as caught:
                archive(bytes(changed)).check()
            assert caught.value.where


def test_every_byte_of_the_headers_and_any_of_the_contents_count(whole: Pack, tmp_path: Path) -> None:
    data = whole.zipped()
    starts = {member.offset: name for name, member in archive(data)._members.items()}
    headers = {at + i for at, name in starts.items() for i in range(30 + len(name))}
    central = data.index(b"PK\x01\x02\x14\x03")
    headers |= set(range(central, len(data)))
    contents = {at for at in random_positions(central, 600, seed=1) if at not in headers}
    assert len(contents) > 300
    for at in sorted(headers | contents):
        changed = bytearray(data)
        changed[at] ^= 0xFF
        with pytest.raises(PackMalformed) as caught:
            archive(bytes(changed)).check()
        if at in contents:
            assert caught.value.where == max((start, name) for start, name in starts.items() if start <= at)[1]
    path = tmp_path / "pack.zip"
    path.write_bytes(data[:50_000] + bytes([data[50_000] ^ 1]) + data[50_001:])
    with pytest.raises(PackMalformed, match=r"step 1: data/entries/000000.bundle: damaged between bytes"):
        verify_file(path, KEYS.trust())


@pytest.mark.parametrize(
    "change", [lambda data: data + b"\x00", lambda data: b"\x00" + data, lambda data: data[:40] + b"x" + data[40:]]
)
def test_bytes_before_behind_and_between(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(PackMalformed):
        archive(change(written(SMALL))).check()


def test_a_comment() -> None:
    with pytest.raises(PackMalformed, match="a comment behind it"):
        archive(written(SMALL)[:-2] + b"\x02\x00hi")


def test_members_out_of_order() -> None:
    with pytest.raises(PackMalformed, match="not the order"):
        archive(raw_archive(SMALL[::-1]))
    with pytest.raises(PackMalformed, match="not the order"):
        written(SMALL[::-1])


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        archive(data)


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
def test_arbitrary_changes_are_refused(insert: bytes, at: int, drop: int) -> None:
    data = written(SMALL)
    changed = data[:at] + insert + data[at + drop :]
    if changed == data:
        return
    with pytest.raises(EvidenceError):
        archive(changed).check()


def test_more_members_than_a_zip_counts_in_16_bits() -> None:
    members = [(f"data/{number:06d}", b"") for number in range(65_536)]
    data = written(members)
    assert len(archive(data).names()) == len(members)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert len(file.infolist()) == len(members)
    for at in range(len(data) - 98, len(data)):
        with pytest.raises(PackMalformed):
            archive(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])


def test_a_member_beyond_four_gigabytes_has_a_zip64_offset() -> None:
    header = archives._central("a", Member(1, 2, 2**32 + 5))
    assert header.endswith(b"a\x01\x00\x08\x00" + (2**32 + 5).to_bytes(8, "little"))
    assert b"PK\x06\x06" in archives._end(1, 10, 2**32)


def test_a_file_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    save(path, SMALL)
    assert open_archive(path).read("data/a") == b"first"
    with pytest.raises(PackMalformed):
        save(tmp_path / "other.zip", [*SMALL, ("..", b"")])
    assert [file.name for file in tmp_path.iterdir()] == ["pack.zip"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PackMalformed, match=r"none.zip: cannot be opened"):
        open_archive(tmp_path / "none.zip")
    with pytest.raises(PackMalformed, match="is missing from the pack"):
        archive(written(SMALL)).read("data/none")


def test_a_file_that_shrinks_while_it_is_read() -> None:
    data = [written(SMALL)]
    read = Archive(lambda: io.BytesIO(data[0]))
    data[0] = b""
    with pytest.raises(PackMalformed, match="cut short"):
        read.read("data/a")
