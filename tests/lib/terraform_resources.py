"""The smaller resources of Terraform's AWS provider for Lambda, as terraform.py has the function: aliases, layers, permissions,
provisioned concurrency, and the settings of a function that are resources of their own."""
import json
import pathlib
import re

from botocore.exceptions import ClientError
from terraform import NotFound, ProviderError, Resource, is_error, sent

FUNCTION = re.compile(r"^(arn:[\w-]+:lambda:)?([a-z]{2}-(?:[a-z]+-){1,2}\d{1}:)?(\d{12}:)?(function:)?([0-9A-Za-z_-]+)"
                      r"(:(\$LATEST|[0-9A-Za-z_-]+))?$")
GONE = "ResourceNotFoundException"


def delete_or_gone(call, *more_codes):
    try:
        call()
    except ClientError as e:
        if not any(is_error(e, code) for code in (GONE, *more_codes)):
            raise


class Alias(Resource):
    computed, force_new = ("arn",), ("function_name", "name")

    def params(self):
        return {"Description": self["description"] or "", "FunctionName": self["function_name"],
                "FunctionVersion": self["function_version"], "Name": self["name"],
                "RoutingConfig": {"AdditionalVersionWeights": self["routing_config"]} if self["routing_config"] else {}}

    def create(self):
        self.provider("create_alias", **self.params())

    def read(self):
        output = self.provider.find("get_alias", FunctionName=self["function_name"], Name=self["name"])
        routing = None
        if "RoutingConfig" in output:  # a block that is there is a change where none is configured, weights or not
            routing = output["RoutingConfig"].get("AdditionalVersionWeights") or {"": "an empty block"}
        return {"arn": output["AliasArn"], "description": output.get("Description"), "function_version": output["FunctionVersion"],
                "name": output["Name"], "routing_config": routing}

    def update(self):
        self.provider("update_alias", **self.params())
        if not self["routing_config"]:
            self.provider.wait_for(self.weights, ["pending"], ["stable"])

    def weights(self):
        try:
            state = self.read()
        except NotFound:
            return True, "stable"
        return state, "pending" if state["routing_config"] else "stable"

    def delete(self):
        delete_or_gone(lambda: self.provider("delete_alias", FunctionName=self["function_name"], Name=self["name"]))


class LayerVersion(Resource):
    computed = ("arn", "code_sha256", "created_date", "layer_arn", "signing_job_arn", "signing_profile_version_arn", "source_code_size",
                "version")

    def create(self):
        output = self.provider("publish_layer_version", **sent(
            Content={"ZipFile": pathlib.Path(self["filename"]).read_bytes()}, Description=self["description"] or "",
            LayerName=self["layer_name"], LicenseInfo=self["license_info"] or "",
            CompatibleArchitectures=self["compatible_architectures"], CompatibleRuntimes=self["compatible_runtimes"]))
        self.id = output["LayerVersionArn"]

    def parts(self):
        kind, name, number = self.id.split(":", 5)[5].split(":")
        assert kind == "layer"
        return {"LayerName": name, "VersionNumber": int(number)}

    def read(self):
        output, parts = self.provider.find("get_layer_version", **self.parts()), self.parts()
        content = output["Content"]
        return {"arn": output["LayerVersionArn"], "code_sha256": content["CodeSha256"], "created_date": output["CreatedDate"],
                "compatible_architectures": set(output.get("CompatibleArchitectures", [])),
                "compatible_runtimes": set(output.get("CompatibleRuntimes", [])), "description": output.get("Description"),
                "layer_arn": output["LayerArn"], "layer_name": parts["LayerName"], "license_info": output.get("LicenseInfo"),
                "signing_job_arn": content.get("SigningJobArn"), "signing_profile_version_arn": content.get("SigningProfileVersionArn"),
                "source_code_size": content["CodeSize"], "version": str(parts["VersionNumber"])}

    def suppressed(self, key, now, wanted):
        return isinstance(now, set) and now == set(wanted or ())

    def delete(self):
        """No error is taken for gone here: deleting what is not there must succeed."""
        self.provider("delete_layer_version", **self.parts())


