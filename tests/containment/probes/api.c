/* A minimal HTTP/1.1 client for the Runtime API: one connection a request, nothing clever. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "probe.h"

#define HEAD_MAX 65536

int api_connect(void)
{
    const char *where = getenv("AWS_LAMBDA_RUNTIME_API");
    char host[64] = "127.0.0.1";
    int port = 9001;
    if (where)
        sscanf(where, "%63[^:]:%d", host, &port);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Reads a head into head (HEAD_MAX) and what came behind it; the number of bytes, or -1. */
static ssize_t read_head(int fd, char *head, char **ret_rest)
{
    size_t len = 0;
    char *end;
    head[0] = '\0';
    while (!(end = strstr(head, "\r\n\r\n"))) {
        ssize_t n = len < HEAD_MAX - 1 ? recv(fd, head + len, HEAD_MAX - 1 - len, 0) : -1;
        if (n <= 0)
            return -1;
        len += (size_t)n;
        head[len] = '\0';
    }
    *ret_rest = end + 4;
    return (ssize_t)len;
}

static int read_answer(int fd, char *head_out, size_t head_cap, char *out, size_t cap)
{
    static char head[HEAD_MAX];
    char *rest, *field;
    ssize_t len = read_head(fd, head, &rest);
    if (len < 0)
        return -1;
    size_t have = (size_t)len - (size_t)(rest - head), want = 0;
    if (head_out)
        snprintf(head_out, head_cap, "%.*s", (int)(rest - head), head);
    if ((field = strcasestr(head, "\r\ncontent-length:")))
        want = strtoul(field + 17, NULL, 10);
    if (out && cap) {
        size_t n = have < cap - 1 ? have : cap - 1;
        memcpy(out, rest, n);
        while (n < want && n < cap - 1) {
            ssize_t more = recv(fd, out + n, cap - 1 - n, 0);
            if (more <= 0)
                break;
            n += (size_t)more;
        }
        out[n] = '\0';
    }
    return atoi(head + 9);
}

int api_request(const char *method, const char *path, const char *headers, const char *body, char *head, size_t head_cap, char *out,
                size_t cap)
{
    int fd = api_connect(), status = -1;
    if (fd < 0)
        return -1;
    size_t body_len = body ? strlen(body) : 0, size = 512 + strlen(path) + strlen(headers) + body_len;
    char *text = malloc(size);
    int len = text ? snprintf(text, size, "%s %s HTTP/1.1\r\nHost: runtime\r\n%sContent-Length: %zu\r\n\r\n%s", method, path, headers,
                              body_len, body ? body : "")
                   : -1;
    if (len > 0 && send_all(fd, text, (size_t)len) == 0)
        status = read_answer(fd, head, head_cap, out, cap);
    free(text);
    close(fd);
    return status;
}

int api_raw(const char *bytes, size_t len)
{
    int fd = api_connect();
    struct timeval patience = {.tv_sec = 5};
    static char head[HEAD_MAX];
    char *rest;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    send_all(fd, bytes, len); /* a refusal may come before the end */
    errno = 0;
    ssize_t n = read_head(fd, head, &rest);
    int status = n >= 0 ? atoi(head + 9) : errno == EAGAIN ? -1 : 0;
    close(fd);
    return status;
}
