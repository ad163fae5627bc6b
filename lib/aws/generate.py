#!/usr/bin/env python3
"""Turns AWS service models (botocore's service-2.json) into the C tables model_SERVICE.c.

    generate.py MODELS_DIR [--check]     MODELS_DIR: botocore/data of the pinned release

Only what the codecs need is taken over: operations, shapes, constraints, locations, errors; never the models' prose.
overrides/SERVICE is applied last, where there is one: the differences between the model and the service, one per line. With --check nothing is written and a difference is exit status 1.
"""
import difflib
import gzip
import json
import pathlib
import sys

PINNED = "1.44.5"
SERVICES = {"lambda": "2015-03-31", "sts": "2011-06-15"}
HERE = pathlib.Path(__file__).resolve().parent

TYPES = {
    "structure": "AWS_STRUCTURE", "list": "AWS_LIST", "map": "AWS_MAP", "string": "AWS_STRING", "character": "AWS_STRING",
    "integer": "AWS_INTEGER", "long": "AWS_LONG", "float": "AWS_DOUBLE", "double": "AWS_DOUBLE",
    "boolean": "AWS_BOOLEAN", "timestamp": "AWS_TIMESTAMP", "blob": "AWS_BLOB",
}
LOCATIONS = {None: "AWS_IN_BODY", "uri": "AWS_IN_URI", "querystring": "AWS_IN_QUERY", "header": "AWS_IN_HEADER",
             "headers": "AWS_IN_HEADERS", "statusCode": "AWS_IN_STATUS"}
TIMES = {None: "AWS_TIME_DEFAULT", "unixTimestamp": "AWS_TIME_EPOCH", "iso8601": "AWS_TIME_ISO8601",
         "rfc822": "AWS_TIME_RFC822"}
PROTOCOLS = {"rest-json": "aws_rest_json", "json": "aws_json_rpc", "query": "aws_query"}
KNOWN = {"type", "members", "member", "key", "value", "documentation", "required", "min", "max", "pattern", "enum", "error",
         "exception", "fault", "sensitive", "payload", "streaming", "eventstream", "event", "flattened", "union", "box",
         "deprecated", "retryable", "synthetic", "xmlOrder", "wrapper", "timestampFormat", "locationName", "idempotencyToken"}
BLOBS_MAX = 2  # AWS_BLOBS_MAX
LABELS_MAX = 8  # the size of aws_call.labels
MEMBERS_MAX = 64  # AWS_MEMBERS_MAX


def fail(text):
    sys.exit(f"generate.py: {text}")


def c_string(text):
    if text is None:
        return "NULL"
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif char == "?":
            out.append("\\?")  # no trigraphs by accident
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def java_hash(text):
    units = text.encode("utf-16-be")
    value = 0
    for i in range(0, len(units), 2):
        value = (31 * value + int.from_bytes(units[i:i + 2], "big")) & 0xFFFFFFFF
    return value


def enum_order(values):
    """The services print an enum's values in the order in which Java's HashSet iterates over them."""
    buckets = 16
    while len(values) > buckets * 3 // 4:
        buckets *= 2
    return sorted(values, key=lambda v: (java_hash(v) ^ (java_hash(v) >> 16)) & (buckets - 1))


