"""What is set beside functions, in the model: permissions, tags, function URLs, event invoke and code signing configurations. A
qualifier is "", an alias or a version; all that is set about one goes with it."""
from answers import CONFLICT, GONE, NO_SIGNING, NOT_FOUND, STALE


class Settings:
    def target(self, name, qualifier):
        function = self.functions.get(name)
        return function if function and function.has_target(qualifier) else None

    def setting(self, name, kind, qualifier):
        function = self.functions.get(name)
        return function.about.get((kind, qualifier)) if function else None

    # ---- permissions: a change of them is a change of what they are about

    @staticmethod
    def touch(function, qualifier):
        if qualifier == "":
            function.changes += 1
        elif qualifier in function.aliases:
            function.aliases[qualifier]["changes"] += 1

    def add_permission(self, name, qualifier, sid, right):
        function = self.target(name, qualifier)
        if not function:
            return NOT_FOUND
        if right is False:
            return STALE
        sids = function.about.get(("policy", qualifier), [])
        if sid in sids:
            return CONFLICT
        function.about["policy", qualifier] = [*sids, sid]
        self.touch(function, qualifier)
        return 201, None, {}

    def remove_permission(self, name, qualifier, sid, right):
        function = self.target(name, qualifier)
        sids = function.about.get(("policy", qualifier), []) if function else []
        if sid not in sids:
            return NOT_FOUND
        if right is False:
            return STALE
        sids.remove(sid)
        if not sids:
            del function.about["policy", qualifier]
        self.touch(function, qualifier)
        return GONE

    def get_policy(self, name, qualifier):
        sids = self.setting(name, "policy", qualifier)
        return (200, None, {"Policy": sids}) if sids else NOT_FOUND

    # ---- tags

    def tag(self, name, tags):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.tags.update(tags)
        function.changes += 1
        return GONE

    def untag(self, name, keys):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.tags = {key: value for key, value in function.tags.items() if key not in keys}
        function.changes += 1
        return GONE

    def list_tags(self, name):
        function = self.functions.get(name)
        return (200, None, {"Tags": function.tags}) if function else NOT_FOUND

    # ---- function URLs; the URL itself is the service's choice, and stays

    def create_url(self, name, qualifier, auth):
        function = self.target(name, qualifier)
        if not function:
            return NOT_FOUND
        if ("url", qualifier) in function.about:
            return CONFLICT
        function.about["url", qualifier] = {"AuthType": auth}
        return 201, None, {"AuthType": auth}

    def update_url(self, name, qualifier, auth):
        url = self.setting(name, "url", qualifier)
        if not url:
            return NOT_FOUND
        url["AuthType"] = auth
        return 200, None, dict(url)

    def get_url(self, name, qualifier):
        url = self.setting(name, "url", qualifier)
        return (200, None, dict(url)) if url else NOT_FOUND

    def delete_url(self, name, qualifier):
        if not self.setting(name, "url", qualifier):
            return NOT_FOUND
        del self.functions[name].about["url", qualifier]
        return GONE

    # ---- event invoke configurations

    def put_events(self, name, qualifier, members, keep):
        """keep: what is there stays where nothing new is said."""
        function = self.target(name, qualifier)
        before = function.about.get(("events", qualifier)) if function else None
        if not function or (keep and before is None):
            return NOT_FOUND
        nothing = {"MaximumRetryAttempts": None, "MaximumEventAgeInSeconds": None}
        after = function.about["events", qualifier] = {**(before if keep else nothing), **members}
        return 200, None, dict(after)

    def get_events(self, name, qualifier):
        events = self.setting(name, "events", qualifier)
        return (200, None, dict(events)) if events else NOT_FOUND

    def delete_events(self, name, qualifier):
        if not self.setting(name, "events", qualifier):
            return NOT_FOUND
        del self.functions[name].about["events", qualifier]
        return GONE

    # ---- code signing: configurations by a name of the test's own, as their ARNs are the service's choice

    def create_signing(self, slot):
        self.signing.add(slot)
        return 201, None, {}

    def delete_signing(self, slot):
        if slot not in self.signing:
            return NOT_FOUND
        if any(function.signing == slot for function in self.functions.values()):
            return CONFLICT
        self.signing.remove(slot)
        return GONE

    def put_signing(self, name, slot):
        if slot not in self.signing:
            return NO_SIGNING
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.signing = slot
        return 200, None, {"CodeSigningConfigArn": slot}

    def get_signing(self, name):
        function = self.functions.get(name)
        return (200, None, {"CodeSigningConfigArn": function.signing}) if function else NOT_FOUND

    def drop_signing(self, name):
        function = self.functions.get(name)
        if not function:
            return NOT_FOUND
        function.signing = None
        return GONE
