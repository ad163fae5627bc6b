/* The environment of a function's runtime, as AWS documents it: what Lambda sets, then the user's variables, which may replace
 * everything but the reserved names. Any thread.
 *
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html and docs/runtime-contract.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct function_version;

#define ENV_LOG_STREAM_BYTES 128
#define ENV_RUNTIME_API "127.0.0.1:9001" /* the listener inside every room */

/* Whose environment; borrowed for the call. */
struct env_about {
    const struct function_version *version;
    const char *log_stream, *endpoint_url;
    bool provisioned;
};

/* "2026/11/21/[$LATEST]" and 32 random hexadecimal digits. */
void env_log_stream_name(const struct function_version *version, char out[ENV_LOG_STREAM_BYTES]);
/* A NULL-terminated array, owned by the caller (env_free). Credentials are new and random in each: they only have to look
 * right, since a request is known by the listener it comes through. */
int env_build(const struct env_about *about, char ***ret_env, size_t *ret_count, struct err *err) WARN_UNUSED;
void env_free(char **env);
/* Whether AWS reserves the name (without "=value"). */
bool env_is_reserved(const char *name, size_t len);