def single(value):
    """A policy's value, which may be a list of them."""
    return value[0] if isinstance(value, list) else value


class LayerVersionPermission(Resource):
    computed = ("policy", "revision_id")

    def key(self):
        return {"LayerName": self["layer_name"], "VersionNumber": self["version_number"]}

    def create(self):
        self.provider("add_layer_version_permission", **sent(
            Action=self["action"], Principal=self["principal"], StatementId=self["statement_id"], OrganizationId=self["organization_id"],
            **self.key()))

    def read(self):
        output = self.provider.find("get_layer_version_policy", **self.key())
        statement = json.loads(output["Policy"])["Statement"][0]
        conditions = [single(value) for test in statement.get("Condition", {}).values() for value in test.values()]
        principal = statement["Principal"]
        if principal != "*":
            principal = next(iter(principal.values()))
            principal = "*" if principal == ["*"] else principal.split(":")[4]
        return {"action": single(statement["Action"]), "layer_name": self["layer_name"], "version_number": self["version_number"],
                "organization_id": conditions[0] if conditions else None, "principal": principal, "statement_id": statement["Sid"],
                "policy": output["Policy"], "revision_id": output["RevisionId"]}

    def delete(self):
        delete_or_gone(lambda: self.provider("remove_layer_version_permission", StatementId=self["statement_id"], **self.key()))


class Permission(Resource):
    members = {"event_source_token": "EventSourceToken", "function_url_auth_type": "FunctionUrlAuthType",
               "invoked_via_function_url": "InvokedViaFunctionUrl", "principal_org_id": "PrincipalOrgID", "qualifier": "Qualifier",
               "source_account": "SourceAccount", "source_arn": "SourceArn"}

    def create(self):
        p, optional = self.provider, {member: self[key] for key, member in self.members.items() if self[key]}
        p.retry(lambda: p("add_permission", Action=self["action"], FunctionName=self["function_name"], Principal=self["principal"],
                          StatementId=self["statement_id"], **optional), ("ResourceConflictException", ""), (GONE, ""))

    def statement(self):
        output = self.provider.find("get_policy", **sent(FunctionName=self["function_name"], Qualifier=self["qualifier"]))
        for statement in json.loads(output["Policy"])["Statement"]:
            if statement["Sid"] == self["statement_id"]:
                return self.checked(statement)
        raise NotFound(self["statement_id"])

    @staticmethod
    def checked(statement):
        """As Go decodes it: texts, and conditions that are maps of maps of texts."""
        assert isinstance(statement["Action"], str) and isinstance(statement["Resource"], str) and isinstance(statement["Sid"], str)
        assert all(isinstance(value, str) for test in statement.get("Condition", {}).values() for value in test.values())
        return statement

    def read(self):
        statement = self.statement()
        match = FUNCTION.match(statement["Resource"])
        if not match:
            raise ProviderError(f"invalid ARN {statement['Resource']!r}")
        qualifier, name = match[7] or "", match[5]
        if self["function_name"].startswith(f"arn:{self.provider.partition}:lambda:"):
            name = statement["Resource"].removesuffix(":" + qualifier)
        principal, condition = statement["Principal"], statement.get("Condition", {})
        if isinstance(principal, dict):
            principal = principal.get("AWS", principal.get("Service"))
        equals = condition.get("StringEquals", {})
        return {"action": statement["Action"], "function_name": name, "principal": principal, "qualifier": qualifier,
                "statement_id": statement["Sid"], "event_source_token": equals.get("lambda:EventSourceToken"),
                "function_url_auth_type": equals.get("lambda:FunctionUrlAuthType"),
                "principal_org_id": equals.get("aws:PrincipalOrgID"), "source_account": equals.get("AWS:SourceAccount"),
                "invoked_via_function_url": condition.get("Bool", {}).get("lambda:InvokedViaFunctionUrl", "").lower() == "true",
                "source_arn": condition.get("ArnLike", {}).get("AWS:SourceArn")}

    def delete(self):
        p = self.provider
        delete_or_gone(lambda: p("remove_permission", **sent(FunctionName=self["function_name"], StatementId=self["statement_id"],
                                                             Qualifier=self["qualifier"])))
        p.wait_for(lambda: (self.statement(), "there"), ["there"], [])


