#!/usr/bin/env bash
# Whether lib/aws/model_*.c are what generate.py makes of the pinned botocore release and overrides/. Fetches the release
# from the Python package index; skipped by name (exit status 77) where that is out of reach. MODELS_DIR=path/to/botocore/data
# takes an unpacked release instead.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
version=$(sed -n 's/^PINNED = "\(.*\)"/\1/p' generate.py)
if [ -n "${MODELS_DIR:-}" ]; then
    exec python3 generate.py "$MODELS_DIR" --check
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --retries 1 --timeout 20 --dest "$tmp" "botocore==$version" >"$tmp/log" 2>&1; then
    echo "SKIP: needs a package registry: botocore $version cannot be downloaded ($(tail -n 1 "$tmp/log"))"
    exit 77
fi
python3 -m zipfile -e "$tmp"/botocore-*.whl "$tmp/x"
python3 generate.py "$tmp/x/botocore/data" --check
