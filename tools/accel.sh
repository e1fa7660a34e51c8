#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the accelerator in accel/ and installs it into .venv: tools/accel.sh [lock]
# accel/Cargo.lock.hashes is cargo's lock file without its `source` lines, which name a registry; they are put back
# here. `lock` writes it anew from accel/Cargo.lock, after `cargo update` there.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
crate="$root/accel"
work="$root/.tools/accel"
python="$root/.venv/bin/python"

if [ "${1:-}" = lock ]; then
  sed '/^source = /d' "$crate/Cargo.lock" >"$crate/Cargo.lock.hashes"; exit 0
fi
[ -x "$python" ] || { echo "there is no .venv yet: run 'make demo' or 'make lint' first, then this again." >&2; exit 2; }
missing() {
  echo "accelerator: $1, then run this again. Without it everything works on the reference implementation, with fewer signatures per second." >&2
  exit 2
}
command -v cargo >/dev/null 2>&1 || missing "there is no cargo: install Rust 1.85 or newer (https://rustup.rs)"
command -v cc >/dev/null 2>&1 || missing "there is no C compiler (cc): install gcc or clang"

mkdir -p "$work/wheels"
# One line that changes with whatever the wheel is made of.
made_of=$( (cd "$root" && cargo --version && cat accel/Cargo.toml accel/Cargo.lock.hashes accel/pyproject.toml accel/assay_accel.pyi accel/src/*.rs requirements/accel.txt tools/accel.sh) | cksum)
if [ "$(cat "$work/made-of" 2>/dev/null)" = "$made_of" ]; then
  # The .venv may be younger than the wheel.
  if [ "$(cat "$root/.venv/.accel" 2>/dev/null)" = "$made_of" ] && "$python" -c 'import assay_accel' 2>/dev/null; then exit 0; fi
else
  rm -f "$work/made-of" "$work/wheels"/*.whl
  echo "accelerator: building from its locked sources with $(cargo --version | cut -d' ' -f1,2); the first build takes about two minutes …" >&2
  ( while sleep 10; do echo "accelerator: still building …" >&2; done ) &
  ticker=$!
  trap 'kill "$ticker" 2>/dev/null || true' EXIT INT TERM

  maturin="$work/maturin"
  if ! cmp -s "$root/requirements/accel.txt" "$maturin/installed.txt"; then
    rm -rf "$maturin"
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --target "$maturin" -r "$root/requirements/accel.txt"
    cp "$root/requirements/accel.txt" "$maturin/installed.txt"
  fi

  # Cargo itself is asked how it writes where crates come from, by locking a crate with one dependency.
  probe="$work/probe"
  mkdir -p "$probe/src"
  : >"$probe/src/lib.rs"
  printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ncfg-if = "1"\n[workspace]\n' >"$probe/Cargo.toml"
  ( cd "$probe" && { cargo generate-lockfile --quiet --offline 2>/dev/null || cargo generate-lockfile --quiet; } )
  source=$(grep '^source = ' "$probe/Cargo.lock" | head -n 1)
  [ -n "$source" ] || { echo "accelerator: cargo did not say where crates come from" >&2; exit 2; }
  awk -v source="$source" '/^checksum = / { print source } { print }' "$crate/Cargo.lock.hashes" >"$work/Cargo.lock.new"
  cmp -s "$work/Cargo.lock.new" "$crate/Cargo.lock" || cp "$work/Cargo.lock.new" "$crate/Cargo.lock"

  # "linux": for this machine, and no claim to run on older ones.
  ( cd "$crate" && CARGO_TARGET_DIR="$work/target" "$maturin/bin/maturin" build --quiet --release --locked --compatibility linux --interpreter "$python" --out "$work/wheels" )
  printf '%s\n' "$made_of" >"$work/made-of"
fi
"$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall "$work/wheels"/*.whl
printf '%s\n' "$made_of" >"$root/.venv/.accel"
"$python" -c 'import assay_accel as a; print(f"accelerator: assay_accel {a.VERSION} ({a.IMPLEMENTATION}) is installed")' >&2
