/* Extensions of the played runtimes; see fake.h. */
#include "tests/unit/pool/fake.h"

int session_expect_extension(struct session *s, const char *name, struct err *err)
{
    (void)s, (void)name, (void)err;
    fake.expected++;
    return 0;
}

size_t session_extension_count(const struct session *s)
{
    (void)s;
    return fake.has_extensions;
}

bool session_has_external(const struct session *s)
{
    (void)s;
    return fake.wants_shutdown;
}

void session_terminate(struct session *s)
{
    (void)s;
    fake.terminations++;
}

bool session_wants_shutdown(const struct session *s)
{
    (void)s;
    return fake.wants_shutdown;
}

size_t session_shutdown(struct session *s, const char *reason, int64_t deadline_epoch_ms)
{
    (void)s, (void)reason, (void)deadline_epoch_ms;
    fake.shutdowns++;
    return 1;
}