class Model:
    def __init__(self, name, raw):
        self.name, self.raw, self.shapes = name, raw, raw["shapes"]
        for name, shape in self.shapes.items():
            if "enum" in shape:
                shape["enum"] = enum_order(shape["enum"])
            for unknown in sorted(set(shape) - KNOWN):
                fail(f"{name}: {unknown} is not known here")
        self.overrides = HERE / "overrides" / self.name
        self.override()
        self.index = {name: i for i, name in enumerate(sorted(self.shapes))}

    def override(self):
        """Applies overrides/SERVICE."""
        if not self.overrides.exists():
            return
        for number, line in enumerate(self.overrides.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            where = f"{self.overrides.name}:{number}"
            fields = line.split("\t")
            if len(fields) != 4 or not all(fields):
                fail(f"{where}: not four fields separated by tabs (kind, target, value, source)")
            self.override_one(where, *fields[:3])

    def override_one(self, where, kind, target, value):
        if kind == "status":
            self.raw["operations"][target]["http"]["responseCode"] = int(value)
            return
        name, _, member = target.partition(".")
        if name not in self.shapes:
            fail(f"{where}: the model has no shape {name}")
        shape = self.shapes[name]
        if member and member not in shape.get("members", {}):
            fail(f"{where}: {name} has no member {member}")
        if kind in ("min", "max"):
            shape[kind] = int(value)
        elif kind == "pattern":
            shape["pattern"] = value
        elif kind == "shown" or kind == "late-values":
            shape["shown"] = value.split()
            shape["enum"] = enum_order(sorted(set(shape["enum"]) | set(shape["shown"])))
            shape["late-values"] = kind == "late-values"
        elif kind == "late-max":
            shape["late-max"] = int(value)
        elif kind == "member":
            ref = shape["members"][member]
            self.shapes.setdefault(value, json.loads(json.dumps(self.shapes[ref["shape"]])))
            ref["shape"] = value
        else:
            fail(f"{where}: unknown kind {kind}")

    def ref(self, name):
        return f"S + {self.index[name]}" if name else "NULL"

    def element(self, name, ref):
        """A list's or map's member, as a member row."""
        return {"name": name, "wire": ref.get("locationName", name), "ref": ref, "required": False}

    def rows(self, shape):
        kind = shape["type"]
        if kind == "list":
            return [self.element("member", shape["member"])]
        if kind == "map":
            return [self.element("key", shape["key"]), self.element("value", shape["value"])]
        required = set(shape.get("required", []))
        return [{"name": n, "wire": r.get("locationName", n), "ref": r, "required": n in required}
                for n, r in shape.get("members", {}).items()]

    def member_row(self, row):
        ref = row["ref"]
        target = self.shapes[ref["shape"]]
        flags = [f for f, on in (("AWS_REQUIRED", row["required"]), ("AWS_FLATTENED", ref.get("flattened"))) if on]
        if ref.get("jsonvalue"):
            fail(f"{row['name']}: jsonvalue is not known here")
        time = TIMES[ref.get("timestampFormat", target.get("timestampFormat"))]
        return (f"{{{c_string(row['name'])}, {c_string(row['wire'])}, {self.ref(ref['shape'])}, "
                f"{LOCATIONS[ref.get('location')]}, {' | '.join(flags) or '0'}, {time}}},")

    def tables(self):
        """The members (M), the enums (E) and the shapes (S) that refer to both."""
        members, enums, shapes, enum_at, count = [], [], [], {}, 0
        for name in sorted(self.shapes):
            shape = self.shapes[name]
            rows = self.rows(shape) if shape["type"] in ("structure", "list", "map") else []
            if len(rows) > MEMBERS_MAX:
                fail(f"{name}: more than {MEMBERS_MAX} members")
            first = count
            if rows:
                members.append(f"    /* {first}: {name} */")
                members.extend("    " + self.member_row(r) for r in rows)
                count += len(rows)
            for values in (tuple(shape[key]) for key in ("enum", "shown") if key in shape):
                if values not in enum_at:
                    enum_at[values] = f"E{len(enum_at)}"
                    enums.append(f"static const char *const {enum_at[values]}[] = {{"
                                 + ", ".join(c_string(v) for v in values) + ", NULL};")
            shapes.append("    " + self.shape_row(name, shape, rows, first, enum_at))
        return members, enums, shapes

    def shape_row(self, name, shape, rows, first, enum_at):
        fields = [f".name = {c_string(name)}", f".type = {TYPES[shape['type']]}"]
        if rows:
            fields.append(f".members = M + {first}, .member_count = {len(rows)}")
        flags = [flag for key, flag in (("sensitive", "AWS_SENSITIVE"), ("flattened", "AWS_FLATTENED"),
                                        ("union", "AWS_UNION"), ("streaming", "AWS_STREAMING"),
                                        ("eventstream", "AWS_EVENT_STREAM"), ("late-values", "AWS_LATE_VALUES"),
                                        ("late-max", "AWS_LATE_MAX")) if shape.get(key)]
        error = shape.get("error", {})
        if shape.get("exception"):
            status = error.get("httpStatusCode", 500 if shape.get("fault") else 400)
            if status < 500:
                flags.append("AWS_SENDER_FAULT")
            fields.append(f".status = {status}, .code = {c_string(error.get('code', name))}")
        if flags:
            fields.append(f".flags = {' | '.join(flags)}")
        for limit in ("min", "max"):
            if limit in shape:
                fields.append(f".has_{limit} = true, .{limit} = {shape[limit]!r}")
        if "late-max" in shape:
            fields.append(f".late_max = {shape['late-max']}")
        if "pattern" in shape:
            fields.append(f".pattern = {c_string(shape['pattern'])}")
        if "enum" in shape:
            fields.append(f".values = {enum_at[tuple(shape['enum'])]}, "
                          f".shown = {enum_at[tuple(shape.get('shown', shape['enum']))]}")
        if "payload" in shape:
            names = [r["name"] for r in rows]
            fields.append(f".payload = M + {first + names.index(shape['payload'])}")
        return "{" + ", ".join(fields) + "},"

    def blob_paths(self, name):
        """Body members that are blobs, by paths through structures only: their bytes stay out of the JSON tree."""
        found = []

        def walk(shape_name, path, seen):
            shape = self.shapes[shape_name]
            if shape["type"] == "blob" and not {"min", "max"} & set(shape):  # the validator measures what is in the tree
                found.append(".".join(path))
            if shape["type"] != "structure" or shape_name in seen:
                return
            for member, ref in shape.get("members", {}).items():
                if not ref.get("location") and member != shape.get("payload"):
                    walk(ref["shape"], path + [member], seen | {shape_name})

        if name:
            walk(name, [], frozenset())
        return found

    def operations(self):
        rows, blobs, blob_at = [], [], {}
        for name in sorted(self.raw["operations"]):
            op = self.raw["operations"][name]
            http = op["http"]
            given, output = op.get("input", {}).get("shape"), op.get("output", {})
            fields = [f".name = {c_string(name)}", f".method = {c_string(http['method'])}",
                      f".uri = {c_string(http['requestUri'])}", f".status = {http.get('responseCode', 200)}"]
            if http["requestUri"].count("{") > LABELS_MAX:
                fail(f"{name}: more than {LABELS_MAX} labels")
            if given:
                fields.append(f".input = {self.ref(given)}")
            if output.get("shape"):
                fields.append(f".output = {self.ref(output['shape'])}")
            if "resultWrapper" in output:
                fields.append(f".result_wrapper = {c_string(output['resultWrapper'])}")
            paths = tuple(self.blob_paths(given))
            if paths and self.raw["metadata"]["protocol"] != "query":
                if len(paths) > BLOBS_MAX:
                    fail(f"{name}: more than {BLOBS_MAX} blobs")
                if paths not in blob_at:
                    blob_at[paths] = f"B{len(blob_at)}"
                    blobs.append(f"static const char *const {blob_at[paths]}[] = {{"
                                 + ", ".join(c_string(p) for p in paths) + ", NULL};")
                fields.append(f".blobs = {blob_at[paths]}")
            rows.append("    {" + ", ".join(fields) + "},")
        return rows, blobs

    def render(self):
        meta = self.raw["metadata"]
        if meta["protocol"] not in PROTOCOLS:
            fail(f"{self.name}: the protocol {meta['protocol']} is not known here")
        members, enums, shapes = self.tables()
        ops, blobs = self.operations()
        sources = f"the model of {meta['serviceFullName']} {meta['apiVersion']} in botocore {PINNED}"
        if self.overrides.exists():
            sources += f" and\n * lib/aws/overrides/{self.name}; do not edit."
        else:
            sources += ";\n * do not edit."
        errors = [f"    {self.ref(n)}," for n in sorted(self.shapes) if self.shapes[n].get("exception")]
        service = [f".name = {c_string(meta.get('signingName', meta['endpointPrefix']))}",
                   f".api_version = {c_string(meta['apiVersion'])}",
                   f".protocol = &{PROTOCOLS[meta['protocol']]}",
                   ".ops = O, .op_count = sizeof O / sizeof *O",
                   ".errors = X, .error_count = sizeof X / sizeof *X"]
        for key, field in (("targetPrefix", "target_prefix"), ("jsonVersion", "json_version"),
                           ("xmlNamespace", "xml_namespace")):
            if key in meta:
                service.append(f".{field} = {c_string(meta[key] if isinstance(meta[key], str) else meta[key]['uri'])}")
        return "\n".join([
            f"/* Generated by lib/aws/generate.py from {sources} M: members, E: enums, S: shapes, B: blob paths, O: operations,"
            " X: errors. */",
            "/* clang-format off */",
            '#include "lib/aws/model.h"', "",
            f"static const struct aws_shape S[{len(shapes)}];", "",
            "static const struct aws_member M[] = {", *members, "};", "",
            *enums, "",
            f"static const struct aws_shape S[{len(shapes)}] = {{", *shapes, "};", "",
            *blobs, *([""] if blobs else []),
            "static const struct aws_operation O[] = {", *ops, "};", "",
            "static const struct aws_shape *const X[] = {", *errors, "};", "",
            f"const struct aws_service aws_service_{self.name} = {{", *(f"    {f}," for f in service), "};", ""])


def load(models, name, version):
    base = models / name / version
    for path, opener in ((base / "service-2.json.gz", gzip.open), (base / "service-2.json", open)):
        if path.exists():
            with opener(path, "rt", encoding="utf-8") as file:
                return json.load(file)
    fail(f"no model of {name} {version} in {models}")


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    if len(args) != 1:
        sys.exit(__doc__)
    check, different = "--check" in sys.argv, False
    for name, version in SERVICES.items():
        text = Model(name, load(pathlib.Path(args[0]), name, version)).render()
        path = HERE / f"model_{name}.c"
        if not check:
            path.write_text(text)
            continue
        old = path.read_text() if path.exists() else ""
        diff = list(difflib.unified_diff(old.splitlines(), text.splitlines(), path.name, "regenerated", lineterm=""))
        print("\n".join(diff[:40]) if diff else f"{path.name}: as generated")
        different |= bool(diff)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
