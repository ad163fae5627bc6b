"""The random steps on layers and on what is set beside functions."""
import urllib.parse

from daemon import archive
from model_layers import layer_arn
from steps import FUNCTIONS, LAYERS, query, sha256, weight, zipped

LAYER_PATH = "/2018-10-31/layers"
SIGNING_PATH = "/2020-04-22/code-signing-configs"
MARKS = [f"mark{i}" for i in range(3)]
CONTENTS = [archive({mark: mark}) for mark in MARKS]
SIDS = ["one", "two", "three"]
SLOTS = ["a", "b"]
NO_ARN = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"


def quoted(arn):
    return urllib.parse.quote(arn, safe="")


class LayerSteps:
    def layer_number(self, name):
        """Of one that is there, more often than not."""
        there = list(self.model.layer(name).versions)
        return self.random.choice(there) if there and self.random.random() < 0.8 else self.random.randrange(1, 20)

    def layer_arn_by_chance(self):
        name = self.random.choice(LAYERS)
        return layer_arn(name, self.layer_number(name))

    def layer_version(self):
        name = self.random.choice(LAYERS)
        number = self.layer_number(name)
        return name, number, f"{LAYER_PATH}/{name}/versions/{number}"

    @weight(12)
    def publish_layer(self):
        name, i, description = self.random.choice(LAYERS), self.random.randrange(len(MARKS)), self.random.choice(["", "described"])
        body = {"Content": {"ZipFile": zipped(CONTENTS[i])}, "Description": description}
        return (self.model.publish_layer(name, sha256(CONTENTS[i]), MARKS[i], description),
                ("POST", f"{LAYER_PATH}/{name}/versions", body))

    @weight(12)
    def get_layer(self):
        name, number, path = self.layer_version()
        return self.model.get_layer(name, number), ("GET", path)

    @weight(13)
    def delete_layer(self):
        name, number, path = self.layer_version()
        return self.model.delete_layer(name, number), ("DELETE", path)

    @weight(8)
    def add_layer_permission(self):
        (name, number, path), sid = self.layer_version(), self.random.choice(SIDS)
        revision, right = self.revision(f"{path}/policy")
        body = {"StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": "*"}
        return self.model.add_layer_permission(name, number, sid, right), ("POST", f"{path}/policy{query(RevisionId=revision)}", body)

    @weight(5)
    def remove_layer_permission(self):
        (name, number, path), sid = self.layer_version(), self.random.choice(SIDS)
        revision, right = self.revision(f"{path}/policy")
        return (self.model.remove_layer_permission(name, number, sid, right),
                ("DELETE", f"{path}/policy/{sid}{query(RevisionId=revision)}"))

    @weight(5)
    def get_layer_policy(self):
        name, number, path = self.layer_version()
        return self.model.get_layer_policy(name, number), ("GET", f"{path}/policy")


