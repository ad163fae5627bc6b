/* The smallest honest bootstrap: speaks the Runtime API over one connection and echoes the event. With --once it only starts and
 * ends, which is the bare exec that a cold start of it is measured against. Linked statically. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX (8u << 20)

static char in[BYTES_MAX + 1];

static int whole_answer(int fd, char **ret_body, size_t *ret_len)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, in + len, BYTES_MAX - len);
        if (n <= 0)
            return -1;
        len += (size_t)n;
        in[len] = '\0';
        char *end = strstr(in, "\r\n\r\n"), *length = strcasestr(in, "\r\ncontent-length:");
        if (!end)
            continue;
        size_t want = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        if (len >= (size_t)(end + 4 - in) + want) {
            *ret_body = end + 4;
            *ret_len = want;
            return 0;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--once") == 0)
        return 0;
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    char host[64];
    int port;
    if (!api || sscanf(api, "%63[^:]:%d", host, &port) != 2)
        return 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (void *)&to, sizeof to) < 0)
        return 3;
    for (;;) {
        char *body, id[64] = "", head[512];
        size_t len;
        int n = snprintf(head, sizeof head, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n", api);
        if (write(fd, head, (size_t)n) != n || whole_answer(fd, &body, &len) < 0)
            return 4;
        char *found = strcasestr(in, "\r\nlambda-runtime-aws-request-id:");
        if (!found || sscanf(found + 32, " %63[0-9a-fA-F-]", id) != 1)
            return 5;
        n = snprintf(head, sizeof head,
                     "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n", id, api, len);
        if (write(fd, head, (size_t)n) != n || write(fd, body, len) != (ssize_t)len || whole_answer(fd, &body, &len) < 0)
            return 6;
    }
}
