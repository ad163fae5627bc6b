#!/usr/bin/env bash
# The body of ./check: stages in order, each with its log under build-check/logs; a summary at the end. A stage is a function; it
# fails by its exit status. Skips are lines "SKIP name: reason"; scripts/skips.allow says which are in order.
set -uo pipefail
cd "$(dirname "$0")/.."
quick=0
case "$*" in
"") ;;
--quick) quick=1 ;;
*) echo "usage: ./check [--quick]" >&2; exit 2 ;;
esac

out=build-check
logs=$out/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
summary=()

stage() { # NAME COMMAND...: runs it, prints how it went; the log's tail when it failed
    local name=$1 log="$logs/$1.log" started=$SECONDS
    printf '%-34s' "$name"
    "${@:2}" >"$log" 2>&1
    local status=$?
    if [ $status = 77 ] && ! grep -q '^SKIP ' "$log"; then
        echo "exit status 77 without a line that says what was skipped" >>"$log"
        status=1
    fi
    if [ $status = 0 ] || [ $status = 77 ]; then
        echo "ok      $((SECONDS - started)) s"
        passed=$((passed + 1))
    else
        echo "FAILED  $((SECONDS - started)) s, see $log"
        tail -n 60 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
        summary+=("$name")
    fi
}

# Two stages at once, both of which wait more than they compute. The second's time is what it took longer than the first.
together() { # NAME FUNCTION NAME FUNCTION
    "$4" >"$out/$3.out" 2>&1 &
    local second=$!
    stage "$1" "$2"
    stage "$3" gather $second "$out/$3.out"
}

gather() { # PID FILE
    local status=0
    wait "$1" || status=$?
    cat "$2"
    return $status
}

dependencies() { scripts/dependencies.sh check; }

configure_and_build() { # DIR CMAKE_ARGS...
    local dir=$1
    shift
    cmake -S . -B "$dir" -G Ninja "$@" && ninja -C "$dir"
}

# ctest shows what a test prints only when it fails; the log has the lines "SKIP: reason" of all, whole tests and single ones in them.
unit_tests() { # DIR CTEST_ARGS...: prints each as "SKIP test: reason"
    local status=0 log="$1/Testing/Temporary/LastTest.log" shown="$1/ctest.shown"
    (cd "$1" && ctest -j 2 --output-on-failure --timeout 300 "${@:2}") | sed 's/^SKIP/    &/' | tee "$shown" || status=$?
    awk '/^ *[0-9]+\/[0-9]+ Test: / { name = $3 }
         sub(/^SKIP *:* */, "") { print "SKIP " name ": " $0; said[name] = 1 }
         / \(Skipped\)$/ && !said[$3] { print "SKIP " $3 ": says no reason" }' "$log" "$shown"
    return "$status"
}

build_gcc() { configure_and_build $out/gcc -DCMAKE_C_COMPILER=gcc; }
build_clang() { configure_and_build $out/clang -DCMAKE_C_COMPILER=clang; }
build_asan() { configure_and_build $out/asan -DCMAKE_C_COMPILER=gcc -DSTOKE_SANITIZE=address; }
build_tsan() { configure_and_build $out/tsan -DCMAKE_C_COMPILER=clang -DSTOKE_SANITIZE=thread; }
build_fuzz() { configure_and_build $out/fuzz -DCMAKE_C_COMPILER=clang -DSTOKE_SANITIZE=address -DSTOKE_FUZZ=ON; }
units_gcc() { unit_tests $out/gcc; }
units_asan() { LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp unit_tests $out/asan -L unit; }
units_tsan() { unit_tests $out/tsan -L threads; }

fuzz_smoke() { tests/fuzz/run --seconds 10 --build "$out/fuzz"; }

clients() { # the virtual environment with boto3 and the AWS CLI
    [ -x .venv/bin/aws ] && [ .venv/stamp -nt tests/requirements.txt ] && return 0
    rm -rf .venv && python3 -m venv .venv && .venv/bin/pip install -q -r tests/requirements.txt && touch .venv/stamp
}

