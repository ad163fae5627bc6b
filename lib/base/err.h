/* Errors as values. A fallible function returns 0, or a negative code and fills the caller's struct err (its last
 * argument). Success leaves err alone; failure leaves the outputs alone. No heap, no exit. Any thread.
 *
 *     struct err err;
 *     if (store_open(path, &store, &err) < 0)
 *         return err_wrap(&err, "opening the store");
 */
#pragma once

#include "lib/base/cleanup.h"

#define ERR_MSG_MAX 1024 /* bytes, the terminating NUL included; longer texts are cut */

/* What went wrong, in classes that a caller acts on. host/api maps them to AWS errors in one place. */
enum err_kind {
    ERR_NONE = 0,
    ERR_INVALID,     /* the caller's input is malformed */
    ERR_NOT_FOUND,   /* the named thing does not exist */
    ERR_EXISTS,      /* the named thing exists already */
    ERR_CONFLICT,    /* right request, wrong moment or revision */
    ERR_TOO_LARGE,   /* beyond a named maximum */
    ERR_LIMIT,       /* a quota is used up; later or less may work */
    ERR_DENIED,      /* not allowed */
    ERR_UNSUPPORTED, /* known, and not available here */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_UNAVAILABLE, /* a needed part is not there right now */
    ERR_IO,          /* the operating system refused; code is errno */
    ERR_NO_SPACE,    /* disk, inodes or quota full; code is errno */
    ERR_NO_MEMORY,   /* memory or descriptors ran out */
    ERR_CORRUPT,     /* stored or received data breaks its own format */
    ERR_INTERNAL,    /* a bug of ours */
};

struct err {
    enum err_kind kind;
    int code; /* errno where there is one, else 0 */
    char msg[ERR_MSG_MAX];
};

/* Fills err (which may be NULL) and returns -kind. fmt says what and where, without a final full stop. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set with ": strerror(errno)" appended. The kind follows errno: ENOSPC and EDQUOT give ERR_NO_SPACE, ENOMEM,
 * EMFILE and ENFILE give ERR_NO_MEMORY, ENOENT ERR_NOT_FOUND, EACCES and EPERM ERR_DENIED, all others ERR_IO. */
int err_errno(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " before the message of a filled err; returns -err->kind. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The kind's name for logs: "not_found". Never NULL. */
const char *err_kind_name(enum err_kind kind);
