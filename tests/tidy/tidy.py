#!/usr/bin/env python3
"""Keeps the shape of the house in view: include directions, sizes of files, functions and headers, modules per folder, an
opening comment in each file, headers that compile alone, no tracked links. Prints every finding; exit status 1 if a rule is broken.

    tidy.py ROOT
"""
import pathlib
import re
import shutil
import subprocess
import sys

FILE_LINES, FUNCTION_LINES, HEADER_LINES, MODULES = 500, 70, 150, 12
# Where a limit is exceeded for a reason: path -> reason. An entry that is no longer needed is itself a finding.
ALLOWED_SIZE = {
}

# Folder -> folders whose headers it may include (its own always). "public" headers of host/ are named one by one.
MAY_USE = {
    "lib/base": set(),
    "lib/crypto": {"lib/base"},
    "lib/json": {"lib/base"},
    "lib/http": {"lib/base"},
    "lib/db": {"lib/base"},
    "lib/aws": {"lib/base", "lib/json", "lib/http", "lib/crypto"},
    "sandbox": {"lib/base", "runtime-api/channel.h"},
    "runtime-api": {"lib/base", "lib/json", "lib/http/phr.h", "lib/crypto"},
    "layers": {"lib/base", "lib/crypto", "runtime-api/channel.h", "sandbox/zygote/zygote.h"},
    "host": {"lib", "sandbox/spawn_client.h", "sandbox/spawn_proto.h", "runtime-api", "layers", "host"},
    "cli": {"lib"},
}
# Third-party header -> the only folders that may include it.
ONLY = {
    r"h2o(/.*)?\.h": {"lib/http"},
    r"cjson/.*": {"lib/json", "lib/aws"},
    r"sqlite3\.h": {"lib/db"},
    r"curl/.*": {"lib/http"},
    r"archive(_entry)?\.h": {"layers", "cli"},
    r"openssl/.*": {"lib/crypto"},
    r"seccomp\.h": {"sandbox"},
    r"sys/capability\.h": {"sandbox", "host"},
    r"bpf/.*": {"sandbox"},
    r"Python\.h": {"layers"},
}
# Inside host/: who may use whom.
HOST = {
    "host/api": {"host/invoke", "host/registry", "host/telemetry", "host/config.h", "host/pool/pool.h"},
    "host/invoke": {"host/registry", "host/pool", "host/telemetry"},
    "host/pool": {"host/registry/registry.h", "host/telemetry"},
    "host/registry": set(),
    "host/telemetry": set(),
}

CLANG_FORMAT = 14

root = pathlib.Path(sys.argv[1]).resolve()
findings = []


def finding(path, line, text):
    findings.append(f"{path}:{line}: {text}")


def sources():
    out = subprocess.run(["git", "-C", root, "ls-files", "*.c", "*.h"], capture_output=True, text=True)
    names = out.stdout.split() if out.returncode == 0 else [str(p.relative_to(root)) for p in root.rglob("*.[ch]")]
    return [n for n in names if (root / n).is_file()]


def area_of(name, areas):
    return max((a for a in areas if name.startswith(a + "/")), key=len, default=None)


def allowed(header, grants):
    return any(header == g or header.startswith(g + "/") for g in grants)


def check_includes(name, lines):
    area, host_area = area_of(name, MAY_USE), area_of(name, HOST)
    for number, line in enumerate(lines, 1):
        ours = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if ours and area:
            header = ours[1]
            if "/" not in header:
                finding(name, number, f'write the include from the root: "{header}"')
            elif not header.startswith(area + "/") and not allowed(header, MAY_USE[area]):
                finding(name, number, f"{area} may not use {header}")
            elif host_area and header.startswith("host/") and not header.startswith(host_area + "/") \
                    and not allowed(header, HOST[host_area]):
                finding(name, number, f"{host_area} may not use {header}")
        theirs = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        for pattern, folders in ONLY.items():
            if theirs and re.fullmatch(pattern, theirs[1]) and not name.startswith(("tests/", "bench/")) \
                    and not allowed(name, folders):
                finding(name, number, f"<{theirs[1]}> belongs to {', '.join(sorted(folders))} alone")


def check_size(name, lines):
    limit = HEADER_LINES if name.endswith(".h") else FILE_LINES
    too_long = len(lines) > limit
    if too_long and name not in ALLOWED_SIZE:
        finding(name, 1, f"{len(lines)} lines; split it (limit {limit})")
    if not too_long and name in ALLOWED_SIZE:
        finding(name, 1, "the exception in tidy.py is no longer needed")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_LINES and not line.startswith("};"):
                finding(name, start, f"a function of {number - start - 1} lines (limit {FUNCTION_LINES})")
            start = None


def check_header_alone(headers):
    for name in headers:
        run = subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-DSTOKE_VERSION=\"\"", f"-I{root}", "-fsyntax-only", "-x", "c", "-"],
                             input=f'#include "{name}"\n', capture_output=True, text=True)
        if run.returncode:
            finding(name, 1, "does not compile alone: " + run.stderr.strip().splitlines()[0])


def check_format(names):
    """.clang-format is written for the version that Debian 12 has; others break lines elsewhere."""
    program = shutil.which(f"clang-format-{CLANG_FORMAT}") or shutil.which("clang-format")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else ""
    if f"version {CLANG_FORMAT}." not in version:
        print(f"SKIP: needs clang-format {CLANG_FORMAT}, found: {version.strip() or 'none'}")
        return
    run = subprocess.run([program, "--dry-run", *names], cwd=root, capture_output=True, text=True)
    if run.returncode:
        finding(".clang-format", 0, run.stderr.strip().splitlines()[0])
    for line in run.stderr.splitlines():
        if place := re.match(r"(\S+):(\d+):\d+: warning: code should be clang-formatted", line):
            finding(place[1], int(place[2]), "clang-format writes this another way")


def check_links():
    """A tracked link usually is a worktree's own (.venv), and a checkout of it replaces what another checkout has ignored there."""
    out = subprocess.run(["git", "-C", root, "ls-files", "-s"], capture_output=True, text=True).stdout
    for line in out.splitlines():
        if line.startswith("120000"):
            finding(line.split("\t")[1], 0, "a link is tracked: git rm --cached it")


def main():
    modules, headers = {}, []
    for name in sources():
        lines = (root / name).read_text(errors="replace").splitlines()
        generated = any("generated" in line.lower() for line in lines[:3])
        check_includes(name, lines)
        if generated:
            continue
        check_size(name, lines)
        if not lines or not lines[0].startswith(("/*", "//")):
            finding(name, 1, "open the file with a paragraph that says what it is for")
        if not name.startswith("tests/") and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", "\n".join(lines)):
            finding(name, 1, "an unfinished mark")
        if name.startswith(("lib/", "host/", "sandbox/", "layers/", "runtime-api/", "cli/")):
            folder = str(pathlib.PurePath(name).parent)
            if name.endswith(".c"):
                modules.setdefault(folder, set()).add(pathlib.PurePath(name).stem)
            if name.endswith(".h") and ".bpf." not in name and not name.endswith(".skel.h"):
                headers.append(name)
    for folder, names in sorted(modules.items()):
        if len(names) > MODULES and folder not in ALLOWED_SIZE:
            finding(folder, 0, f"{len(names)} modules in one folder (limit {MODULES})")
    check_header_alone(headers)
    check_format(sources())
    check_links()
    for line in findings:
        print(line)
    print(f"tidy: {len(headers)} headers, {sum(map(len, modules.values()))} modules, {len(findings)} findings")
    return 1 if findings else 0


sys.exit(main())
