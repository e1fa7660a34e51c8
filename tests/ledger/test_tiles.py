# SPDX-License-Identifier: Apache-2.0
"""Tile paths and entry bundles of C2SP tlog-tiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.tiles import MAX_LEVEL, WIDTH, Tile, available, decode_bundle, encode_bundle, parse_path

tiles = st.builds(
    Tile,
    st.none() | st.integers(0, MAX_LEVEL),
    st.integers(0, 999) | st.integers(0, 10**18 - 1),
    st.integers(1, WIDTH),
)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("0/x001/x234/067", Tile(0, 1_234_067)),
        ("0/x001/067", Tile(0, 1067)),
        ("0/000", Tile(0, 0)),
        ("0/999", Tile(0, 999)),
        ("0/x001/000", Tile(0, 1000)),
        ("1/000.p/3", Tile(1, 0, 3)),
        ("5/000.p/255", Tile(5, 0, 255)),
        ("entries/x001/x234/067", Tile(None, 1_234_067)),
        ("entries/000.p/1", Tile(None, 0, 1)),
    ],
)
def test_paths_are_those_of_c2sp(path: str, tile: Tile) -> None:
    assert tile.path() == path
    assert parse_path(path) == tile


@given(tiles)
def test_any_tile_survives_its_path(tile: Tile) -> None:
    assert parse_path(tile.path()) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/",
        "/0/000",
        "0/0",
        "0/00",
        "0/0000",
        "0/x000/067",
        "0/x000/x001/067",
        "0/001/067",
        "0/x001",
        "0/X001/067",
        "0/x001/x067",
        "00/000",
        "01/000",
        "6/000",
        "99/000",
        "-1/000",
        "data/000",
        "Entries/000",
        "0/000.p",
        "0/000.p/",
        "0/000.p/0",
        "0/000.p/00",
        "0/000.p/03",
        "0/000.p/256",
        "0/000.p/300",
        "0/000.p/1000",
        "0/000.p/-1",
        "0/000/3",
        "0/000.P/3",
        "0/000 ",
        "0/000\n",
        "0/../000",
        "0/%30%30%30",
        "0/\u0660\u0660\u0660",
        "0/" + "x001/" * 6 + "000",
        "tile/0/000",
    ],
)
def test_another_spelling_is_no_tile(path: str) -> None:
    with pytest.raises(Malformed, match="not a tile path"):
        parse_path(path)


@given(st.text(st.sampled_from("0159x/.pentris"), max_size=20))
def test_a_path_that_is_read_is_the_one_path_of_its_tile(path: str) -> None:
    try:
        tile = parse_path(path)
    except Malformed:
        return
    assert tile.path() == path


def test_a_tile_is_available_once_the_tree_fills_it() -> None:
    for tile, size in (
        (Tile(0, 0), 256),
        (Tile(0, 0, 3), 3),
        (Tile(None, 1, 1), 257),
        (Tile(1, 0, 1), 256),
        (Tile(1, 0), 65_536),
        (Tile(2, 0, 1), 65_536),
    ):
        assert available(tile, size)
        assert not available(tile, size - 1)


@given(st.lists(st.binary(max_size=40), max_size=WIDTH))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


def test_a_bundle_is_laid_out_as_c2sp_says() -> None:
    assert encode_bundle([b"a", b"", b"b" * 256]) == b"\x00\x01a" + b"\x00\x00" + b"\x01\x00" + b"b" * 256
    assert decode_bundle(encode_bundle([b"e" * 65_535])) == [b"e" * 65_535]


def test_a_bundle_cut_short_is_malformed_wherever_it_is_cut() -> None:
    bundle = encode_bundle([b"one", b"two", b"three"])
    whole = {0, 5, 10, len(bundle)}
    for cut in range(len(bundle)):
        if cut not in whole:
            with pytest.raises(Malformed, match="cut short"):
                decode_bundle(bundle[:cut])


def test_a_bundle_holds_no_more_than_a_tile() -> None:
    assert len(decode_bundle(encode_bundle([b""] * WIDTH))) == WIDTH
    with pytest.raises(Malformed, match="at most 256"):
        decode_bundle(encode_bundle([b""] * (WIDTH + 1)))
    with pytest.raises(Malformed, match="at most 2"):
        decode_bundle(encode_bundle([b"a"] * 3), most=2)
