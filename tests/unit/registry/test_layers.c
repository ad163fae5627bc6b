/* Layers on a real database: names and ARNs, numbers that are given once, what survives a restart, and how long archives live. */
#include <stdlib.h>
#include <unistd.h>

#include "host/registry/functions.h"
#include "host/registry/layer/layers.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"
#include "tests/unit/registry/fixture.h"

static struct err err;
static const char sha_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char sha_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const struct layer_name deps = {.account = "111111111111", .region = "us-east-1", .name = "deps"};

static void restart(void)
{
    fixture_settle();
    fixture_close();
    fixture_open();
}

struct seen {
    int calls;
    uint64_t numbers[40];
};

static void published(void *arg, const struct layer_facts *facts, const struct err *error)
{
    struct seen *seen = arg;
    CU_ASSERT_PTR_NULL_FATAL(error);
    seen->numbers[seen->calls++] = facts->number;
}

static void written(void *arg, const struct err *error)
{
    CU_ASSERT_PTR_NULL(error);
    ++*(int *)arg;
}

static void publish(const struct layer_name *name, const char *sha256, struct seen *seen)
{
    CLEANUP(json_freep) cJSON *about = cJSON_CreateObject();
    cJSON_AddStringToObject(about, "Description", "d");
    const struct layer_draft draft = {.about = about, .code_sha256 = sha256, .code_size = 10, .unpacked_size = 20};
    layers_publish(fixture.registry, name, &draft, published, seen);
}

static void remove_version(uint64_t number)
{
    int calls = 0;
    layers_delete(fixture.registry, &deps, number, written, &calls);
    fixture_wait_for(&calls, 1);
}

static void test_layer_name(void)
{
    struct layer_name name;
    char arn[LAYER_ARN_BYTES];
    CU_ASSERT_EQUAL(layer_name_parse("deps", "111111111111", "cn-north-1", &name, &err), 0);
    layer_name_arn(&name, 0, arn);
    CU_ASSERT_STRING_EQUAL(arn, "arn:aws-cn:lambda:cn-north-1:111111111111:layer:deps");
    CU_ASSERT_EQUAL(layer_name_parse("arn:aws:lambda:us-east-1:222222222222:layer:deps:12", NULL, NULL, &name, &err), 0);
    CU_ASSERT_STRING_EQUAL(name.account, "222222222222");
    CU_ASSERT_EQUAL(name.number, 12);
    layer_name_arn(&name, name.number, arn);
    CU_ASSERT_STRING_EQUAL(arn, "arn:aws:lambda:us-east-1:222222222222:layer:deps:12");
    static const char *const wrong[] = {"",
                                        "deps:1",
                                        "arn:aws:lambda:us-east-1:222222222222:layer:deps:",
                                        "arn:aws:lambda:us-east-1",
                                        "arn:aws:lambda:us-east-1:222222222222:layer:deps:1:2",
                                        "arn:aws:lambda:::awslayer:x",
                                        "arn:aws:lambda:us-east-1:222222222222:function:deps",
                                        "arn:aws:lambda:us-east-1:222222222222:layer:deps:x"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        CU_ASSERT_EQUAL(layer_name_parse(wrong[i], "111111111111", "us-east-1", &name, &err), -ERR_INVALID);
}

/* All at once, as 32 clients do; nobody sees a version before its commit. */
static void test_layers_numbers(void)
{
    fixture_begin();
    struct seen seen = {0};
    struct layer_facts facts;
    for (int i = 0; i < 32; i++)
        publish(&deps, i % 2 == 0 ? sha_a : sha_b, &seen);
    CU_ASSERT_FALSE(layers_describe(fixture.registry, &deps, 1, &facts));
    fixture_wait_for(&seen.calls, 32);
    for (uint64_t i = 0; i < 32; i++)
        CU_ASSERT_EQUAL(seen.numbers[i], i + 1);
    const struct layer *layer = layers_find(fixture.registry, &deps);
    layer_describe_at(layer, 0, &facts);
    CU_ASSERT_EQUAL(facts.number, 32);
    CU_ASSERT_EQUAL(layers_code_bytes(fixture.registry, "111111111111", "us-east-1"), 320);
    remove_version(32);
    restart();
    CU_ASSERT_EQUAL(layer_version_count(layers_find(fixture.registry, &deps)), 31);
    seen.calls = 0;
    publish(&deps, sha_a, &seen);
    fixture_wait_for(&seen.calls, 1);
    CU_ASSERT_EQUAL(seen.numbers[0], 33);
    fixture_end();
}

static void test_layers_list(void)
{
    fixture_begin();
    static const char *const names[] = {"b", "a", "c"};
    struct seen seen = {0};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct layer_name name = deps;
        strcpy(name.name, names[i]);
        publish(&name, sha_a, &seen);
    }
    publish(&deps, sha_a, &seen);
    fixture_wait_for(&seen.calls, 4);
    remove_version(1);
    const struct layer **list;
    struct layer_facts facts;
    CU_ASSERT_EQUAL(layers_list(fixture.registry, "111111111111", "us-east-1", NULL, &list), 3);
    layer_describe_at(list[0], 0, &facts);
    CU_ASSERT_STRING_EQUAL(facts.layer->name, "a");
    free(list);
    CU_ASSERT_EQUAL(layers_list(fixture.registry, "111111111111", "us-east-1", "b", &list), 2);
    free(list);
    CU_ASSERT_EQUAL(layers_list(fixture.registry, "111111111111", "eu-west-1", NULL, &list), 0);
    free(list);
    fixture_end();
}

