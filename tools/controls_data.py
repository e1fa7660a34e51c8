# SPDX-License-Identifier: Apache-2.0
"""Writes controls/data/nist-800-53-r5.json from NIST's OSCAL catalogue: controls_data.py CATALOGUE.json EXTRA.json.

CATALOGUE is the resolved HIGH baseline (usnistgov/oscal-content, public domain); EXTRA maps further control ids, which
rules may name though no HIGH baseline has them, to titles in our own words.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTE = "NIST SP 800-53 revision 5.1.1: the controls of the HIGH baseline, and some beyond it. Public domain."


def controls(group: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield id and title of every control in a group, enhancements after their control."""
    for control in group.get("controls", ()):
        yield control["id"], control["title"]
        yield from controls(control)
    for inner in group.get("groups", ()):
        yield from controls(inner)


def main(catalogue: Path, extra: Path) -> None:
    """Write the file."""
    found = dict(controls(json.loads(catalogue.read_text("utf-8"))["catalog"]))
    titles = {**json.loads(extra.read_text("utf-8")), **found}
    document = {"note": NOTE, "controls": dict(sorted(titles.items()))}
    out = Path(__file__).resolve().parent.parent / "controls/data/nist-800-53-r5.json"
    out.write_text(json.dumps(document, ensure_ascii=False, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
