#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a shared liboqs with ML-DSA-87 into .tools/liboqs (on Linux), for the tests and for who wants to try the backend:
#   sh tools/liboqs.sh && OQS_INSTALL_PATH=$PWD/.tools/liboqs assay …
# The sources are those bundled in the Rust crate oqs-sys, whose hash stands below. Its newest release bundles liboqs
# 0.13.0, and we found no package with newer C sources. That has ML-DSA as in FIPS 204 but no SLH-DSA: its SPHINCS+ is
# round 3, and one of it is built so that the tests can see it refused. It also lacks a function that liboqs has since
# 0.14 and liboqs-python 0.16 looks up at its import, so that is added below. For production and for SLH-DSA (FIPS 205)
# install liboqs 0.16 or newer instead.
set -eu
version="0.11.0+liboqs-0.13.0"
want=ac6d66ee528a895ce5cc08851698d109c5d7ee5d7a0b3b40d61550eda91e414f
name="liboqs ${version#*liboqs-}"
root=$(cd "$(dirname "$0")/.." && pwd)
out="$root/.tools/liboqs"

built=$(sha256sum <"$0" | cut -d' ' -f1)  # built by this very script: what it is made of and how stands in it
if [ -f "$out/lib/liboqs.so" ] && [ "$(cat "$out/built-by" 2>/dev/null)" = "$built" ]; then exit 0; fi
for tool in cargo:Rust cmake:CMake cc:"a C compiler" sha256sum:coreutils; do
  command -v "${tool%%:*}" >/dev/null 2>&1 || {
    echo "$name cannot be built here, for there is no ${tool%%:*}: install ${tool#*:}, then run this again." >&2
    exit 2
  }
done

work=$(mktemp -d)
echo "$name: building from the sources in the crate oqs-sys $version; this takes about a minute …" >&2
( while sleep 10; do echo "$name: still building …" >&2; done ) &
ticker=$!
trap 'kill "$ticker" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# cargo is only asked to fetch: nothing of the crate is compiled or run by it.
mkdir "$work/src"
: >"$work/src/lib.rs"
cat >"$work/Cargo.toml" <<TOML
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
oqs-sys = { version = "=${version%%+*}", default-features = false }
[workspace]
TOML
( cd "$work" && cargo fetch --quiet )
crate=
for file in "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"oqs-sys-$version.crate"; do
  if [ -f "$file" ] && [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "$want" ]; then crate=$file; fi
done
[ -n "$crate" ] || { echo "$name: cargo fetched no crate oqs-sys $version with sha256 $want" >&2; exit 1; }
tar -xzf "$crate" -C "$work"

source="$work/oqs-sys-$version/liboqs"
cat >>"$source/src/sig/sig.c" <<'C'

/* Added by tools/liboqs.sh of Assay. */
OQS_API bool OQS_SIG_supports_ctx_str(const char *name);
OQS_API bool OQS_SIG_supports_ctx_str(const char *name) {
	OQS_SIG *scheme = OQS_SIG_new(name);
	bool supported = scheme != NULL && scheme->sig_with_ctx_support;
	OQS_SIG_free(scheme);
	return supported;
}
C
{
  cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DOQS_BUILD_ONLY_LIB=ON \
    -DOQS_DIST_BUILD=ON -DOQS_USE_OPENSSL=OFF -DOQS_MINIMAL_BUILD="SIG_ml_dsa_87;SIG_sphincs_sha2_128f_simple" &&
  nice cmake --build "$work/build" --parallel 2
} >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; echo "$name: the build failed; its last lines stand above" >&2; exit 1; }

rm -rf "$out"
mkdir -p "$out/lib"
cp "$source/LICENSE.txt" "$out/"
cp -L "$work/build/lib/liboqs.so" "$out/lib/liboqs.so"
printf '%s\n' "$built" >"$out/built-by"
echo "$name: built" >&2
