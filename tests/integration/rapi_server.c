/* A Runtime API without a sandbox: one session on a loopback port, told what to do on standard input, saying what came on
 * standard output. For runtime clients that nobody here wrote (test_rics.py).
 *
 *     rapi_server DIR
 *     > listening PORT
 *     < invoke REQUEST-ID PAYLOAD-FILE CONTEXT-FILE|-      (after "ready" or "idle")
 *     > response LENGTH CONTENT-TYPE | error LENGTH TYPE | init_error LENGTH TYPE | too_large LENGTH    (body in DIR/body)
 *     > ready | idle | broken WHY
 *
 * Ends with its input.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "runtime-api/session.h"

#define FILE_BYTES_MAX (16 * 1024 * 1024)
#define EVENT_MS 30000

struct server {
    struct session *session;
    const char *dir;
    char *payload; /* lent to the session */
    char line[1024];
    size_t line_len;
    bool ended;
};

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void keep_body(const struct server *server, const char *body, size_t len)
{
    CLEANUP(freep) char *path = str_format("%s/body", server->dir);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(body, 1, len, file) != len)
        perror(path);
    if (file)
        fclose(file);
}

static void on_ready(void *arg)
{
    (void)arg;
    say("ready");
}

static void on_idle(void *arg)
{
    (void)arg;
    say("idle");
}

static void on_init_error(void *arg, const struct session_error *error)
{
    keep_body(arg, error->body, error->body_len);
    say("init_error %zu %s", error->body_len, error->type);
}

static void on_response(void *arg, const char *content_type, const char *body, size_t len)
{
    keep_body(arg, body, len);
    say("response %zu %s", len, content_type);
}

static void on_error(void *arg, const struct session_error *error)
{
    keep_body(arg, error->body, error->body_len);
    say("error %zu %s", error->body_len, error->type);
}

static void on_too_large(void *arg, size_t len)
{
    (void)arg;
    say("too_large %zu", len);
}

static void on_broken(void *arg, const char *why)
{
    (void)arg;
    say("broken %s", why);
}

static const struct session_events events = {.ready = on_ready,
                                             .init_error = on_init_error,
                                             .response = on_response,
                                             .error = on_error,
                                             .too_large = on_too_large,
                                             .idle = on_idle,
                                             .broken = on_broken};

static void invoke(struct server *server, const char *id, const char *payload_path, const char *context_path)
{
    struct err err;
    char *payload = NULL;
    CLEANUP(freep) char *context = NULL;
    size_t len = 0;
    int rc = fd_read_file(AT_FDCWD, payload_path, FILE_BYTES_MAX, &payload, &len, &err);
    if (rc == 0 && !str_eq(context_path, "-"))
        rc = fd_read_file(AT_FDCWD, context_path, FILE_BYTES_MAX, &context, NULL, &err);
    struct session_event event = {.request_id = id,
                                  .deadline_epoch_ms = clock_wall_ms() + EVENT_MS,
                                  .function_arn = "arn:aws:lambda:us-east-1:000000000000:function:ric",
                                  .trace_id = "Root=1-5e1b4151-5ac6c58f4c8c1c1c1c1c1c1c;Parent=53995c3f42cd8ad8;Sampled=0",
                                  .client_context = context,
                                  .payload = payload,
                                  .payload_len = len};
    if (rc == 0)
        rc = session_invoke(server->session, &event, &err);
    if (rc < 0) {
        say("refused %s", err.msg);
        free(payload);
        return;
    }
    free(server->payload);
    server->payload = payload;
}

static void on_line(struct server *server)
{
    char id[128], payload[400], context[400];
    if (sscanf(server->line, "invoke %127s %399s %399s", id, payload, context) == 3)
        invoke(server, id, payload, context);
    else
        say("refused an unknown command");
}

static void on_input(void *arg, uint32_t epoll_events)
{
    struct server *server = arg;
    char c;
    (void)epoll_events;
    if (read(STDIN_FILENO, &c, 1) <= 0 || server->line_len == sizeof server->line - 1) {
        server->ended = true;
    } else if (c != '\n') {
        server->line[server->line_len++] = c;
    } else {
        server->line[server->line_len] = '\0';
        server->line_len = 0;
        on_line(server);
    }
}

static int listen_somewhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        return -1;
    say("listening %d", ntohs(at.sin_port));
    return fd;
}

int main(int argc, char **argv)
{
    struct err err;
    struct loop *loop;
    struct loop_watch *input;
    if (argc != 2) {
        fprintf(stderr, "usage: rapi_server DIR\n");
        return 2;
    }
    struct server server = {.dir = argv[1]};
    struct session_fds fds = {.channel = -1, .log = -1, .runtime_listener = listen_somewhere()};
    if (fds.runtime_listener < 0 || loop_new(&loop, &err) < 0 || session_new(loop, &fds, &events, &server, &server.session, &err) < 0 ||
        loop_add(loop, STDIN_FILENO, EPOLLIN, on_input, &server, &input, &err) < 0) {
        fprintf(stderr, "rapi_server: cannot start\n");
        return 1;
    }
    session_describe(server.session, &(struct session_about){"ric", "$LATEST", "handler", "000000000000"});
    while (!server.ended)
        loop_run_once(loop, -1);
    session_free(server.session);
    loop_remove(input);
    loop_free(loop);
    free(server.payload);
    return 0;
}
