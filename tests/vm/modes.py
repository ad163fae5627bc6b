"""The ways in which Stoke is started in the test machine: what health must say in each, and which probes run."""

CONTROLLERS = ("CPU limits", "memory limits", "process limits")
LIMITS = (*CONTROLLERS, "freezing of idle sandboxes")
UNIQUE, BPF = "a user id of its own for each sandbox", "BPF as a second lock and meter"

ROOT = {"mode": "root", **{limit: True for limit in LIMITS}, "user namespaces": True, UNIQUE: True, BPF: True,
        "/tmp of functions": "loop-ext4"}
ROOTLESS = {**ROOT, "mode": "rootless", BPF: False, "/tmp of functions": "tmpfs"}
NO_DISK = "/tmp counts against a function's memory"
NO_BPF = "not locked by BPF as well: that needs root"  # part of the sentence

# A few of each kind: calls, views, the network, limits, the API, archives, the life of processes.
SHORT = {1, 5, 11, 14, 29, 33, 37, 38, 40, 43, 44, 45, 46, 49, 50, 53, 55, 56, 60, 63, 66, 69, 76}
NO_CONTROLLERS = [f"no usable {name} controller" for name in ("cpu", "memory", "pids")]
# Of what a control group would have bounded, or stopped.
NEED_CONTROLLERS = {49, 50, 51, 52, 77}
NEED_GROUPS = NEED_CONTROLLERS | {64, 65}


class Mode:
    def __init__(self, health, missing, version=2, probes=None, without=frozenset()):
        self.health, self.missing, self.version = health, missing, version
        self.probes, self.without = probes, without  # None: all

    def on_hybrid(self):
        """The same where version 1 has the controllers: root has them, a user the freezer of version 2 alone."""
        if self.health["mode"] == "root":
            return Mode(self.health, self.missing, 1, self.probes, self.without)
        if not self.version:
            return self
        return Mode({**self.health, **{limit: False for limit in CONTROLLERS}}, self.missing + NO_CONTROLLERS, 2, self.probes,
                    self.without | NEED_CONTROLLERS)


MODES = {
    "service": Mode(ROOT, []),
    "session": Mode(ROOT, []),
    "rootless": Mode(ROOTLESS, [NO_DISK, NO_BPF]),
    "service-user": Mode(ROOTLESS, [NO_DISK, NO_BPF], probes=SHORT),
    "undelegated": Mode({**ROOTLESS, **{limit: False for limit in LIMITS}},
                        ["is not delegated to it", *NO_CONTROLLERS, "no usable CPU accounting", "no usable freezer", NO_DISK,
                         "no usable cgroup v2 tree"],
                        version=0, probes=SHORT, without=NEED_GROUPS),
}
