/* Looking at a process from outside before it is trusted with anything. */
#include "sandbox/stages/attest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fd.h"

#define STATUS_BYTES_MAX 16384

const char *const attest_namespace_names[ZYGOTE_NAMESPACES] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"};

static const char *field(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, key, len) == 0 && line[len] == ':')
            return line + len + 1;
    return NULL;
}

static unsigned count_words(const char *at)
{
    unsigned n = 0;
    for (; *at && *at != '\n'; n++) {
        at += strspn(at, " \t");
        if (*at == '\0' || *at == '\n')
            break;
        at += strcspn(at, " \t\n");
    }
    return n;
}

/* The last number of a line. */
static int last_number(const char *at)
{
    int value = 0;
    char *end;
    for (;;) {
        long n = strtol(at, &end, 10);
        if (end == at || (memchr(at, '\n', (size_t)(end - at))))
            return value;
        value = (int)n;
        at = end;
    }
}

int attest_parse(const char *text, struct attest_status *ret_status, struct err *err)
{
    static const char *const caps[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
    struct attest_status s = {0};
    const char *uid = field(text, "Uid"), *gid = field(text, "Gid"), *groups = field(text, "Groups");
    const char *privs = field(text, "NoNewPrivs"), *seccomp = field(text, "Seccomp");
    const char *filters = field(text, "Seccomp_filters"), *pids = field(text, "NSpid");
    if (!uid || !gid || !groups || !privs || !seccomp || !filters || !pids ||
        sscanf(uid, "%u %u %u %u", &s.uid[0], &s.uid[1], &s.uid[2], &s.uid[3]) != 4 ||
        sscanf(gid, "%u %u %u %u", &s.gid[0], &s.gid[1], &s.gid[2], &s.gid[3]) != 4)
        return err_set(err, ERR_CORRUPT, "/proc/PID/status lacks an identity, NoNewPrivs, Seccomp_filters or NSpid");
    for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
        const char *at = field(text, caps[i]);
        if (!at || sscanf(at, "%" SCNx64, &s.cap[i]) != 1)
            return err_set(err, ERR_CORRUPT, "/proc/PID/status lacks %s", caps[i]);
    }
    s.groups = count_words(groups);
    s.no_new_privs = (int)strtol(privs, NULL, 10);
    s.seccomp = (int)strtol(seccomp, NULL, 10);
    s.filters = (int)strtol(filters, NULL, 10);
    s.inner_pid = last_number(pids);
    *ret_status = s;
    return 0;
}

static int check_status(const struct attest_want *want, const struct attest_status *s, struct err *err)
{
    for (int i = 0; i < 4; i++)
        if (s->uid[i] != want->uid || s->gid[i] != want->uid)
            return err_set(err, ERR_DENIED, "process %d has uid %u and gid %u, not %u", want->pid, s->uid[i], s->gid[i], want->uid);
    for (size_t i = 0; i < ARRAY_LEN(s->cap); i++)
        if (s->cap[i])
            return err_set(err, ERR_DENIED, "process %d still has capabilities %" PRIx64, want->pid, s->cap[i]);
    if (s->groups && !want->any_groups)
        return err_set(err, ERR_DENIED, "process %d has %u supplementary groups", want->pid, s->groups);
    if (s->no_new_privs != 1)
        return err_set(err, ERR_DENIED, "process %d lacks no_new_privs", want->pid);
    if (s->seccomp != 2 || s->filters != want->filters)
        return err_set(err, ERR_DENIED, "process %d has seccomp mode %d with %d filters, not %d", want->pid, s->seccomp, s->filters,
                       want->filters);
    if (want->not_inner && s->inner_pid == want->not_inner)
        return err_set(err, ERR_DENIED, "process %d has its zygote's number %d", want->pid, s->inner_pid);
    return 0;
}

static int check_namespaces(const struct attest_want *want, struct err *err)
{
    char path[64];
    struct stat st;
    for (size_t i = 0; i < ZYGOTE_NAMESPACES; i++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", want->pid, attest_namespace_names[i]);
        if (stat(path, &st) < 0)
            return err_errno(err, "looking at %s", path);
        if (st.st_ino != want->namespaces[i])
            return err_set(err, ERR_DENIED, "process %d is in another %s namespace than its room", want->pid, attest_namespace_names[i]);
    }
    return 0;
}

static int read_proc(pid_t pid, const char *name, char **ret_text, struct err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return fd_read_file(AT_FDCWD, path, STATUS_BYTES_MAX, ret_text, NULL, err);
}

int attest_process(const struct attest_want *want, struct err *err)
{
    CLEANUP(freep) char *text = NULL, *groups = NULL, *like = NULL;
    struct attest_status status;
    int rc = read_proc(want->pid, "status", &text, err);
    if (rc == 0)
        rc = attest_parse(text, &status, err);
    if (rc == 0)
        rc = check_status(want, &status, err);
    if (rc == 0 && want->namespaces)
        rc = check_namespaces(want, err);
    if (rc < 0 || !want->like)
        return rc;
    if ((rc = read_proc(want->pid, "cgroup", &groups, err)) < 0 || (rc = read_proc(want->like, "cgroup", &like, err)) < 0)
        return rc;
    if (strcmp(groups, like) != 0)
        return err_set(err, ERR_DENIED, "process %d is not in its room's control groups", want->pid);
    return 0;
}
