/* The raw client: writes a prepared request, reads until Content-Length is there. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/base/strutil.h"

#define IN_BYTES (16u << 20)

void wire_connect(struct wire *w, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1;
    *w = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .in_cap = IN_BYTES};
    if (w->fd < 0 || connect(w->fd, (void *)&to, sizeof to) < 0)
        bench_die("nobody answers at port %d: %s", port, strerror(errno));
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    w->in = malloc(w->in_cap + 1);
    if (!w->in)
        bench_die("no memory");
}

void wire_close(struct wire *w)
{
    close(w->fd);
    free(w->in);
    *w = (struct wire){.fd = -1};
}

void wire_send(struct wire *w, const void *request, size_t len)
{
    const char *p = request;
    w->in_len = 0;
    while (len) {
        ssize_t n = write(w->fd, p, len);
        if (n < 0)
            bench_die("write: %s", strerror(errno));
        p += n;
        len -= (size_t)n;
    }
}

/* Whether the answer in w->in is whole; fills status and body. */
static int whole(struct wire *w)
{
    w->in[w->in_len] = '\0';
    char *end = strstr(w->in, "\r\n\r\n");
    if (!end)
        return 0;
    char *length = strcasestr(w->in, "\r\ncontent-length:");
    w->status = atoi(w->in + 9);
    if (w->status != 204 && (!length || length > end))
        bench_die("an answer without Content-Length: %.200s", w->in);
    w->body = end + 4;
    w->body_len = w->status == 204 ? 0 : strtoul(length + 17, NULL, 10);
    return (size_t)(w->body - w->in) + w->body_len <= w->in_len;
}

int wire_poll(struct wire *w)
{
    ssize_t n = read(w->fd, w->in + w->in_len, w->in_cap - w->in_len);
    if (n <= 0)
        bench_die("the server closed the connection (%s)", n ? strerror(errno) : "end of stream");
    w->in_len += (size_t)n;
    return whole(w);
}

double wire_call(struct wire *w, const void *request, size_t len)
{
    double start = now_us();
    wire_send(w, request, len);
    while (!wire_poll(w))
        ;
    return now_us() - start;
}

char *wire_request(const char *method, const char *path, const char *body, size_t *ret_len)
{
    char *text = str_format("%s %s HTTP/1.1\r\nHost: 127.0.0.1:4566\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\n\r\n%s",
                            method, path, strlen(body), body);
    *ret_len = strlen(text);
    return text;
}

extern char **environ;

double exec_us(char *const argv[])
{
    pid_t pid;
    int status;
    double start = now_us();
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        bench_die("%s does not run", argv[0]);
    return now_us() - start;
}
