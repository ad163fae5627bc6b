/* The played peers of a session; see peer.h. */
#include "tests/unit/runtime_api/peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "runtime-api/channel.h"

struct peer peer;
static struct peer_answer answer;

#define WAIT_US 2000000

static void keep(char *out, const char *data, size_t len)
{
    size_t n = len < PEER_TEXT ? len : PEER_TEXT - 1;
    memcpy(out, data, n);
    out[n] = '\0';
}

static void keep_error(const struct session_error *error)
{
    keep(peer.seen.type, error->type, strlen(error->type));
    keep(peer.seen.body, error->body, error->body_len);
    peer.seen.body_len = error->body_len;
    keep(peer.seen.cause, error->xray_cause ? error->xray_cause : "", error->xray_cause ? strlen(error->xray_cause) : 0);
}

static void hook(const char *event)
{
    if (peer.hook)
        peer.hook(event);
}

static void on_booted(void *arg)
{
    (void)arg;
    peer.seen.booted++;
    hook("booted");
}

static void on_ready(void *arg)
{
    (void)arg;
    peer.seen.ready++;
    hook("ready");
}

static void on_init_error(void *arg, const struct session_error *error)
{
    (void)arg;
    peer.seen.init_error++;
    keep_error(error);
    hook("init_error");
}

static void on_exec_failed(void *arg, const struct session_exec_failure *failure)
{
    (void)arg;
    peer.seen.exec_failed++;
    peer.seen.exec_code = failure->code;
    char *text = str_format("%s %s", failure->path, failure->machine);
    keep(peer.seen.why, text, strlen(text));
    free(text);
    hook("exec_failed");
}

static void on_response(void *arg, const char *content_type, const char *body, size_t len)
{
    (void)arg;
    peer.seen.response++;
    keep(peer.seen.content_type, content_type, strlen(content_type));
    keep(peer.seen.body, body, len);
    peer.seen.body_len = len;
    hook("response");
}

static void on_error(void *arg, const struct session_error *error)
{
    (void)arg;
    peer.seen.error++;
    keep_error(error);
    hook("error");
}

static void on_too_large(void *arg, size_t len)
{
    (void)arg;
    peer.seen.too_large++;
    peer.seen.too_large_len = len;
    hook("too_large");
}

static void on_idle(void *arg)
{
    (void)arg;
    peer.seen.idle++;
    hook("idle");
}

static void on_broken(void *arg, const char *why)
{
    (void)arg;
    peer.seen.broken++;
    keep(peer.seen.why, why, strlen(why));
    hook("broken");
}

static void on_log(void *arg, const char *data, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len && peer.seen.log_len < sizeof peer.seen.log - 1; i++)
        peer.seen.log[peer.seen.log_len++] = data[i];
    hook("log");
}

static const struct session_events events = {on_booted, on_ready,     on_init_error, on_exec_failed, on_response,
                                             on_error,  on_too_large, on_idle,       on_broken,      on_log};

static int listen_somewhere(int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(fd, (struct sockaddr *)&at, sizeof at);
    assert(rc == 0 && listen(fd, 16) == 0);
    rc = getsockname(fd, (struct sockaddr *)&at, &len);
    assert(rc == 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

void peer_open(void)
{
    struct err err;
    int channel[2], log[2];
    memset(&peer, 0, sizeof peer);
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel);
    assert(rc == 0);
    rc = pipe2(log, O_CLOEXEC);
    assert(rc == 0);
    peer.channel = channel[1];
    peer.log = log[1];
    rc = loop_new(&peer.loop, &err);
    assert(rc == 0);
    struct session_fds fds = {.channel = channel[0], .log = log[0], .runtime_listener = listen_somewhere(&peer.port)};
    rc = session_new(peer.loop, &fds, &events, NULL, &peer.session, &err);
    assert(rc == 0);
    session_describe(peer.session, &(struct session_about){"fun", "$LATEST", "a.handler", "000000000000"});
    (void)rc;
}

void peer_close(void)
{
    session_free(peer.session);
    if (peer.channel >= 0)
        close(peer.channel);
    if (peer.log >= 0)
        close(peer.log);
    loop_free(peer.loop);
    free(answer.body);
    answer.body = NULL;
}

void peer_run(int ms)
{
    int64_t end = clock_mono_us() + ms * 1000;
    do
        loop_run_once(peer.loop, 1);
    while (clock_mono_us() < end);
}

bool peer_until(const int *count, int at_least)
{
    int64_t end = clock_mono_us() + WAIT_US;
    while (*count < at_least && clock_mono_us() < end)
        loop_run_once(peer.loop, 1);
    return *count >= at_least;
}

int peer_connect(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)peer.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&at, sizeof at);
    assert(rc == 0);
    (void)rc;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void peer_send_bytes(int fd, const void *data, size_t len)
{
    int64_t end = clock_mono_us() + 5 * WAIT_US;
    for (size_t done = 0; done < len && clock_mono_us() < end;) {
        ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EAGAIN)
            return;
        loop_run_once(peer.loop, n > 0 ? 0 : 1);
    }
}