class SettingSteps:
    def target(self):
        """A qualifier of which something may be set."""
        return self.random.choice(["", self.alias(), self.number()])

    def target_path(self, name, qualifier):
        """Where the RevisionId of a qualifier is read."""
        if qualifier and not qualifier.isdigit():
            return f"{FUNCTIONS}/{name}/aliases/{qualifier}"
        return f"{FUNCTIONS}/{name}/configuration{query(Qualifier=qualifier)}"

    # ---- permissions

    @weight(10)
    def add_permission(self):
        name, qualifier, sid = self.name(), self.target(), self.random.choice(SIDS)
        revision, right = self.revision(self.target_path(name, qualifier))
        body = {"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
                **({"RevisionId": revision} if revision else {})}
        return (self.model.add_permission(name, qualifier, sid, right),
                ("POST", f"{FUNCTIONS}/{name}/policy{query(Qualifier=qualifier)}", body))

    @weight(6)
    def remove_permission(self):
        name, qualifier, sid = self.name(), self.target(), self.random.choice(SIDS)
        revision, right = self.revision(self.target_path(name, qualifier))
        return (self.model.remove_permission(name, qualifier, sid, right),
                ("DELETE", f"{FUNCTIONS}/{name}/policy/{sid}{query(Qualifier=qualifier, RevisionId=revision)}"))

    @weight(6)
    def get_policy(self):
        name, qualifier = self.name(), self.target()
        return self.model.get_policy(name, qualifier), ("GET", f"{FUNCTIONS}/{name}/policy{query(Qualifier=qualifier)}")

    # ---- tags

    @staticmethod
    def tags_path(name):
        return "/2017-03-31/tags/" + quoted(f"arn:aws:lambda:us-east-1:000000000000:function:{name}")

    @weight(6)
    def tag(self):
        name, tags = self.name(), {self.random.choice("xyz"): self.random.choice("12") for _ in range(2)}
        return self.model.tag(name, tags), ("POST", self.tags_path(name), {"Tags": tags})

    @weight(4)
    def untag(self):
        name, key = self.name(), self.random.choice("xyz")
        return self.model.untag(name, [key]), ("DELETE", f"{self.tags_path(name)}?tagKeys={key}")

    @weight(6)
    def list_tags(self):
        name = self.name()
        return self.model.list_tags(name), ("GET", self.tags_path(name))

    # ---- function URLs

    def url_of(self):
        name, qualifier = self.name(), self.random.choice(["", self.alias()])
        return name, qualifier, f"/2021-10-31/functions/{name}/url{query(Qualifier=qualifier)}"

    @weight(6)
    def create_url(self):
        (name, qualifier, path), auth = self.url_of(), self.random.choice(["NONE", "AWS_IAM"])
        return self.model.create_url(name, qualifier, auth), ("POST", path, {"AuthType": auth})

    @weight(4)
    def update_url(self):
        (name, qualifier, path), auth = self.url_of(), self.random.choice(["NONE", "AWS_IAM"])
        return self.model.update_url(name, qualifier, auth), ("PUT", path, {"AuthType": auth})

    @weight(4)
    def get_url(self):
        name, qualifier, path = self.url_of()
        return self.model.get_url(name, qualifier), ("GET", path)

    @weight(4)
    def delete_url(self):
        name, qualifier, path = self.url_of()
        return self.model.delete_url(name, qualifier), ("DELETE", path)

    # ---- event invoke configurations

    def events_of(self):
        name, qualifier = self.name(), self.target()
        return name, qualifier, f"/2019-09-25/functions/{name}/event-invoke-config{query(Qualifier=qualifier)}"

    @weight(8)
    def put_events(self):
        (name, qualifier, path), keep = self.events_of(), self.random.random() < 0.5
        members = {"MaximumRetryAttempts": self.random.randrange(3), "MaximumEventAgeInSeconds": self.random.choice([60, 3600])}
        if self.random.random() < 0.5:
            del members[self.random.choice(list(members))]
        return self.model.put_events(name, qualifier, members, keep), ("POST" if keep else "PUT", path, members)

    @weight(4)
    def get_events(self):
        name, qualifier, path = self.events_of()
        return self.model.get_events(name, qualifier), ("GET", path)

    @weight(4)
    def delete_events(self):
        name, qualifier, path = self.events_of()
        return self.model.delete_events(name, qualifier), ("DELETE", path)

    # ---- code signing configurations

    def signing_arn(self, slot):
        return self.arns.get(slot, NO_ARN)

    @weight(4)
    def create_signing(self):
        slot = self.random.choice(SLOTS)
        if slot in self.model.signing:
            return self.get_signing()
        self.expects_arn = slot
        body = {"AllowedPublishers": {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij"]}}
        return self.model.create_signing(slot), ("POST", SIGNING_PATH, body)

    @weight(3)
    def delete_signing(self):
        slot = self.random.choice(SLOTS)
        return self.model.delete_signing(slot), ("DELETE", f"{SIGNING_PATH}/{quoted(self.signing_arn(slot))}")

    @staticmethod
    def signing_path(name):
        return f"/2020-06-30/functions/{name}/code-signing-config"

    @weight(4)
    def put_signing(self):
        name, slot = self.name(), self.random.choice(SLOTS)
        return self.model.put_signing(name, slot), ("PUT", self.signing_path(name), {"CodeSigningConfigArn": self.signing_arn(slot)})

    @weight(4)
    def get_signing(self):
        name = self.name()
        return self.model.get_signing(name), ("GET", self.signing_path(name))

    @weight(4)
    def drop_signing(self):
        name = self.name()
        return self.model.drop_signing(name), ("DELETE", self.signing_path(name))
