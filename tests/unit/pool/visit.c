/* What a played visit hears, counted. */
#include "tests/unit/cunit.h"
#include "tests/unit/pool/visit.h"

#include <string.h>

#include "tests/unit/pool/fake.h"

int visit_order;

static void v_ready(void *arg)
{
    ((struct visit *)arg)->ready++;
}
static void v_init_error(void *arg, const struct session_error *e)
{
    (void)e, ((struct visit *)arg)->init_error++;
}
static void v_exec(void *arg, const struct session_exec_failure *failure)
{
    (void)arg, (void)failure;
}
static void v_response(void *arg, const char *b, size_t n)
{
    (void)b, (void)n, ((struct visit *)arg)->response++;
}
static void v_error(void *arg, const struct session_error *e)
{
    (void)arg, (void)e;
}
static void v_large(void *arg, size_t n)
{
    (void)arg, (void)n;
}
static void v_idle(void *arg)
{
    ((struct visit *)arg)->idle++;
}
static void v_exited(void *arg, const struct worker_exit *e)
{
    ((struct visit *)arg)->exited++;
    ((struct visit *)arg)->exit = *e;
}
static void v_lost(void *arg, const char *m)
{
    (void)m;
    ((struct visit *)arg)->lost++;
    ((struct visit *)arg)->worker = NULL;
}
const struct worker_events visit_events = {v_ready, v_init_error, v_exec, v_response, v_error, v_large, v_idle, v_exited, v_lost};

static void v_acquired(void *arg, struct worker *worker)
{
    struct visit *v = arg;
    v->worker = worker;
    v->waiter = NULL;
    v->acquired++;
    v->order = ++visit_order;
    worker_attach(worker, &visit_events, v);
}
static void v_failed(void *arg, enum pool_failure failure, const char *message)
{
    struct visit *v = arg;
    (void)message;
    v->waiter = NULL;
    v->failed++;
    v->failure = failure;
}
const struct pool_waiter_events visit_waiter_events = {v_acquired, v_failed};

void visit_acquire(struct visit *v, struct function_version *version)
{
    memset(v, 0, sizeof *v);
    pool_acquire(fake.pool, version, &visit_waiter_events, v, &v->waiter);
}

uint32_t visit_once(struct function_version *version)
{
    struct visit v;
    struct err err;
    visit_acquire(&v, version);
    CU_ASSERT_FATAL(fake_until(&v.acquired));
    if (!worker_is_ready(v.worker))
        CU_ASSERT_FATAL(fake_until(&v.ready));
    uint32_t room = worker_room_id(v.worker);
    struct session_event event = {.request_id = "r", .payload = "{}", .payload_len = 2};
    CU_ASSERT_FATAL(worker_deliver(v.worker, &event, &err) == 0);
    fake_respond(room, "{}", true);
    CU_ASSERT_FATAL(fake_until(&v.idle));
    CU_ASSERT(v.response == 1);
    worker_release(v.worker);
    return room;
}

void visit_end(struct function_version *version)
{
    function_version_unref(version);
    fake_close();
    CU_ASSERT(fake_versions == 0);
}
