/* Structured log lines on stderr. */
#include "lib/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"

#define LINE_MAX_BYTES 2048

static enum log_level threshold = LOG_INFO_LEVEL;

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < threshold)
        return;
    char time[CLOCK_ISO_BYTES], line[LINE_MAX_BYTES];
    clock_iso_utc(clock_wall_ms(), time);
    int n = snprintf(line, sizeof line - 1, "%s %s %s ", time, names[level], event);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, fmt, ap);
    va_end(ap);
    if (m < 0)
        m = 0;
    size_t len = (size_t)n + (size_t)m;
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, len); /* nowhere to report a failing log */
    (void)ignored;
}
