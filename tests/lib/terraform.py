"""What Terraform's AWS provider asks of Lambda, call by call: the calls of hashicorp/terraform-provider-aws (6.x,
internal/service/lambda, internal/provider/sdkv2/tags_interceptor.go) and of aws-sdk-go-base (account and partition) in their order,
with the members that they send, the waiters between them, the errors that they take for "gone" or "try again", and what their read
functions make of the answers. A test configures a resource, applies it, and plans again:

    provider = Provider(stoke)                      # as `provider "aws" {}` does it
    function = Function(provider, function_name="f", filename=path, ...)
    function.apply()
    assert function.plan() == {}                    # what was read is what was configured
    function.apply(timeout=5)                       # a change in place
    function.destroy()

The waiters poll faster than the provider's. Answers are checked as Go's decoder takes them, which is stricter than boto3: a number is
no string, a timestamp of a REST-JSON body is a number.
"""
import json
import pathlib
import time

from botocore.exceptions import ClientError
from daemon import SLOW

POLL_S = 0.05
POLLS_MAX = int(600 * SLOW)
NOT_FOUND_MAX = 20  # how often a waiter for something bears that it is not there


class ProviderError(Exception):
    """What `terraform apply` would end with."""


class NotFound(Exception):
    """The provider's retry.NotFoundError: the resource leaves the state."""


def is_error(error, code, text=""):
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == code and text in error.response["Error"]["Message"]


def check_types(shape, value, where):
    """Fails where Go's generated decoders would."""
    kinds = {"string": str, "boolean": bool, "structure": dict, "map": dict, "list": list, "long": int, "integer": int, "blob": str,
             "double": (int, float), "float": (int, float), "timestamp": (int, float)}
    if value is None:
        return
    if shape.type_name == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
        kinds["timestamp"] = str
    is_right = isinstance(value, kinds[shape.type_name]) and (shape.type_name == "boolean" or not isinstance(value, bool))
    assert is_right, f"{where}: {value!r} is no {shape.type_name}"
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if not member.serialization.get("location"):
                check_types(member, value.get(member.serialization.get("name", name)), f"{where}.{name}")
    elif shape.type_name == "map":
        for key, item in value.items():
            check_types(shape.value, item, f"{where}[{key}]")
    elif shape.type_name == "list":
        for item in value:
            check_types(shape.member, item, f"{where}[]")


def check_answer(operation_model, response_dict, **_):
    if response_dict["status_code"] < 300 and response_dict["body"] and operation_model.output_shape and \
            not operation_model.has_streaming_output:
        check_types(operation_model.output_shape, json.loads(response_dict["body"]), operation_model.name)


class Provider:
    """A configured provider: its account and partition come from STS, nothing else is asked for."""

    def __init__(self, stoke, **credentials):
        self.calls = []
        self.lambda_, self.sts = stoke.client("lambda", **credentials), stoke.client("sts", **credentials)
        self.lambda_.meta.events.register("before-parse.lambda", check_answer)
        arn = self.call(self.sts, "get_caller_identity")["Arn"].split(":")
        self.partition, self.account, self.region = arn[1], arn[4], self.lambda_.meta.region_name

    def call(self, client, operation, **params):
        self.calls.append((client.meta.service_model.service_name, operation))
        return getattr(client, operation)(**params)

    def __call__(self, operation, **params):
        return self.call(self.lambda_, operation, **params)

    def find(self, operation, *more_codes, **params):
        """The find functions: not found, of whatever the provider takes for it, is NotFound."""
        try:
            return self(operation, **params)
        except ClientError as e:
            if any(is_error(e, code) for code in ("ResourceNotFoundException", *more_codes)):
                raise NotFound(str(e)) from e
            raise

    def retry(self, call, *conditions):
        """tfresource.RetryWhen: conditions are (code, text) of errors to try again after."""
        for attempt in range(POLLS_MAX):
            try:
                return call()
            except ClientError as e:
                if attempt == POLLS_MAX - 1 or not any(is_error(e, code, text) for code, text in conditions):
                    raise
            time.sleep(POLL_S)

    def wait_for(self, refresh, pending, target):
        """StateChangeConf: refresh returns (found, status), found None where it is not there; no target waits for that."""
        missed = 0
        for _ in range(POLLS_MAX):
            try:
                found, status = refresh()
            except NotFound:
                found, status = None, ""
            if found is None:
                if not target:
                    return None
                missed += 1
                if missed > NOT_FOUND_MAX:
                    raise ProviderError("couldn't find resource")
            elif status in target:
                return found
            elif status not in pending:
                raise ProviderError(f"unexpected state {status!r}, wanted target {target}: {found}")
            time.sleep(POLL_S)
        raise ProviderError(f"timeout while waiting for state to become {target}")

    def update_tags(self, arn, old, new):
        removed = [key for key in old if key not in new]
        updated = {key: value for key, value in new.items() if old.get(key) != value}
        if removed:
            self("untag_resource", Resource=arn, TagKeys=removed)
        if updated:
            self("tag_resource", Resource=arn, Tags=updated)


