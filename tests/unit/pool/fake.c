/* See fake.h. */
#include "tests/unit/pool/fake.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "runtime-api/session.h"
#include "sandbox/spawn_client.h"

struct fake fake;

struct session {
    const struct session_events *events;
    void *arg;
    struct session_fds fds;
    uint32_t room;
    bool provisioned, started, ready, busy, answered;
    struct session_event event;
    char *pending_log;
    bool paused;
};

/* ---- the runtime ---- */

enum said { SAY_BOOTED, SAY_READY, SAY_INIT_ERROR, SAY_EXEC_FAILED, SAY_RESPONSE, SAY_ERROR, SAY_TOO_LARGE, SAY_IDLE, SAY_BROKEN };

struct said_task {
    uint32_t room;
    enum said what;
    char *type, *body;
    bool idle;
};

static void run_said(void *arg)
{
    struct said_task *task = arg;
    struct session *s = fake.session[task->room];
    struct session_error error = {
        .type = task->type ? task->type : "", .body = task->body, .body_len = task->body ? strlen(task->body) : 0};
    bool answers = task->what == SAY_RESPONSE || task->what == SAY_ERROR || task->what == SAY_TOO_LARGE;
    bool starts = task->what == SAY_READY || task->what == SAY_INIT_ERROR || task->what == SAY_EXEC_FAILED;
    if (s && ((answers && (!s->busy || s->answered)) || (starts && (!s->started || s->ready))))
        s = NULL; /* a real session refuses what comes out of turn */
    if (s) {
        const struct session_events *e = s->events;
        s->answered = s->answered || answers;
        if (task->what == SAY_BOOTED) {
            e->booted(s->arg);
        } else if (task->what == SAY_READY) {
            s->ready = true;
            e->ready(s->arg);
        } else if (task->what == SAY_INIT_ERROR) {
            e->init_error(s->arg, &error);
        } else if (task->what == SAY_EXEC_FAILED) {
            const struct session_exec_failure failure = {fake.exec_errno, "/var/task/bootstrap", fake.exec_machine};
            e->exec_failed(s->arg, &failure);
        } else if (task->what == SAY_RESPONSE) {
            e->response(s->arg, "application/json", task->body, strlen(task->body));
        } else if (task->what == SAY_ERROR) {
            e->error(s->arg, &error);
        } else if (task->what == SAY_TOO_LARGE) {
            e->too_large(s->arg, 7000000);
        } else if (task->what == SAY_BROKEN) {
            e->broken(s->arg, "a test");
        }
    }
    s = fake.session[task->room];
    if (s && s->busy && s->answered && (task->idle || task->what == SAY_IDLE)) {
        s->busy = s->answered = false;
        s->events->idle(s->arg);
    }
    free(task->type);
    free(task->body);
    free(task);
}

static void say(uint32_t room, enum said what, const char *type, const char *body, bool idle)
{
    struct said_task *task = calloc(1, sizeof *task);
    *task = (struct said_task){.room = room, .what = what, .idle = idle};
    task->type = type ? strdup(type) : NULL;
    task->body = body ? strdup(body) : NULL;
    loop_post(fake.loop, run_said, task);
}

void fake_respond(uint32_t room, const char *body, bool idle)
{
    say(room, SAY_RESPONSE, NULL, body, idle);
}
void fake_error(uint32_t room, const char *type, const char *body)
{
    say(room, SAY_ERROR, type, body, true);
}
void fake_idle(uint32_t room)
{
    say(room, SAY_IDLE, NULL, NULL, false);
}
void fake_ready(uint32_t room)
{
    say(room, SAY_READY, NULL, NULL, false);
}
void fake_broken(uint32_t room)
{
    say(room, SAY_BROKEN, NULL, NULL, false);
}
void fake_too_large(uint32_t room)
{
    say(room, SAY_TOO_LARGE, NULL, NULL, true);
}
void fake_print(uint32_t room, const char *text)
{
    struct session *s = fake.session[room];
    assert(s);
    s->events->log(s->arg, text, strlen(text));
}

bool fake_is_provisioned(uint32_t room)
{
    return fake.session[room] && fake.session[room]->provisioned;
}

uint32_t fake_busy_room(void)
{
    for (uint32_t i = 0; i < FAKE_ROOMS; i++)
        if (fake.session[i] && fake.session[i]->busy)
            return i;
    return 0;
}

int session_new(struct loop *loop, const struct session_fds *fds, const struct session_events *events, void *arg,
                struct session **ret_session, struct err *err)
{
    (void)loop, (void)err;
    struct session *s = calloc(1, sizeof *s);
    *s = (struct session){.events = events, .arg = arg, .fds = *fds, .room = worker_room_id(arg)};
    assert(s->room < FAKE_ROOMS);
    fake.session[s->room] = s;
    fake.sessions++;
    *ret_session = s;
    return 0;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    if (s->busy) { /* the payload is borrowed until now: read it, so that a sanitizer sees a freed one */
        for (size_t i = 0; i < s->event.payload_len; i++)
            fake.payload_reads += ((const char *)s->event.payload)[i] != 0;
    }
    close(s->fds.channel);
    close(s->fds.log);
    close(s->fds.runtime_listener);
    fake.session[s->room] = NULL;
    fake.sessions--;
    free(s);
}

