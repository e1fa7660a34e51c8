# SPDX-License-Identifier: Apache-2.0
"""Says what to install when this Python is too old or cannot make a virtual environment."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file exists to run on the old one and say so
    sys.exit(
        f"Assay needs Python 3.11 or newer; this is {sys.version.split()[0]}. Install one and run: make PYTHON=..."
    )
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit("This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv")
