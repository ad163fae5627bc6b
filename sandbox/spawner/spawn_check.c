/* The spawner's distrust. */
#include "sandbox/spawner/spawn_check.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/strutil.h"

static bool ends(const char *field, size_t bytes)
{
    return memchr(field, '\0', bytes) != NULL;
}

/* Absolute, without empty, "." or ".." parts, without control characters; or empty where that is allowed. */
static bool is_plain_path(const char *path)
{
    if (path[0] != '/' || path[1] == '\0')
        return false;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    for (const char *part = path; *part; part += strcspn(part, "/")) {
        size_t len = strcspn(++part, "/");
        if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    return true;
}

static bool is_digest(const char *digest)
{
    return ends(digest, SPAWN_DIGEST_BYTES) && strlen(digest) == SPAWN_DIGEST_BYTES - 1 &&
           strspn(digest, "0123456789abcdef") == SPAWN_DIGEST_BYTES - 1;
}

/* DATA/runtimes/python or nodejs, as stoked put them together while it was root; nothing of the host's choosing. */
static bool is_runtime_dir(const char *path, const char *data_dir, uint32_t kind)
{
    size_t len = strlen(data_dir);
    const char *name = kind == SPAWN_ZYGOTE_PYTHON ? "/runtimes/python" : "/runtimes/nodejs";
    return strncmp(path, data_dir, len) == 0 && str_eq(path + len, name);
}

static int check_zygote(const struct spawn_zygote *z, const char *data_dir, struct err *err)
{
    if (z->kind < SPAWN_ZYGOTE_PYTHON || z->kind > SPAWN_ZYGOTE_NATIVE)
        return err_set(err, ERR_INVALID, "there is no zygote of kind %u", z->kind);
    if (!ends(z->account, sizeof z->account) || !ends(z->interpreter, sizeof z->interpreter) || !ends(z->prefix, sizeof z->prefix) ||
        !ends(z->var_runtime, sizeof z->var_runtime))
        return err_set(err, ERR_INVALID, "a text without an end");
    if (z->kind == SPAWN_ZYGOTE_NATIVE ? z->interpreter[0] != '\0' : !is_plain_path(z->interpreter))
        return err_set(err, ERR_INVALID, "no interpreter's path: \"%s\"", z->interpreter);
    if (z->prefix[0] && (!is_plain_path(z->prefix) || !spawn_may_show(z->prefix)))
        return err_set(err, ERR_INVALID, "\"%s\" may not be shown in a sandbox", z->prefix);
    if (z->kind == SPAWN_ZYGOTE_NATIVE ? z->var_runtime[0] != '\0' : !is_runtime_dir(z->var_runtime, data_dir, z->kind))
        return err_set(err, ERR_INVALID, "no directory for /var/runtime: \"%s\"", z->var_runtime);
    return 0;
}

static int check_assign(const struct spawn_assign *a, struct err *err)
{
    if (a->memory_mb < SPAWN_MEMORY_MB_MIN || a->memory_mb > SPAWN_MEMORY_MB_MAX)
        return err_set(err, ERR_INVALID, "memory of %u MB", a->memory_mb);
    if (a->tmp_mb < SPAWN_TMP_MB_MIN || a->tmp_mb > SPAWN_TMP_MB_MAX)
        return err_set(err, ERR_INVALID, "/tmp of %u MB", a->tmp_mb);
    if (a->cpu_milli > SPAWN_CPU_MILLI_MAX || a->pids_max > SPAWN_PIDS_MAX || a->cpu_count > 4096)
        return err_set(err, ERR_INVALID, "%u thousandths of a CPU on %u, %u tasks", a->cpu_milli, a->cpu_count, a->pids_max);
    if (!is_digest(a->code))
        return err_set(err, ERR_INVALID, "no digest of a code tree");
    if (a->layer_count > SPAWN_LAYERS_MAX)
        return err_set(err, ERR_INVALID, "%u layers", a->layer_count);
    for (uint32_t i = 0; i < a->layer_count; i++)
        if (!is_digest(a->layer[i]))
            return err_set(err, ERR_INVALID, "no digest of layer %u", i);
    return 0;
}

int spawn_check(const struct spawn_msg *msg, const char *data_dir, struct err *err)
{
    switch (msg->op) {
    case SPAWN_ZYGOTE_START:
        if (msg->room_id == 0)
            return err_set(err, ERR_INVALID, "0 is no zygote's id");
        return check_zygote(&msg->zygote, data_dir, err);
    case SPAWN_ROOM_MAKE:
        if (msg->room_id == 0)
            return err_set(err, ERR_INVALID, "0 is no room's id");
        return 0;
    case SPAWN_ROOM_ASSIGN:
    case SPAWN_ROOM_EXPECT:
        return check_assign(&msg->assign, err);
    case SPAWN_ROOM_LIMIT:
        if (msg->limit.cpu_milli > SPAWN_CPU_MILLI_MAX)
            return err_set(err, ERR_INVALID, "%u thousandths of a CPU", msg->limit.cpu_milli);
        return 0;
    case SPAWN_ROOM_SIGNAL:
        if (msg->signal != SIGTERM && msg->signal != SIGKILL)
            return err_set(err, ERR_INVALID, "signal %u", msg->signal);
        return 0;
    case SPAWN_TREE_FORGET:
        if (!is_digest(msg->tree.digest))
            return err_set(err, ERR_INVALID, "no digest of a tree");
        return 0;
    case SPAWN_ZYGOTE_STOP:
    case SPAWN_ROOM_FREEZE:
    case SPAWN_ROOM_THAW:
    case SPAWN_ROOM_RESET:
    case SPAWN_ROOM_STAT:
    case SPAWN_ROOM_KILL:
    case SPAWN_HOST_REPORT:
    case SPAWN_PING:
        return 0;
    default:
        return err_set(err, ERR_INVALID, "unknown operation %u", msg->op);
    }
}
