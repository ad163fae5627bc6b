"""The ways in which Stoke is started in the test machine: what health must say in each, and which probes run."""

LIMITS = ("CPU limits", "memory limits", "process limits", "freezing of idle sandboxes")
UNIQUE, BPF = "a user id of its own for each sandbox", "BPF as a second lock and meter"

ROOT = {"mode": "root", **{limit: True for limit in LIMITS}, "user namespaces": True, UNIQUE: True, BPF: True,
        "/tmp of functions": "loop-ext4"}
ROOTLESS = {**ROOT, "mode": "rootless", BPF: False, "/tmp of functions": "tmpfs"}
NO_DISK = "/tmp counts against a function's memory"
NO_BPF = "not locked by BPF as well: that needs root"  # part of the sentence

# A few of each kind: calls, views, the network, limits, the API, archives, the life of processes.
SHORT = {1, 5, 11, 14, 29, 33, 37, 38, 40, 43, 44, 45, 46, 49, 50, 53, 55, 56, 60, 63, 66, 69, 76}
# Of what a control group would have stopped or bounded.
NEED_GROUPS = {49, 50, 51, 52, 64, 65, 77}


class Mode:
    def __init__(self, health, missing, version=2, probes=None, without=frozenset()):
        self.health, self.missing, self.version = health, missing, version
        self.probes, self.without = probes, without  # None: all


MODES = {
    "service": Mode(ROOT, []),
    "session": Mode(ROOT, []),
    "rootless": Mode(ROOTLESS, [NO_DISK, NO_BPF]),
    "service-user": Mode(ROOTLESS, [NO_DISK, NO_BPF], probes=SHORT),
    "undelegated": Mode({**ROOTLESS, **{limit: False for limit in LIMITS}},
                        ["is not delegated to it", "no usable cpu controller", "no usable CPU accounting", "no usable memory controller",
                         "no usable pids controller", "no usable freezer", NO_DISK, "no usable cgroup v2 tree"],
                        version=0, probes=SHORT, without=NEED_GROUPS),
}
