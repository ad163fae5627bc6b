/* What the bench programs share: samples, a raw HTTP/1.1 client whose own cost is small and the same for every peer, and starting
 * processes. Everything exits on failure: a bench has no half results. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

#define SAMPLES_MIN 300

struct samples {
    const char *name;
    double *us;
    size_t len, cap;
};
void samples_add(struct samples *s, double us);
double samples_quantile(struct samples *s, double q); /* sorts */
void samples_print(struct samples *s);
/* "name: ratio X (p50 A us over p50 B us)" and the p99 ratio. */
void samples_ratio(const char *figure, struct samples *a, struct samples *b);
void samples_free(struct samples *s);

void bench_die(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
double now_us(void);
/* Touches 3 GiB once, so that the machine has its pages before anything is measured. */
void touch_memory(void);
/* Pins this process to one CPU; -1: leaves it. */
void pin_to(int cpu);

struct wire {
    int fd;
    char *in; /* last answer, whole */
    size_t in_len, in_cap;
    int status;
    char *body;
    size_t body_len;
};
void wire_connect(struct wire *w, int port);
void wire_close(struct wire *w);
/* One request and its whole answer; returns the microseconds from the first byte out to the last byte in. */
double wire_call(struct wire *w, const void *request, size_t len);
/* Sends only, and reads what has come: for many connections from one thread. wire_poll returns 1 when an answer is whole. */
void wire_send(struct wire *w, const void *request, size_t len);
int wire_poll(struct wire *w);
/* A request as text, malloc'd, *ret_len its length. */
char *wire_request(const char *method, const char *path, const char *body, size_t *ret_len);

/* Microseconds that fork, exec and wait of argv take. */
double exec_us(char *const argv[]);

int bench_cold(int argc, char **argv);
int bench_warm(int argc, char **argv);
int bench_registry(void);
int bench_create(int argc, char **argv);
int bench_storm(int argc, char **argv);
