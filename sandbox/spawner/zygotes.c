/* The spawner's zygotes.
 *
 *   ZYGOTE_BUILDING --TEMPLATE--> ZYGOTE_STARTING --UP--> ZYGOTE_SERVING
 *          |                            |                     |
 *          +------ failed, stopped, or its deadline passed ---+--> ZYGOTE_ENDING --reaped--> gone
 *
 * ZYGOTE_DOWN is sent once, when it leaves for ENDING unasked. */
#include "sandbox/spawner/zygotes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"
#include "sandbox/cgroup/cgroup.h"
#include "sandbox/spawner/room.h"
#include "sandbox/sandbox_run.h"
#include "sandbox/stages/seal.h"
#include "sandbox/stages/template.h"

#define START_US_MAX (20 * 1000000)
#define ANSWER_US_MAX (5 * 1000000)  /* an order takes a few milliseconds */
#define SPARE_ROOMS 2                /* of each zygote; 0.3 MB each */
#define SPARE_AGAIN_US (5 * 1000000) /* after one failed, before the next: nobody waits for it */
#define ZYGOTE_OOM_SCORE "300"       /* the host's OOM killer takes a worker or a zygote before stoked */

/* ---- in the child */

struct birth {
    const struct spawner *spawner;
    const struct zygote *zygote;
    int sock, complaints;
};

