/* The two clocks and the two time formats. */
#include "lib/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t us_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return us_of(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return us_of(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

static void iso(int64_t wall_ms, const char *zone, char *out)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    char date[24];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, CLOCK_ISO_BYTES, "%s.%03d%s", date, (int)(wall_ms % 1000), zone);
}

void clock_iso_lambda(int64_t wall_ms, char *out)
{
    iso(wall_ms, "+0000", out);
}

void clock_iso_utc(int64_t wall_ms, char *out)
{
    iso(wall_ms, "Z", out);
}