class Resource:
    """One resource: config is what the user wrote, state what the last read left. defaults are the schema's; what is in computed may be
    anything where it is not configured; everything else must be empty there."""
    defaults, computed, force_new, has_tags = {}, (), (), False

    def __init__(self, provider, **config):
        self.provider, self.config, self.state, self.old = provider, {**self.defaults, **config}, None, None

    def __getitem__(self, key):
        return self.config.get(key)

    def changed(self, *keys):
        return any(self.config.get(key) != self.old.get(key) for key in keys)

    def apply(self, **changes):
        if self.state is None:
            self.config.update(changes)
            self.create()
        else:
            assert not set(changes) & set(self.force_new), "this makes another resource of it"
            self.old, self.config = self.config, {**self.config, **changes}
            if self.has_tags and self.changed("tags"):
                self.provider.update_tags(self.state["arn"], self.old.get("tags") or {}, self.config.get("tags") or {})
            self.update()
        self.refresh()
        return self

    def refresh(self):
        try:
            self.state = self.read()
        except NotFound:
            self.state = None
        return self.state

    def plan(self):
        """What would change, as {attribute: (now, wanted)}: refreshes first, as `terraform plan` does."""
        if self.refresh() is None:
            return {"": (None, "create")}
        differences = {}
        for key, now in self.state.items():
            wanted = self.config.get(key)
            if wanted is None and key in self.computed:
                continue
            if (now or None) != (wanted or None) and not self.suppressed(key, now, wanted):
                differences[key] = (now, wanted)
        return differences

    def suppressed(self, _key, _now, _wanted):
        return False

    def update(self):
        raise AssertionError("nothing of it changes in place")

    def destroy(self):
        self.delete()
        self.state = None


def sent(**params):
    """The members that a Go program sends: those that are set."""
    return {key: value for key, value in params.items() if value is not None}


