#!/usr/bin/env bash
# Installs what Stoke needs from Debian's packages, and nothing that is there already.
#   dependencies.sh run      to build and run
#   dependencies.sh check    also what the tests need
# Uses sudo when it is not root. Prints nothing when there is nothing to do.
set -euo pipefail

# clang compiles the BPF programs, the second lock around functions.
build=(gcc libc6-dev make cmake ninja-build pkg-config clang libh2o-evloop-dev libseccomp-dev libcap-dev libbpf-dev
       libcjson-dev libpcre2-dev libsqlite3-dev libarchive-dev libcurl4-openssl-dev libssl-dev libcunit1-dev uthash-dev
       python3 python3-dev python3-venv python3-pip nodejs npm e2fsprogs uidmap iproute2 kmod curl ca-certificates)
# llvm names the functions in reports of the sanitizers, and what is suppressed is known by name.
check=(zlib1g-dev clang-format libclang-rt-14-dev llvm bpftool git
       libnode-dev g++ autoconf automake libtool)

want=("${build[@]}")
[ "${1:-run}" = check ] && want+=("${check[@]}")

# A command that is there from elsewhere (a newer node with its own npm, say) counts as installed: Debian's package of the
# same name would conflict with it.
have_command() {
    case "$1" in
    nodejs) command -v node ;;
    libnode-dev) [ -f "$(dirname "$(readlink -f "$(command -v node)")")/../include/node/node.h" ] ;;
    npm|curl|git|cmake) command -v "$1" ;;
    *) false ;;
    esac >/dev/null 2>&1
}

missing=()
for package in "${want[@]}"; do
    have_command "$package" && continue
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "These packages are missing, and there is no sudo to install them: ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
fi
echo "Installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
if ! { "${sudo[@]}" apt-get update -q && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Installing the packages failed; the whole output is in $log" >&2
    exit 1
fi
rm -f "$log"
