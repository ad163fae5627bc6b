/* Settings of functions on a real database: RevisionIds that change with them, what goes with a version or a qualifier, one write at a
 * time, what a new function has from its first commit on. */
#include <unistd.h>

#include "host/registry/functions.h"
#include "host/registry/settings.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"
#include "tests/unit/registry/fixture.h"

static struct err err;
static int done_calls, woken;
static const char sha[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void begin(void)
{
    fixture_begin();
    done_calls = woken = 0;
}

static void on_function(void *arg, struct function_record *record, const struct err *error)
{
    (void)arg;
    (void)record;
    CU_ASSERT_PTR_NULL(error);
    done_calls++;
}

static void on_written(void *arg, const struct err *error)
{
    (void)arg;
    CU_ASSERT_PTR_NULL(error);
    done_calls++;
}

static void on_woken(void *arg)
{
    (void)arg;
    woken++;
}

static void wait_for(int wanted)
{
    fixture_wait_for(&done_calls, wanted);
    fixture_settle();
}

static struct function_record *find(void)
{
    struct function_name name;
    struct function_record *record;
    CU_ASSERT_EQUAL_FATAL(function_name_parse("f", NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_find(fixture.registry, &name, &record, &err), 0);
    return record;
}

/* A function with version 1, and a setting from its first commit on. */
static struct function_record *create(void)
{
    struct function_name name;
    struct function_record *record;
    CLEANUP(json_freep) cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "Runtime", "python3.11");
    CU_ASSERT_EQUAL_FATAL(function_name_parse("f", NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_create_begin(fixture.registry, &name, &record, &err), 0);
    const struct setting_change setting = {SETTING_CODE_SIGNING, "", "{\"n\":0}"};
    const struct function_draft draft = {.config = config, .code_sha256 = sha, .code_size = 10, .publish = true, .setting = &setting};
    registry_create_commit(record, &draft, NULL, on_function, NULL);
    wait_for(1);
    return record;
}

static char *revision(const char *qualifier)
{
    struct function_facts facts;
    CU_ASSERT_EQUAL_FATAL(registry_describe(find(), qualifier, &facts, &err), 0);
    return strdup(facts.revision_id);
}

static void restart(void)
{
    fixture_close();
    fixture_open();
    done_calls = woken = 0;
}

static void test_settings_of_a_new_function(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(registry_setting(create(), SETTING_CODE_SIGNING, ""), "{\"n\":0}");
    restart();
    CU_ASSERT_STRING_EQUAL(registry_setting(find(), SETTING_CODE_SIGNING, ""), "{\"n\":0}");
    fixture_end();
}

static void test_settings_revise(void)
{
    begin();
    struct function_record *record = create();
    CLEANUP(freep) char *latest = revision(NULL);
    CLEANUP(freep) char *first = revision("1");
    const struct setting_change of_version = {SETTING_POLICY, "1", "{\"n\":1}"};
    registry_settings_revise(record, 1, &of_version, 1, on_written, NULL);
    CLEANUP(freep) char *meanwhile = revision("1");
    CU_ASSERT_STRING_EQUAL(meanwhile, first);
    wait_for(2);
    CLEANUP(freep) char *changed = revision("1");
    CLEANUP(freep) char *latest_still = revision(NULL);
    CU_ASSERT_STRING_NOT_EQUAL(changed, first);
    CU_ASSERT_STRING_EQUAL(latest_still, latest);
    registry_tags_write(record, "{\"a\":\"b\"}", on_written, NULL);
    wait_for(3);
    CLEANUP(freep) char *tagged = revision(NULL);
    CU_ASSERT_STRING_NOT_EQUAL(tagged, latest);
    restart();
    CLEANUP(freep) char *after = revision("1");
    CLEANUP(freep) char *latest_after = revision(NULL);
    CU_ASSERT_STRING_EQUAL(after, changed);
    CU_ASSERT_STRING_EQUAL(latest_after, tagged);
    CU_ASSERT_STRING_EQUAL(registry_setting(find(), SETTING_POLICY, "1"), "{\"n\":1}");
    fixture_end();
}

/* Neither a qualifier nor an alias reads "01" as version 1. */
static void test_settings_versions_have_one_name(void)
{
    struct function_facts facts;
    begin();
    struct function_record *record = create();
    const struct setting_change alias = {SETTING_ALIAS, "live", "{\"FunctionVersion\":\"01\"}"};
    registry_settings_write(record, &alias, 1, on_written, NULL);
    wait_for(2);
    CU_ASSERT_EQUAL(registry_describe(record, "1", &facts, &err), 0);
    CU_ASSERT_EQUAL(registry_describe(record, "01", &facts, &err), -ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(registry_describe(record, "live", &facts, &err), -ERR_NOT_FOUND);
    fixture_end();
}

static void test_settings_go_with_their_version(void)
{
    begin();
    struct function_record *record = create();
    const struct setting_change changes[] = {
        {SETTING_POLICY, "1", "{}"}, {SETTING_EVENT_INVOKE, "1", "{}"}, {SETTING_POLICY, "", "{}"}, {SETTING_POLICY, "11", "{}"}};
    registry_settings_write(record, changes, 4, on_written, NULL);
    wait_for(2);
    CU_ASSERT_EQUAL_FATAL(registry_delete_version(record, 1, on_function, NULL, &err), 0);
    CU_ASSERT_TRUE(registry_settings_wait(record, on_woken, NULL));
    wait_for(3);
    CU_ASSERT_EQUAL(woken, 1);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_PTR_NULL(registry_setting(find(), SETTING_POLICY, "1"));
        CU_ASSERT_PTR_NULL(registry_setting(find(), SETTING_EVENT_INVOKE, "1"));
        CU_ASSERT_PTR_NOT_NULL(registry_setting(find(), SETTING_POLICY, ""));
        CU_ASSERT_PTR_NOT_NULL(registry_setting(find(), SETTING_POLICY, "11"));
        restart();
    }
    fixture_end();
}

static void test_settings_all_of_a_qualifier(void)
{
    begin();
    struct function_record *record = create();
    const struct setting_change made[] = {{SETTING_URL, "live", "{}"}, {SETTING_POLICY, "live", "{}"}, {SETTING_URL, "", "{}"}};
    registry_settings_write(record, made, 3, on_written, NULL);
    wait_for(2);
    registry_settings_write(record, &(struct setting_change){NULL, "live", NULL}, 1, on_written, NULL);
    CU_ASSERT_PTR_NOT_NULL(registry_setting(record, SETTING_URL, "live"));
    wait_for(3);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_PTR_NULL(registry_setting(find(), SETTING_URL, "live"));
        CU_ASSERT_PTR_NULL(registry_setting(find(), SETTING_POLICY, "live"));
        CU_ASSERT_PTR_NOT_NULL(registry_setting(find(), SETTING_URL, ""));
        restart();
    }
    fixture_end();
}

TEST_MAIN("settings", TEST(test_settings_of_a_new_function), TEST(test_settings_revise), TEST(test_settings_versions_have_one_name),
          TEST(test_settings_go_with_their_version), TEST(test_settings_all_of_a_qualifier))
