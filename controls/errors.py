# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with controls.

ControlsError
├── UnknownControl     an id that no catalogue has
└── MappingInvalid     rules whose annotations do not fit the catalogue
"""


class ControlsError(Exception):
    """Base of every error this package raises on purpose."""


class UnknownControl(ControlsError):
    """An id that no catalogue has."""


class MappingInvalid(ControlsError):
    """Rules whose annotations do not fit the catalogue."""