int session_renew(struct session *s, int channel, int log, struct err *err)
{
    (void)err;
    if (s->busy)
        for (size_t i = 0; i < s->event.payload_len; i++)
            fake.payload_reads += ((const char *)s->event.payload)[i] != 0;
    close(s->fds.channel);
    close(s->fds.log);
    s->fds.channel = channel;
    s->fds.log = log;
    s->started = s->ready = s->busy = s->answered = false;
    return 0;
}

void session_describe(struct session *s, const struct session_about *about)
{
    (void)s;
    assert(about->function_name && about->handler);
}

static void runtime_starts(uint32_t room)
{
    if (fake.exec_errno)
        say(room, SAY_EXEC_FAILED, NULL, NULL, false);
    else if (fake.init_fails)
        say(room, SAY_INIT_ERROR, "Runtime.ImportModuleError", "{\"errorType\":\"Runtime.ImportModuleError\"}", false);
    else if (!fake.no_ready)
        fake_ready(room);
}

int session_start(struct session *s, const char *const *env, size_t count, struct err *err)
{
    assert(!s->started);
    if (fake.dead_blanks && fake.dead_blanks--)
        return err_set(err, ERR_UNAVAILABLE, "the runtime has closed its channel");
    s->provisioned = false;
    for (size_t i = 0; i < count; i++) {
        assert(strchr(env[i], '='));
        s->provisioned = s->provisioned || str_eq(env[i], "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency");
    }
    s->started = true;
    return 0;
}

int session_invoke(struct session *s, const struct session_event *event, struct err *err)
{
    if (!s->ready || s->busy)
        return err_set(err, ERR_CONFLICT, "not idle");
    s->busy = true;
    s->event = *event;
    if (fake.echo) {
        char *body = strndup(event->payload, event->payload_len);
        fake_respond(s->room, body, true);
        free(body);
    }
    return 0;
}

void session_drain_log(struct session *s)
{
    if (s->pending_log)
        s->events->log(s->arg, s->pending_log, strlen(s->pending_log));
    s->pending_log = NULL;
}

void session_read_log(struct session *s, bool on)
{
    s->paused = !on;
}

bool session_is_idle(const struct session *s)
{
    return s->ready && !s->busy;
}

/* ---- the spawner ---- */

struct spawn_task {
    struct spawn_msg msg;
};

