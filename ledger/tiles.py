# SPDX-License-Identifier: Apache-2.0
"""Tiles of C2SP tlog-tiles: 256 hashes of one level, or 256 entries, under a path that never changes.

tile/0/x001/067            full tile number 1067 of level 0 (leaf hashes)
tile/1/000.p/3             the first 3 hashes of tile 0 of level 1
tile/entries/x001/067      entries 273,152 to 273,407, each as uint16 length || bytes
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import Malformed
from ledger.tree import HASH_SIZE, NodeReader, perfect_root

WIDTH = 256
HEIGHT = 8
"""Tree levels that one tile level spans."""
MAX_LEVEL = 5

_PATH = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its level (None for entries), its number and how many of its 256 places are asked for."""

    level: int | None
    number: int
    width: int = WIDTH

    @property
    def start(self) -> int:
        """Index, in its level, of the tile's first hash or entry."""
        return self.number * WIDTH

    def path(self) -> str:
        """Return the path below `tile/`."""
        digits = f"{self.number:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        name = "/".join([f"x{group}" for group in groups[:-1]] + [groups[-1]])
        level = "entries" if self.level is None else str(self.level)
        return f"{level}/{name}" + (f".p/{self.width}" if self.width < WIDTH else "")


def parse_path(path: str) -> Tile:
    """Return the tile of a path below `tile/`; raises Malformed unless it is the one path of that tile."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise Malformed("not a tile path")
    level, name, width = match.groups()
    number = int(name.replace("x", "").replace("/", ""))
    tile = Tile(None if level == "entries" else int(level), number, WIDTH if width is None else int(width))
    if tile.path() != path or (tile.level or 0) > MAX_LEVEL:
        raise Malformed("not a tile path")
    return tile


def available(tile: Tile, size: int) -> bool:
    """Return whether a tree of `size` entries has all that the tile asks for."""
    in_level = size >> (HEIGHT * (tile.level or 0))
    return tile.start + tile.width <= in_level


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry as uint16 big-endian length || bytes."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def decode_bundle(bundle: bytes, *, most: int = WIDTH) -> list[bytes]:
    """Return the entries of a bundle; raises Malformed if it is cut short or holds more than `most`."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        if len(entries) == most:
            raise Malformed(f"an entry bundle holds at most {most} entries")
        begin = at + 2
        end = begin + int.from_bytes(bundle[at:begin], "big")
        if end > len(bundle) or begin > len(bundle):
            raise Malformed(f"an entry bundle is cut short in entry {len(entries)}")
        entries.append(bundle[begin:end])
        at = end
    return entries


class HashReader(Protocol):
    """A reader of tile levels: full subtree hashes of level 8 * `level`."""

    def __call__(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Return the hashes [start, stop) of a tile level."""


def node_reader(hashes: HashReader) -> NodeReader:
    """Return a reader of perfect subtrees over a reader of tile levels."""

    def node(level: int, index: int) -> bytes:
        tile_level, within = divmod(level, HEIGHT)
        row = hashes(tile_level, index << within, (index + 1) << within)
        if len(row) != 1 << within or any(len(value) != HASH_SIZE for value in row):
            raise Malformed(f"the store has no hashes for subtree {index} of level {level}")
        return perfect_root(row)

    return node
