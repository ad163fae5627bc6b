/* Warm invocations over one connection, and the throughput of 32 connections, each interleaved with the same requests to an h2o
 * echo. usage: stoke_bench warm FIGURE PORT ECHO_PORT FUNCTION SAMPLES | stoke_bench rps FIGURE PORT ECHO_PORT FUNCTION SECONDS */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/bench.h"
#include "lib/base/strutil.h"

#define ROUND 50 /* requests to one side before the other has its turn */
#define CONNECTIONS 32
#define EVENT "{\"a\":1,\"b\":2}"

static void check(const struct wire *w)
{
    if (w->status != 200)
        bench_die("status %d: %.300s", w->status, w->body);
}

static void one_connection(const char *figure, struct wire *ours, struct wire *echo, const char *request, size_t len, int count)
{
    struct samples a = {.name = "warm invocation"}, b = {.name = "h2o echo"};
    for (int i = 0; i < 500; i++) {
        wire_call(ours, request, len);
        check(ours);
        wire_call(echo, request, len);
    }
    while ((int)a.len < count) {
        for (int i = 0; i < ROUND; i++) {
            samples_add(&a, wire_call(ours, request, len));
            check(ours);
        }
        for (int i = 0; i < ROUND; i++)
            samples_add(&b, wire_call(echo, request, len));
    }
    samples_print(&a);
    samples_print(&b);
    samples_ratio(figure, &a, &b);
    samples_free(&a);
    samples_free(&b);
}

/* Requests per second of CONNECTIONS connections with one request each under way. */
static double throughput(int port, const char *request, size_t len, double seconds)
{
    struct wire w[CONNECTIONS];
    struct pollfd p[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        wire_connect(&w[i], port);
        p[i] = (struct pollfd){.fd = w[i].fd, .events = POLLIN};
        wire_send(&w[i], request, len);
    }
    long done = 0;
    double start = now_us(), end = start + seconds * 1e6;
    while (now_us() < end) {
        if (poll(p, CONNECTIONS, 1000) < 0)
            bench_die("poll");
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!p[i].revents || !wire_poll(&w[i]))
                continue;
            check(&w[i]);
            done++;
            wire_send(&w[i], request, len);
        }
    }
    double rate = (double)done / ((now_us() - start) / 1e6);
    for (int i = 0; i < CONNECTIONS; i++)
        wire_close(&w[i]);
    return rate;
}

static void many_connections(const char *figure, int port, int echo_port, const char *request, size_t len, int seconds)
{
    struct samples ours = {.name = "invocations/s"}, echo = {.name = "echo requests/s"};
    (void)throughput(port, request, len, 2);
    for (int i = 0; i < seconds; i++) {
        samples_add(&ours, throughput(port, request, len, 1));
        samples_add(&echo, throughput(echo_port, request, len, 1));
    }
    double a = samples_quantile(&ours, 0.5), b = samples_quantile(&echo, 0.5);
    printf("  %d connections: %.0f invocations/s, %.0f echoes/s (medians of %d rounds of 1 s)\n", CONNECTIONS, a, b, seconds);
    printf("%-28s %.3f   = invocations/s over echoes/s\n", figure, a / b);
    fflush(stdout);
    samples_free(&ours);
    samples_free(&echo);
}

int bench_warm(int argc, char **argv)
{
    if (argc != 6)
        bench_die("usage: warm|rps FIGURE PORT ECHO_PORT FUNCTION COUNT");
    int port = atoi(argv[2]), echo_port = atoi(argv[3]), count = atoi(argv[5]);
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/invocations", argv[4]);
    size_t len;
    CLEANUP(freep) char *request = wire_request("POST", path, EVENT, &len);
    touch_memory();
    if (str_eq(argv[0], "rps")) {
        many_connections(argv[1], port, echo_port, request, len, count);
        return 0;
    }
    struct wire ours, echo;
    wire_connect(&ours, port);
    wire_connect(&echo, echo_port);
    one_connection(argv[1], &ours, &echo, request, len, count);
    wire_close(&ours);
    wire_close(&echo);
    return 0;
}
