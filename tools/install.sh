#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the hash-pinned requirements named by $1 and then the `assay` command into .venv.
set -eu
cd "$(dirname "$0")/.."
echo "installing $(grep -c '==' "$1") pinned packages from $1 into .venv …" >&2
( while sleep 10; do echo "still installing …" >&2; done ) &
ticker=$!
trap 'kill "$ticker" 2>/dev/null || true' EXIT INT TERM
# The list is complete, so nothing is resolved: else a newer release of a package could get in by way of an extra.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$1"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
