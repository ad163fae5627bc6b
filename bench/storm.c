/* Warm invocations over one connection, while other clients change other functions as fast as they are answered, and while they do not:
 * rounds of both in turn. One client deploys a large archive again and again, the others a small one; all of them change
 * configurations, publish, move an alias, create and delete.
 * usage: stoke_bench storm FIGURE PORT FUNCTION SMALL_ZIP LARGE_ZIP ROUNDS */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"

#define CLIENTS 4
#define ROUND_US 500000
#define WARM_UP 500
#define ZIP_BYTES_MAX (32u << 20)
#define EVENT "{\"a\":1,\"b\":2}"

/* What the clients and the measurer tell each other. */
struct board {
    atomic_bool storm, stop;
    atomic_int busy; /* clients with a call under way */
    atomic_long calls, conflicts;
};

struct client {
    struct board *board;
    struct wire wire;
    char name[32], version[24];
    char *zip;
    size_t zip_len;
    long count;
};

/* Any answer but the one that an update is in progress ends the bench. */
static void call(struct client *c, const char *method, const char *path, const char *body)
{
    size_t len;
    CLEANUP(freep) char *request = wire_request(method, path, body, &len);
    wire_call(&c->wire, request, len);
    if (c->wire.status == 409)
        c->board->conflicts++;
    else if (c->wire.status / 100 != 2)
        bench_die("%s %s answered %d: %.300s", method, path, c->wire.status, c->wire.body);
    c->board->calls++;
}

/* Another archive than the one before: its last bytes are its comment. */
static char *next_archive(struct client *c)
{
    char stamp[17], *text = malloc(DIGEST_BASE64_SIZE(c->zip_len));
    if (!text)
        bench_die("no memory");
    snprintf(stamp, sizeof stamp, "%08d%08ld", (int)getpid() % 100000000, c->count);
    memcpy(c->zip + c->zip_len - 16, stamp, 16);
    digest_base64_encode(c->zip, c->zip_len, text);
    return text;
}

static void create(struct client *c, const char *name)
{
    CLEANUP(freep) char *text = next_archive(c);
    CLEANUP(freep)
    char *body = str_format("{\"FunctionName\":\"%s\",\"Runtime\":\"python3.11\",\"Handler\":\"app.handler\","
                            "\"Role\":\"arn:aws:iam::000000000000:role/bench\",\"Code\":{\"ZipFile\":\"%s\"}}",
                            name, text);
    call(c, "POST", "/2015-03-31/functions", body);
}

static void update_code(struct client *c)
{
    CLEANUP(freep) char *text = next_archive(c);
    CLEANUP(freep) char *body = str_format("{\"ZipFile\":\"%s\"}", text);
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/code", c->name);
    call(c, "PUT", path, body);
}

static void publish(struct client *c)
{
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/versions", c->name);
    call(c, "POST", path, "{}");
    const char *version = strstr(c->wire.body, "\"Version\":\"");
    if (c->wire.status == 201 && version)
        snprintf(c->version, sizeof c->version, "%.*s", (int)strcspn(version + 11, "\""), version + 11);
}

static void move_alias(struct client *c, const char *method, const char *suffix)
{
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/aliases%s", c->name, suffix);
    CLEANUP(freep) char *body = str_format("{%s\"FunctionVersion\":\"%s\"}", *suffix ? "" : "\"Name\":\"live\",", c->version);
    call(c, method, path, body);
}

static void step(struct client *c)
{
    CLEANUP(freep) char *other = str_format("%s-%ld", c->name, c->count / 6);
    CLEANUP(freep) char *path = NULL, *body = NULL;
    switch (c->count++ % 6) {
    case 0:
        path = str_format("/2015-03-31/functions/%s/configuration", c->name);
        body = str_format("{\"Description\":\"%ld\"}", c->count);
        call(c, "PUT", path, body);
        break;
    case 1:
        update_code(c);
        break;
    case 2:
        publish(c);
        break;
    case 3:
        move_alias(c, "PUT", "/live");
        break;
    case 4:
        create(c, other);
        break;
    case 5:
        path = str_format("/2015-03-31/functions/%s", other);
        call(c, "DELETE", path, "");
        break;
    }
}

