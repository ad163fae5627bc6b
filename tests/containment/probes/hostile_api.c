/* What a function says to its own Runtime API that it must not: foreign ids, huge heads, injected lines,
 * endless bodies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define BASE "/2018-06-01/runtime/invocation/"

static int post(const char *id, const char *what, const char *headers, const char *body)
{
    char path[300];
    snprintf(path, sizeof path, BASE "%s/%s", id, what);
    return api_request("POST", path, headers, body, NULL, 0, NULL, 0);
}

static int duplicate_status = -2;

/* The answer goes out here, and a second one behind it, whose status the next event may ask for. */
static void request_ids(struct visit *visit, struct answer *answer)
{
    char text[512];
    int foreign = post("6b7f5a52-2f0c-4c41-8d55-0123456789ab", "response", "", "\"foreign\"");
    int error = post("6b7f5a52-2f0c-4c41-8d55-0123456789ab", "error", "", "{}");
    int old = visit->last_id[0] ? post(visit->last_id, "response", "", "\"old\"") : -2;
    (void)answer;
    snprintf(text, sizeof text, "{\"probe\":\"request_ids\",\"values\":{\"foreign\":%d,\"foreign_error\":%d,\"old\":%d}}", foreign, error,
             old);
    post(visit->id, "response", "Content-Type: application/json\r\n", text);
    duplicate_status = post(visit->id, "response", "", "\"again\"");
    visit->answered = true;
}

static void duplicate(struct visit *visit, struct answer *answer)
{
    (void)visit;
    answer_number(answer, "status", duplicate_status);
}

/* A request whose head has size bytes of one header more. */
static int huge_head(size_t size)
{
    char *text = malloc(size + 256);
    int n = sprintf(text, "GET /2018-06-01/ping HTTP/1.1\r\nHost: runtime\r\nLambda-Runtime-Function-XRay-Error-Cause: ");
    memset(text + n, 'x', size);
    strcpy(text + n + size, "\r\nContent-Length: 0\r\n\r\n");
    int status = api_raw(text, (size_t)n + size + 23);
    free(text);
    return status;
}

static void heads(struct visit *visit, struct answer *answer)
{
    (void)visit;
    answer_number(answer, "small", huge_head(1000));
    answer_number(answer, "mib", huge_head((1u << 20) - 64));
    answer_number(answer, "large", huge_head(4u << 20));
    answer_number(answer, "after", huge_head(1000));
}

/* Lines within values that must not become lines of the answer to the invoker. */
static void injection(struct visit *visit, struct answer *answer)
{
    static const char error_type[] = "Runtime.X\rX-Injected: 1";
    char text[2048];
    const char *body = "{\"errorMessage\":\"m\",\"errorType\":\"Evil\\r\\nX-Injected: 2\"}";
    (void)answer;
    int n = snprintf(text, sizeof text,
                     "POST " BASE "%s/error HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\rX-Injected: 3\r\n"
                     "Lambda-Runtime-Function-Error-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                     visit->id, error_type, strlen(body), body);
    if (api_raw(text, (size_t)n) != 202)
        post(visit->id, "error", "Lambda-Runtime-Function-Error-Type: Runtime.Refused\r\n", body);
    visit->answered = true;
}

static void injection_nul(struct visit *visit, struct answer *answer)
{
    char text[2048];
    (void)answer;
    int n = snprintf(text, sizeof text,
                     "POST " BASE "%s/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: text/plain@X-Injected: 4\r\n"
                     "Content-Length: 4\r\n\r\n\"ok\"",
                     visit->id);
    *strchr(text, '@') = '\0';
    if (api_raw(text, (size_t)n) != 202)
        post(visit->id, "response", "Content-Type: application/json\r\n", "\"refused\"");
    visit->answered = true;
}

/* A body without an end, a little at a time. */
static void endless(struct visit *visit, struct answer *answer)
{
    char head[400];
    (void)answer;
    int fd = api_connect();
    int n =
        snprintf(head, sizeof head, "POST " BASE "%s/response HTTP/1.1\r\nHost: runtime\r\nTransfer-Encoding: chunked\r\n\r\n", visit->id);
    if (fd < 0 || send(fd, head, (size_t)n, MSG_NOSIGNAL) < 0)
        _exit(9);
    visit->answered = true;
    while (send(fd, "1\r\nx\r\n", 6, MSG_NOSIGNAL) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    close(fd);
}

const struct probe probes_api[] = {
    {"request_ids", request_ids},     {"duplicate", duplicate}, {"heads", heads}, {"injection", injection},
    {"injection_nul", injection_nul}, {"endless", endless},     {NULL, NULL},
};
