/* The table of policy_calls.h. Direct system calls throughout: the C library must not answer in the kernel's
 * stead. */
#include "tests/unit/sandbox_parts/policy_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One call with constant arguments: its errno. */
#define CALL(name, ...)                                                                                                                    \
    static int call_##name(void)                                                                                                           \
    {                                                                                                                                      \
        return syscall(__VA_ARGS__) < 0 ? errno : 0;                                                                                       \
    }

#define UPPER 0x500000000UL /* garbage above the 32 bits that the kernel looks at */

CALL(ptrace_seize, SYS_ptrace, 0x4206, 999999, 0, 0)
CALL(ptrace_traceme, SYS_ptrace, 0, 0, 0, 0)
CALL(process_vm_readv, SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0)
CALL(kcmp, SYS_kcmp, getpid(), getpid(), 0, 0, 0)
CALL(mount, SYS_mount, 0, 0, 0, 0, 0)
CALL(umount, SYS_umount2, 0, 0)
CALL(fsopen, SYS_fsopen, 0, 0)
CALL(open_tree, SYS_open_tree, -1, 0, 0)
CALL(move_mount, SYS_move_mount, -1, 0, -1, 0, 0)
CALL(mount_setattr, SYS_mount_setattr, -1, 0, 0, 0, 0)
CALL(pivot_root, SYS_pivot_root, 0, 0)
CALL(chroot, SYS_chroot, 0)
CALL(unshare_nothing, SYS_unshare, 0)
CALL(clone_newuser, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
CALL(clone_newns_upper, SYS_clone, UPPER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0)
CALL(clone_parent, SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
CALL(clone_parent_newnet, SYS_clone, CLONE_PARENT | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0)
CALL(clone3, SYS_clone3, 0, 0)
CALL(setns, SYS_setns, -1, 0)
CALL(keyctl, SYS_keyctl, 0, 0, 0, 0, 0)
CALL(add_key, SYS_add_key, 0, 0, 0, 0, 0)
CALL(bpf, SYS_bpf, 0, 0, 0)
CALL(perf, SYS_perf_event_open, 0, 0, 0, 0, 0)
CALL(io_uring, SYS_io_uring_setup, 0, 0)
CALL(userfaultfd, SYS_userfaultfd, 0xffff)
CALL(kexec, SYS_kexec_load, 0, 999, 0, 0)
CALL(init_module, SYS_init_module, 0, 0, 0)
CALL(reboot, SYS_reboot, 0, 0, 0, 0)
CALL(syslog, SYS_syslog, 10, 0, 0)
CALL(swapon, SYS_swapon, 0, 0)
CALL(iopl, SYS_iopl, 9)
CALL(acct, SYS_acct, 1)
CALL(quotactl, SYS_quotactl, 0, 0, 0, 0)
CALL(open_by_handle_at, SYS_open_by_handle_at, -1, 0, 0)
CALL(move_pages, SYS_move_pages, 0, 0, 0, 0, 0, 0)
CALL(mbind, SYS_mbind, 1, 0, 0, 0, 0, 0)
CALL(memfd_secret, 447, 0xffff)
CALL(pidfd_getfd, SYS_pidfd_getfd, -1, 0, 0)
CALL(modify_ldt, SYS_modify_ldt, 99, 0, 0)
CALL(personality_norandom, SYS_personality, 0x0040000)
CALL(personality_ask, SYS_personality, 0xffffffff)
CALL(seccomp, SYS_seccomp, 99, 0, 0)
CALL(prctl_seccomp, SYS_prctl, PR_SET_SECCOMP, 99, 0, 0, 0)
CALL(vmsplice, SYS_vmsplice, -1, 0, 0, 0)
CALL(shmget, SYS_shmget, 0, 0, 0)
CALL(mq_open, SYS_mq_open, 0, 0, 0, 0)
CALL(clock_settime, SYS_clock_settime, 99, 0)
CALL(adjtimex, SYS_adjtimex, 0)
CALL(setuid, SYS_setuid, 0)
CALL(setresuid, SYS_setresuid, 0, 0, 0)
CALL(setgroups, SYS_setgroups, 0, 0)
CALL(capset, SYS_capset, 0, 0)
CALL(sched_other, SYS_sched_setscheduler, 0, 0, &(int){0})
CALL(sched_fifo, SYS_sched_setscheduler, 0, 1, &(int){1})
CALL(sched_fifo_upper, SYS_sched_setscheduler, 0, UPPER | 1, &(int){1})
CALL(sched_setattr, SYS_sched_setattr, 0, 0, 0)
CALL(mknod_device, SYS_mknod, "/nonexistent/x", S_IFCHR | 0600, 0x103)
CALL(mknod_device_upper, SYS_mknod, "/nonexistent/x", UPPER | S_IFBLK | 0600, 0x103)
CALL(mknodat_device, SYS_mknodat, AT_FDCWD, "/nonexistent/x", S_IFBLK | 0600, 0x103)
CALL(mknod_fifo, SYS_mknod, "/nonexistent/x", S_IFIFO | 0600, 0)
CALL(socket_raw, SYS_socket, AF_INET, SOCK_RAW, 1)
CALL(socket_icmp, SYS_socket, AF_INET, SOCK_DGRAM, 1)
CALL(socket_packet, SYS_socket, AF_PACKET, SOCK_DGRAM, 0)
CALL(socket_netlink, SYS_socket, AF_NETLINK, SOCK_DGRAM, 0)
CALL(socket_alg, SYS_socket, AF_ALG, 5, 0)
CALL(socket_vsock, SYS_socket, AF_VSOCK, SOCK_STREAM, 0)
CALL(socket_key, SYS_socket, AF_KEY, SOCK_RAW, 2)
CALL(socket_xdp, SYS_socket, AF_XDP, SOCK_RAW, 0)
CALL(socket_netlink_upper, SYS_socket, UPPER | AF_NETLINK, SOCK_DGRAM, 0)
CALL(socket_tcp, SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6)
CALL(socket_tcp_upper, SYS_socket, UPPER | AF_INET, SOCK_STREAM, 6)
CALL(socket_udp6, SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)
CALL(socket_unix, SYS_socket, AF_UNIX, SOCK_STREAM, 0)
CALL(socketpair_unix, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){0})
CALL(socketpair_tipc, SYS_socketpair, AF_TIPC, SOCK_STREAM, 0, 0)
CALL(tiocsti, SYS_ioctl, 0, TIOCSTI, "x")
CALL(tiocsti_upper, SYS_ioctl, 0, UPPER | TIOCSTI, "x")
CALL(tioclinux, SYS_ioctl, 0, TIOCLINUX, "x")
CALL(fioclex, SYS_ioctl, -1, FIOCLEX, 0)
CALL(fioclex_upper, SYS_ioctl, -1, UPPER | FIOCLEX, 0)
CALL(set_mm, SYS_prctl, PR_SET_MM, 1, 0, 0, 0)
CALL(clear_nnp, SYS_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)
CALL(securebits, SYS_prctl, PR_SET_SECUREBITS, 0xffffff, 0, 0, 0)
CALL(bounding, SYS_prctl, PR_CAPBSET_DROP, 999, 0, 0, 0)
CALL(set_name, SYS_prctl, PR_SET_NAME, "x", 0, 0, 0)
CALL(f_notify, SYS_fcntl, -1, F_NOTIFY, 0)
CALL(f_notify_upper, SYS_fcntl, -1, UPPER | F_NOTIFY, 0)
CALL(f_getfd, SYS_fcntl, 0, F_GETFD)
CALL(attach_filter, SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_FILTER, 0, 0)
CALL(attach_filter_upper, SYS_setsockopt, -1, UPPER | SOL_SOCKET, UPPER | SO_ATTACH_FILTER, 0, 0)
CALL(reuseaddr, SYS_setsockopt, -1, SOL_SOCKET, SO_REUSEADDR, 0, 0)
CALL(ip_option_26, SYS_setsockopt, -1, 0, 26, 0, 0)
CALL(sync, SYS_sync)
CALL(syncfs, SYS_syncfs, -1)
CALL(mmap_huge, SYS_mmap, 0, 2 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB, -1, 0)
CALL(mmap_huge_1g, SYS_mmap, 0, 1 << 30, PROT_NONE, UPPER | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB | 30U << 26, -1, 0)
CALL(mmap_plain, SYS_mmap, 0, 2 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
CALL(memfd_huge, SYS_memfd_create, "x", MFD_HUGETLB | MFD_CLOEXEC)
CALL(memfd_huge_upper, SYS_memfd_create, "x", UPPER | MFD_HUGETLB)
CALL(memfd_plain, SYS_memfd_create, "x", MFD_CLOEXEC | MFD_ALLOW_SEALING)
CALL(unknown, 9999)
CALL(landlock, 444, 0, 0, 1)

static int call_raise_nofile(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return errno;
    limit.rlim_max = limit.rlim_max == RLIM_INFINITY ? limit.rlim_max : limit.rlim_max + 1;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno : 0;
}

/* Whoever sets it is told that it was done: 0 when it stayed what it is. */
static int core_stays(int (*set)(const struct rlimit *want))
{
    const struct rlimit none = {0, 0};
    struct rlimit before, after = none;
    if (syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &before) < 0 || set(&none) < 0 || getrlimit(RLIMIT_CORE, &after) < 0)
        return errno;
    return before.rlim_cur == after.rlim_cur && before.rlim_max == after.rlim_max ? 0 : EBUSY;
}

static int by_setrlimit(const struct rlimit *want)
{
    return (int)syscall(SYS_setrlimit, UPPER | RLIMIT_CORE, want);
}

static int by_prlimit(const struct rlimit *want)
{
    struct rlimit old;
    return (int)syscall(SYS_prlimit64, 0, UPPER | RLIMIT_CORE, want, &old);
}

static int call_core_setrlimit(void)
{
    return core_stays(by_setrlimit);
}

static int call_core_prlimit(void)
{
    return core_stays(by_prlimit);
}

static int call_lower_sigpending(void)
{
    const struct rlimit want = {64, 64};
    struct rlimit now;
    if (syscall(SYS_prlimit64, 0, RLIMIT_SIGPENDING, &want, NULL) < 0 || getrlimit(RLIMIT_SIGPENDING, &now) < 0)
        return errno;
    return now.rlim_max == 64 ? 0 : EBUSY;
}

static int call_fork(void)
{
    pid_t pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(0);
    return waitpid(pid, NULL, 0) < 0 ? errno : 0;
}

#define ROW(name, want)                                                                                                                    \
    {                                                                                                                                      \
#name, call_##name, want                                                                                                           \
    }

const struct policy_call policy_calls[] = {
    ROW(ptrace_seize, EPERM),
    ROW(ptrace_traceme, EPERM),
    ROW(process_vm_readv, EPERM),
    ROW(kcmp, EPERM),
    ROW(mount, EPERM),
    ROW(umount, EPERM),
    ROW(fsopen, EPERM),
    ROW(open_tree, EPERM),
    ROW(move_mount, EPERM),
    ROW(mount_setattr, EPERM),
    ROW(pivot_root, EPERM),
    ROW(chroot, EPERM),
    ROW(unshare_nothing, EPERM),
    ROW(clone_newuser, EPERM),
    ROW(clone_newns_upper, EPERM),
    ROW(clone_parent, EPERM),
    ROW(clone_parent_newnet, EPERM),
    ROW(clone3, ENOSYS),
    ROW(setns, EPERM),
    ROW(keyctl, EPERM),
    ROW(add_key, EPERM),
    ROW(bpf, EPERM),
    ROW(perf, EPERM),
    ROW(io_uring, EPERM),
    ROW(userfaultfd, EPERM),
    ROW(kexec, EPERM),
    ROW(init_module, EPERM),
    ROW(reboot, EPERM),
    ROW(syslog, EPERM),
    ROW(swapon, EPERM),
    ROW(iopl, EPERM),
    ROW(acct, EPERM),
    ROW(quotactl, EPERM),
    ROW(open_by_handle_at, EPERM),
    ROW(move_pages, EPERM),
    ROW(mbind, EPERM),
    ROW(memfd_secret, EPERM),
    ROW(pidfd_getfd, EPERM),
    ROW(modify_ldt, EPERM),
    ROW(personality_norandom, EPERM),
    ROW(personality_ask, 0),
    ROW(seccomp, EPERM),
    ROW(prctl_seccomp, EPERM),
    ROW(vmsplice, EPERM),
    ROW(shmget, EPERM),
    ROW(mq_open, EPERM),
    ROW(clock_settime, EPERM),
    ROW(adjtimex, EPERM),
    ROW(setuid, EPERM),
    ROW(setresuid, EPERM),
    ROW(setgroups, EPERM),
    ROW(capset, EPERM),
    ROW(raise_nofile, EPERM),
    ROW(sched_other, 0),
    ROW(sched_fifo, EPERM),
    ROW(sched_fifo_upper, EPERM),
    ROW(sched_setattr, EPERM),
    ROW(mknod_device, EPERM),
    ROW(mknod_device_upper, EPERM),
    ROW(mknodat_device, EPERM),
    ROW(mknod_fifo, ENOENT),
    ROW(socket_raw, EPERM),
    ROW(socket_icmp, EPERM),
    ROW(socket_packet, EPERM),
    ROW(socket_netlink, EPERM),
    ROW(socket_alg, EPERM),
    ROW(socket_vsock, EPERM),
    ROW(socket_key, EPERM),
    ROW(socket_xdp, EPERM),
    ROW(socket_netlink_upper, EPERM),
    ROW(socket_tcp, 0),
    ROW(socket_tcp_upper, 0),
    ROW(socket_udp6, 0),
    ROW(socket_unix, 0),
    ROW(socketpair_unix, 0),
    ROW(socketpair_tipc, EPERM),
    ROW(tiocsti, EPERM),
    ROW(tiocsti_upper, EPERM),
    ROW(tioclinux, EPERM),
    ROW(fioclex, EBADF),
    ROW(fioclex_upper, EBADF),
    ROW(set_mm, EPERM),
    ROW(clear_nnp, EINVAL),
    ROW(securebits, EPERM),
    ROW(bounding, EPERM),
    ROW(set_name, 0),
    ROW(f_notify, EPERM),
    ROW(f_notify_upper, EPERM),
    ROW(f_getfd, 0),
    ROW(attach_filter, EPERM),
    ROW(attach_filter_upper, EPERM),
    ROW(reuseaddr, EBADF),
    ROW(ip_option_26, EBADF),
    ROW(sync, 0),
    ROW(syncfs, 0),
    ROW(mmap_huge, ENOMEM),
    ROW(mmap_huge_1g, ENOMEM),
    ROW(mmap_plain, 0),
    ROW(memfd_huge, ENOMEM),
    ROW(memfd_huge_upper, ENOMEM),
    ROW(memfd_plain, 0),
    ROW(core_setrlimit, 0),
    ROW(core_prlimit, 0),
    ROW(lower_sigpending, 0),
    ROW(unknown, ENOSYS),
    ROW(landlock, ENOSYS),
    ROW(fork, 0),
};
const size_t policy_call_count = sizeof policy_calls / sizeof *policy_calls;
