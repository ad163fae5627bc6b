/* How a room's programs start: external extensions first, in a part of the environment, and when all of them have registered the
 * runtime (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html, "Init phase"). */
#include <string.h>

#include "lib/base/strutil.h"
#include "runtime-api/channel_io.h"
#include "runtime-api/session_state.h"

#define EXTENSIONS_DIR "/opt/extensions/"

static const char *const hidden[] = {
    "AWS_EXECUTION_ENV",       "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR",        "LAMBDA_TASK_ROOT",
};

/* What describes the runtime is not for extensions. */
static bool is_hidden(const char *variable)
{
    size_t len = strcspn(variable, "=");
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        if (strlen(hidden[i]) == len && strncmp(hidden[i], variable, len) == 0)
            return true;
    return *variable == '_';
}

static int put_field(struct buf *meta, const char *text)
{
    return buf_append(meta, text, strlen(text) + 1);
}

static int put_environment(struct buf *meta, const char *const *env, size_t count, bool all)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (all || !is_hidden(env[i]))
            rc = put_field(meta, env[i]);
    return rc;
}

static int refuse(int rc, struct err *err)
{
    return err_set(err, (enum err_kind) - rc, "the environment %s",
                   rc == -ERR_TOO_LARGE ? "is too large for its frame" : "found no memory");
}

static int start_extension(struct session *session, const struct extension *extension, const char *const *env, size_t count,
                           struct err *err)
{
    CLEANUP(buf_free) struct buf meta = BUF_INIT(CHANNEL_META_BYTES_MAX);
    CLEANUP(freep) char *path = str_format(EXTENSIONS_DIR "%s", extension->name);
    int rc = put_field(&meta, path);
    if (rc == 0)
        rc = put_environment(&meta, env, count, false);
    return rc < 0 ? refuse(rc, err) : channel_io_put(session, CHANNEL_EXTENSION, &meta, err);
}

static bool awaits_extensions(const struct session *session)
{
    for (size_t i = 0; i < session->extension_count; i++)
        if (session->extensions[i].state == EXTENSION_EXPECTED)
            return true;
    return false;
}

static int start(struct session *session, const char *const *env, size_t count, struct err *err)
{
    CLEANUP(buf_free) struct buf meta = BUF_INIT(CHANNEL_META_BYTES_MAX);
    int rc = put_environment(&meta, env, count, true);
    if (rc < 0)
        return refuse(rc, err);
    if (!awaits_extensions(session))
        return channel_io_put(session, CHANNEL_START, &meta, err);
    for (size_t i = 0; i < session->extension_count && rc == 0; i++)
        rc = start_extension(session, &session->extensions[i], env, count, err);
    if (rc < 0)
        return rc;
    buf_free(&session->start);
    session->start = meta;
    meta = BUF_INIT(0);
    session->start_held = true;
    return 0;
}

int session_start(struct session *session, const char *const *env, size_t count, struct err *err)
{
    session_enter(session);
    int rc = start(session, env, count, err);
    session_leave(session);
    return rc;
}

bool session_extension_registered(struct session *session)
{
    struct err err;
    if (!session->start_held || awaits_extensions(session))
        return true;
    session->start_held = false;
    int rc = channel_io_put(session, CHANNEL_START, &session->start, &err);
    buf_free(&session->start);
    return rc == 0 ? true : session_break(session, err.msg);
}
