/* The HTTP state machine of the Runtime API with hostile peers: the input is a script of bytes on up to four connections, of
 * events handed over, renewals and closes. Whatever comes, nothing may crash, leak or call back in the wrong state. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/loop.h"
#include "runtime-api/http/http_conn.h"
#include "runtime-api/session_state.h"

#define PEERS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct loop *loop;
    struct session *session;
    int peers[PEERS];
    bool running, broken;
};

static void on_ready(void *arg)
{
    struct world *w = arg;
    assert(!w->running && session_is_idle(w->session));
}

static void on_idle(void *arg)
{
    struct world *w = arg;
    assert(!w->running && session_is_idle(w->session));
}

static void on_init_error(void *arg, const struct session_error *error)
{
    struct world *w = arg;
    assert(!w->running && error->type[0] && error->body);
}

static void on_response(void *arg, const char *content_type, const char *body, size_t len)
{
    struct world *w = arg;
    assert(w->running && len <= LIMIT_PAYLOAD_BYTES && body);
    for (const char *c = content_type; *c; c++)
        assert(*c >= ' ' && *c < 0x7f);
    w->running = false;
}

static void on_error(void *arg, const struct session_error *error)
{
    struct world *w = arg;
    assert(w->running && error->body);
    for (const char *c = error->type; *c; c++)
        assert(*c > ' ' && *c < 0x7f);
    w->running = false;
}

static void on_too_large(void *arg, size_t len)
{
    struct world *w = arg;
    assert(w->running && len > LIMIT_PAYLOAD_BYTES);
    w->running = false;
}

static void on_broken(void *arg, const char *why)
{
    struct world *w = arg;
    assert(!w->broken && why[0]);
    w->broken = true;
    w->running = false;
}

static const struct session_events events = {.ready = on_ready,
                                             .init_error = on_init_error,
                                             .response = on_response,
                                             .error = on_error,
                                             .too_large = on_too_large,
                                             .idle = on_idle,
                                             .broken = on_broken};

static void connect_peer(struct world *w, size_t i)
{
    int pair[2];
    if (w->peers[i] >= 0)
        close(w->peers[i]);
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
    assert(rc == 0);
    w->peers[i] = pair[1];
    http_conn_adopt(w->session, pair[0]);
}

/* The input cannot guess random identifiers: $E stands for the first extension's, $D for the delivery's. */
static void speak(struct world *w, size_t i, const uint8_t *data, size_t n)
{
    char text[512];
    size_t len = 0;
    for (size_t k = 0; k < n && len < sizeof text - ID_UUID_BYTES; k++) {
        bool marks = data[k] == '$' && k + 1 < n;
        const char *id = marks && data[k + 1] == 'E'   ? w->session->extensions[0].id
                         : marks && data[k + 1] == 'D' ? w->session->delivery.id
                                                       : NULL;
        if (id) {
            memcpy(text + len, id, strlen(id));
            len += strlen(id);
            k++;
        } else {
            text[len++] = (char)data[k];
        }
    }
    if (send(w->peers[i], text, len, MSG_NOSIGNAL) < 0)
        connect_peer(w, i);
}

static void hear(const struct world *w)
{
    char waste[4096];
    for (size_t i = 0; i < PEERS; i++)
        while (recv(w->peers[i], waste, sizeof waste, MSG_DONTWAIT) > 0)
            ;
}

static void act(struct world *w, unsigned action, size_t i)
{
    struct err err;
    struct session_event event = {.request_id = "r", .deadline_epoch_ms = INT64_C(4000000000000), .payload = "{}", .payload_len = 2};
    switch (action % 8) {
    case 0:
        connect_peer(w, i);
        break;
    case 1:
        shutdown(w->peers[i], SHUT_WR);
        break;
    case 2:
        if (session_renew(w->session, -1, -1, &err) == 0)
            w->running = w->broken = false;
        break;
    case 3:
        session_shutdown(w->session, "spindown", 1);
        break;
    default:
        if (session_is_idle(w->session) && session_invoke(w->session, &event, &err) == 0)
            w->running = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct world w = {.peers = {-1, -1, -1, -1}};
    struct session_fds fds = {-1, -1, -1};
    int rc = loop_new(&w.loop, &err);
    assert(rc == 0);
    rc = session_new(w.loop, &fds, &events, &w, &w.session, &err);
    assert(rc == 0);
    for (size_t i = 0; i < PEERS; i++)
        connect_peer(&w, i);
    while (size >= 2) { /* who and what, then how many bytes */
        size_t i = data[0] % PEERS, n = data[1];
        unsigned action = data[0] / PEERS;
        data += 2;
        size -= 2;
        if (action < 48) {
            n = n < size ? n : size;
            speak(&w, i, data, n);
            data += n;
            size -= n;
        } else {
            act(&w, action, i);
        }
        for (int round = 0; round < 3; round++)
            loop_run_once(w.loop, 0);
        hear(&w);
    }
    session_free(w.session);
    loop_free(w.loop);
    for (size_t i = 0; i < PEERS; i++)
        close(w.peers[i]);
    return 0;
}