struct turn {
    int calls;
    bool waited;
};

static void my_turn(void *arg)
{
    struct turn *turn = arg;
    turn->calls++;
    turn->waited = layers_wait(fixture.registry, &deps, my_turn, turn);
}

static void test_layers_policy(void)
{
    fixture_begin();
    struct seen seen = {0};
    struct layer_facts facts;
    struct turn turn = {0};
    int calls = 0;
    publish(&deps, sha_a, &seen);
    fixture_wait_for(&seen.calls, 1);
    CU_ASSERT_FALSE(layers_wait(fixture.registry, &deps, my_turn, &turn));
    layers_set_policy(fixture.registry, &deps, 1, "{\"Id\":1}", "11111111-1111-1111-1111-111111111111", written, &calls);
    CU_ASSERT_TRUE(layers_wait(fixture.registry, &deps, my_turn, &turn));
    CU_ASSERT_TRUE(layers_describe(fixture.registry, &deps, 1, &facts));
    CU_ASSERT_PTR_NULL(facts.policy);
    fixture_wait_for(&calls, 1);
    fixture_wait_for(&turn.calls, 1);
    CU_ASSERT_FALSE(turn.waited);
    restart();
    CU_ASSERT_TRUE_FATAL(layers_describe(fixture.registry, &deps, 1, &facts));
    CU_ASSERT_STRING_EQUAL(facts.policy, "{\"Id\":1}");
    CU_ASSERT_STRING_EQUAL(facts.policy_revision, "11111111-1111-1111-1111-111111111111");
    layers_set_policy(fixture.registry, &deps, 1, NULL, NULL, written, &calls);
    fixture_wait_for(&calls, 2);
    CU_ASSERT_TRUE(layers_describe(fixture.registry, &deps, 1, &facts) && facts.policy == NULL && facts.policy_revision == NULL);
    fixture_end();
}

static void function_done(void *arg, struct function_record *record, const struct err *error)
{
    (void)record;
    CU_ASSERT_PTR_NULL(error);
    ++*(int *)arg;
}

static struct function_record *create_with_layer(const char *sha256)
{
    struct function_name name;
    struct function_record *record;
    int calls = 0;
    cJSON *config = cJSON_CreateObject(), *layer = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "Runtime", "python3.11");
    cJSON_AddStringToObject(config, "Handler", "app.handler");
    cJSON_AddStringToObject(layer, "Sha256", sha256);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(config, "Layers"), layer);
    CU_ASSERT_EQUAL_FATAL(function_name_parse("uses", NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_create_begin(fixture.registry, &name, &record, &err), 0);
    const struct function_draft draft = {.config = config, .code_sha256 = sha_b, .code_size = 10, .unpacked_size = 30};
    registry_create_commit(record, &draft, NULL, function_done, &calls);
    cJSON_Delete(config);
    fixture_wait_for(&calls, 1);
    fixture_settle();
    return record;
}

/* The archive lives with its version, then with what uses it: the function, the workers of a version that is no more. */
static void test_layers_archive_lives(void)
{
    fixture_begin();
    struct seen seen = {0};
    struct function_record *record;
    struct function_facts facts;
    struct function_version *version;
    publish(&deps, sha_a, &seen);
    fixture_wait_for(&seen.calls, 1);
    create_with_layer(sha_a);
    remove_version(1);
    CU_ASSERT_TRUE(registry_code_is_live(fixture.registry, sha_a));
    restart();
    CU_ASSERT_TRUE(registry_code_is_live(fixture.registry, sha_a));
    CU_ASSERT_EQUAL_FATAL(registry_resolve(fixture.registry, "111111111111", "us-east-1", "uses", NULL, &version, &err), 0);
    CU_ASSERT_EQUAL(version->layer_count, 1);
    CU_ASSERT_STRING_EQUAL(version->layer_sha256[0], sha_a);
    struct function_name name;
    CU_ASSERT_EQUAL_FATAL(function_name_parse("uses", NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_find(fixture.registry, &name, &record, &err), 0);
    CU_ASSERT_EQUAL(registry_describe(record, NULL, &facts, &err), 0);
    CU_ASSERT_EQUAL(facts.unpacked_size, 30);
    int calls = 0;
    CU_ASSERT_EQUAL(registry_delete(record, function_done, &calls, &err), 0);
    fixture_wait_for(&calls, 1);
    CU_ASSERT_TRUE(registry_code_is_live(fixture.registry, sha_a));
    function_version_unref(version);
    CU_ASSERT_FALSE(registry_code_is_live(fixture.registry, sha_a));
    fixture_end();
}

TEST_MAIN("layers", TEST(test_layer_name), TEST(test_layers_numbers), TEST(test_layers_list), TEST(test_layers_policy),
          TEST(test_layers_archive_lives))
