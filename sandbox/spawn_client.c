/* stoked's side of the spawner, and the watch over it: every few seconds it is asked for a sign of life. One that gives none for
 * SILENT_ROUNDS rounds (it hangs, or somebody stopped it) is replaced by the monitor, as one that died is. Rounds are counted, not time:
 * a machine that sleeps, or a group that is frozen, holds both sides, and is one long round. */
#include "sandbox/spawn_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "sandbox/monitor.h"
#include "sandbox/spawn_link.h"

#define STOP_US_MAX (5 * 1000000)
#define SILENCE_US_DEFAULT (30 * 1000000)
#define SILENT_ROUNDS 5       /* without a word from the spawner, until it is replaced */
#define SILENT_ROUNDS_MAX 15  /* and until the monitor counts as gone: it has had its time to bring a new one; */
#define BRING_US_MIN 15000000 /* rounds that are shorter are more: it may sweep for so long */
#define REPLACED_MAX 3        /* in a row, of which none said anything */

struct spawn_client {
    struct loop *loop;
    const struct spawn_events *events;
    void *arg;
    pid_t monitor;
    int control;
    struct loop_watch *watch;
    struct spawn_link *link; /* NULL: no spawner at the moment */
    uint32_t spawners;       /* how many there were */
    struct loop_timer round;
    int64_t round_us;
    unsigned silent; /* rounds in a row */
    bool heard;      /* in this round */
    unsigned replaced;
};

static void on_message(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    struct spawn_client *client = arg;
    client->heard = true;
    client->replaced = 0;
    if (msg->op == SPAWN_PONG)
        return; /* has no descriptors: the spawner is ours */
    client->events->message(client->arg, msg, fds, nfds);
}

static void on_link_ended(void *arg)
{
    struct spawn_client *client = arg;
    spawn_link_free(STEAL(client->link));
    client->events->lost(client->arg);
}

static const struct spawn_link_events link_events = {.message = on_message, .ended = on_link_ended};

static void monitor_is_gone(struct spawn_client *client)
{
    loop_remove(STEAL(client->watch));
    loop_timer_cancel(client->loop, &client->round);
    if (client->link)
        on_link_ended(client);
    client->events->gone(client->arg);
}

/* Also when it has ended by itself, and no other came: what it left may have to be thawed before the monitor sees the end. */
static void complain(struct spawn_client *client)
{
    client->replaced++;
    const struct monitor_complaint complaint = {.spawner = client->spawners};
    struct err err;
    log_error("spawner.silent", "seconds=%lld effect=\"it is replaced\"", (long long)(client->round_us * SILENT_ROUNDS / 1000000));
    if (fd_send(client->control, &complaint, sizeof complaint, NULL, 0, &err) < 0)
        log_error("spawner.monitor", "error=\"%s\"", err.msg);
}

static void on_round(void *arg)
{
    struct spawn_client *client = arg;
    const struct spawn_msg ping = {.op = SPAWN_PING};
    struct err err;
    client->silent = client->heard ? 0 : client->silent + 1;
    client->heard = false;
    bool overdue = client->silent >= SILENT_ROUNDS_MAX && client->silent * client->round_us >= BRING_US_MIN;
    if ((overdue && client->spawners > 0) || client->replaced > REPLACED_MAX) {
        log_error("spawner.monitor", "error=\"the monitor brings no spawner\"");
        monitor_is_gone(client);
        return;
    }
    if (client->spawners > 0 && client->silent == SILENT_ROUNDS)
        complain(client);
    if (client->link && spawn_link_send(client->link, &ping, NULL, 0, &err) < 0)
        log_debug("spawner.ping", "error=\"%s\"", err.msg); /* its queue is full: it may still empty it in time */
    loop_timer_set(client->loop, &client->round, clock_mono_us() + client->round_us);
}

static void on_control(void *arg, uint32_t epoll_events)
{
    struct spawn_client *client = arg;
    char text[1 + ERR_MSG_MAX];
    int fds[FD_PASS_MAX];
    size_t nfds = 0;
    struct err err;
    (void)epoll_events;
    ssize_t n = fd_recv(client->control, text, sizeof text - 1, fds, &nfds, &err);
    if (n < 0 && err.code == EAGAIN)
        return;
    if (n > 0 && text[0] == MONITOR_SPAWNER && nfds == 1) {
        if (client->link)
            on_link_ended(client); /* its end was not read yet */
        client->spawners++;
        client->heard = true;
        if (spawn_link_new(client->loop, fds[0], &link_events, client, &client->link, &err) == 0) {
            client->events->up(client->arg);
            return;
        }
        close(fds[0]);
        log_error("spawner.link", "error=\"%s\"", err.msg);
    } else if (n > 0) {
        for (size_t i = 0; i < nfds; i++)
            close(fds[i]);
        text[n] = '\0';
        log_error("spawner.monitor", "error=\"%s\"", text[0] == MONITOR_FAILED ? text + 1 : "an unknown message");
    }
    monitor_is_gone(client);
}

