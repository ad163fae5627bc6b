/* The forking side of a zygote. For each order it clones A, which shares the zygote's memory and enters the room's seven
 * namespaces and its control groups; A forks B inside and exits, so that B, whose parent is now the spawner, is the worker:
 *
 *   zygote --clone(VM|VFORK)--> A: setns x7, "0" into cgroup.procs, fork --> B: descriptors, ids, capabilities, filter
 *
 * A plain double fork would copy the interpreter's page tables twice. The zygote may do this without any capability because
 * it owns the room's user namespace (see docs/architecture.md, "How a worker is made"). */
#include "sandbox/zygote/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-api/channel.h"
#include "sandbox/policy/policy.h"
#include "sandbox/stages/seal.h"
#include "sandbox/zygote/zygote_proto.h"

#define ORDER_FDS_MAX 32
#define ENTER_STACK_BYTES (64 * 1024)
#define RSEQ_BYTES 32 /* the original size of struct rseq, which every kernel accepts */
#define PARKED_FD 64  /* descriptors wait above this number while 0 to 4 are set up */

static struct {
    struct zygote_order order;
    int fds[ORDER_FDS_MAX];
    size_t nfds;
    bool reported; /* A told the spawner what became of the order */
    bool said_sealed;
    const struct zygote_hooks *hooks;
    jmp_buf worker; /* B goes on from here, on the zygote's own stack */
} z;

static char enter_stack[ENTER_STACK_BYTES] __attribute__((aligned(64)));

