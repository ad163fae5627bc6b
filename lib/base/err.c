/* Errors as values: filling, wrapping, and the mapping from errno to a class. */
#include "lib/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct err *err, enum err_kind kind, int code, const char *fmt, va_list ap)
{
    if (!err)
        return;
    char msg[ERR_MSG_MAX]; /* apart from err->msg, which an argument may point into */
    vsnprintf(msg, sizeof msg, fmt, ap);
    err->kind = kind;
    err->code = code;
    memcpy(err->msg, msg, sizeof msg);
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fill(err, kind, 0, fmt, ap);
    va_end(ap);
    return -(int)kind;
}

static enum err_kind kind_of_errno(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return ERR_NO_MEMORY;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

int err_errno(struct err *err, const char *fmt, ...)
{
    int code = errno;
    enum err_kind kind = kind_of_errno(code);
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, kind, code, fmt, ap);
        va_end(ap);
        size_t used = strlen(err->msg);
        snprintf(err->msg + used, sizeof err->msg - used, ": %s", strerror(code));
    }
    errno = code;
    return -(int)kind;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -(int)ERR_INTERNAL;
    char context[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    char msg[2 * ERR_MSG_MAX + 2];
    snprintf(msg, sizeof msg, "%s: %s", context, err->msg);
    msg[ERR_MSG_MAX - 1] = '\0';
    memcpy(err->msg, msg, ERR_MSG_MAX);
    return -(int)err->kind;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",         [ERR_INVALID] = "invalid",         [ERR_NOT_FOUND] = "not_found",
        [ERR_EXISTS] = "exists",     [ERR_CONFLICT] = "conflict",       [ERR_TOO_LARGE] = "too_large",
        [ERR_LIMIT] = "limit",       [ERR_DENIED] = "denied",           [ERR_UNSUPPORTED] = "unsupported",
        [ERR_TIMEOUT] = "timeout",   [ERR_UNAVAILABLE] = "unavailable", [ERR_IO] = "io",
        [ERR_NO_SPACE] = "no_space", [ERR_NO_MEMORY] = "no_memory",     [ERR_CORRUPT] = "corrupt",
        [ERR_INTERNAL] = "internal",
    };
    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}
