#!/bin/sh
# Java with the official aws-lambda-java-runtime-interface-client. Usage: build.sh OUT
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
for tool in java javac mvn; do
    command -v $tool >/dev/null || { echo "needs Java: no $tool"; exit 77; }
done
cd "$(dirname "$0")"
cache=${STOKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stoke}/clients/java-$(cksum <pom.xml | cut -d' ' -f1)
if [ ! -f "$cache/done" ]; then
    rm -rf "$cache"
    mkdir -p "$cache"
    mvn -q -B -f pom.xml dependency:copy-dependencies -DoutputDirectory="$cache/lib" >"$cache/mvn.log" 2>&1 ||
        { grep ERROR "$cache/mvn.log" | head -3; exit 1; }
    touch "$cache/done"
fi
mkdir -p "$out/lib"
cp "$cache"/lib/*.jar "$out/lib"
javac -cp "$out/lib/*" -d "$out" Handler.java
cat >"$out/bootstrap" <<'END'
#!/bin/sh
exec java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$LAMBDA_TASK_ROOT:$LAMBDA_TASK_ROOT/lib/*" \
    com.amazonaws.services.lambda.runtime.api.client.AWSLambda Handler::handleRequest
END
chmod 755 "$out/bootstrap"