class ProvisionedConcurrencyConfig(Resource):
    not_found = "ProvisionedConcurrencyConfigNotFoundException"

    def key(self):
        return {"FunctionName": self["function_name"], "Qualifier": self["qualifier"]}

    def create(self):
        p = self.provider
        p("put_provisioned_concurrency_config", ProvisionedConcurrentExecutions=self["provisioned_concurrent_executions"], **self.key())
        p.wait_for(self.status, ["IN_PROGRESS"], ["READY"])

    update = create

    def status(self):
        found = self.provider.find("get_provisioned_concurrency_config", self.not_found, **self.key())
        return found, found["Status"]

    def read(self):
        output = self.provider.find("get_provisioned_concurrency_config", self.not_found, **self.key())
        return {"function_name": self["function_name"], "qualifier": self["qualifier"],
                "provisioned_concurrent_executions": output["AllocatedProvisionedConcurrentExecutions"]}

    def delete(self):
        delete_or_gone(lambda: self.provider("delete_provisioned_concurrency_config", **self.key()), self.not_found)


class FunctionUrl(Resource):
    defaults, computed = {"invoke_mode": "BUFFERED"}, ("function_arn", "function_url", "url_id")

    def key(self):
        return sent(FunctionName=self["function_name"], Qualifier=self["qualifier"])

    def cors(self):
        members = {"allow_headers": "AllowHeaders", "allow_methods": "AllowMethods", "allow_origins": "AllowOrigins",
                   "expose_headers": "ExposeHeaders", "max_age": "MaxAge"}
        wanted = {member: self["cors"][key] for key, member in members.items() if self["cors"].get(key)}
        return {"AllowCredentials": self["cors"].get("allow_credentials", False), **wanted}

    def create(self):
        p = self.provider
        p("create_function_url_config", **sent(AuthType=self["authorization_type"], InvokeMode=self["invoke_mode"],
                                               Cors=self["cors"] and self.cors(), **self.key()))
        if self["authorization_type"] != "NONE":
            return
        try:
            p("add_permission", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE", Principal="*",
              StatementId="FunctionURLAllowPublicAccess", **self.key())
        except ClientError as e:
            if not is_error(e, "ResourceConflictException",
                            "The statement id (FunctionURLAllowPublicAccess) provided already exists"):
                raise

    def read(self):
        output = self.provider.find("get_function_url_config", **self.key())
        host = output["FunctionUrl"].split("/")[2]
        return {"authorization_type": output["AuthType"], "cors": self.read_cors(output), "function_arn": output["FunctionArn"],
                "function_name": self["function_name"], "function_url": output["FunctionUrl"], "invoke_mode": output.get("InvokeMode"),
                "qualifier": self["qualifier"], "url_id": host.split(".")[0]}

    @staticmethod
    def read_cors(output):
        """No block, or one with what is set; zero values are as good as none there."""
        if "Cors" not in output:
            return None
        names = {"AllowCredentials": "allow_credentials", "AllowHeaders": "allow_headers", "AllowMethods": "allow_methods",
                 "AllowOrigins": "allow_origins", "ExposeHeaders": "expose_headers", "MaxAge": "max_age"}
        block = {names[member]: sorted(value) if isinstance(value, list) else value for member, value in output["Cors"].items() if value}
        return block or {"": "an empty block"}

    def suppressed(self, key, now, wanted):
        return key == "cors" and bool(now and wanted) and \
            now == {k: sorted(v) if isinstance(v, list) else v for k, v in wanted.items() if v}

    def update(self):
        params = {}
        if self.changed("authorization_type"):
            params["AuthType"] = self["authorization_type"]
        if self.changed("cors"):
            params["Cors"] = self.cors() if self["cors"] else {}
        if self.changed("invoke_mode"):
            params["InvokeMode"] = self["invoke_mode"]
        self.provider("update_function_url_config", **self.key(), **params)

    def delete(self):
        delete_or_gone(lambda: self.provider("delete_function_url_config", **self.key()))