void peer_send(int fd, const char *text)
{
    peer_send_bytes(fd, text, strlen(text));
}

/* Exactly len bytes, or up to and with the text end when that is given. */
static bool receive(int fd, char *out, size_t len, const char *until, size_t *ret_len)
{
    int64_t end = clock_mono_us() + WAIT_US;
    size_t done = 0;
    while (done < len && clock_mono_us() < end) {
        ssize_t n = recv(fd, out + done, until ? 1 : len - done, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        if (n < 0) {
            loop_run_once(peer.loop, 1);
            continue;
        }
        done += (size_t)n;
        if (until && done >= strlen(until) && memcmp(out + done - strlen(until), until, strlen(until)) == 0)
            len = done;
    }
    *ret_len = done;
    return done == len;
}

struct peer_answer *peer_answer(int fd)
{
    size_t len;
    free(answer.body);
    answer = (struct peer_answer){0};
    if (!receive(fd, answer.head, sizeof answer.head - 1, "\r\n\r\n", &len))
        return NULL;
    answer.head[len] = '\0';
    answer.status = atoi(answer.head + strlen("HTTP/1.1 "));
    if (answer.status == 100)
        return &answer;
    const char *value = peer_header(&answer, "Content-Length");
    answer.body_len = value ? strtoul(value, NULL, 10) : 0;
    answer.body = calloc(1, answer.body_len + 1);
    return receive(fd, answer.body, answer.body_len, NULL, &len) ? &answer : NULL;
}

struct peer_answer *peer_ask(int fd, const char *request)
{
    peer_send(fd, request);
    return peer_answer(fd);
}

struct peer_answer *peer_post(int fd, const char *path, const char *headers, const char *body)
{
    char head[PEER_TEXT];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", path, headers, strlen(body));
    peer_send(fd, head);
    peer_send(fd, body);
    return peer_answer(fd);
}

const char *peer_header(const struct peer_answer *a, const char *name)
{
    static char value[PEER_TEXT];
    for (const char *line = strstr(a->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
        size_t n = strlen(name);
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') {
            snprintf(value, sizeof value, "%s", line + 2 + n + 1 + strspn(line + 2 + n + 1, " "));
            value[strcspn(value, "\r")] = '\0';
            return value;
        }
    }
    return NULL;
}

bool peer_is_open(int fd)
{
    char c;
    peer_run(20);
    return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

void peer_invoke(const char *request_id, const char *payload)
{
    struct err err = {0};
    int rc = session_invoke(peer.session,
                            &(struct session_event){.request_id = request_id,
                                                    .deadline_epoch_ms = clock_wall_ms() + 60000,
                                                    .function_arn = "arn:aws:lambda:us-east-1:000000000000:function:fun",
                                                    .trace_id = "Root=1-2-3",
                                                    .payload = payload,
                                                    .payload_len = strlen(payload)},
                            &err);
    if (rc < 0)
        fprintf(stderr, "session_invoke: %s\n", err.msg);
    assert(rc == 0);
}

int peer_ready(void)
{
    int fd = peer_connect();
    int want = peer.seen.ready ? peer.seen.idle + 1 : 0;
    peer_send(fd, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n");
    bool came = want ? peer_until(&peer.seen.idle, want) : peer_until(&peer.seen.ready, 1);
    assert(came);
    (void)came;
    return fd;
}

void peer_frame(int type, const void *meta, size_t meta_len, const void *body, size_t body_len)
{
    unsigned char header[CHANNEL_HEADER_BYTES] = {(unsigned char)type};
    uint32_t lens[2] = {(uint32_t)meta_len, (uint32_t)body_len};
    memcpy(header + 4, lens, sizeof lens);
    peer_send_bytes(peer.channel, header, sizeof header);
    if (meta_len)
        peer_send_bytes(peer.channel, meta, meta_len);
    if (body_len)
        peer_send_bytes(peer.channel, body, body_len);
    peer_run(2);
}

char *peer_take_frame(int *ret_type, char *ret_meta, size_t *ret_meta_len, size_t *ret_body_len)
{
    unsigned char header[CHANNEL_HEADER_BYTES];
    uint32_t lens[2];
    size_t len;
    if (!receive(peer.channel, (char *)header, sizeof header, NULL, &len))
        return NULL;
    memcpy(lens, header + 4, sizeof lens);
    *ret_type = header[0];
    *ret_meta_len = lens[0];
    *ret_body_len = lens[1];
    char *body = calloc(1, lens[1] + 1);
    if (lens[0] > PEER_TEXT || !receive(peer.channel, ret_meta, lens[0], NULL, &len) || !receive(peer.channel, body, lens[1], NULL, &len)) {
        free(body);
        return NULL;
    }
    return body;
}