suite() { # BUILD PYTEST_ARGS...
    STOKE_BUILD=$PWD/$out/$1 .venv/bin/python -m pytest -q -rs --durations=40 -p no:cacheprovider "${@:2}"
}
not_rics=(--ignore tests/integration/test_rics.py --ignore tests/integration/test_rics_deployed.py)
integration() { suite gcc tests/integration "${not_rics[@]}"; }
demo() { STOKE_BUILD=$PWD/build .venv/bin/python -m pytest -q -rs -p no:cacheprovider tests/demo; } # builds as ./run does
rics() { suite gcc tests/integration/test_rics.py tests/integration/test_rics_deployed.py; } # builds the official runtime clients first, where their toolchains are

# A sanitizer's report is a test that fails: tests/lib/sanitizer.py. The crash test is what races most; what hostile functions do
# happens outside of stoked for the most part, and takes long.
sanitized() { # BUILD
    local -x STOKE_TEST_SLOW=${STOKE_TEST_SLOW:-4}
    local left_out=(rics.py rics_deployed.py sdk.py promises_limits.py inactive.py weights.py hostile_crashes.py hostile_functions.py hostile_runtimes.py hostile_extensions.py)
    suite "$1" tests/integration "${left_out[@]/#/--ignore-glob=*/test_}" &&
        tests/crash/run --kills 12 --build "$out/$1"
}
integration_asan() { sanitized asan; }
integration_tsan() { sanitized tsan; }

containment() { python3 tests/containment/run_probes.py --build "$out/gcc" --only 1-73,75,76; } # 77 is a matter of speed
crash() { tests/crash/run --kills 12 --build "$out/gcc"; }

bench_smoke() { bench/run --samples 3 --build "$out/gcc"; } # that every figure is still measured; what it is, only a quiet machine says

property() { tests/property/run --steps 10000 --kills 10 --build "$out/gcc"; }

conformance() { # what AWS answered, where the recordings are
    local status=0
    tests/conformance/run --build "$out/gcc" || status=$?
    [ $status = 77 ] || return $status
}

vm_short() { # in a machine as users have it; prints its SKIP where there is none
    local status=0
    tests/vm/run --short --build "$out/gcc" || status=$?
    [ $status = 77 ] || return $status
}

# Prints each skip with its reason, and fails for one whose requirement can be had.
skips() {
    local status=0 line pattern condition allowed
    while IFS= read -r line; do
        skipped=$((skipped + 1))
        allowed=
        while IFS='|' read -r pattern condition; do
            case "$pattern" in '#'*|'') continue ;; esac
            pattern=${pattern% }
            case "$line" in *"$pattern"*) bash -c "$condition" >/dev/null 2>&1 && allowed=1 ;; esac
        done <scripts/skips.allow
        if [ -n "$allowed" ]; then
            echo "skipped: $line"
        else
            echo "skipped although its requirement can be had: $line"
            status=1
        fi
    done < <(grep -hE '^SKIP(PED)?[ :]' "$logs"/*.log 2>/dev/null | sort -u)
    return $status
}

rm -f "$logs"/*.log
stage dependencies dependencies
stage build-gcc build_gcc
stage unit-gcc units_gcc
if [ $quick = 0 ]; then
    stage build-clang build_clang
    stage build-asan build_asan
    stage unit-asan units_asan
    stage build-tsan build_tsan
    stage unit-tsan units_tsan
    stage build-fuzz build_fuzz
    stage fuzz-smoke fuzz_smoke
    if compgen -G 'tests/integration/test_*.py' >/dev/null; then
        stage clients clients
        stage integration integration
        stage rics rics
        stage demo demo
        together integration-asan integration_asan integration-tsan integration_tsan
    fi
    stage containment containment
    stage crash crash
    stage bench-smoke bench_smoke
    stage property property
    stage conformance conformance
    stage vm-short vm_short
fi
skips || failed=$((failed + 1))

for name in "${summary[@]}"; do
    echo "failed: $name ($logs/$name.log)"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
