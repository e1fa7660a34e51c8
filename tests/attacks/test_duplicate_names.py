# SPDX-License-Identifier: Apache-2.0
"""Two members have one name: one program verifies the first, another shows the second."""

import pytest

from evidence.errors import PackMalformed
from support.packs import Pack, archive, raw_archive


@pytest.mark.parametrize("twin", ["data/scope.json", "data/SCOPE.json"])
def test_a_second_member_of_the_same_name(whole: Pack, twin: str) -> None:
    members = [(name, whole.files[name]) for name in whole.names()]
    at = [name for name, _ in members].index("data/scope.json") + 1
    with pytest.raises(PackMalformed, match="two members have this name") as caught:
        archive(raw_archive([*members[:at], (twin, b"{}"), *members[at:]]))
    assert caught.value.where == twin


def test_a_file_that_is_a_folder_as_well() -> None:
    with pytest.raises(PackMalformed, match="is a file and a folder") as caught:
        archive(raw_archive([("data/scope", b""), ("data/scope/x", b"")]))
    assert caught.value.where == "data/scope"


def test_two_headers_that_share_their_bytes() -> None:
    data = raw_archive([("data/a", b"same"), ("data/b", b"same")])
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1) + 42
    with pytest.raises(PackMalformed) as caught:
        archive(data[:second] + bytes(4) + data[second + 4 :])
    assert caught.value.where == "data/b"
    assert f"byte {second}" in str(caught.value)


def test_a_manifest_that_lists_a_file_twice(whole: Pack) -> None:
    pack = whole.copy()
    manifest = pack.files["manifest-sha256.txt"]
    pack.files["manifest-sha256.txt"] = manifest.splitlines(keepends=True)[0] + manifest
    with pytest.raises(PackMalformed) as caught:
        pack.verify()
    assert (caught.value.step, caught.value.where) == (2, "manifest-sha256.txt")