static int null_fd(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void run_message(void *arg)
{
    struct spawn_task *task = arg;
    int fds[SPAWN_FD_COUNT];
    size_t nfds = 0;
    bool reset_ready = task->msg.op == SPAWN_ROOM_READY && task->msg.ready.pid == 2;
    if (task->msg.op == SPAWN_ROOM_READY)
        for (; nfds < (reset_ready ? 2u : SPAWN_FD_COUNT); nfds++)
            fds[nfds] = null_fd();
    uint32_t room = task->msg.room_id, op = task->msg.op;
    if (fake.pool && !fake.spawner_gone) {
        pool_spawn_message(fake.pool, &task->msg, fds, nfds);
        if (op == SPAWN_ROOM_READY && !fake.no_boot)
            say(room, SAY_BOOTED, NULL, NULL, false);
        if (op == SPAWN_ROOM_ASSIGNED)
            runtime_starts(room);
    } else {
        while (nfds > 0)
            close(fds[--nfds]);
    }
    free(task);
}

void fake_message(const struct spawn_msg *msg)
{
    struct spawn_task *task = calloc(1, sizeof *task);
    task->msg = *msg;
    loop_post(fake.loop, run_message, task);
}

static void run_lost(void *arg)
{
    (void)arg;
    fake.spawner_gone = true;
    pool_spawn_lost(fake.pool);
}

static void run_up(void *arg)
{
    (void)arg;
    fake.spawner_gone = false;
    pool_spawn_up(fake.pool);
}

void fake_spawner_dies(void)
{
    loop_post(fake.loop, run_lost, NULL);
    loop_post(fake.loop, run_up, NULL);
}

void fake_exit(uint32_t room, int wait_status, uint32_t oom_kills)
{
    struct spawn_msg msg = {.op = SPAWN_ROOM_EXITED, .room_id = room};
    msg.exited.wait_status = wait_status;
    msg.exited.stats = fake.stats;
    msg.exited.stats.oom_kills = oom_kills;
    fake_message(&msg);
}

static void answer(const struct spawn_msg *msg)
{
    struct spawn_msg reply = {.room_id = msg->room_id};
    if (fake.mute & (1ull << msg->op))
        return;
    if (fake.fail & (1ull << msg->op)) {
        reply.op = msg->op == SPAWN_ZYGOTE_START ? SPAWN_ZYGOTE_DOWN : SPAWN_ROOM_FAILED;
        reply.failed.code = ENOENT;
        str_copy(reply.failed.stage, sizeof reply.failed.stage, "test");
        str_copy(reply.failed.text, sizeof reply.failed.text, "told to fail");
        fake_message(&reply);
        return;
    }
    switch (msg->op) {
    case SPAWN_ZYGOTE_START:
        reply.op = SPAWN_ZYGOTE_UP;
        break;
    case SPAWN_ROOM_MAKE:
        reply.op = SPAWN_ROOM_READY;
        reply.ready.pid = 1;
        break;
    case SPAWN_ROOM_RESET:
        reply.op = SPAWN_ROOM_READY;
        reply.ready.pid = 2;
        break;
    case SPAWN_ROOM_ASSIGN:
        reply.op = SPAWN_ROOM_ASSIGNED;
        break;
    case SPAWN_ROOM_FREEZE:
        reply.op = SPAWN_ROOM_FROZEN;
        reply.stats = fake.stats;
        break;
    case SPAWN_ROOM_STAT:
        reply.op = SPAWN_ROOM_STATS;
        reply.stats = fake.stats;
        break;
    case SPAWN_ROOM_KILL:
        reply.op = SPAWN_ROOM_DEAD;
        break;
    default:
        return;
    }
    fake_message(&reply);
}

int spawn_client_send(struct spawn_client *client, const struct spawn_msg *msg, struct err *err)
{
    (void)client;
    if (fake.spawner_gone)
        return err_set(err, ERR_UNAVAILABLE, "no spawner");
    assert(fake.sent_count < FAKE_SENT);
    fake.sent[fake.sent_count++] = *msg;
    answer(msg);
    return 0;
}

size_t fake_count(uint32_t op)
{
    size_t n = 0;
    for (size_t i = 0; i < fake.sent_count; i++)
        n += fake.sent[i].op == op;
    return n;
}

const struct spawn_msg *fake_last(uint32_t op)
{
    for (size_t i = fake.sent_count; i > 0; i--)
        if (fake.sent[i - 1].op == op)
            return &fake.sent[i - 1];
    return NULL;
}

/* ---- set-up ---- */

static void *open_endpoint(void *arg, struct function_version *version, int fd)
{
    (void)arg;
    assert(version->refs > 0);
    fake.endpoints++;
    close(fd);
    return strdup(version->name);
}

static void close_endpoint(void *arg, void *handle)
{
    (void)arg;
    fake.endpoints--;
    free(handle);
}

void fake_open(const struct pool_options *options)
{
    static const struct pool_endpoint_events endpoint = {.open = open_endpoint, .close = close_endpoint};
    struct err err;
    memset(&fake, 0, sizeof fake);
    fake.exec_machine = "";
    fake.sent = calloc(FAKE_SENT, sizeof *fake.sent);
    fake.stats = (struct spawn_stats){.memory_bytes = 2 << 20, .peak_bytes = 3 << 20};
    strcpy(fake.dir, "/tmp/stoke-pool-XXXXXX");
    if (!mkdtemp(fake.dir) || loop_new(&fake.loop, &err) < 0)
        abort();
    struct logs_options logs = {.loop = fake.loop, .dir = fake.dir};
    if (logs_new(&logs, &fake.logs, &err) < 0)
        abort();
    struct pool_options all = *options;
    all.loop = fake.loop;
    all.logs = fake.logs;
    all.endpoint = &endpoint;
    all.cpus = all.cpus ? all.cpus : 2;
    if (pool_new(&all, &fake.pool, &err) < 0)
        abort();
    pool_spawn_up(fake.pool);
}

void fake_close(void)
{
    pool_free(fake.pool);
    fake.pool = NULL;
    for (int i = 0; i < 5; i++)
        loop_run_once(fake.loop, 0); /* posted answers free themselves */
    logs_free(fake.logs);
    loop_free(fake.loop);
    free(fake.sent);
    CLEANUP(freep) char *rm = str_format("rm -rf %s", fake.dir);
    if (system(rm) != 0)
        abort();
    assert(fake.sessions == 0 && fake.endpoints == 0);
}

void fake_run(int ms)
{
    int64_t end = clock_mono_us() + ms * 1000;
    do {
        loop_run_once(fake.loop, 1);
    } while (clock_mono_us() < end);
}

bool fake_until(const int *flag)
{
    int64_t end = clock_mono_us() + 2 * 1000 * 1000;
    while (!*flag && clock_mono_us() < end)
        loop_run_once(fake.loop, 1);
    return *flag;
}
