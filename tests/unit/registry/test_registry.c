/* The registry on a real database: lifecycles, one update at a time, what survives a restart, what is retired when. */
#include <stdlib.h>
#include <unistd.h>

#include "host/registry/functions.h"
#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"
#include "tests/unit/registry/fixture.h"

static struct err err;
static const char sha_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char sha_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* What a done callback saw. */
struct seen {
    int calls;
    bool failed;
    char state[32], update[32], revision[40];
};

static uint64_t retired_key;
static int retired_count, active_count;

static void on_retired(void *arg, uint64_t key)
{
    (void)arg;
    retired_key = key;
    retired_count++;
}

static void on_active(void *arg, struct function_version *version)
{
    (void)arg;
    (void)version;
    active_count++;
}

static char unused[SHA256_HEX_BYTES];

static void on_unused(void *arg, const char *sha256_hex)
{
    (void)arg;
    strcpy(unused, sha256_hex);
}

static void listen_to(void)
{
    registry_on_retired(fixture.registry, on_retired, NULL);
    registry_on_active(fixture.registry, on_active, NULL);
    registry_on_unused(fixture.registry, on_unused, NULL);
    retired_count = active_count = 0;
    unused[0] = '\0';
}

static void begin(void)
{
    fixture_begin();
    listen_to();
}

static void done(void *arg, struct function_record *record, const struct err *error)
{
    struct seen *seen = arg;
    struct function_facts facts;
    seen->calls++;
    seen->failed = error != NULL;
    if (record == NULL || registry_describe(record, NULL, &facts, &err) < 0)
        return;
    strcpy(seen->state, facts.state);
    strcpy(seen->update, facts.update_status != NULL ? facts.update_status : "");
    strcpy(seen->revision, facts.revision_id);
}

static cJSON *make_config(int memory)
{
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "Runtime", "python3.11");
    cJSON_AddStringToObject(config, "Handler", "app.handler");
    cJSON_AddStringToObject(config, "Role", "arn:aws:iam::111111111111:role/r");
    cJSON_AddNumberToObject(config, "MemorySize", memory);
    cJSON *variables = cJSON_AddObjectToObject(cJSON_AddObjectToObject(config, "Environment"), "Variables");
    cJSON_AddStringToObject(variables, "A", "b=c");
    return config;
}

static struct function_name named(const char *text)
{
    struct function_name name;
    CU_ASSERT_EQUAL_FATAL(function_name_parse(text, NULL, "111111111111", "us-east-1", &name, &err), 0);
    return name;
}

static struct function_record *create(const char *text, struct seen *seen)
{
    struct function_name name = named(text);
    struct function_record *record;
    CLEANUP(json_freep) cJSON *config = make_config(128), *tags = cJSON_CreateObject();
    cJSON_AddStringToObject(tags, "team", "x");
    CU_ASSERT_EQUAL_FATAL(registry_create_begin(fixture.registry, &name, &record, &err), 0);
    CU_ASSERT_EQUAL(registry_find(fixture.registry, &name, &(struct function_record *){NULL}, &err), -ERR_NOT_FOUND);
    const struct function_draft draft = {.config = config, .code_sha256 = sha_a, .code_size = 10};
    registry_create_commit(record, &draft, tags, done, seen);
    fixture_wait_for(&seen->calls, 1);
    return record;
}

static struct function_version *resolve(const char *text)
{
    struct function_version *version = NULL;
    CU_ASSERT_EQUAL_FATAL(registry_resolve(fixture.registry, "111111111111", "us-east-1", text, NULL, &version, &err), 0);
    return version;
}

static void test_registry_create(void)
{
    begin();
    struct seen seen = {0};
    struct function_record *record = create("hello", &seen);
    CU_ASSERT_FALSE(seen.failed);
    CU_ASSERT_STRING_EQUAL(seen.state, "Pending");
    fixture_settle();
    CU_ASSERT_EQUAL(active_count, 1);
    struct function_facts facts;
    CU_ASSERT_EQUAL(registry_describe(record, "$LATEST", &facts, &err), 0);
    CU_ASSERT_STRING_EQUAL(facts.state, "Active");
    CU_ASSERT_STRING_EQUAL(facts.update_status, "Successful");
    CU_ASSERT_STRING_NOT_EQUAL(facts.revision_id, seen.revision);
    CU_ASSERT_STRING_EQUAL(facts.tags, "{\"team\":\"x\"}");
    struct function_version *version = resolve("hello");
    CU_ASSERT_EQUAL(version->env_count, 1);
    CU_ASSERT_STRING_EQUAL(version->env[0], "A=b=c");
    CU_ASSERT_STRING_EQUAL(version->arn, "arn:aws:lambda:us-east-1:111111111111:function:hello");
    CU_ASSERT_STRING_EQUAL(version->log_group, "/aws/lambda/hello");
    function_version_unref(version);
    struct function_name name = named("hello");
    CU_ASSERT_EQUAL(registry_create_begin(fixture.registry, &name, &record, &err), -ERR_EXISTS);
    CU_ASSERT_STRING_EQUAL(err.msg, "Function already exist: hello");
    CU_ASSERT(registry_code_is_live(fixture.registry, sha_a));
    CU_ASSERT_FALSE(registry_code_is_live(fixture.registry, sha_b));
    fixture_end();
}

