/* The external extensions that a function version's layers bring: what is in /opt/extensions once they are merged
 * (https://docs.aws.amazon.com/lambda/latest/dg/lambda-extensions.html). Loop thread; reads a few directories of the store.
 *
 *     pool_options.extensions = extensions_find, .extensions_arg = store
 */
#pragma once

#include "host/pool/pool.h"

/* A pool_extensions_fn; store is a struct store. By name; directories are none. The list is there even when it is empty. */
int extensions_find(void *store, const struct function_version *version, struct pool_extensions *ret_extensions,
                    struct err *err) WARN_UNUSED;