/* The monitor gets its socket as descriptor MONITOR_SOCKET_FD, the lock as MONITOR_LOCK_FD, a session of its own (no
 * terminal's signals), and of the environment only what finding programs and the sanitizers take. */
static int start_monitor(const struct spawn_options *options, int own_sock, pid_t *ret_pid, struct err *err)
{
    /* out of the way of the numbers they are to get */
    CLEANUP(fd_closep) int sock = fcntl(own_sock, F_DUPFD_CLOEXEC, MONITOR_LOCK_FD + 1);
    CLEANUP(fd_closep) int lock = options->lock_fd > 0 ? fcntl(options->lock_fd, F_DUPFD_CLOEXEC, MONITOR_LOCK_FD + 1) : -1;
    if (sock < 0 || (options->lock_fd > 0 && lock < 0))
        return err_errno(err, "duplicating the monitor's descriptors");
    char base[16];
    snprintf(base, sizeof base, "%u", options->uid_base);
    const char *argv[] = {"stoke-spawner", "monitor", "--data", options->data_dir, "--cgroup", options->cgroup_name,
                          "--uid-base",    base,      NULL};
    static const char *const kept[] = {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "XDG_RUNTIME_DIR"};
    char *env[ARRAY_LEN(kept) + 1] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (getenv(kept[i]))
            env[n++] = str_format("%s=%s", kept[i], getenv(kept[i]));
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, sock, MONITOR_SOCKET_FD);
    if (lock >= 0)
        posix_spawn_file_actions_adddup2(&actions, lock, MONITOR_LOCK_FD);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    int code = posix_spawn(ret_pid, options->spawner_path, &actions, &attr, (char *const *)argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    while (n)
        free(env[--n]);
    errno = code;
    return code ? err_errno(err, "starting %s", options->spawner_path) : 0;
}

int spawn_client_start(struct loop *loop, const struct spawn_options *options, const struct spawn_events *events, void *arg,
                       struct spawn_client **ret_client, struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "making a socket for the monitor");
    struct spawn_client *client = calloc(1, sizeof *client);
    if (!client) {
        close(pair[0]);
        close(pair[1]);
        return err_set(err, ERR_NO_MEMORY, "no memory for the spawner's client");
    }
    *client = (struct spawn_client){.loop = loop, .events = events, .arg = arg, .control = pair[0], .monitor = -1};
    client->round_us = (options->silence_us ? options->silence_us : SILENCE_US_DEFAULT) / SILENT_ROUNDS;
    loop_timer_init(&client->round, on_round, client);
    loop_timer_set(loop, &client->round, clock_mono_us() + client->round_us);
    int rc = start_monitor(options, pair[1], &client->monitor, err);
    close(pair[1]);
    if (rc == 0)
        rc = fd_set_nonblock(client->control, true, err);
    if (rc == 0)
        rc = loop_add(loop, client->control, EPOLLIN, on_control, client, &client->watch, err);
    if (rc < 0) {
        spawn_client_stop(client);
        return rc;
    }
    *ret_client = client;
    return 0;
}

int spawn_client_send(struct spawn_client *client, const struct spawn_msg *msg, struct err *err)
{
    if (!client->link)
        return err_set(err, ERR_UNAVAILABLE, "there is no spawner at the moment");
    return spawn_link_send(client->link, msg, NULL, 0, err);
}

/* The monitor ends by itself when its socket does. */
static void wait_for_monitor(pid_t monitor)
{
    CLEANUP(fd_closep) int pidfd = pidfd_open(monitor, 0);
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    int64_t deadline = clock_mono_us() + STOP_US_MAX, left;
    while (pidfd >= 0 && (left = deadline - clock_mono_us()) > 0)
        if (poll(&poll_fd, 1, (int)(left / 1000) + 1) == 1)
            break;
    if (waitpid(monitor, NULL, WNOHANG) == 0)
        log_warn("spawner.monitor", "error=\"still ending after 5 s\" pid=%d", monitor);
}

void spawn_client_stop(struct spawn_client *client)
{
    if (!client)
        return;
    loop_timer_cancel(client->loop, &client->round);
    loop_remove(client->watch);
    close(client->control); /* first: it is the monitor's end, not the spawner's, of which it would have to tell */
    spawn_link_free(client->link);
    if (client->monitor > 0)
        wait_for_monitor(client->monitor);
    free(client);
}
