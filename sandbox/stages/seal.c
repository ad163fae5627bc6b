/* What a process gives up before it may touch anything of a function. */
#include "sandbox/stages/seal.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/spawn_proto.h"

#define SEALED_BITS                                                                                                                        \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |             \
     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int failed(const char *stage, const char **ret_stage)
{
    *ret_stage = stage;
    return -errno;
}

/* Raw system calls: the C library's wrappers would signal the threads of a process that has none. */
int seal_ids(unsigned id, bool keep_groups, const char **ret_stage)
{
    if (!keep_groups && syscall(SYS_setgroups, 0, NULL) < 0)
        return failed("setgroups", ret_stage);
    if (syscall(SYS_setresgid, id, id, id) < 0)
        return failed("setresgid", ret_stage);
    if (syscall(SYS_setresuid, id, id, id) < 0)
        return failed("setresuid", ret_stage);
    return 0;
}

int seal_capabilities(const char **ret_stage)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    for (int cap = 0; cap < 64; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                break; /* past the kernel's last */
            return failed("bounding set", ret_stage);
        }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return failed("ambient set", ret_stage);
    if (prctl(PR_SET_SECUREBITS, SEALED_BITS, 0, 0, 0) < 0)
        return failed("secure bits", ret_stage);
    if (syscall(SYS_capset, &header, none) < 0)
        return failed("capset", ret_stage);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed("no_new_privs", ret_stage);
    return 0;
}

/* Core: 1, for 0 does not stop a core_pattern that is a pipe, and 1 does; a zygote sets it before it has its filter, under which it stays
 * what it is. Locked memory, pending signals and message queues
 * are quotas of a uid, and for the owner of the user namespace of all rooms together: kept small. */
int seal_rlimits(const char **ret_stage)
{
    static const struct {
        int what;
        rlim_t max;
    } limits[] = {
        {RLIMIT_NOFILE, 1024},    {RLIMIT_NPROC, SPAWN_ROOM_TASKS},
        {RLIMIT_CORE, 1},         {RLIMIT_MEMLOCK, 65536},
        {RLIMIT_SIGPENDING, 256}, {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_NICE, 0},         {RLIMIT_RTPRIO, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit now, want = {limits[i].max, limits[i].max};
        if (getrlimit(limits[i].what, &now) == 0 && now.rlim_max < want.rlim_max)
            want = (struct rlimit){now.rlim_max, now.rlim_max}; /* the host is stricter */
        if (setrlimit(limits[i].what, &want) < 0)
            return failed("rlimits", ret_stage);
    }
    return 0;
}
