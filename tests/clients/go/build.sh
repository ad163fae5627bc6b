#!/bin/sh
# Go with the official aws-lambda-go; one static binary. Usage: build.sh OUT
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
version=$(go env GOVERSION 2>/dev/null || true)
[ "$(printf '%s\n' go1.21 "$version" | sort -V | head -1)" = go1.21 ] || { echo "needs Go 1.21 or newer (found: ${version:-none})"; exit 77; }
cd "$(dirname "$0")"
CGO_ENABLED=0 go build -tags lambda.norpc -ldflags=-s -mod=readonly -o "$out/bootstrap" .
