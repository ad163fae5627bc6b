"""What a hostile function must run into, by number: which probe of the hostile function (probes/)
or which check of this folder answers for a number, and what must come out. Errors are names; a tuple lists what is all right, and a
range holds it."""

EPERM, ENOENT, EROFS = "EPERM", "ENOENT", "EROFS"

# number: (what, {call of the probe "calls": outcome}). The calls are those of tests/unit/sandbox_parts/policy_calls.c.
CALLS = {
    1: ("ptrace SEIZE", {"ptrace_seize": EPERM}),
    2: ("ptrace TRACEME", {"ptrace_traceme": EPERM}),
    3: ("process_vm_readv", {"process_vm_readv": EPERM}),
    4: ("kcmp", {"kcmp": EPERM}),
    5: ("mount tmpfs", {"mount": EPERM}),
    6: ("bind mount", {"mount": EPERM, "mount_setattr": EPERM, "move_mount": EPERM}),
    7: ("umount /proc", {"umount": EPERM}),
    8: ("fsopen, open_tree", {"fsopen": EPERM, "open_tree": EPERM}),
    9: ("pivot_root, chroot", {"pivot_root": EPERM, "chroot": EPERM}),
    10: ("unshare", {"unshare_nothing": EPERM}),
    11: ("clone NEWUSER, clone3", {"clone_newuser": EPERM, "clone_newns_upper": EPERM, "clone_parent": EPERM,
                                   "clone_parent_newnet": EPERM, "clone3": "ENOSYS"}),
    12: ("setns", {"setns": EPERM}),
    13: ("keyctl, add_key", {"keyctl": EPERM, "add_key": EPERM}),
    14: ("bpf", {"bpf": EPERM}),
    15: ("perf_event_open", {"perf": EPERM}),
    16: ("io_uring_setup", {"io_uring": EPERM}),
    17: ("userfaultfd", {"userfaultfd": EPERM}),
    18: ("kexec_load", {"kexec": EPERM}),
    19: ("init_module", {"init_module": EPERM}),
    20: ("reboot", {"reboot": EPERM}),
    21: ("syslog", {"syslog": EPERM}),
    22: ("swapon, iopl, acct, quotactl", {"swapon": EPERM, "iopl": EPERM, "acct": EPERM, "quotactl": EPERM}),
    23: ("open_by_handle_at", {"open_by_handle_at": EPERM}),
    24: ("move_pages, mbind", {"move_pages": EPERM, "mbind": EPERM}),
    25: ("memfd_secret, pidfd_getfd", {"memfd_secret": EPERM, "pidfd_getfd": EPERM}),
    26: ("modify_ldt, personality", {"modify_ldt": EPERM, "personality_norandom": EPERM}),
    27: ("nested seccomp, vmsplice, shmget, mq_open", {"seccomp": EPERM, "prctl_seccomp": EPERM, "vmsplice": EPERM,
                                                       "shmget": EPERM, "mq_open": EPERM}),
    28: ("clock_settime, adjtimex", {"clock_settime": EPERM, "adjtimex": EPERM}),
    29: ("setuid(0)", {"setuid": EPERM, "setresuid": EPERM, "setgroups": EPERM, "capset": EPERM}),
    30: ("raising NOFILE", {"raise_nofile": EPERM}),
    31: ("real-time scheduling", {"sched_fifo": EPERM, "sched_fifo_upper": EPERM, "sched_setattr": EPERM, "sched_other": "0"}),
    32: ("mknod", {"mknod_device": EPERM, "mknod_device_upper": EPERM, "mknodat_device": EPERM}),
    33: ("raw, packet, netlink, ALG, VSOCK, KEY, XDP sockets",
         {name: EPERM for name in ("socket_raw", "socket_icmp", "socket_packet", "socket_netlink", "socket_netlink_upper",
                                   "socket_alg", "socket_vsock", "socket_key", "socket_xdp")}),
    34: ("TIOCSTI, TIOCLINUX", {"tiocsti": EPERM, "tiocsti_upper": EPERM, "tioclinux": EPERM}),
    35: ("PR_SET_MM", {"set_mm": EPERM}),
    36: ("clearing no_new_privs", {"clear_nnp": "EINVAL"}),
}