static void die(const char *stage, int code, const char *text)
{
    struct zygote_report report = {.said = ZYGOTE_FAILED, .code = code};
    strncpy(report.stage, stage, sizeof report.stage - 1);
    dprintf(STDERR_FILENO, "%s", text);
    while (send(ZYGOTE_SOCKET_FD, &report, sizeof report, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
    _exit(1);
}

static void arrange_descriptors(const struct birth *birth)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(birth->sock, ZYGOTE_SOCKET_FD) < 0 || dup2(null, 0) < 0 || dup2(birth->complaints, 1) < 0 ||
        dup2(birth->complaints, 2) < 0 || close_range(ZYGOTE_SOCKET_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        _exit(1);
}

static void build_template(const struct birth *birth)
{
    struct zygote_report report = {.said = ZYGOTE_TEMPLATE};
    struct err err;
    char answer;
    const struct template_spec spec = {.root = "root",
                                       .etc = "etc",
                                       .prefix = birth->zygote->spec.prefix,
                                       .var_runtime = birth->zygote->spec.var_runtime,
                                       .node_modules = birth->zygote->spec.kind == SPAWN_ZYGOTE_NODE,
                                       .can_mknod = !birth->spawner->options->rootless};
    if (unshare(CLONE_NEWNS) < 0) /* which takes the working directory, and no descriptor, to the new mounts */
        die("unshare", errno, strerror(errno));
    if (template_build(&spec, &err) < 0)
        die("template", err.code, err.msg);
    if (send(ZYGOTE_SOCKET_FD, &report, sizeof report, MSG_NOSIGNAL) < 0 || read(ZYGOTE_SOCKET_FD, &answer, 1) != 1)
        _exit(1);
}

/* The interpreter gets an environment without anybody's secrets and without anything that steers it. */
static void exec_zygote(const struct birth *birth)
{
    const struct spawn_zygote *spec = &birth->zygote->spec;
    char *interpreter = (char *)spec->interpreter, origin[sizeof spec->interpreter + 32];
    char *env[] = {"LC_CTYPE=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", origin, NULL};
    /* Where its $ORIGIN is, for libraries that came along with it: without a /proc the loader cannot see. */
    snprintf(origin, sizeof origin, "LD_ORIGIN_PATH=%.*s", (int)(strrchr(interpreter, '/') ? strrchr(interpreter, '/') - interpreter : 0),
             interpreter);
    if (spec->kind == SPAWN_ZYGOTE_PYTHON) {
        char *argv[] = {interpreter, "-I", "-S", "-B", "/var/runtime/zygote.py", NULL};
        execve(interpreter, argv, env);
    } else {
        char *argv[] = {"stoke-zygote", spec->kind == SPAWN_ZYGOTE_NODE ? "node" : "native",
                        spec->kind == SPAWN_ZYGOTE_NODE ? interpreter : NULL, NULL};
        syscall(SYS_execveat, birth->spawner->zygote_binary, "", argv, env, AT_EMPTY_PATH);
    }
    die("exec", errno, strerror(errno));
}

static void become_zygote(const struct birth *birth)
{
    const struct rlimit no_core = {1, 1};
    const char *stage = "";
    struct err err;
    sigset_t none;
    sigemptyset(&none);
    setsid();
    int there = fchdir(birth->spawner->run_dir);
    arrange_descriptors(birth);
    if (there < 0)
        die("chdir", errno, strerror(errno));
    if (fd_write_file(AT_FDCWD, "/proc/self/oom_score_adj", ZYGOTE_OOM_SCORE, &err) < 0)
        errno = 0; /* a preference only */
    build_template(birth);
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
        die("unshare", errno, strerror(errno));
    setrlimit(RLIMIT_CORE, &no_core);
    int rc = seal_ids(birth->zygote->uid, birth->spawner->options->single_id, &stage);
    if (rc == 0)
        rc = seal_capabilities(&stage);
    if (rc < 0)
        die(stage, -rc, strerror(-rc));
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    exec_zygote(birth);
}

/* ---- its life */

static void set_state(struct zygote *zygote, enum zygote_state state)
{
    zygote->state = state;
    if (state == ZYGOTE_SERVING || state == ZYGOTE_ENDING)
        loop_timer_cancel(zygote->spawner->loop, &zygote->deadline);
}

/* Rooms without a zygote go on, blanks too, but cannot be reset; those that wait for it fail. */
static void orphan_rooms(struct zygote *zygote)
{
    struct room *room;
    while ((room = TAILQ_FIRST(&zygote->rooms)))
        room_lose_zygote(room);
}

static void end(struct zygote *zygote)
{
    if (zygote->state == ZYGOTE_ENDING)
        return;
    set_state(zygote, ZYGOTE_ENDING);
    loop_remove(STEAL(zygote->watch));
    fd_closep(&zygote->sock);
    orphan_rooms(zygote);
    if (zygote->child.pid) /* 0 is reaped: kill(0) would end everybody of ours */
        kill(zygote->child.pid, SIGKILL);
}

/* What it wrote to stderr, its last lines, on one line. */
static void read_complaints(struct zygote *zygote, char *out, size_t cap)
{
    char text[4096];
    ssize_t n = read(zygote->complaints, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    size_t len = strlen(text);
    str_copy(out, cap, len >= cap ? text + len - (cap - 1) : text);
}

static void fail(struct zygote *zygote, const char *stage, int code)
{
    struct err err = {.kind = ERR_UNAVAILABLE, .code = code};
    if (zygote->state == ZYGOTE_ENDING)
        return;
    read_complaints(zygote, err.msg, SPAWN_TEXT_MAX);
    spawner_send_failure(zygote->spawner, SPAWN_ZYGOTE_DOWN, zygote->id, stage, &err);
    end(zygote);
}

static void forget(struct zygote *zygote)
{
    fd_closep(&zygote->complaints);
    fd_closep(&zygote->mounts);
    spawner_give_zygote_slot(zygote->spawner, zygote->slot);
    HASH_DELETE(hh, zygote->spawner->zygotes, zygote);
    free(zygote);
}

static void on_exited(void *arg, int wait_status, uint64_t peak_bytes)
{
    struct zygote *zygote = arg;
    (void)peak_bytes;
    fail(zygote, WIFSIGNALED(wait_status) ? "killed" : "exited",
         WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
    forget(zygote);
}

static bool owes_answers(const struct zygote *zygote)
{
    return zygote->owed > 0 || !TAILQ_EMPTY(&zygote->waiting);
}

/* It did not start, or it serves and has said nothing for long though orders lie before it: then all that come would wait. */
static void on_deadline(void *arg)
{
    struct zygote *zygote = arg;
    if (zygote->state != ZYGOTE_SERVING)
        fail(zygote, "timeout", ETIMEDOUT);
    else if (owes_answers(zygote))
        fail(zygote, "unresponsive", ETIMEDOUT);
}

static void expect_answer(struct zygote *zygote)
{
    loop_timer_set(zygote->spawner->loop, &zygote->deadline, clock_mono_us() + ANSWER_US_MAX);
}

static void keep_template(struct zygote *zygote)
{
    char path[64];
    struct err err;
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", zygote->child.pid);
    zygote->mounts = open(path, O_RDONLY | O_CLOEXEC);
    if (zygote->mounts < 0 || fd_send(zygote->sock, "g", 1, NULL, 0, &err) < 0) {
        fail(zygote, "template", errno);
        return;
    }
    set_state(zygote, ZYGOTE_STARTING);
}

static void on_report(struct zygote *zygote, const struct zygote_report *report)
{
    struct room *room;
    if (report->said == ZYGOTE_TEMPLATE && zygote->state == ZYGOTE_BUILDING) {
        keep_template(zygote);
    } else if (report->said == ZYGOTE_UP && zygote->state == ZYGOTE_STARTING) {
        struct spawn_msg msg = {.op = SPAWN_ZYGOTE_UP,
                                .room_id = zygote->id,
                                .ready.pid = zygote->child.pid,
                                .ready.booted_us = (uint32_t)(clock_mono_us() - zygote->began_us)};
        set_state(zygote, ZYGOTE_SERVING);
        spawner_idle_soon(zygote->spawner);
        spawner_send(zygote->spawner, &msg, NULL, 0);
    } else if (report->said == ZYGOTE_FAILED && report->room_id == 0) {
        fail(zygote, report->stage, report->code);
    } else if ((room = room_find(zygote->spawner, report->room_id)) && room->zygote == zygote) {
        if (report->said == ZYGOTE_BORN)
            room_worker_born(room, report->pid);
        else if (report->said == ZYGOTE_FAILED)
            room_worker_failed(room, report->stage, report->code);
    }
}

/* False when there is nothing more, or no zygote any more. */
static bool receive(struct zygote *zygote)
{
    struct zygote_report report;
    struct err err;
    int fds[FD_PASS_MAX];
    size_t nfds = 0;
    if (zygote->state == ZYGOTE_ENDING)
        return false;
    ssize_t n = fd_recv(zygote->sock, &report, sizeof report, fds, &nfds, &err);
    if (n < 0 && err.code == EAGAIN)
        return false;
    for (size_t i = 0; n > 0 && i < nfds; i++)
        close(fds[i]); /* a zygote has nothing to give us */
    if (n != sizeof report) {
        if (n > 0)
            fail(zygote, "protocol", EBADMSG);
        else if (zygote->watch)
            loop_remove(STEAL(zygote->watch)); /* it ends; its exit status says why */
        return false;
    }
    report.stage[sizeof report.stage - 1] = '\0';
    if (zygote->state == ZYGOTE_SERVING)
        expect_answer(zygote); /* the next one */
    on_report(zygote, &report);
    return true;
}

void zygotes_drain(struct spawner *spawner)
{
    struct zygote *zygote, *next;
    HASH_ITER(hh, spawner->zygotes, zygote, next)
        while (receive(zygote))
            ;
}

static void send_orders(struct zygote *zygote)
{
    struct room *room;
    while ((room = TAILQ_FIRST(&zygote->waiting))) {
        TAILQ_REMOVE(&zygote->waiting, room, order_link);
        room->order_waits = false;
        if (!sandbox_run_order(room, zygote->sock)) { /* full again */
            room->order_waits = true;
            TAILQ_INSERT_HEAD(&zygote->waiting, room, order_link);
            return;
        }
    }
    loop_modify(zygote->watch, EPOLLIN);
}

static void on_event(void *arg, uint32_t events)
{
    struct zygote *zygote = arg;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        while (receive(zygote))
            ;
    if ((events & EPOLLOUT) && zygote->watch)
        send_orders(zygote);
}

void zygote_order_room(struct zygote *zygote, struct room *room)
{
    if (!owes_answers(zygote)) /* the deadline that is set, if any, is of a report that nobody waits for */
        expect_answer(zygote);
    if (zygote->watch && TAILQ_EMPTY(&zygote->waiting) && sandbox_run_order(room, zygote->sock))
        return;
    room->order_waits = true;
    TAILQ_INSERT_TAIL(&zygote->waiting, room, order_link);
    if (zygote->watch) /* else it has hung up: its end is about to be known, and fails those that wait as its own */
        loop_modify(zygote->watch, EPOLLIN | EPOLLOUT);
}

struct zygote *zygote_find(struct spawner *spawner, uint32_t id)
{
    struct zygote *zygote;
    HASH_FIND(hh, spawner->zygotes, &id, sizeof id, zygote);
    return zygote;
}

bool zygotes_refill(struct spawner *spawner, int64_t *ret_from_us)
{
    int64_t now = clock_mono_us();
    *ret_from_us = 0;
    for (struct zygote *zygote = spawner->zygotes; zygote; zygote = zygote->hh.next) {
        if (zygote->state != ZYGOTE_SERVING || zygote->spare_count >= SPARE_ROOMS)
            continue;
        if (now >= zygote->spares_from_us) {
            if (room_make_spare(zygote))
                return true;
        } else if (*ret_from_us == 0 || zygote->spares_from_us < *ret_from_us) {
            *ret_from_us = zygote->spares_from_us;
        }
    }
    return false;
}

void zygote_hold_spares(struct zygote *zygote)
{
    zygote->spares_from_us = clock_mono_us() + SPARE_AGAIN_US;
}

void zygote_stop(struct zygote *zygote)
{
    end(zygote);
}

/* Process numbers of zygotes come from the upper quarter, those inside rooms begin in the lower half (sandbox_run.c). */
static void number_high(const struct spawner *spawner)
{
    char text[16];
    uint32_t random;
    struct err err;
    id_random(&random, sizeof random);
    int quarter = spawner->pid_max / 4;
    snprintf(text, sizeof text, "%d", spawner->pid_max - quarter + (int)(random % (uint32_t)(quarter - 64)));
    if (fd_write_file(AT_FDCWD, "/proc/sys/kernel/ns_last_pid", text, &err) < 0)
        errno = 0; /* the check of every worker remains */
}

static int launch(struct zygote *zygote, struct err *err)
{
    struct spawner *spawner = zygote->spawner;
    int pair[2], complaints[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "making a zygote's socket");
    if (pipe2(complaints, O_CLOEXEC | O_NONBLOCK) < 0) {
        close(pair[0]);
        close(pair[1]);
        return err_errno(err, "making a zygote's pipe");
    }
    number_high(spawner);
    pid_t pid = fork();
    if (pid == 0)
        become_zygote(&(struct birth){spawner, zygote, pair[1], complaints[1]});
    int rc = pid < 0 ? err_errno(err, "forking a zygote") : 0;
    close(pair[1]);
    close(complaints[1]);
    zygote->sock = pair[0];
    zygote->complaints = complaints[0];
    if (rc < 0)
        return rc;
    spawner_adopt(spawner, &zygote->child, pid);
    if (spawner->zygote_group && cgroup_attach_pid(spawner->zygote_group, pid, err) < 0)
        return -(int)err->kind;
    if ((rc = fd_set_nonblock(zygote->sock, true, err)) < 0)
        return rc;
    return loop_add(spawner->loop, zygote->sock, EPOLLIN, on_event, zygote, &zygote->watch, err);
}

void zygote_start(struct spawner *spawner, uint32_t id, const struct spawn_zygote *spec)
{
    struct err err = {0};
    struct zygote *zygote = NULL;
    uint32_t slot;
    if (zygote_find(spawner, id))
        err_set(&err, ERR_EXISTS, "there is a zygote %u already", id);
    else if (spawner_take_zygote_slot(spawner, &slot, &err) == 0 && !(zygote = calloc(1, sizeof *zygote)))
        err_set(&err, ERR_NO_MEMORY, "no memory for a zygote");
    if (!zygote) {
        spawner_send_failure(spawner, SPAWN_ZYGOTE_DOWN, id, "start", &err);
        return;
    }
    *zygote = (struct zygote){
        .id = id, .spawner = spawner, .spec = *spec, .sock = -1, .complaints = -1, .mounts = -1, .began_us = clock_mono_us()};
    zygote->slot = slot;
    zygote->uid = spawner_zygote_uid(spawner, zygote->slot);
    zygote->child = (struct child){.exited = on_exited, .arg = zygote};
    TAILQ_INIT(&zygote->waiting);
    TAILQ_INIT(&zygote->rooms);
    TAILQ_INIT(&zygote->spares);
    loop_timer_init(&zygote->deadline, on_deadline, zygote);
    HASH_ADD(hh, spawner->zygotes, id, sizeof zygote->id, zygote);
    if (launch(zygote, &err) == 0) {
        loop_timer_set(spawner->loop, &zygote->deadline, zygote->began_us + START_US_MAX);
        return;
    }
    spawner_send_failure(spawner, SPAWN_ZYGOTE_DOWN, id, "start", &err);
    if (zygote->child.pid) {
        end(zygote); /* freed when it is reaped */
        return;
    }
    fd_closep(&zygote->sock);
    forget(zygote);
}
