#!/bin/sh
# Python with the official awslambdaric, whose client is a C++ extension that is built here. Usage: build.sh OUT
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
for tool in python3 g++ cmake make autoreconf libtoolize; do
    command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }
done
cache=${STOKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stoke}/clients/python-$(cat "$here/requirements.txt" "$0" | cksum | cut -d' ' -f1)-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ ! -f "$cache/done" ]; then
    rm -rf "$cache"
    python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --target "$cache" -r "$here/requirements.txt"
    touch "$cache/done"
fi
mkdir -p "$out"
cp -r "$cache/." "$out"
cp "$here/handler.py" "$out"
cat >"$out/bootstrap" <<'END'
#!/bin/sh
cd "$LAMBDA_TASK_ROOT"
PYTHONPATH=$LAMBDA_TASK_ROOT exec python3 -m awslambdaric handler.handler
END
chmod 755 "$out/bootstrap"