GONE = (ENOENT, "ENOTDIR")
HIDDEN = (ENOENT, "EACCES", EPERM)          # /proc/1 with hidepid: not there, or not for us
UNREACHABLE = (ENOENT, EROFS, "EACCES", EPERM, "masked")

# number: (what, probe, {value: outcome}). Values that are not listed here do not matter.
VIEW = {
    37: ("/dev/mem, kmsg, tty, shm", "devices",
         {p: GONE for p in ("/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/shm", "/dev/pts", "/dev/loop0", "/dev/vda", "/dev/sda")}
         | {"/dev/null": "0", "/dev/urandom": "0"}),
    38: ("creating in /dev", "devices", {"create": EROFS}),
    39: ("sysrq-trigger, core_pattern", "kernel_files",
         {p: UNREACHABLE for p in ("/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys",
                                   "/proc/timer_list", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                                   "/proc/sys/vm/panic_on_oom")}),
    40: ("/sys and cgroupfs", "host_trees", {"/sys": ENOENT, "/sys/fs/cgroup": ENOENT}),
    41: ("release_agent through a cgroup mount", "host_trees", {"release_agent": EPERM, "cgroup2": EPERM}),
    42: ("oom_score_adj -1000", "host_trees", {"oom_score_adj": "EACCES"}),
    43: ("writing /var/task, /usr, /opt, /var; remount", "read_only",
         {p: EROFS for p in ("/var/task/probe-write", "/usr/probe-write", "/opt/probe-write", "/etc/probe-write", "/var/probe-write",
                          "/probe-write")}
         | {"remount": EPERM, "/tmp/probe-write": "0"}),
    44: ("/etc/shadow, /root, /proc/1/root", "host_trees",
         {"/etc/shadow": ENOENT, "/root": ENOENT, "/home": ENOENT, "/boot": ENOENT, "/proc/1/root": HIDDEN,
          "/proc/1/environ": HIDDEN, "/proc/1/maps": HIDDEN}),
    48: ("descriptor bomb", "descriptor_bomb", {"end": "EMFILE", "count": range(1000, 1025)}),
    53: ("kill(1, 9)", "kill_init", {"alive": 1}),
    75: ("no core dump", "core_dump", {"aborted": 1, "dumped": 0, "files": 0}),
    76: ("a setuid file gains nothing", "setuid_file",
         {"NoNewPrivs": "1", "Seccomp": "2", "nosuid_usr": 1, "nosuid_tmp": 1, "nosuid_task": 1, "nosuid_root": 1, "uid_is_root": 0,
          "own_program": "the same id", "usr_program": ("the same id", "there is none")}
         | {name: "0000000000000000" for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")}),
}

# The others have code of their own in checks_*.py.
NAMES = {
    45: "a host loopback port", 46: "link-local, RFC 1918 and the Internet", 47: "a host abstract socket", 49: "fork bomb",
    50: "memory bomb", 51: "filling /tmp", 52: "filling inodes", 54: "another worker's Runtime API",
    55: "another function's code, environment, /tmp", 56: "foreign, old and duplicate request ids", 57: "a 1 MiB header, a larger one",
    58: "a slow client on the public API", 59: "archive entries with ../ or absolute paths", 60: "symlinks leaving the tree",
    61: "devices, setuid bits, FIFOs in an archive", 62: "an archive bomb", 63: "duplicate and overlapping archive entries",
    64: "a background process after the response", 65: "a double-forked daemon", 66: "SIGSTOP to itself", 67: "ignoring SIGTERM",
    68: "a flood on stdout", 69: "forged START and REPORT lines", 70: "CR, LF, NUL in headers", 71: "an endless chunked response",
    72: "ten thousand connections to its own API", 73: "what it leaves in /tmp", 77: "a CPU spinner's neighbours",
}

# 74 needs the Telemetry API, 78 is documentation.
ALL = sorted({*CALLS, *VIEW, *NAMES})


def matches(want, got):
    return got in want if isinstance(want, (tuple, range)) else got == want
