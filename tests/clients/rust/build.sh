#!/bin/sh
# Rust with the official lambda_runtime. Its lock file is made in the cache, since it would name where packages come from.
# Usage: build.sh OUT
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
version=$(cargo --version 2>/dev/null | cut -d' ' -f2)
[ "$(printf '%s\n' 1.84 "$version" | sort -V | head -1)" = 1.84 ] || { echo "needs Rust 1.84 or newer (found: ${version:-none})"; exit 77; }
cd "$(dirname "$0")"
cache=${STOKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stoke}/clients/rust
mkdir -p "$cache/src"
cp Cargo.toml "$cache"
cp src/main.rs "$cache/src"
cargo build --quiet --release --manifest-path "$cache/Cargo.toml" --target-dir "$cache/target"
cp "$cache/target/release/bootstrap" "$out/bootstrap"