static void test_registry_not_found(void)
{
    begin();
    struct function_version *version = NULL;
    CU_ASSERT_EQUAL(registry_resolve(fixture.registry, "111111111111", "us-east-1", "no:7", NULL, &version, &err), -ERR_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(err.msg, "Function not found: arn:aws:lambda:us-east-1:111111111111:function:no:7");
    struct seen seen = {0};
    create("hello", &seen);
    fixture_settle();
    CU_ASSERT_EQUAL(registry_resolve(fixture.registry, "111111111111", "us-east-1", "hello", "7", &version, &err), -ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(registry_resolve(fixture.registry, "222222222222", "us-east-1", "hello", NULL, &version, &err), -ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(registry_resolve(fixture.registry, "111111111111", "eu-west-1", "hello", NULL, &version, &err), -ERR_NOT_FOUND);
    fixture_end();
}

static void test_registry_update(void)
{
    begin();
    struct seen seen = {0}, update = {0};
    struct function_record *record = create("hello", &seen);
    CU_ASSERT_EQUAL(registry_update_begin(record, &err), -ERR_CONFLICT); /* still Pending */
    fixture_settle();
    struct function_version *before = resolve("hello");
    CU_ASSERT_EQUAL(registry_update_begin(record, &err), 0);
    CU_ASSERT_EQUAL(registry_update_begin(record, &err), -ERR_CONFLICT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "An update is in progress for resource: arn:aws:lambda:"));
    CU_ASSERT_EQUAL(registry_delete(record, done, &update, &err), -ERR_CONFLICT);
    CLEANUP(json_freep) cJSON *config = make_config(256);
    const struct function_draft draft = {.config = config, .code_sha256 = sha_b, .code_size = 20};
    registry_update_commit(record, &draft, done, &update);
    fixture_wait_for(&update.calls, 1);
    CU_ASSERT_STRING_EQUAL(update.state, "Active");
    CU_ASSERT_STRING_EQUAL(update.update, "InProgress");
    fixture_settle();
    CU_ASSERT_EQUAL(retired_count, 1);
    CU_ASSERT_EQUAL(retired_key, before->key);
    CU_ASSERT_EQUAL(before->memory_mb, 128); /* alive as long as somebody runs it */
    struct function_version *after = resolve("hello");
    CU_ASSERT_EQUAL(after->memory_mb, 256);
    CU_ASSERT_NOT_EQUAL(after->key, before->key);
    CU_ASSERT(registry_code_is_live(fixture.registry, sha_a)); /* a worker may still show it */
    CU_ASSERT(registry_code_is_live(fixture.registry, sha_b));
    function_version_unref(before);
    CU_ASSERT_FALSE(registry_code_is_live(fixture.registry, sha_a));
    CU_ASSERT_STRING_EQUAL(unused, sha_a);
    function_version_unref(after);
    fixture_end();
}

static void test_registry_abandon(void)
{
    begin();
    struct function_name name = named("hello");
    struct function_record *record;
    CU_ASSERT_EQUAL(registry_create_begin(fixture.registry, &name, &record, &err), 0);
    CU_ASSERT_EQUAL(registry_create_begin(fixture.registry, &name, &(struct function_record *){NULL}, &err), -ERR_EXISTS);
    registry_abandon(record);
    struct seen seen = {0};
    record = create("hello", &seen);
    fixture_settle();
    CU_ASSERT_EQUAL(registry_update_begin(record, &err), 0);
    registry_abandon(record);
    CU_ASSERT_EQUAL(registry_update_begin(record, &err), 0);
    registry_abandon(record);
    CU_ASSERT_EQUAL(registry_count(fixture.registry), 1);
    fixture_end();
}

static void test_registry_delete(void)
{
    begin();
    struct seen seen = {0}, deletion = {0};
    struct function_record *record = create("hello", &seen);
    fixture_settle();
    struct function_version *version = resolve("hello");
    uint64_t key = version->key;
    function_version_unref(version);
    CU_ASSERT_EQUAL(registry_delete(record, done, &deletion, &err), 0);
    fixture_wait_for(&deletion.calls, 1);
    CU_ASSERT_FALSE(deletion.failed);
    CU_ASSERT_EQUAL(retired_key, key);
    CU_ASSERT_EQUAL(registry_count(fixture.registry), 0);
    CU_ASSERT_FALSE(registry_code_is_live(fixture.registry, sha_a));
    struct seen again = {0};
    create("hello", &again);
    CU_ASSERT_FALSE(again.failed);
    fixture_end();
}

static void test_registry_restart(void)
{
    begin();
    struct seen seen = {0};
    create("one", &seen); /* ends before it settles */
    fixture_close();
    fake_has_python = false;
    fixture_open();
    listen_to();
    struct function_name name = named("one");
    struct function_record *record;
    struct function_facts facts;
    CU_ASSERT_EQUAL_FATAL(registry_find(fixture.registry, &name, &record, &err), 0);
    CU_ASSERT_EQUAL(registry_describe(record, "", &facts, &err), 0);
    CU_ASSERT_STRING_EQUAL(facts.state, "Failed");
    CU_ASSERT_STRING_EQUAL(facts.state_reason_code, "InvalidRuntime");
    CU_ASSERT_STRING_NOT_EQUAL(facts.revision_id, seen.revision);
    CU_ASSERT_EQUAL(strlen(facts.revision_id), 36);
    CU_ASSERT_EQUAL(facts.code_size, 10);
    fake_has_python = true;
    registry_set_runtimes(fixture.registry, NULL);
    CU_ASSERT_EQUAL(registry_describe(record, "", &facts, &err), 0);
    CU_ASSERT_STRING_EQUAL(facts.state, "Active");
    fixture_end();
}

static void test_registry_better_runtimes(void)
{
    const struct runtime_interpreter first = {.path = "/a/python3.11", .version = "3.11.2"},
                                     second = {.path = "/b/python3.11", .version = "3.11.2"};
    fake_interpreter = &first;
    begin();
    struct seen seen = {0};
    create("hello", &seen);
    fixture_settle();
    struct function_version *before = resolve("hello");
    CU_ASSERT_PTR_EQUAL(before->match.interpreter, &first);
    registry_set_runtimes(fixture.registry, NULL); /* as it was: nothing happens to what runs */
    CU_ASSERT_EQUAL(retired_count, 0);
    fake_has_python = false;
    registry_set_runtimes(fixture.registry, NULL); /* nor when it does not answer */
    CU_ASSERT_EQUAL(retired_count, 0);
    fake_has_python = true;
    fake_interpreter = &second;
    registry_set_runtimes(fixture.registry, NULL);
    CU_ASSERT_EQUAL(retired_count, 1);
    CU_ASSERT_EQUAL(retired_key, before->key);
    struct function_version *after = resolve("hello");
    CU_ASSERT_PTR_EQUAL(before->match.interpreter, &first);
    CU_ASSERT_PTR_EQUAL(after->match.interpreter, &second);
    CU_ASSERT_NOT_EQUAL(after->key, before->key);
    function_version_unref(before);
    function_version_unref(after);
    fake_interpreter = NULL;
    fixture_end();
}

static void test_registry_list(void)
{
    begin();
    static const char *const names[] = {"b", "a", "c"};
    for (int i = 0; i < 3; i++) {
        struct seen seen = {0};
        create(names[i], &seen);
    }
    struct function_record **list;
    CU_ASSERT_EQUAL(registry_list(fixture.registry, "111111111111", "us-east-1", NULL, &list), 3);
    CU_ASSERT_STRING_EQUAL(registry_record_name(list[0]), "a");
    CU_ASSERT_STRING_EQUAL(registry_record_name(list[2]), "c");
    free(list);
    CU_ASSERT_EQUAL(registry_list(fixture.registry, "111111111111", "us-east-1", "b", &list), 2);
    free(list);
    CU_ASSERT_EQUAL(registry_list(fixture.registry, "111111111111", "eu-west-1", NULL, &list), 0);
    free(list);
    uint64_t functions, bytes;
    registry_usage(fixture.registry, "111111111111", "us-east-1", &functions, &bytes);
    CU_ASSERT_EQUAL(functions, 3);
    CU_ASSERT_EQUAL(bytes, 30);
    fixture_settle();
    fixture_end();
}

/* Not a bound to pass or fail by a hair: ten times slower than this would be felt in every invocation. */
static void test_registry_resolve_is_quick(void)
{
    begin();
    struct seen seen = {0};
    create("hello", &seen);
    fixture_settle();
    function_version_unref(resolve("hello"));
    int64_t start = clock_mono_us();
    for (int i = 0; i < 20000; i++)
        function_version_unref(resolve("hello"));
    int64_t spent = clock_mono_us() - start;
    printf(" (%.2f us each) ", (double)spent / 20000);
    CU_ASSERT(spent < 20000 * 20);
    fixture_end();
}

TEST_MAIN("registry", TEST(test_registry_create), TEST(test_registry_not_found), TEST(test_registry_update), TEST(test_registry_abandon),
          TEST(test_registry_delete), TEST(test_registry_restart), TEST(test_registry_better_runtimes), TEST(test_registry_list),
          TEST(test_registry_resolve_is_quick))
