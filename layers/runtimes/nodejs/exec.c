/* exec.node: loading it replaces the process by `[wrapper] node index.mjs` in the environment that is set, which Node itself cannot
 * do before version 22.15. It uses one function of Node's stable native interface (Node-API), declared here so that no header is
 * needed, and works with every version. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime-api/channel.h"

#define ENTRY "index.mjs" /* beside this file */

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

void *napi_register_module_v1(void *env, void *exports)
{
    char node[PATH_MAX], entry[PATH_MAX], why[PATH_MAX + 128];
    const char *wrapper = getenv("AWS_LAMBDA_EXEC_WRAPPER");
    ssize_t n = readlink("/proc/self/exe", node, sizeof node - 1);
    if (n < 0 || find_entry(entry, sizeof entry) < 0) {
        napi_throw_error(env, "ERR_EXEC", "cannot find the interpreter");
        return exports;
    }
    node[n] = '\0';
    char *argv[] = {(char *)wrapper, node, entry, NULL};
    char **first = wrapper != NULL && *wrapper != '\0' ? argv : argv + 1;
    fcntl(CHANNEL_FD, F_SETFD, 0);
    execv(*first, first);
    if (errno == ENOEXEC && first == argv) { /* a script that does not name its shell */
        char *script[] = {(char *)"/bin/sh", argv[0], node, entry, NULL};
        execv(*script, script);
    }
    snprintf(why, sizeof why, "cannot execute %s: %s", *first, strerror(errno));
    napi_throw_error(env, "ERR_EXEC", why);
    return exports;
}