class FunctionEventInvokeConfig(Resource):
    defaults = {"maximum_retry_attempts": 2}
    sides = {"on_failure": "OnFailure", "on_success": "OnSuccess"}

    def key(self):
        return sent(FunctionName=self["function_name"], Qualifier=self["qualifier"])

    def create(self):
        p = self.provider
        wanted = {self.sides[side]: {"Destination": arn} for side, arn in (self["destination_config"] or {}).items()}
        p.retry(lambda: p("put_function_event_invoke_config", **sent(
            DestinationConfig=wanted or None, MaximumRetryAttempts=self["maximum_retry_attempts"],
            MaximumEventAgeInSeconds=self["maximum_event_age_in_seconds"], **self.key())),
            ("InvalidParameterValueException", "destination ARN"), ("InvalidParameterValueException", "does not have permissions"))

    update = create

    def read(self):
        output = self.provider.find("get_function_event_invoke_config", **self.key())
        config = output.get("DestinationConfig", {})
        destinations = {side: config[member]["Destination"] for side, member in self.sides.items()
                        if config.get(member, {}).get("Destination")}
        return {"destination_config": destinations, "function_name": self["function_name"], "qualifier": self["qualifier"],
                "maximum_event_age_in_seconds": output.get("MaximumEventAgeInSeconds"),
                "maximum_retry_attempts": output.get("MaximumRetryAttempts")}

    def delete(self):
        delete_or_gone(lambda: self.provider("delete_function_event_invoke_config", **self.key()))


class CodeSigningConfig(Resource):
    has_tags, computed = True, ("arn", "config_id", "last_modified", "policies")

    def members(self, changed):
        return sent(AllowedPublishers={"SigningProfileVersionArns": self["allowed_publishers"]} if changed("allowed_publishers") else None,
                    Description=(self["description"] or "") if changed("description") else None,
                    CodeSigningPolicies=self["policies"] and changed("policies") and
                    {"UntrustedArtifactOnDeployment": self["policies"]} or None)

    def create(self):
        output = self.provider("create_code_signing_config", **self.members(lambda _: True), **sent(Tags=self["tags"]))
        self.id = output["CodeSigningConfig"]["CodeSigningConfigArn"]

    def read(self):
        output = self.provider.find("get_code_signing_config", CodeSigningConfigArn=self.id)["CodeSigningConfig"]
        tags = self.provider("list_tags", Resource=output["CodeSigningConfigArn"]).get("Tags")
        return {"allowed_publishers": output["AllowedPublishers"]["SigningProfileVersionArns"], "arn": output["CodeSigningConfigArn"],
                "config_id": output["CodeSigningConfigId"], "description": output.get("Description"),
                "last_modified": output["LastModified"], "policies": output["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"],
                "tags": tags}

    def update(self):
        self.provider("update_code_signing_config", CodeSigningConfigArn=self.id, **self.members(self.changed))

    def delete(self):
        delete_or_gone(lambda: self.provider("delete_code_signing_config", CodeSigningConfigArn=self.id))


class RuntimeManagementConfig(Resource):
    """Nothing of it is computed but the ARN: a runtime version that is not configured must not come back."""
    computed = ("function_arn",)

    def key(self):
        return sent(FunctionName=self["function_name"], Qualifier=self["qualifier"])

    def create(self):
        self.provider("put_runtime_management_config", **sent(
            RuntimeVersionArn=self["runtime_version_arn"], UpdateRuntimeOn=self["update_runtime_on"], **self.key()))

    update = create

    def read(self):
        output = self.provider.find("get_runtime_management_config", **self.key())
        return {"function_arn": output["FunctionArn"], "runtime_version_arn": output.get("RuntimeVersionArn"),
                "update_runtime_on": output.get("UpdateRuntimeOn")}

    def delete(self):
        delete_or_gone(lambda: self.provider("put_runtime_management_config", UpdateRuntimeOn="Auto", **self.key()))


