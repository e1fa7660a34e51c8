#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts a pinned Go program into .tools/bin: tools/program.sh opa|regal
# The version stands in tools/NAME/go.mod; go.sum holds the hash of every source file it is built from.
set -eu
name=$1
root=$(cd "$(dirname "$0")/.." && pwd)
module="$root/tools/$name"
out="$root/.tools/bin/$name"
want=$(sed -n "s|^\t*github.com/open-policy-agent/$name v\([^ ]*\).*|\1|p;s|^require github.com/open-policy-agent/$name v\([^ ]*\).*|\1|p" "$module/go.mod" | head -n 1)
[ -n "$want" ] || { echo "tools/$name/go.mod names no version of $name" >&2; exit 2; }

version_of() { "$1" version 2>/dev/null | sed -n 's/^Version: *v\{0,1\}//p' | head -n 1; }

mkdir -p "$root/.tools/bin"
if [ -x "$out" ] && [ "$(cat "$out.version" 2>/dev/null)" = "$want" ]; then exit 0; fi
found=$(command -v "$name" 2>/dev/null || true)
if [ -n "$found" ] && [ "$(version_of "$found")" = "$want" ]; then
  echo "$name $want: using $found" >&2
  rm -f "$out"; ln -s "$found" "$out"; printf '%s\n' "$want" >"$out.version"; exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "$name $want is neither on PATH nor can it be built here: install Go 1.26 or newer (https://go.dev/dl/), or put $name $want on PATH, then run this again." >&2
  exit 2
fi
echo "$name $want: building from its pinned sources with $(go version | cut -d' ' -f3); the first build takes a few minutes …" >&2
( while sleep 10; do echo "$name $want: still building …" >&2; done ) &
ticker=$!
trap 'kill "$ticker" 2>/dev/null || true' EXIT INT TERM
( cd "$module" && GOFLAGS="-mod=readonly -trimpath" CGO_ENABLED=0 go build -buildvcs=false -o "$out.new" "github.com/open-policy-agent/$name" )
mv "$out.new" "$out"
printf '%s\n' "$want" >"$out.version"
echo "$name $want: built" >&2
