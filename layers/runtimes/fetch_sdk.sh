#!/usr/bin/env bash
# fetch_sdk.sh DATA_DIR: fetches the AWS SDKs that functions may import, pinned by version and hash, into DATA_DIR/sdk: python (boto3)
# and nodejs (clients of Lambda and STS). Does nothing when they are there. Each appears whole or not at all: it is built beside
# its place and a symbolic link moves to it. What cannot be had leaves the reason for the import error, and exit status 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: fetch_sdk.sh DATA_DIR}
umask 022

mkdir -p "$data"
data=$(cd "$data" && pwd)
# The lock file is what marks a directory as Stoke's.
if [ ! -e "$data/lock" ]; then
    [ -z "$(ls -A "$data")" ] || { echo "fetch_sdk: $data is not empty and not a data directory of Stoke" >&2; exit 2; }
    (umask 077 && : >"$data/lock")
fi
sdk=$data/sdk
mkdir -p "$sdk"
exec 9>"$sdk/.lock"
flock 9
log=$(mktemp)
new=
trap 'rm -rf "$log" ${new:+"$new"}' EXIT

pythons() { # interpreters worth compiling for
    local python
    for python in python3 /usr/bin/python3.[0-9] /usr/bin/python3.[0-9][0-9]; do
        command -v "$python" >/dev/null && "$python" -c 'import sys; print(sys.version_info >= (3, 10) and sys.executable or "")' 2>/dev/null
    done | sort -u
}

fetch_python() { # DIRECTORY
    command -v python3 >/dev/null || { echo "python3 is not installed"; return 1; }
    python3 -m pip install --quiet --disable-pip-version-check --no-input --retries 1 --timeout 20 --no-deps --require-hashes \
        --only-binary :all: --no-compile --target "$1" -r "$here/sdk/requirements.txt" || return 1
    rm -rf "$1/bin"
    # Functions see it read-only. The marks in these files do not depend on times, which a copy may change.
    local python
    for python in $(pythons); do
        (cd "$1" && "$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash . -x '/tests?/') || true
    done
}

fetch_nodejs() { # DIRECTORY
    command -v npm >/dev/null || { echo "npm is not installed"; return 1; }
    cp "$here/sdk/package.json" "$here/sdk/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error --fetch-retries=1 \
        --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 --fetch-timeout=60000 --cache "$1/.npm") || return 1
    rm -rf "$1/.npm" "$1/package.json" "$1/package-lock.json" "$1/node_modules/.package-lock.json" "$1/node_modules/.bin"
    find "$1" -name dist-types -prune -exec rm -rf {} +
}

move_link() { # LANGUAGE TARGET
    ln -s "$2" "$sdk/.$1.link.$$"
    mv -fT "$sdk/.$1.link.$$" "$sdk/$1"
    local old
    for old in "$sdk/$1"-*; do
        [ "$old" = "$sdk/$2" ] || rm -rf "$old"
    done
}

cause() {
    local line
    line=$(grep -m1 ' is not installed$' "$log") && echo "$line" || echo "the package registry was out of reach"
}

say_why() { # LANGUAGE: the reason, where the runtime looks for it
    local dir=$sdk/$1-missing
    rm -rf "$dir"
    mkdir -p "$dir" && [ "$1" = nodejs ] && mkdir "$dir/node_modules" && dir=$dir/node_modules
    echo "$(cause) when Stoke was set up ($(date -u '+%Y-%m-%d %H:%M UTC')); run $here/fetch_sdk.sh $data" \
        "and start stoked again" >"$dir/missing.txt"
    move_link "$1" "$1-missing"
}

fetch() { # LANGUAGE PINS...: true if the SDK is there
    local language=$1 key
    shift
    key=$(cat "$@" "$here/fetch_sdk.sh" | sha256sum | cut -c1-16)
    [ -d "$sdk/$language-$key" ] && [ "$(readlink "$sdk/$language")" = "$language-$key" ] && return 0
    rm -rf "$sdk/.$language.new."*
    new=$(mktemp -d "$sdk/.$language.new.XXXXXX")
    if "fetch_$language" "$new" >"$log" 2>&1; then
        chmod -R u=rwX,go=rX "$new"
        rm -rf "$sdk/$language-$key"
        mv -T "$new" "$sdk/$language-$key"
        move_link "$language" "$language-$key"
        echo "fetch_sdk: the SDK for $language is in $sdk/$language"
        return 0
    fi
    rm -rf "$new"
    echo "fetch_sdk: the SDK for $language could not be fetched:" >&2
    tail -n 5 "$log" | sed 's/^/    /' >&2
    # An older one is better than none.
    [ -d "$sdk/$language/" ] && [ "$(readlink "$sdk/$language")" != "$language-missing" ] || say_why "$language"
    return 1
}

status=0
fetch python "$here/sdk/requirements.txt" || status=1
fetch nodejs "$here/sdk/package.json" "$here/sdk/package-lock.json" || status=1
exit $status
