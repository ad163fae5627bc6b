/* Cold starts through the public API, interleaved with the bare program they are measured against: each sample is the first
 * invocation ever of a function made for it (MemorySize 128, Timeout 3).
 * usage: stoke_bench cold FIGURE PORT RUNTIME HANDLER ZIP_BASE64_FILE SAMPLES -- PEER... */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define ZIP_BYTES_MAX (32u << 20)
#define SETTLE_US 30000 /* between samples: the pool refills, as it does between real requests */

static void expect(const struct wire *w, int status, const char *what)
{
    if (w->status != status)
        bench_die("%s answered %d: %.300s", what, w->status, w->body);
}

static void make_function(struct wire *w, const char *name, char **argv, const char *zip)
{
    CLEANUP(freep)
    char *body = str_format("{\"FunctionName\":\"%s\",\"Runtime\":\"%s\",\"Handler\":\"%s\",\"MemorySize\":128,"
                            "\"Timeout\":3,\"Role\":\"arn:aws:iam::000000000000:role/bench\","
                            "\"Code\":{\"ZipFile\":\"%s\"}}",
                            name, argv[3], argv[4], zip);
    size_t len;
    CLEANUP(freep) char *create = wire_request("POST", "/2015-03-31/functions", body, &len);
    wire_call(w, create, len);
    expect(w, 201, "CreateFunction");
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/configuration", name);
    CLEANUP(freep) char *get = wire_request("GET", path, "", &len);
    for (int i = 0; i < 2000; i++) {
        wire_call(w, get, len);
        expect(w, 200, "GetFunctionConfiguration");
        if (strstr(w->body, "\"State\":\"Active\""))
            return;
        usleep(1000);
    }
    bench_die("%s did not become active: %.300s", name, w->body);
}

static void delete_function(struct wire *w, const char *name)
{
    size_t len;
    CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s", name);
    CLEANUP(freep) char *request = wire_request("DELETE", path, "", &len);
    wire_call(w, request, len);
    if (w->status != 204 && w->status != 200)
        bench_die("DeleteFunction answered %d", w->status);
}

int bench_cold(int argc, char **argv)
{
    if (argc < 9 || !str_eq(argv[7], "--"))
        bench_die("usage: cold FIGURE PORT RUNTIME HANDLER ZIP_BASE64_FILE SAMPLES -- PEER...");
    const char *figure = argv[1];
    int count = atoi(argv[6]);
    char *zip = NULL;
    struct err err;
    if (fd_read_file(AT_FDCWD, argv[5], ZIP_BYTES_MAX, &zip, NULL, &err) < 0)
        bench_die("%s", err.msg);
    CLEANUP(freep) char *ours_name = str_format("%s, first invocation", argv[3]);
    struct samples ours = {.name = ours_name}, peer = {.name = argv[8]};
    struct wire w;
    wire_connect(&w, atoi(argv[2]));
    touch_memory();
    for (int i = 0; i < count + 5; i++) { /* the first five warm both sides and are not counted */
        CLEANUP(freep) char *name = str_format("cold-%d-%d", (int)getpid(), i);
        CLEANUP(freep) char *path = str_format("/2015-03-31/functions/%s/invocations", name);
        size_t len;
        CLEANUP(freep) char *invoke = wire_request("POST", path, "{\"a\":1}", &len);
        make_function(&w, name, argv, zip);
        usleep(SETTLE_US);
        double us = wire_call(&w, invoke, len);
        expect(&w, 200, "Invoke");
        if (strcasestr(w.in, "x-amz-function-error"))
            bench_die("the function failed: %.300s", w.body);
        delete_function(&w, name);
        double bare = exec_us(&argv[8]);
        if (i >= 5) {
            samples_add(&ours, us);
            samples_add(&peer, bare);
        }
    }
    samples_print(&ours);
    samples_print(&peer);
    samples_ratio(figure, &ours, &peer);
    samples_free(&ours);
    samples_free(&peer);
    wire_close(&w);
    free(zip);
    return 0;
}
