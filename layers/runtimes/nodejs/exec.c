/* exec.node: loading it replaces the process by `[wrapper] node index.mjs` in the environment that is set, which Node itself cannot
 * do before version 22.15. It uses one function of Node's stable native interface (Node-API), declared here so that no header is
 * needed, and works with every version. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime-api/channel.h"

#define ENTRY "index.mjs" /* beside this file */
#define FLAG_BYTES 48

int napi_throw_error(void *env, const char *code, const char *message);

__attribute__((visibility("default"))) void *napi_register_module_v1(void *env, void *exports);

static int find_entry(char *out, size_t size)
{
    Dl_info info;
    if (dladdr((void *)&find_entry, &info) == 0 || info.dli_fname == NULL)
        return -1;
    const char *slash = strrchr(info.dli_fname, '/');
    int dir_len = slash != NULL ? (int)(slash - info.dli_fname) : 0;
    return snprintf(out, size, "%.*s/%s", dir_len, info.dli_fname, ENTRY) < (int)size ? 0 : -1;
}

/* The limits of V8's heap, as Lambda's bootstrap derives them from the function's memory. False where NODE_OPTIONS names one. */
static bool heap_flags(char *old_space, char *semi_space)
{
    static const char *const names[] = {"max-old-space", "max_old_space", "max-semi-space", "max_semi_space"};
    const char *options = getenv("NODE_OPTIONS"), *size = getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    int memory_mb = size != NULL ? atoi(size) : 0;
    for (size_t i = 0; options != NULL && i < sizeof names / sizeof names[0]; i++)
        if (strstr(options, names[i]) != NULL)
            return false;
    snprintf(old_space, FLAG_BYTES, "--max-old-space-size=%d", memory_mb - memory_mb / 10);
    snprintf(semi_space, FLAG_BYTES, "--max-semi-space-size=%d", memory_mb / 10 / 2);
    return memory_mb > 0;
}

void *napi_register_module_v1(void *env, void *exports)
{
    char node[PATH_MAX], entry[PATH_MAX], why[PATH_MAX + 128], old_space[FLAG_BYTES], semi_space[FLAG_BYTES];
    char *wrapper = getenv("AWS_LAMBDA_EXEC_WRAPPER");
    char *argv[8] = {(char *)"/bin/sh", wrapper, node, (char *)"--max-http-header-size=81920"};
    char **end = argv + 4, **first = wrapper != NULL && *wrapper != '\0' ? argv + 1 : argv + 2;
    ssize_t n = readlink("/proc/self/exe", node, sizeof node - 1);
    if (n < 0 || find_entry(entry, sizeof entry) < 0) {
        napi_throw_error(env, "ERR_EXEC", "cannot find the interpreter");
        return exports;
    }
    node[n] = '\0';
    if (heap_flags(old_space, semi_space)) {
        *end++ = old_space;
        *end++ = semi_space;
    }
    *end = entry;
    fcntl(CHANNEL_FD, F_SETFD, 0);
    execv(*first, first);
    if (errno == ENOEXEC && *first == wrapper) /* a script that does not name its shell */
        execv(*argv, argv);
    snprintf(why, sizeof why, "cannot execute %s: %s", *first, strerror(errno));
    napi_throw_error(env, "ERR_EXEC", why);
    return exports;
}
