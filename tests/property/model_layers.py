"""Layers in the model: (name, number) -> its content, what is said of it, who may use it. Numbers are never used twice; functions keep
a version that was deleted, as its content is known for ever."""
from answers import CONFLICT, GONE, NOT_FOUND, STALE


def layer_arn(name, number=None):
    return f"arn:aws:lambda:us-east-1:000000000000:layer:{name}" + (f":{number}" if number else "")


class Layer:
    def __init__(self):
        self.last, self.versions, self.contents = 0, {}, {}


class Layers:
    def layer(self, name):
        return self.layers.setdefault(name, Layer())

    @staticmethod
    def layer_facts(name, number, version):
        return {"Version": number, "LayerVersionArn": layer_arn(name, number), "Description": version["Description"]}

    def publish_layer(self, name, sha256, mark, description):
        layer = self.layer(name)
        layer.last += 1
        layer.versions[layer.last] = {"sha256": sha256, "Description": description, "sids": [], "changes": 0}
        layer.contents[layer.last] = mark
        return 201, None, {**self.layer_facts(name, layer.last, layer.versions[layer.last]), "Content.CodeSha256": sha256}

    def get_layer(self, name, number):
        version = self.layer(name).versions.get(number)
        if not version:
            return NOT_FOUND
        return 200, None, {**self.layer_facts(name, number, version), "Content.CodeSha256": version["sha256"]}

    def delete_layer(self, name, number):
        self.layer(name).versions.pop(number, None)
        return GONE

    def layers_exist(self, arns):
        """Whether a function may have them: all there, and no layer twice."""
        parts = [arn.rsplit(":", 2)[1:] for arn in arns]
        return all(int(number) in self.layer(name).versions for name, number in parts) and len({name for name, _ in parts}) == len(parts)

    def layers_merged(self, arns):
        """What a function with them finds under /opt, whether or not they are still there."""
        return sorted({self.layer(name).contents[int(number)] for name, number in (arn.rsplit(":", 2)[1:] for arn in arns)})

    # ---- who may use one

    def add_layer_permission(self, name, number, sid, right):
        version = self.layer(name).versions.get(number)
        if not version:
            return NOT_FOUND
        if right is False:
            return STALE
        if sid in version["sids"]:
            return CONFLICT
        version["sids"].append(sid)
        version["changes"] += 1
        return 201, None, {}

    def remove_layer_permission(self, name, number, sid, right):
        version = self.layer(name).versions.get(number)
        if not version or sid not in version["sids"]:
            return NOT_FOUND
        if right is False:
            return STALE
        version["sids"].remove(sid)
        version["changes"] += 1
        return GONE

    def get_layer_policy(self, name, number):
        version = self.layer(name).versions.get(number)
        if not version or not version["sids"]:
            return NOT_FOUND
        return 200, None, {"Policy": version["sids"]}
