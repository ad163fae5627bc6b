/* Structured log lines on stderr: time level event key=value..., one write(2) a line, any thread. The host logs once
 * per event; lib/ and sandbox/ stay quiet below warnings.
 *
 *     log_warn("worker.died", "function=%s worker=%u status=%d", name, id, status);
 */
#pragma once

#include "lib/base/cleanup.h"

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARN_LEVEL, LOG_ERROR_LEVEL };

/* Lines below level are dropped; the default is info. Set once at start. */
void log_set_level(enum log_level level);
/* Writes one line; control characters in it are replaced by '?'. */
void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(event, ...) log_write(LOG_DEBUG_LEVEL, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_INFO_LEVEL, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN_LEVEL, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_ERROR_LEVEL, event, __VA_ARGS__)
