/* Whether a text is JSON, without making a tree of it: for payloads that are handed on as the bytes they are, and whose
 * content (duplicate keys, escapes, numbers of any size) is nobody's business on the way. Any thread.
 *
 *     struct json_fault fault;
 *     if (json_check(payload, len, &fault) < 0) ...    // fault.line, fault.column, fault.what
 *
 * Source: RFC 8259; UTF-8 as in RFC 3629.
 */
#pragma once

#include <stddef.h>

#include "lib/base/cleanup.h"

#define JSON_CHECK_DEPTH_MAX 1000 /* as the service's own parser has it */

struct json_fault {
    size_t line, column; /* from 1; the column counts bytes */
    const char *what;    /* static: "expected a value" */
};

/* 0: exactly one value, white space around it allowed; -1 with *ret_fault. */
int json_check(const char *text, size_t len, struct json_fault *ret_fault) WARN_UNUSED;
