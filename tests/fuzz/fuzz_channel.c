/* The reader of the private channel's frames: the input is what a hostile runtime writes, in pieces, with events in between. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/loop.h"
#include "runtime-api/session_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct session *session;
    bool booted, running, ended;
};

static void on_booted(void *arg)
{
    struct world *w = arg;
    assert(!w->booted && !w->ended);
    w->booted = true;
}

static void on_ready(void *arg)
{
    struct world *w = arg;
    assert(w->booted && !w->running && session_is_idle(w->session));
}

static void on_init_error(void *arg, const struct session_error *error)
{
    struct world *w = arg;
    assert(w->booted && !w->running && error->type[0]);
}

static void on_exec_failed(void *arg, const struct session_exec_failure *failure)
{
    struct world *w = arg;
    assert(!w->running && failure->code >= 0 && strlen(failure->path) <= CHANNEL_META_BYTES_MAX);
    assert(strlen(failure->machine) <= CHANNEL_META_BYTES_MAX);
}

static void on_response(void *arg, const char *content_type, const char *body, size_t len)
{
    struct world *w = arg;
    unsigned sum = 0;
    assert(w->running && len <= LIMIT_PAYLOAD_BYTES && content_type[0]);
    for (size_t i = 0; i < len; i++)
        sum += (unsigned char)body[i];
    assert(sum <= len * 255);
    w->running = false;
}

static void on_error(void *arg, const struct session_error *error)
{
    struct world *w = arg;
    assert(w->running && error->type[0]);
    w->running = false;
}

static void on_too_large(void *arg, size_t len)
{
    struct world *w = arg;
    assert(w->running && len > LIMIT_PAYLOAD_BYTES);
    w->running = false;
}

static void on_idle(void *arg)
{
    struct world *w = arg;
    assert(!w->running && session_is_idle(w->session));
}

static void on_broken(void *arg, const char *why)
{
    struct world *w = arg;
    assert(!w->ended && why[0]);
    w->ended = true;
    w->running = false;
}

static const struct session_events events = {on_booted, on_ready,     on_init_error, on_exec_failed, on_response,
                                             on_error,  on_too_large, on_idle,       on_broken,      NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct loop *loop;
    struct world w = {0};
    int pair[2];
    char waste[4096];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
    assert(rc == 0);
    rc = loop_new(&loop, &err);
    assert(rc == 0);
    struct session_fds fds = {pair[0], -1, -1};
    rc = session_new(loop, &fds, &events, &w, &w.session, &err);
    assert(rc == 0);
    struct session_event event = {.request_id = "r", .deadline_epoch_ms = 1, .payload = "{}", .payload_len = 2};
    while (size > 0 && !w.ended) {
        size_t n = 1 + data[0] % 64;
        n = n < size - 1 ? n : size - 1;
        if (send(pair[1], data + 1, n, MSG_NOSIGNAL) < 0)
            break;
        data += 1 + n;
        size -= 1 + n;
        loop_run_once(loop, 0);
        if (session_is_idle(w.session) && session_invoke(w.session, &event, &err) == 0)
            w.running = true;
        while (recv(pair[1], waste, sizeof waste, MSG_DONTWAIT) > 0)
            ;
    }
    close(pair[1]);
    loop_run_once(loop, 0);
    loop_run_once(loop, 0);
    session_free(w.session);
    loop_free(loop);
    return 0;
}
