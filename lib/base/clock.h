/* The two clocks. Deadlines and durations use the monotonic one, what people and AWS's API see the wall clock.
 * Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_us(void); /* CLOCK_MONOTONIC, microseconds */
int64_t clock_wall_ms(void); /* since 1970, milliseconds */
int64_t clock_wall_us(void);

#define CLOCK_ISO_BYTES 32
/* "2026-11-21T07:24:26.123+0000", the form of Lambda's LastModified, into out (CLOCK_ISO_BYTES). */
void clock_iso_lambda(int64_t wall_ms, char *out);
/* "2026-11-21T07:24:26.123Z", RFC 3339, into out (CLOCK_ISO_BYTES). */
void clock_iso_utc(int64_t wall_ms, char *out);
