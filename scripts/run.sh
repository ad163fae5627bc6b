#!/usr/bin/env bash
# The body of ./run: install, build, start, demonstrate, serve.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=0
listen=127.0.0.1:4566
if [ "$(id -u)" = 0 ]; then data=/var/lib/stoke; else data=${XDG_DATA_HOME:-$HOME/.local/share}/stoke; fi
config=()
usage() { sed -n '2,6s/^# \{0,1\}//p' run; }
while [ $# -gt 0 ]; do
    case "$1" in
    --demo) demo=1 ;;
    --listen) listen=${2:?--listen wants HOST:PORT}; shift ;;
    --data) data=${2:?--data wants a directory}; shift ;;
    --config) config=(--config "${2:?--config wants a file}"); shift ;;
    --help|-h) usage; exit 0 ;;
    *) echo "run: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

if [ ${#config[@]} -gt 0 ] && named=$(grep -oE -m1 '^[[:space:]]*(listen|data)[[:space:]]*=' "${config[1]}"); then
    named=$(tr -d ' \t=' <<<"$named")
    echo "run: ${config[1]} says $named; give --$named here, and leave it out of the file" >&2
    exit 2
fi

scripts/dependencies.sh run
build_log=$(mktemp)
trap 'rm -f "$build_log"' EXIT
if ! { cmake -S . -B build -G Ninja && ninja -C build stoked stoke stoke-spawner stoke-zygote runtimes; } >"$build_log" 2>&1; then
    tail -n 40 "$build_log" >&2
    echo "run: the build failed" >&2
    exit 1
fi

# The SDKs that functions may import. Without a registry Stoke works, and says so when a function asks for them.
mkdir -p "$data"
layers/runtimes/fetch_sdk.sh "$data" || echo "run: boto3 and the Node SDK could not be had; functions that import them will be told"

export STOKE_ENDPOINT=http://$listen
stoke=build/stoke
log=$(mktemp -t stoked.XXXXXX.log)
# An ordinary user's limits need a control group that is given to them, which their service manager does (it keeps the process id).
scope=()
if [ "$(id -u)" != 0 ] && command -v systemd-run >/dev/null && systemctl --user show-environment >/dev/null 2>&1; then
    scope=(systemd-run --user --scope --quiet -p Delegate=yes --)
fi
daemon=
stop() {
    local status=$?
    rm -f "$build_log"
    [ -n "$daemon" ] || return 0
    trap 'kill -TERM "$daemon" 2>/dev/null || true' INT TERM HUP
    kill -TERM "$daemon" 2>/dev/null || true
    while kill -0 "$daemon" 2>/dev/null; do wait "$daemon" 2>/dev/null || true; done
    case $status in
    0 | 129 | 130 | 143) rm -f "$log" ;;
    *) tail -n 40 "$log" >&2; echo "run: ended with status $status; stoked's log is $log" >&2 ;;
    esac
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# In a session of its own: Ctrl-C reaches this script, which asks stoked to end, once; a second one asks it not to wait for anybody.
setsid "${scope[@]}" build/stoked --listen "$listen" --data "$data" "${config[@]}" 2>"$log" &
daemon=$!
for _ in $(seq 600); do # another stoked may serve there: then this one is about to say so, and to end
    curl -fsS "$STOKE_ENDPOINT/_stoke/health" 2>/dev/null | grep -q "\"pid\": *$daemon\\b" && break
    kill -0 "$daemon" 2>/dev/null || { echo "run: stoked did not start" >&2; exit 1; }
    sleep 0.1
done

for _ in $(seq 50); do # it serves a moment before it knows the machine
    curl -fsS "$STOKE_ENDPOINT/_stoke/health" | grep -q 'has not reported yet' || break
    sleep 0.1
done
$stoke doctor | grep ^missing || true # what functions have to do without on this machine

# The example's own name, whatever else is deployed here.
function=stoke-hello
echo
echo "\$ stoke deploy $function examples/hello"
$stoke deploy "$function" examples/hello
# The first function of a language starts its interpreter; a moment later sealed, empty sandboxes wait for any function of it, and a
# cold start is what it is from then on.
for _ in $(seq 50); do
    curl -fsS "$STOKE_ENDPOINT/_stoke/health" | grep -q '"blanks": *[1-9]' && break
    sleep 0.1
done
for kind in cold warm; do
    echo
    echo "\$ stoke invoke --log $function '{\"name\": \"$kind\"}'"
    started=$(date +%s%N)
    $stoke invoke --log "$function" "{\"name\": \"$kind\"}"
    printf '%s: %d.%d ms from the command line to the result\n' "$kind" $((($(date +%s%N) - started) / 1000000)) \
        $((($(date +%s%N) - started) / 100000 % 10))
done
cat <<TEXT

Stoke serves on $STOKE_ENDPOINT, its data is in $data, its own log in $log. Try:
  export AWS_ENDPOINT_URL=$STOKE_ENDPOINT AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
  aws --endpoint-url $STOKE_ENDPOINT lambda list-functions
  echo '{"name": "you"}' >/tmp/event.json
  aws --endpoint-url $STOKE_ENDPOINT lambda invoke --function-name $function --payload fileb:///tmp/event.json /dev/stdout
  $PWD/build/stoke logs $function
  $PWD/build/stoke doctor
TEXT
if [ $demo = 1 ]; then
    echo
    echo "That was the demonstration; ./run without --demo keeps serving."
    exit 0
fi
echo
echo "Ctrl-C ends it."
wait "$daemon"
