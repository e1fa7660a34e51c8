#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes the hash-pinned requirements again from pyproject.toml. Needs `uv`; names no package index.
set -eu
cd "$(dirname "$0")/.."
flags="--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate"
# shellcheck disable=SC2086
uv pip compile $flags "$@" --group build pyproject.toml -o requirements/runtime.txt
# shellcheck disable=SC2086
uv pip compile $flags "$@" -c requirements/runtime.txt --group build --group dev pyproject.toml -o requirements/dev.txt
