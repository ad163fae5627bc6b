/* Samples and their figures. */
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/bench.h"

void bench_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("bench: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void touch_memory(void)
{
    size_t len = (size_t)3 << 30;
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED)
        bench_die("3 GiB of memory are not to be had");
    munmap(p, len);
}

void pin_to(int cpu)
{
    if (cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        bench_die("CPU %d is not to be had", cpu);
}

void samples_add(struct samples *s, double us)
{
    if (s->len == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->us = realloc(s->us, s->cap * sizeof *s->us);
        if (!s->us)
            bench_die("no memory");
    }
    s->us[s->len++] = us;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double samples_quantile(struct samples *s, double q)
{
    if (!s->len)
        bench_die("%s: no samples", s->name);
    qsort(s->us, s->len, sizeof *s->us, by_value);
    size_t i = (size_t)floor(q * (double)(s->len - 1) + 0.5);
    return s->us[i];
}

void samples_print(struct samples *s)
{
    printf("  %-44s min %9.1f  p50 %9.1f  p99 %9.1f us  (%zu samples)\n", s->name, samples_quantile(s, 0), samples_quantile(s, 0.5),
           samples_quantile(s, 0.99), s->len);
}

void samples_ratio(const char *figure, struct samples *a, struct samples *b)
{
    printf("%-28s p50 %7.3f   p99 %7.3f   = %s over %s\n", figure, samples_quantile(a, 0.5) / samples_quantile(b, 0.5),
           samples_quantile(a, 0.99) / samples_quantile(b, 0.99), a->name, b->name);
    fflush(stdout);
}

void samples_free(struct samples *s)
{
    free(s->us);
    s->us = NULL;
    s->len = s->cap = 0;
}
