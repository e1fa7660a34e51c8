# SPDX-License-Identifier: Apache-2.0
"""`python -m gateway` is the `assay` command."""

from gateway.cli.main import main

main()
