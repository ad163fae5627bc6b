/* What Lambda's supervisor says of an initialisation, whoever asked for it: the line that begins it, and why it could not begin. */
#pragma once

#include <stddef.h>

struct function_version;
struct report_to;
struct session_exec_failure;

/* INIT_START, with the runtime that it is. */
void init_line_start(const struct report_to *to, const struct function_version *version);
/* The error type of a bootstrap or an extension that could not be executed; static. */
const char *init_line_exec_error(const struct session_exec_failure *failure);
/* In Go's words, as Lambda's supervisor is written in it: "fork/exec /var/task/bootstrap: permission denied". */
void init_line_exec_failure(const struct session_exec_failure *failure, char *out, size_t cap);