static void report_to(int fd, uint32_t said, uint32_t room_id, pid_t pid, const char *stage, int code)
{
    struct zygote_report report = {.said = said, .room_id = room_id, .pid = pid, .code = code};
    strncpy(report.stage, stage, sizeof report.stage - 1);
    while (send(fd, &report, sizeof report, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static void report(uint32_t said, uint32_t room_id, pid_t pid, const char *stage, int code)
{
    report_to(ZYGOTE_SOCKET_FD, said, room_id, pid, stage, code);
}

int zygote_open(struct err *err)
{
    struct stat st;
    if (fstat(ZYGOTE_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
        return err_set(err, ERR_INVALID, "descriptor %d is not the spawner's socket", ZYGOTE_SOCKET_FD);
    if (fcntl(ZYGOTE_SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0)
        return err_errno(err, "descriptor %d", ZYGOTE_SOCKET_FD);
    return 0;
}

/* ---- A: in the zygote's memory, on a stack of its own */

static int give_up(const char *stage)
{
    z.reported = true;
    report(ZYGOTE_FAILED, z.order.room_id, 0, stage, errno);
    _exit(1);
}

static int enter_room(void *unused)
{
    static const struct {
        int type;
        const char *stage;
    } spaces[ZYGOTE_NAMESPACES] = {
        {CLONE_NEWUSER, "enter user"}, {CLONE_NEWPID, "enter pid"}, {CLONE_NEWNS, "enter mnt"},        {CLONE_NEWNET, "enter net"},
        {CLONE_NEWIPC, "enter ipc"},   {CLONE_NEWUTS, "enter uts"}, {CLONE_NEWCGROUP, "enter cgroup"},
    };
    (void)unused;
    for (size_t i = 0; i < ZYGOTE_NAMESPACES; i++)
        if (setns(z.fds[i], spaces[i].type) < 0)
            return give_up(spaces[i].stage);
    for (size_t i = 0; i < z.order.cgroup_count; i++)
        if (write(z.fds[ZYGOTE_NAMESPACES + i], "0", 1) < 0)
            return give_up("attach cgroup");
    pid_t pid = fork();
    if (pid == 0)
        _longjmp(z.worker, 1);
    if (pid < 0)
        return give_up("fork");
    z.reported = true;
    report(ZYGOTE_BORN, z.order.room_id, pid, "", 0);
    _exit(0);
}

/* ---- B: the worker */

/* A shared memory with the zygote, so the kernel took A, and with it B, out of restartable sequences: without this
 * sched_getcpu() would lie. */
static void reseat_rseq(void)
{
    const unsigned signature = 0x53053053;
    if (__rseq_size)
        syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, RSEQ_BYTES, 0, signature);
}

static void zygote_fail(const char *stage, int code)
{
    report_to(CHANNEL_CONTROL_FD, ZYGOTE_FAILED, z.order.room_id, 0, stage, code);
    _exit(1);
}

/* 0 stays /dev/null, 1 and 2 become the log, 3 the channel, 4 the control socket; nothing else is left. */
static void arrange_descriptors(void)
{
    const int *last = z.fds + ZYGOTE_NAMESPACES + z.order.cgroup_count;
    int channel = fcntl(last[0], F_DUPFD, PARKED_FD), log = fcntl(last[1], F_DUPFD, PARKED_FD);
    int control = fcntl(last[2], F_DUPFD, PARKED_FD);
    if (channel < 0 || log < 0 || control < 0)
        _exit(1);
    if (dup2(control, CHANNEL_CONTROL_FD) < 0)
        _exit(1); /* nobody to tell; the spawner sees the exit */
    if (dup2(log, 1) < 0 || dup2(log, 2) < 0 || dup2(channel, CHANNEL_FD) < 0)
        zygote_fail("descriptors", errno);
    if (syscall(SYS_close_range, CHANNEL_CONTROL_FD + 1, ~0U, 0) < 0)
        zygote_fail("close_range", errno);
}

bool zygote_is_awaited(void)
{
    return z.order.awaited != 0;
}

void zygote_say_sealed(void)
{
    if (z.said_sealed)
        return;
    z.said_sealed = true;
    if (send(CHANNEL_CONTROL_FD, ZYGOTE_SEALED, strlen(ZYGOTE_SEALED), MSG_NOSIGNAL) < 0)
        _exit(1);
}

static void become_worker(void)
{
    const char *stage = "";
    int rc;
    reseat_rseq();
    arrange_descriptors();
    setsid(); /* or kill(0, ...) would reach the zygote's process group where uids are shared */
    umask(022);
    if (chdir("/") < 0)
        zygote_fail("chdir", errno);
    if ((rc = seal_ids(z.order.single_id ? 0 : SANDBOX_UID, z.order.single_id, &stage)) < 0 || (rc = seal_capabilities(&stage)) < 0 ||
        (rc = seal_rlimits(&stage)) < 0)
        zygote_fail(stage, -rc);
    if ((rc = policy_install(&policy_last)) < 0)
        zygote_fail("last filter", -rc);
    /* Its own /proc/self must be readable to it; what may be read there is its own. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        zygote_fail("dumpable", errno);
}

void zygote_await_go(void)
{
    char text[8];
    ssize_t n;
    zygote_say_sealed();
    do
        n = read(CHANNEL_CONTROL_FD, text, sizeof text);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)strlen(ZYGOTE_GO) || memcmp(text, ZYGOTE_GO, (size_t)n) != 0)
        _exit(0);
    close(CHANNEL_CONTROL_FD);
}

/* ---- the zygote */

static void take_order(void)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * ORDER_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec io = {&z.order, sizeof z.order};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(ZYGOTE_SOCKET_FD, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != sizeof z.order || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        _exit(0); /* the spawner is done with this zygote */
    z.nfds = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
            z.nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(z.fds, CMSG_DATA(h), z.nfds * sizeof(int));
        }
    if (z.nfds != ZYGOTE_NAMESPACES + z.order.cgroup_count + 3)
        _exit(1);
}

static void wait_for(pid_t a)
{
    int status = 0;
    while (waitpid(a, &status, 0) < 0 && errno == EINTR)
        ;
    if (!z.reported)
        report(ZYGOTE_FAILED, z.order.room_id, 0, "enter", WIFSIGNALED(status) ? EOWNERDEAD : ECHILD);
}

/* True in the worker. */
static bool carry_out(void)
{
    if (z.hooks && z.hooks->before_fork)
        z.hooks->before_fork();
    z.reported = false;
    if (_setjmp(z.worker)) {
        become_worker();
        if (zygote_is_awaited()) /* what the spawner has to look at, and to do, goes on beside the rest of our start */
            zygote_say_sealed();
        if (z.hooks && z.hooks->after_fork_child)
            z.hooks->after_fork_child();
        return true;
    }
    pid_t a = clone(enter_room, enter_stack + sizeof enter_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    int code = errno;
    if (z.hooks && z.hooks->after_fork_parent)
        z.hooks->after_fork_parent();
    if (a < 0)
        report(ZYGOTE_FAILED, z.order.room_id, 0, "clone", code);
    else
        wait_for(a);
    for (size_t i = 0; i < z.nfds; i++)
        close(z.fds[i]);
    return false;
}

void zygote_serve(const struct zygote_hooks *hooks)
{
    z.hooks = hooks;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        report(ZYGOTE_FAILED, 0, 0, "no_new_privs", errno);
        _exit(1);
    }
    int rc = policy_install(&policy_big);
    if (rc < 0) {
        report(ZYGOTE_FAILED, 0, 0, "big filter", -rc);
        _exit(1);
    }
    report(ZYGOTE_UP, 0, getpid(), "", 0);
    do
        take_order();
    while (!carry_out());
}