static void client_main(struct board *board, int number, int port, const char *zip_path)
{
    struct client c = {.board = board};
    struct err err;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* They stand for other machines: they have of this one's processors what is left over. */
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) < 0)
        bench_die("SCHED_IDLE is not to be had");
    if (fd_read_file(AT_FDCWD, zip_path, ZIP_BYTES_MAX, &c.zip, &c.zip_len, &err) < 0)
        bench_die("%s", err.msg);
    snprintf(c.name, sizeof c.name, "storm-%d", number);
    wire_connect(&c.wire, port);
    create(&c, c.name);
    while (!*c.version) {
        usleep(10000);
        publish(&c);
    }
    move_alias(&c, "POST", "");
    board->busy--;
    while (!board->stop) {
        if (!board->storm) {
            usleep(1000);
            continue;
        }
        board->busy++;
        step(&c);
        board->busy--;
    }
    wire_close(&c.wire);
    exit(0);
}

static void measure(struct wire *w, const char *request, size_t len, struct samples *into)
{
    for (double end = now_us() + ROUND_US; now_us() < end;) {
        double us = wire_call(w, request, len);
        if (w->status != 200 || strcasestr(w->in, "x-amz-function-error"))
            bench_die("the invocation answered %d: %.300s", w->status, w->body);
        samples_add(into, us);
    }
}

static void rounds(struct board *board, struct wire *w, const char *request, size_t len, int count, const char *figure)
{
    struct samples storm = {.name = "warm invocation, storm"}, quiet = {.name = "warm invocation, quiet"};
    for (int i = 0; i < WARM_UP; i++)
        wire_call(w, request, len);
    for (int i = 0; i < count; i++) {
        while (board->busy) {
            if (waitpid(-1, NULL, WNOHANG) > 0)
                bench_die("a client of the storm gave up");
            usleep(1000);
        }
        usleep(ROUND_US / 5); /* what the last storm left to do is done */
        measure(w, request, len, &quiet);
        board->storm = true;
        measure(w, request, len, &storm);
        board->storm = false;
    }
    samples_print(&storm);
    samples_print(&quiet);
    printf("  %d clients, %.0f control calls/s, %ld of %ld refused as in progress\n", CLIENTS,
           (double)board->calls / (count * (ROUND_US / 1e6)), (long)board->conflicts, (long)board->calls);
    samples_ratio(figure, &storm, &quiet);
    samples_free(&storm);
    samples_free(&quiet);
}

int bench_storm(int argc, char **argv)
{
    if (argc != 7)
        bench_die("usage: storm FIGURE PORT FUNCTION SMALL_ZIP LARGE_ZIP ROUNDS");
    int port = atoi(argv[2]);
    pid_t pids[CLIENTS];
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        bench_die("no memory");
    board->busy = CLIENTS;
    for (int i = 0; i < CLIENTS; i++) {
        if ((pids[i] = fork()) < 0)
            bench_die("fork");
        if (pids[i] == 0)
            client_main(board, i, port, argv[i == 0 ? 5 : 4]);
    }
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/invocations", argv[3]);
    size_t len;
    CLEANUP(freep) char *request = wire_request("POST", path, EVENT, &len);
    struct wire w;
    wire_connect(&w, port);
    rounds(board, &w, request, len, atoi(argv[6]), argv[1]);
    wire_close(&w);
    board->stop = true;
    int status = 0, all = 0;
    for (int i = 0; i < CLIENTS; i++) {
        waitpid(pids[i], &status, 0);
        all |= status;
    }
    return all ? 1 : 0;
}