class FunctionRecursionConfig(Resource):
    def create(self):
        self.provider("put_function_recursion_config", FunctionName=self["function_name"], RecursiveLoop=self["recursive_loop"])

    update = create

    def read(self):
        output = self.provider.find("get_function_recursion_config", FunctionName=self["function_name"])
        return {"recursive_loop": output["RecursiveLoop"]}

    def delete(self):
        delete_or_gone(lambda: self.provider("put_function_recursion_config", FunctionName=self["function_name"],
                                             RecursiveLoop="Terminate"))


class EventSourceMapping(Resource):
    has_tags, defaults = True, {"enabled": True}
    computed = ("arn", "batch_size", "destination_config", "function_arn", "last_modified", "maximum_batching_window_in_seconds",
                "maximum_record_age_in_seconds", "maximum_retry_attempts", "parallelization_factor", "state",
                "state_transition_reason", "uuid")
    members = {"batch_size": "BatchSize", "bisect_batch_on_function_error": "BisectBatchOnFunctionError", "enabled": "Enabled",
               "function_name": "FunctionName", "function_response_types": "FunctionResponseTypes",
               "maximum_batching_window_in_seconds": "MaximumBatchingWindowInSeconds", "maximum_retry_attempts": "MaximumRetryAttempts",
               "parallelization_factor": "ParallelizationFactor"}
    retried = tuple(("InvalidParameterValueException", text) for text in (
        "cannot be assumed by Lambda", "execution role does not have permissions", "ensure the role can perform"))

    def blocks(self):
        filters, most = self["filter_criteria"], self["scaling_config"]
        return sent(FilterCriteria=filters and {"Filters": [{"Pattern": pattern} for pattern in filters]},
                    ScalingConfig=most and {"MaximumConcurrency": most})

    def create(self):
        p, plain = self.provider, {member: self[key] for key, member in self.members.items() if self[key] is not None}
        output = p.retry(lambda: p("create_event_source_mapping", EventSourceArn=self["event_source_arn"], **plain, **self.blocks(),
                                   **sent(StartingPosition=self["starting_position"], Tags=self["tags"])), *self.retried)
        self.id = output["UUID"]
        p.wait_for(self.status, ["Creating", "Disabling", "Enabling"], ["Disabled", "Enabled"])

    def status(self):
        found = self.provider.find("get_event_source_mapping", UUID=self.id)
        return found, found["State"]

    def read(self):
        output, state = self.status()
        filters, most = output.get("FilterCriteria"), output.get("ScalingConfig")
        tags = self.provider("list_tags", Resource=output["EventSourceMappingArn"]).get("Tags")
        read = {key: output.get(member) for key, member in self.members.items()}
        return {**read, "arn": output["EventSourceMappingArn"], "event_source_arn": output["EventSourceArn"], "tags": tags,
                "enabled": {"Enabled": True, "Enabling": True, "Disabled": False, "Disabling": False}.get(state),
                "function_name": output["FunctionArn"], "function_arn": output["FunctionArn"],
                "filter_criteria": None if filters is None else [f["Pattern"] for f in filters.get("Filters", [])] or "an empty block",
                "scaling_config": None if most is None else most.get("MaximumConcurrency", "an empty block"),
                "starting_position": output.get("StartingPosition"), "state": state, "uuid": output["UUID"]}

    def suppressed(self, key, now, wanted):
        """A name and the ARN of the same function are the same."""
        return key == "function_name" and FUNCTION.match(now)[5] == wanted

    def update(self):
        p, params = self.provider, {member: self[key] for key, member in self.members.items() if self.changed(key)}
        if self.changed("filter_criteria"):
            params["FilterCriteria"] = self.blocks().get("FilterCriteria", {})
        if self.changed("scaling_config"):
            params["ScalingConfig"] = self.blocks().get("ScalingConfig", {})
        p.retry(lambda: p("update_event_source_mapping", UUID=self.id, **params), *self.retried)
        p.wait_for(self.status, ["Disabling", "Enabling", "Updating"], ["Disabled", "Enabled"])

    def delete(self):
        p = self.provider
        delete_or_gone(lambda: p.retry(lambda: p("delete_event_source_mapping", UUID=self.id), ("ResourceInUseException", "")))
        p.wait_for(self.status, ["Deleting"], [])