class Function(Resource):
    has_tags = True
    defaults = {"memory_size": 128, "package_type": "Zip", "publish": False, "reserved_concurrent_executions": -1, "timeout": 3}
    computed = ("arn", "architectures", "code_sha256", "ephemeral_storage", "invoke_arn", "last_modified", "logging_config",
                "qualified_arn", "signing_job_arn", "signing_profile_version_arn", "source_code_size", "tracing_config", "version")
    force_new = ("function_name", "package_type")
    retried = (("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda"),
               ("InvalidParameterValueException", "The provided execution role does not have permissions"),
               ("InvalidParameterValueException", "throttled by EC2"),
               ("InvalidParameterValueException", "because the KMS key is invalid for CreateGrant"),
               ("ResourceConflictException", ""))
    logging_members = {"application_log_level": "ApplicationLogLevel", "log_format": "LogFormat", "log_group": "LogGroup",
                       "system_log_level": "SystemLogLevel"}
    in_config = ("description", "handler", "logging_config", "memory_size", "role", "timeout", "layers", "dead_letter_config",
                 "snap_start", "tracing_config", "runtime", "environment", "ephemeral_storage")

    def zip(self):
        return pathlib.Path(self["filename"]).read_bytes()

    def environment(self):
        return {"Variables": self["environment"]} if self["environment"] else None

    def logging(self):
        return {self.logging_members[key]: value for key, value in (self["logging_config"] or {}).items() if value}

    def create(self):
        p = self.provider
        params = sent(
            Code={"ZipFile": self.zip()}, Description=self["description"] or "", FunctionName=self["function_name"],
            MemorySize=self["memory_size"], PackageType=self["package_type"], Publish=self["publish"] or None, Role=self["role"],
            Tags=self["tags"] or None, Timeout=self["timeout"], Architectures=self["architectures"],
            CodeSigningConfigArn=self["code_signing_config_arn"], Environment=self.environment(),
            DeadLetterConfig=self["dead_letter_config"] and {"TargetArn": self["dead_letter_config"]},
            EphemeralStorage=self["ephemeral_storage"] and {"Size": self["ephemeral_storage"]}, Handler=self["handler"],
            Runtime=self["runtime"], LoggingConfig=self["logging_config"] and self.logging(), Layers=self["layers"] or None,
            SnapStart=self["snap_start"] and {"ApplyOn": self["snap_start"]},
            TracingConfig=self["tracing_config"] and {"Mode": self["tracing_config"]})
        p.retry(lambda: p("create_function", **params), *self.retried)
        p.retry(lambda: p("get_function", FunctionName=self["function_name"]), ("ResourceNotFoundException", ""))
        p.wait_for(lambda: self.status("State"), ["Pending"], ["Active", "ActiveNonInvocable"])
        if self["reserved_concurrent_executions"] >= 0:
            p("put_function_concurrency", FunctionName=self["function_name"],
              ReservedConcurrentExecutions=self["reserved_concurrent_executions"])

    def status(self, member):
        found = self.provider.find("get_function", FunctionName=self["function_name"])["Configuration"]
        return found, found.get(member, "")

    def wait_updated(self):
        self.provider.wait_for(lambda: self.status("LastUpdateStatus"), ["InProgress"], ["Successful"])

    def latest_version(self):
        """All pages; the last of the last page, which is the one without a marker."""
        marker, latest = {}, None
        while True:
            page = self.provider("list_versions_by_function", FunctionName=self["function_name"], MaxItems=10000, **marker)
            if page["Versions"] and page.get("NextMarker") is None:
                latest = page["Versions"][-1]
            if not page.get("NextMarker"):
                break
            marker = {"Marker": page["NextMarker"]}
        if latest is None:
            raise ProviderError("empty result")
        return latest

    def read(self):
        p = self.provider
        output = p.find("get_function", FunctionName=self["function_name"])
        f, code = output["Configuration"], output["Code"]
        latest = self.latest_version()
        signing = None
        if f["PackageType"] == "Zip":
            signing = p("get_function_code_signing_config", FunctionName=self["function_name"]).get("CodeSigningConfigArn")
        vpc, logs, snap = f.get("VpcConfig", {}), f.get("LoggingConfig"), f.get("SnapStart", {}).get("ApplyOn", "None")
        return {
            "architectures": f.get("Architectures"), "arn": f["FunctionArn"], "code_sha256": f["CodeSha256"],
            "capacity_provider_config": f.get("CapacityProviderConfig"), "code_signing_config_arn": signing or "",
            "dead_letter_config": f.get("DeadLetterConfig", {}).get("TargetArn"), "description": f.get("Description"),
            "durable_config": f.get("DurableConfig"), "environment": self.read_environment(f),
            "ephemeral_storage": f.get("EphemeralStorage", {}).get("Size"), "file_system_config": f.get("FileSystemConfigs"),
            "function_name": f["FunctionName"], "handler": f.get("Handler"), "image_uri": code.get("ImageUri"),
            "image_config": f.get("ImageConfigResponse", {}).get("ImageConfig"),
            "invoke_arn": f"arn:{p.partition}:apigateway:{p.region}:lambda:path/2015-03-31/functions/{f['FunctionArn']}/invocations",
            "kms_key_arn": f.get("KMSKeyArn"), "last_modified": f["LastModified"],
            "layers": [layer["Arn"] for layer in f.get("Layers", [])],
            "logging_config": logs and {key: logs.get(member, "") for key, member in self.logging_members.items()},
            "memory_size": f["MemorySize"], "package_type": f["PackageType"],
            "reserved_concurrent_executions": output.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1), "role": f["Role"],
            "runtime": f.get("Runtime"), "signing_job_arn": f.get("SigningJobArn"),
            "signing_profile_version_arn": f.get("SigningProfileVersionArn"), "snap_start": None if snap == "None" else snap,
            "source_code_size": f["CodeSize"], "source_kms_key_arn": code.get("SourceKMSKeyArn"), "tags": output.get("Tags"),
            "tenancy_config": f.get("TenancyConfig"), "timeout": f["Timeout"],
            "tracing_config": f.get("TracingConfig", {}).get("Mode", "PassThrough"),
            "vpc_config": vpc if vpc.get("SubnetIds") or vpc.get("SecurityGroupIds") or vpc.get("VpcId") else None,
            "qualified_arn": latest["FunctionArn"], "version": latest["Version"],
        }

    @staticmethod
    def read_environment(f):
        """A block that is there with no variables is a change where none is configured: told apart as such."""
        if "Environment" not in f:
            return None
        return f["Environment"].get("Variables") or {"": "an empty block"}

    def suppressed(self, key, now, wanted):
        if key != "logging_config" or not wanted:
            return False
        if wanted.get("log_format") != now["log_format"]:
            return False
        return all(now[member] == wanted[member] for member in wanted if wanted[member])

    def update(self):
        p, name = self.provider, self["function_name"]
        if self.changed("code_signing_config_arn"):
            if self["code_signing_config_arn"]:
                p("put_function_code_signing_config", CodeSigningConfigArn=self["code_signing_config_arn"], FunctionName=name)
            else:
                p("delete_function_code_signing_config", FunctionName=name)
        config_update = self.changed(*self.in_config)
        if config_update:
            self.update_configuration()
        code_update = self.changed("filename", "source_code_hash", "architectures")
        if code_update:
            architectures = self["architectures"] if self.changed("architectures") else None
            p("update_function_code", **sent(FunctionName=name, ZipFile=self.zip(), Architectures=architectures))
            self.wait_updated()
        if self.changed("reserved_concurrent_executions"):
            if self["reserved_concurrent_executions"] >= 0:
                p("put_function_concurrency", FunctionName=name, ReservedConcurrentExecutions=self["reserved_concurrent_executions"])
            else:
                p("delete_function_concurrency", FunctionName=name)
        if self["publish"] and (code_update or config_update or self.changed("publish")):
            output = p.retry(lambda: p("publish_version", FunctionName=name), ("ResourceConflictException", "in progress"))
            p.wait_for(lambda: self.published_status(output), ["InProgress"], ["Successful"])

    def published_status(self, output):
        """By the qualified ARN and, as well, the qualifier."""
        found = self.provider.find("get_function_configuration", FunctionName=output["FunctionArn"], Qualifier=output["Version"])
        return found, found.get("LastUpdateStatus") or "InProgress"

    def update_configuration(self):
        p, params = self.provider, {"FunctionName": self["function_name"]}
        if self.changed("dead_letter_config"):
            params["DeadLetterConfig"] = {"TargetArn": self["dead_letter_config"] or ""}
        if self.changed("environment"):
            params["Environment"] = self.environment() or {"Variables": {}}
        if self.changed("ephemeral_storage") and self["ephemeral_storage"]:
            params["EphemeralStorage"] = {"Size": self["ephemeral_storage"]}
        if self.changed("layers"):
            params["Layers"] = self["layers"] or []
        if self.changed("logging_config"):
            params["LoggingConfig"] = self.logging()
        if self.changed("snap_start"):
            params["SnapStart"] = {"ApplyOn": self["snap_start"] or "None"}
        if self.changed("tracing_config") and self["tracing_config"]:
            params["TracingConfig"] = {"Mode": self["tracing_config"]}
        plain = {"description": "Description", "handler": "Handler", "memory_size": "MemorySize", "role": "Role", "runtime": "Runtime",
                 "timeout": "Timeout"}
        params.update({member: self[key] or "" for key, member in plain.items() if self.changed(key)})
        p.retry(lambda: p("update_function_configuration", **params), *self.retried)
        self.wait_updated()

    def delete(self):
        p = self.provider
        try:
            p.retry(lambda: p("delete_function", FunctionName=self["function_name"]),
                    ("InvalidParameterValueException", "because it is a replicated function"))
        except ClientError as e:
            if is_error(e, "ResourceNotFoundException"):
                return
            raise
        p.wait_for(lambda: self.status("State"), ["Active", "ActiveNonInvocable", "Pending", "Inactive", "Failed", "Deleting"], [])
