#!/bin/sh
# Go with the official aws-lambda-go; one static binary. Usage: build.sh OUT
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
command -v go >/dev/null || { echo "missing: go"; exit 77; }
cd "$(dirname "$0")"
CGO_ENABLED=0 go build -tags lambda.norpc -ldflags=-s -mod=readonly -o "$out/bootstrap" .
