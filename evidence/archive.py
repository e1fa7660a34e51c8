# SPDX-License-Identifier: Apache-2.0
"""The archive: a ZIP file that has exactly one form for its members, written as a stream and read strictly.

    for each member, payload (data/) first, each group sorted by name
      local header     50 4b 03 04 | 20 | flags 0x0800 (UTF-8) | stored | 1980-01-01 00:00 | crc | size | size | name
      its bytes
    for each member
      central header   50 4b 01 02 | the same | mode 0644 | offset of its local header
    [ZIP64 end record and locator, only where a number does not fit]
    end record         50 4b 05 06 | number of members | size and offset of the central headers | no comment

The reader writes every header again from name, size, checksum and place, and compares: no byte of an archive can differ
unnoticed, and what other ZIP programs would see is what is verified. Nothing is ever compressed or extracted.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from evidence.errors import PackMalformed
from evidence.names import MAX_NAME, check_name, order

MAX_ARCHIVE = 64 * 2**30
MAX_MEMBER = 512 * 2**20
MAX_MEMBERS = 100_000

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END_64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR_64 = struct.Struct("<4sIQI")
_OFFSET_64 = struct.Struct("<HHQ")
_VERSION, _VERSION_64, _UNIX = 20, 45, 3 << 8
_UTF8, _ENCRYPTED = 0x0800, 0x0001
_DATE_1980 = 0x0021
_MODE = 0o100644 << 16
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF
_CHUNK = 2**20
_END_OF_ARCHIVE = "end of archive"


class PackFiles(Protocol):
    """The files of a pack by name."""

    def names(self) -> Sequence[str]:
        """Return the names of all files."""

    def size(self, name: str) -> int:
        """Return a file's size in bytes; raises PackMalformed if there is none of that name."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises PackMalformed if there is none of that name or it is damaged."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive: its size, its CRC-32 and where its local header begins."""

    size: int
    crc: int
    offset: int


def write_archive(out: BinaryIO, members: Iterable[tuple[str, bytes]]) -> None:
    """Write an archive as its members come.

    Requires names in the archive's order, each once. Raises PackMalformed for a name or a size that no reader takes.
    """
    at, last, directory = 0, "", list[bytes]()
    for name, content in members:
        check_name(name)
        if last and order(last) >= order(name):
            raise PackMalformed(f"comes after {last}, which is not the order of an archive", where=name)
        if len(content) > MAX_MEMBER or len(directory) == MAX_MEMBERS:
            raise PackMalformed("too large a member, or too many members", where=name)
        member, last = Member(len(content), zlib.crc32(content), at), name
        at += out.write(_local(name, member)) + out.write(content)
        directory.append(_central(name, member))
    size = sum(map(out.write, directory))
    out.write(_end(len(directory), size, at))


