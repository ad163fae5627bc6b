/* Provisioned concurrency from settings to numbers, on a real database: what the listener hears of, and aliases that move although a write
 * fails. */
#include <stdlib.h>

#include "host/registry/function_record.h"
#include "host/registry/settings.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"
#include "tests/unit/registry/fixture.h"

static struct function_record *record;
static struct err err;
static int done_calls, told[3]; /* of versions 1 and 2 */
static unsigned wanted[3];

static void on_provisioned(void *arg, struct function_version *version, unsigned count)
{
    (void)arg;
    int number = atoi(version->version);
    CU_ASSERT_FATAL(number == 1 || number == 2);
    told[number]++;
    wanted[number] = count;
}

static void on_function(void *arg, struct function_record *made, const struct err *error)
{
    (void)arg;
    CU_ASSERT_PTR_NULL(error);
    record = made;
    done_calls++;
}

static void on_written(void *arg, const struct err *error)
{
    (void)arg;
    CU_ASSERT_PTR_NULL(error);
    done_calls++;
}

static void wait_for(int calls)
{
    fixture_wait_for(&done_calls, calls);
    fixture_settle();
    done_calls = 0;
}

static void publish(const char *description, bool create)
{
    struct function_name name;
    CLEANUP(json_freep) cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "Runtime", "python3.11");
    cJSON_AddStringToObject(config, "Handler", description);
    const struct function_draft draft = {.config = config,
                                         .code_sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                         .code_size = 10,
                                         .publish = true};
    CU_ASSERT_EQUAL_FATAL(function_name_parse("f", NULL, "111111111111", "us-east-1", &name, &err), 0);
    if (create) {
        CU_ASSERT_EQUAL_FATAL(registry_create_begin(fixture.registry, &name, &record, &err), 0);
        registry_create_commit(record, &draft, NULL, on_function, NULL);
    } else {
        CU_ASSERT_EQUAL_FATAL(registry_update_begin(record, &err), 0);
        registry_update_commit(record, &draft, on_function, NULL);
    }
    wait_for(1);
}

static void begin(void)
{
    fixture_begin();
    memset(told, 0, sizeof(told));
    memset(wanted, 0, sizeof(wanted));
    done_calls = 0;
    publish("one", true);
    publish("two", false);
    registry_on_provisioned(fixture.registry, on_provisioned, NULL);
}

static void put(const char *qualifier, const char *alias, uint64_t count, int64_t when_ms, uint64_t from)
{
    CLEANUP(freep) char *value = provisioned_value(count, when_ms, from);
    const struct setting_change changes[] = {{SETTING_PROVISIONED, qualifier, value}, {SETTING_ALIAS, qualifier, alias}};
    registry_settings_write(record, changes, alias != NULL ? 2 : 1, on_written, NULL);
    wait_for(1);
}

/* Who asks again for what failed wants it tried again; who changes something else does not. */
static void test_provisioned_told_again(void)
{
    begin();
    put("1", NULL, 2, 1000, 0);
    CU_ASSERT(told[1] == 1 && wanted[1] == 2);
    put("1", NULL, 2, 2000, 0);
    CU_ASSERT(told[1] == 2 && wanted[1] == 2);
    registry_settings_write(record, &(struct setting_change){SETTING_POLICY, "1", "{}"}, 1, on_written, NULL);
    wait_for(1);
    put("2", NULL, 1, 3000, 0);
    CU_ASSERT(told[1] == 2 && told[2] == 1);
    put("1", NULL, 3, 2000, 0); /* another number at the same time */
    CU_ASSERT(told[1] == 3 && wanted[1] == 3);
    registry_settings_write(record, &(struct setting_change){SETTING_PROVISIONED, "1", NULL}, 1, on_written, NULL);
    wait_for(1);
    CU_ASSERT(told[1] == 4 && wanted[1] == 0);
    CU_ASSERT(told[2] == 1);
    fixture_end();
}

/* ---- a write that fails ---- */

static int refuse_settings(struct db_conn *conn, void *arg, struct err *ret_err)
{
    static const char refuse[] = "CREATE TRIGGER refuse BEFORE INSERT ON function_setting BEGIN SELECT RAISE(ABORT, 'refused'); END";
    static const char accept[] = "DROP TRIGGER refuse";
    struct db_stmt *stmt;
    int r = arg != NULL ? db_prepare(conn, refuse, &stmt, ret_err) : db_prepare(conn, accept, &stmt, ret_err);
    if (r < 0)
        return r;
    r = db_step(stmt, ret_err);
    db_done(stmt);
    return r;
}

static bool is_held(void)
{
    return strstr(registry_setting(record, SETTING_ALIAS, "live"), "RoutingConfig") != NULL;
}

static bool goes_on(void)
{
    int64_t until = clock_mono_us() + 20000000;
    while (is_held() && clock_mono_us() < until)
        loop_run_once(fixture.loop, 100);
    return !is_held();
}

/* The end of a canary: the version that the alias moves to has its sandboxes already, and nothing more is heard of them. */
static void test_provisioned_moves_to_what_is_ready(void)
{
    begin();
    put("live", "{\"FunctionVersion\":\"1\",\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":1}}}", 1, 1000, 0);
    CU_ASSERT(wanted[1] == 0 && wanted[2] == 1);
    registry_provisioned_reached(fixture.registry, row_version(record, record_published(record, 2)));
    put("live", "{\"FunctionVersion\":\"2\",\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"1\":1}}}", 1, 1000, 1);
    CU_ASSERT_TRUE(goes_on());
    CU_ASSERT(wanted[1] == 0 && wanted[2] == 1);
    fixture_end();
}

/* An alias that could go on, but whose write failed, goes on later without anybody's help. */
static void test_provisioned_moves_although_a_write_fails(void)
{
    begin();
    put("live", "{\"FunctionVersion\":\"2\",\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"1\":1}}}", 1, 1000, 1);
    CU_ASSERT(wanted[1] == 1 && wanted[2] == 1);
    static char yes;
    db_write(fixture.registry->db, refuse_settings, on_written, &yes);
    wait_for(1);
    registry_provisioned_reached(fixture.registry, row_version(record, record_published(record, 2)));
    db_write(fixture.registry->db, refuse_settings, on_written, NULL); /* after the write, which fails */
    wait_for(1);
    CU_ASSERT_TRUE(is_held());
    CU_ASSERT_TRUE(goes_on());
    CU_ASSERT_EQUAL(registry_provisioned_moves_from(record, "live"), 0);
    CU_ASSERT(wanted[1] == 0 && wanted[2] == 1);
    fixture_end();
}

TEST_MAIN("registry_provisioned", TEST(test_provisioned_told_again), TEST(test_provisioned_moves_to_what_is_ready),
          TEST(test_provisioned_moves_although_a_write_fails))
