/* Versions that nobody invokes: when they become Inactive, how they come back, and what of it a restart finds. */
#include <unistd.h>

#include "host/registry/functions.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"
#include "tests/unit/registry/fixture.h"

#define WAIT_US 20000000

static struct err err;
static int retired_count, active_count;
static const char sha[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void on_retired(void *arg, uint64_t key)
{
    (void)arg;
    (void)key;
    retired_count++;
}

static void on_active(void *arg, struct function_version *version)
{
    (void)arg;
    (void)version;
    active_count++;
}

static void listen_to(void)
{
    registry_on_retired(fixture.registry, on_retired, NULL);
    registry_on_active(fixture.registry, on_active, NULL);
    retired_count = active_count = 0;
}

static void restart(int64_t after_s)
{
    fixture_close();
    fixture.inactive_after_s = after_s;
    fixture_open();
    listen_to();
}

static void begin(void)
{
    fixture.inactive_after_s = 1;
    fixture_begin();
    listen_to();
}

static struct function_record *find(const char *text)
{
    struct function_name name;
    struct function_record *record;
    CU_ASSERT_EQUAL_FATAL(function_name_parse(text, NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_find(fixture.registry, &name, &record, &err), 0);
    return record;
}

static struct function_facts facts_of(const char *text)
{
    struct function_facts facts = {0};
    CU_ASSERT_EQUAL(registry_describe(find(text), NULL, &facts, &err), 0);
    return facts;
}

static void on_created(void *arg, struct function_record *record, const struct err *error)
{
    CU_ASSERT_PTR_NULL(error);
    *(bool *)arg = record != NULL;
}

/* Whether the function gets there. */
static bool await(const char *text, const char *state)
{
    int64_t until_us = clock_mono_us() + WAIT_US;
    while (!str_eq(facts_of(text).state, state) && clock_mono_us() < until_us)
        loop_run_once(fixture.loop, 100);
    return str_eq(facts_of(text).state, state);
}

static void create(const char *text)
{
    struct function_name name;
    struct function_record *record;
    bool created = false;
    CLEANUP(json_freep) cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "Runtime", "python3.11");
    CU_ASSERT_EQUAL_FATAL(function_name_parse(text, NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_create_begin(fixture.registry, &name, &record, &err), 0);
    const struct function_draft draft = {.config = config, .code_sha256 = sha, .code_size = 10};
    registry_create_commit(record, &draft, NULL, on_created, &created);
    for (int64_t until_us = clock_mono_us() + WAIT_US; !created && clock_mono_us() < until_us;)
        loop_run_once(fixture.loop, 100);
    CU_ASSERT_FATAL(created);
    CU_ASSERT(await(text, "Active"));
}

static int visit(const char *text, struct function_version **ret_version)
{
    *ret_version = NULL;
    return registry_resolve_visit(fixture.registry, "111111111111", "us-east-1", text, NULL, ret_version, &err);
}

static void test_idle_rests_and_comes_back(void)
{
    struct function_version *version;
    begin();
    create("f");
    CU_ASSERT_EQUAL_FATAL(visit("f", &version), 0);
    uint64_t key = version->key;
    function_version_unref(version);
    CU_ASSERT(await("f", "Inactive"));
    CU_ASSERT_EQUAL(retired_count, 1);
    CU_ASSERT_STRING_EQUAL(facts_of("f").state_reason_code, "Idle");
    CU_ASSERT_STRING_EQUAL(facts_of("f").update_status, "Successful");
    int prepared = active_count;
    CU_ASSERT_EQUAL(visit("f", &version), -ERR_UNAVAILABLE);
    CU_ASSERT_PTR_NULL(version);
    CU_ASSERT_STRING_EQUAL(facts_of("f").state, "Pending");
    CU_ASSERT_STRING_EQUAL(facts_of("f").state_reason_code, "Restoring");
    CU_ASSERT_EQUAL(visit("f", &version), -ERR_UNAVAILABLE); /* one way back for all who ask */
    CU_ASSERT(await("f", "Active"));
    CU_ASSERT_PTR_NULL(facts_of("f").state_reason_code);
    CU_ASSERT_EQUAL(active_count, prepared + 1);
    CU_ASSERT_EQUAL_FATAL(visit("f", &version), 0);
    CU_ASSERT_NOT_EQUAL(version->key, key); /* the pool has forgotten the old one */
    function_version_unref(version);
    fixture_end();
}

static void test_idle_not_while_it_runs(void)
{
    struct function_version *busy;
    begin();
    create("busy");
    create("still");
    CU_ASSERT_EQUAL_FATAL(visit("busy", &busy), 0);
    busy->visits = 1;
    CU_ASSERT(await("still", "Inactive"));
    CU_ASSERT_STRING_EQUAL(facts_of("busy").state, "Active");
    busy->visits = 0;
    busy->visited_us = clock_mono_us();
    CU_ASSERT(await("busy", "Inactive"));
    function_version_unref(busy);
    fixture_end();
}

static void test_idle_and_a_restart(void)
{
    struct function_version *version;
    begin();
    create("old");
    CU_ASSERT(await("old", "Inactive"));
    create("new");
    restart(1000);
    CU_ASSERT_STRING_EQUAL(facts_of("old").state, "Inactive");
    CU_ASSERT_STRING_EQUAL(facts_of("new").state, "Active");
    CU_ASSERT_EQUAL(visit("old", &version), -ERR_UNAVAILABLE);
    CU_ASSERT(await("old", "Active"));
    restart(1000);
    CU_ASSERT_STRING_EQUAL(facts_of("old").state, "Active");
    fixture_end();
}

static void test_idle_switched_off(void)
{
    struct function_version *version;
    begin();
    create("f");
    CU_ASSERT(await("f", "Inactive"));
    restart(0);
    CU_ASSERT_STRING_EQUAL(facts_of("f").state, "Active");
    CU_ASSERT_EQUAL_FATAL(visit("f", &version), 0);
    function_version_unref(version);
    fixture_end();
}

/* What is on its way back when its function goes is nobody's. */
static void test_idle_deleted_while_it_wakes(void)
{
    struct function_version *version;
    bool created = true;
    begin();
    create("f");
    CU_ASSERT(await("f", "Inactive"));
    CU_ASSERT_EQUAL(visit("f", &version), -ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(registry_delete(find("f"), on_created, &created, &err), 0);
    for (int64_t until_us = clock_mono_us() + WAIT_US; created && clock_mono_us() < until_us;)
        loop_run_once(fixture.loop, 100);
    CU_ASSERT_FALSE(created);
    create("f");
    CU_ASSERT_STRING_EQUAL(facts_of("f").state, "Active");
    fixture_end();
}

TEST_MAIN("idle", TEST(test_idle_rests_and_comes_back), TEST(test_idle_not_while_it_runs), TEST(test_idle_and_a_restart),
          TEST(test_idle_switched_off), TEST(test_idle_deleted_while_it_wakes))
