/* Running without root. */
#include "sandbox/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "sandbox/monitor.h"
#include "sandbox/spawner/spawner.h"

#define MARK "STOKE_ROOTLESS" /* in the environment of the program's second start: "range" or "single" */
#define RANGE_MIN 65536       /* ids: what the spawner numbers zygotes and rooms with */
#define ID_FILE_BYTES_MAX (1 << 20)
#define ARGS_MAX 16

struct range {
    unsigned first, count; /* count 0: none */
};

/* The first large enough range of this user in /etc/subuid or /etc/subgid, lines "name or uid:first:count". */
static struct range find_range(const char *path)
{
    CLEANUP(freep) char *text = NULL;
    struct err err;
    char number[16], *rest;
    const struct passwd *user = getpwuid(getuid());
    snprintf(number, sizeof number, "%u", getuid());
    if (fd_read_file(AT_FDCWD, path, ID_FILE_BYTES_MAX, &text, NULL, &err) < 0)
        return (struct range){0};
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[64];
        struct range range;
        if (sscanf(line, "%63[^:]:%u:%u", name, &range.first, &range.count) == 3 && range.count >= RANGE_MIN &&
            (str_eq(name, number) || (user && str_eq(name, user->pw_name))))
            return range;
    }
    return (struct range){0};
}

/* newuidmap and newgidmap are setuid programs that may write what we may not. */
static bool run_mapper(const char *program, pid_t target, unsigned id, struct range range)
{
    char pid[16], own[16], first[16], count[16];
    int status;
    snprintf(pid, sizeof pid, "%d", target);
    snprintf(own, sizeof own, "%u", id);
    snprintf(first, sizeof first, "%u", range.first);
    snprintf(count, sizeof count, "%u", range.count);
    pid_t child = fork();
    if (child == 0) {
        execlp(program, program, pid, "0", own, "1", "1", first, count, NULL);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool map_single(pid_t target)
{
    struct err err;
    char path[64], uids[32], gids[32];
    snprintf(uids, sizeof uids, "0 %u 1\n", getuid());
    snprintf(gids, sizeof gids, "0 %u 1\n", getgid());
    snprintf(path, sizeof path, "/proc/%d/setgroups", target);
    if (fd_write_file(AT_FDCWD, path, "deny", &err) < 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/uid_map", target);
    if (fd_write_file(AT_FDCWD, path, uids, &err) < 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/gid_map", target);
    return fd_write_file(AT_FDCWD, path, gids, &err) == 0;
}

/* In a child that stayed outside: 'r' for a range, 's' for a single id, 'f' for failure. */
static char map_from_outside(pid_t target)
{
    struct range uids = find_range("/etc/subuid"), gids = find_range("/etc/subgid");
    if (uids.count && gids.count && run_mapper("newuidmap", target, getuid(), uids))
        return run_mapper("newgidmap", target, getgid(), gids) ? 'r' : 'f';
    return map_single(target) ? 's' : 'f';
}

static int make_user_namespace(char *ret_kind, struct err *err)
{
    int to_child[2], from_child[2];
    char byte = 0;
    if (pipe2(to_child, O_CLOEXEC) < 0 || pipe2(from_child, O_CLOEXEC) < 0)
        return err_errno(err, "pipe2");
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        close(to_child[1]);
        if (read(to_child[0], &byte, 1) == 1)
            byte = map_from_outside(self);
        if (write(from_child[1], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    if (child < 0)
        return err_errno(err, "fork");
    int rc = unshare(CLONE_NEWUSER) < 0 ? err_errno(err, "user namespaces are not available to this user; see "
                                                         "/proc/sys/user/max_user_namespaces and "
                                                         "/proc/sys/kernel/unprivileged_userns_clone")
                                        : 0;
    if (rc == 0 && (write(to_child[1], "g", 1) != 1 || read(from_child[0], &byte, 1) != 1))
        byte = 'f';
    close(to_child[0]);
    close(to_child[1]);
    close(from_child[0]);
    close(from_child[1]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (rc == 0 && byte != 'r' && byte != 's')
        rc = err_set(err, ERR_UNSUPPORTED, "the ids of a user namespace could not be mapped");
    *ret_kind = byte;
    return rc;
}

/* The same program, so that the new user namespace owns its memory too: else nobody in it might look at its processes. */
static int start_again(char kind, struct err *err)
{
    CLEANUP(freep) char *text = NULL;
    size_t len;
    char *argv[ARGS_MAX + 1] = {NULL};
    size_t n = 0;
    int rc = fd_read_file(AT_FDCWD, "/proc/self/cmdline", 65536, &text, &len, err);
    if (rc < 0)
        return rc;
    for (char *p = text; p < text + len && n < ARGS_MAX; p += strlen(p) + 1)
        argv[n++] = p;
    if (setenv(MARK, kind == 'r' ? "range" : "single", 1) < 0 || fcntl(MONITOR_SOCKET_FD, F_SETFD, 0) < 0 ||
        (fcntl(MONITOR_LOCK_FD, F_SETFD, 0) < 0 && errno != EBADF))
        return err_errno(err, "starting again");
    execv("/proc/self/exe", argv);
    return err_errno(err, "starting again in a user namespace");
}

int rootless_enter(struct spawner_options *options, struct err *err)
{
    const char *mark = getenv(MARK);
    if (geteuid() == 0) {
        options->rootless = mark != NULL;
        options->single_id = mark && str_eq(mark, "single");
        return 0;
    }
    char kind = 0;
    int rc = make_user_namespace(&kind, err);
    return rc < 0 ? rc : start_again(kind, err);
}

void rootless_describe(struct spawner_options *options, char **ret_missing)
{
    options->uid_base = 1; /* 0 is ourselves, the range follows */
    options->unique_uids = !options->single_id;
    *ret_missing = str_format("%s", options->single_id ? "All sandboxes share one user id: install the package uidmap and give "
                                                         "this user a range of 65536 ids in /etc/subuid and /etc/subgid."
                                                       : "");
}