def save(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write an archive to a file that appears only when it is whole and durable; raises OSError."""
    staged = path.with_name(f".{path.name}.part")
    try:
        with staged.open("xb") as file:
            write_archive(file, members)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except FileExistsError:
        raise
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


class Archive:
    """The members of an archive that was found to be in its one form; their bytes are read when asked for."""

    def __init__(self, source: Callable[[], BinaryIO], name: str = "archive") -> None:
        """Read the headers. `source` opens the archive, anew for each reading. Raises PackMalformed."""
        self._source, self._name = source, name
        with self._open() as file:
            self._members = _Reading(file).members()

    def names(self) -> Sequence[str]:
        """Return the names of all members."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Return a member's size in bytes."""
        return self._member(name).size

    def read(self, name: str) -> bytes:
        """Return a member's bytes."""
        member = self._member(name)
        with self._open() as file:
            content = _read(file, _content(name, member), member.size)
        _check_crc(name, member, zlib.crc32(content))
        return content

    def check(self) -> None:
        """Compare every member with its checksum; raises PackMalformed naming the first that is damaged."""
        with self._open() as file:
            for name, member in self._members.items():
                at, end, crc = _content(name, member), _content(name, member) + member.size, 0
                while at < end:
                    crc = zlib.crc32(_read(file, at, min(_CHUNK, end - at)), crc)
                    at += _CHUNK
                _check_crc(name, member, crc)

    def _member(self, name: str) -> Member:
        try:
            return self._members[name]
        except KeyError:
            raise PackMalformed("is missing from the pack", where=name) from None

    def _open(self) -> BinaryIO:
        try:
            return self._source()
        except OSError as error:
            raise PackMalformed(f"cannot be opened: {error.strerror}", where=self._name) from None


def open_archive(path: Path) -> Archive:
    """Return the archive in a file; raises PackMalformed."""
    return Archive(lambda: path.open("rb"), path.name)


class _Reading:
    """One pass over the headers of an archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        if self._size > MAX_ARCHIVE:
            raise PackMalformed(f"{self._size} bytes; at most {MAX_ARCHIVE} are read", where="archive")

    def members(self) -> dict[str, Member]:
        count, size, offset = self._ending()
        directory = _read(self._file, offset, size)
        members: dict[str, Member] = {}
        folders, folded, last = set[str](), set[str](), ""
        at = begin = 0
        for _ in range(count):
            name, member, length = self._header(directory[at : at + _CENTRAL.size + MAX_NAME], begin, offset + at)
            if name.casefold() in folded:
                raise PackMalformed("two members have this name (in upper or lower case)", where=name)
            if last and order(last) >= order(name):
                raise PackMalformed(f"comes after {last}, which is not the order of an archive", where=name)
            if begin + member.size > offset:
                raise PackMalformed("is larger than the archive it is in", where=name)
            want = _local(name, member)
            _same(_read(self._file, begin, len(want)), want, begin, f"local header of {name}", name)
            want = _central(name, member)
            _same(directory[at : at + len(want)], want, offset + at, f"central header of {name}", name)
            members[name], last, at = member, name, at + length
            folded.add(name.casefold())
            folders.update(name[:i] for i, c in enumerate(name) if c == "/")
            begin = _content(name, member) + member.size
        if (begin, at) != (offset, size):
            raise PackMalformed(
                f"members end at byte {begin} and their {at} bytes of headers do not fill the {size} at byte {offset}",
                where=_END_OF_ARCHIVE,
            )
        if both := folders & members.keys():
            raise PackMalformed("is a file and a folder", where=min(both))
        return members

    def _ending(self) -> tuple[int, int, int]:
        """Return the number of members and the size and offset of the central headers."""
        at = self._size - _END.size
        if at < 0 or not (end := _read(self._file, at, _END.size)).startswith(b"PK\x05\x06"):
            raise PackMalformed(
                "no end record: cut short, not an archive, or bytes or a comment behind it", where=_END_OF_ARCHIVE
            )
        _, _, _, _, count, size, offset, _ = _END.unpack(end)
        behind = _END_64.size + _LOCATOR_64.size
        if (count == _MAX_16 or _MAX_32 in (size, offset)) and at >= behind:
            record = _read(self._file, at - behind, _END_64.size)
            count, size, offset = _END_64.unpack(record)[7:]
        if count > MAX_MEMBERS:
            raise PackMalformed(f"{count} members; at most {MAX_MEMBERS} are read", where=_END_OF_ARCHIVE)
        want = _end(count, size, offset)
        if offset + size + len(want) != self._size:
            raise PackMalformed(
                f"{size} bytes of central headers at byte {offset} do not lead to the end: bytes were added or lost",
                where=_END_OF_ARCHIVE,
            )
        _same(_read(self._file, offset + size, len(want)), want, offset + size, "end record", _END_OF_ARCHIVE)
        return count, size, offset

    def _header(self, data: bytes, begin: int, at: int) -> tuple[str, Member, int]:
        """Return name and member of a central header, and its length; `begin` is where the member must begin."""
        if len(data) < _CENTRAL.size or not data.startswith(b"PK\x01\x02"):
            raise PackMalformed(f"no central header at byte {at}", where=_END_OF_ARCHIVE)
        _, _, _, flags, method, _, _, crc, stored, size, name_length, _, _, _, _, _, _ = _CENTRAL.unpack_from(data)
        raw = data[_CENTRAL.size : _CENTRAL.size + name_length]
        name = raw.decode("utf-8", "backslashreplace")
        if flags & _ENCRYPTED:
            raise PackMalformed("is encrypted; nothing in a pack is", where=name)
        if method or stored != size:
            raise PackMalformed(
                f"is compressed (method {method}, {size} bytes in {stored}); no member is: it may be a zip bomb",
                where=name,
            )
        if len(raw) != name_length or name_length > MAX_NAME:
            raise PackMalformed(f"a name of {name_length} bytes; at most {MAX_NAME} are read", where=name[:MAX_NAME])
        check_name(name)
        if size > MAX_MEMBER:
            raise PackMalformed(f"{size} bytes; at most {MAX_MEMBER} are read", where=name)
        member = Member(size, crc, begin)
        return name, member, len(_central(name, member))


def _local(name: str, member: Member) -> bytes:
    raw = name.encode()
    fixed = (b"PK\x03\x04", _VERSION, _UTF8, 0, 0, _DATE_1980)
    return _LOCAL.pack(*fixed, member.crc, member.size, member.size, len(raw), 0) + raw


def _central(name: str, member: Member) -> bytes:
    raw, wide = name.encode(), member.offset >= _MAX_32
    extra = _OFFSET_64.pack(1, 8, member.offset) if wide else b""
    version = _VERSION_64 if wide else _VERSION
    fixed = (b"PK\x01\x02", _UNIX | version, version, _UTF8, 0, 0, _DATE_1980)
    sizes = (member.crc, member.size, member.size, len(raw), len(extra))
    return _CENTRAL.pack(*fixed, *sizes, 0, 0, 0, _MODE, min(member.offset, _MAX_32)) + raw + extra


def _end(count: int, size: int, offset: int) -> bytes:
    record = _END.pack(b"PK\x05\x06", 0, 0, *[min(count, _MAX_16)] * 2, min(size, _MAX_32), min(offset, _MAX_32), 0)
    if count < _MAX_16 and max(size, offset) < _MAX_32:
        return record
    versions = (_UNIX | _VERSION_64, _VERSION_64)
    wide = _END_64.pack(b"PK\x06\x06", _END_64.size - 12, *versions, 0, 0, count, count, size, offset)
    return wide + _LOCATOR_64.pack(b"PK\x06\x07", 0, offset + size, 1) + record


def _content(name: str, member: Member) -> int:
    return member.offset + _LOCAL.size + len(name.encode())


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    data = file.read(length)
    if len(data) != length:
        raise PackMalformed(f"cut short: {length} bytes were expected at byte {at}", where="archive")
    return data


def _same(got: bytes, want: bytes, at: int, what: str, where: str) -> None:
    if got == want:
        return
    place = next((i for i, (g, w) in enumerate(zip(got, want, strict=False)) if g != w), min(len(got), len(want)))
    raise PackMalformed(
        f"byte {at + place} of the archive, in the {what}, is {got[place : place + 1].hex() or 'missing'}, "
        f"want {want[place : place + 1].hex()}",
        where=where,
    )


def _check_crc(name: str, member: Member, crc: int) -> None:
    if crc != member.crc:
        begin = _content(name, member)
        raise PackMalformed(
            f"damaged between bytes {begin} and {begin + member.size} of the archive: "
            f"CRC-32 is {crc:08x}, want {member.crc:08x}",
            where=name,
        )
