#!/bin/sh
# Node with the official aws-lambda-ric, whose client is a native addon that is built here. Usage: build.sh OUT
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
for tool in node npm g++ cmake make autoreconf libtoolize python3; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
cache=${STOKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stoke}/clients/nodejs-$(cat "$here/package-lock.json" "$0" | cksum | cut -d' ' -f1)-$(node -p process.versions.modules)
prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
if [ -f "$prefix/include/node/node.h" ]; then # the headers that came with node; else node-gyp fetches them
    export npm_config_nodedir="$prefix"
fi
if [ ! -f "$cache/done" ]; then
    rm -rf "$cache"
    mkdir -p "$cache"
    cp "$here/package.json" "$here/package-lock.json" "$cache"
    (cd "$cache" && npm ci --no-audit --no-fund >npm.log 2>&1) || { tail -5 "$cache/npm.log"; exit 1; }
    [ -f "$cache/node_modules/aws-lambda-ric/dist/rapid-client.node" ] || { echo "the addon was not built"; exit 1; }
    touch "$cache/done"
fi
# What runs: the client, its loaded modules and the addon. The sources that the addon was built from would be most of the archive.
mkdir -p "$out/node_modules/aws-lambda-ric"
cp -r "$cache/node_modules/aws-lambda-ric/dist" "$cache/node_modules/aws-lambda-ric/bin" \
    "$cache/node_modules/aws-lambda-ric/package.json" "$out/node_modules/aws-lambda-ric"
cp "$here/index.js" "$out"
cat >"$out/bootstrap" <<'END'
#!/bin/sh
cd "$LAMBDA_TASK_ROOT"
exec node node_modules/aws-lambda-ric/bin/index.mjs "${RIC_HANDLER:-index.handler}"
END
chmod 755 "$out/bootstrap"
