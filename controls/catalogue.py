# SPDX-License-Identifier: Apache-2.0
"""The catalogue: every control of the frameworks that rules may name.

Ids read FRAMEWORK:CONTROL, e.g. `pci-dss-4.0.1:8.2.8` and `nist-800-53-r5:ac-2.3` (OSCAL control ids). NIST titles are
public domain; PCI DSS requirements have numbers and, where a rule bears on them, titles in our own words.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from controls.errors import UnknownControl

FORMAT = "assay-catalogue/1"
FRAMEWORKS = ("nist-800-53-r5", "pci-dss-4.0.1")


@dataclass(frozen=True, slots=True)
class Control:
    """One requirement of a framework; `title` is None where only its number may be shipped."""

    id: str
    title: str | None

    @property
    def framework(self) -> str:
        """The framework's id."""
        return self.id.partition(":")[0]


class Catalogue:
    """Controls by id."""

    def __init__(self, controls: dict[str, Control], notes: dict[str, str]) -> None:
        """Take the controls and a note for each framework."""
        self._controls, self._notes = controls, notes

    def __contains__(self, control: object) -> bool:
        return control in self._controls

    def __iter__(self) -> Iterator[Control]:
        return iter(self._controls.values())

    def __len__(self) -> int:
        return len(self._controls)

    def __getitem__(self, control: str) -> Control:
        """Return a control; raises UnknownControl."""
        try:
            return self._controls[control]
        except KeyError:
            raise UnknownControl(f"no catalogue has {control!r}") from None

    def as_document(self) -> dict[str, Any]:
        """Return the catalogue as plain JSON values, for evidence packs."""
        controls = [{"id": control.id, "title": control.title} for control in self]
        return {"format": FORMAT, "notes": self._notes, "controls": controls}


@cache
def load() -> Catalogue:
    """Return the shipped catalogue."""
    controls: dict[str, Control] = {}
    notes: dict[str, str] = {}
    for framework in FRAMEWORKS:
        document = json.loads((files("controls") / "data" / f"{framework}.json").read_text("utf-8"))
        notes[framework] = document["note"]
        for number, title in document["controls"].items():
            name = f"{framework}:{number}"
            controls[name] = Control(name, title)
    return Catalogue(controls, notes)
