/* Layers on a real database: names and ARNs, numbers that are given once, what survives a restart, and how long archives live. */
#include <stdlib.h>
#include <unistd.h>

#include "host/registry/functions.h"
#include "host/registry/layer/layers.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"

static char dir[64], *db_path;
static struct loop *loop;
static struct registry *registry;
static struct err err;
static const char sha_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char sha_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const struct layer_name deps = {.account = "111111111111", .region = "us-east-1", .name = "deps"};

static void open_registry(void)
{
    const struct registry_options options = {.db_path = db_path, .loop = loop};
    CU_ASSERT_EQUAL_FATAL(registry_open(&options, &registry, &err), 0);
}

static void begin(void)
{
    strcpy(dir, "/tmp/stoke-layers-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    db_path = str_format("%s/stoke.db", dir);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    fake_has_python = true;
    open_registry();
}

static void settle(void)
{
    for (int i = 0; i < 3; i++)
        loop_run_once(loop, 0);
}

static void restart(void)
{
    settle();
    registry_close(registry);
    settle();
    open_registry();
}

static void end(void)
{
    registry_close(registry);
    settle();
    loop_free(loop);
    free(db_path);
    CLEANUP(freep) char *command = str_format("rm -rf %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void wait_for(const int *calls, int wanted)
{
    int64_t until = clock_mono_us() + 5000000;
    while (*calls < wanted && clock_mono_us() < until)
        loop_run_once(loop, 100);
    CU_ASSERT_EQUAL_FATAL(*calls, wanted);
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
    layers_publish(registry, name, &draft, published, seen);
}

static void remove_version(uint64_t number)
{
    int calls = 0;
    layers_delete(registry, &deps, number, written, &calls);
    wait_for(&calls, 1);
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
    begin();
    struct seen seen = {0};
    struct layer_facts facts;
    for (int i = 0; i < 32; i++)
        publish(&deps, i % 2 == 0 ? sha_a : sha_b, &seen);
    CU_ASSERT_FALSE(layers_describe(registry, &deps, 1, &facts));
    wait_for(&seen.calls, 32);
    for (uint64_t i = 0; i < 32; i++)
        CU_ASSERT_EQUAL(seen.numbers[i], i + 1);
    const struct layer *layer = layers_find(registry, &deps);
    layer_describe_at(layer, 0, &facts);
    CU_ASSERT_EQUAL(facts.number, 32);
    CU_ASSERT_EQUAL(layers_code_bytes(registry, "111111111111", "us-east-1"), 320);
    remove_version(32);
    restart();
    CU_ASSERT_EQUAL(layer_version_count(layers_find(registry, &deps)), 31);
    seen.calls = 0;
    publish(&deps, sha_a, &seen);
    wait_for(&seen.calls, 1);
    CU_ASSERT_EQUAL(seen.numbers[0], 33);
    end();
}

static void test_layers_list(void)
{
    begin();
    static const char *const names[] = {"b", "a", "c"};
    struct seen seen = {0};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct layer_name name = deps;
        strcpy(name.name, names[i]);
        publish(&name, sha_a, &seen);
    }
    publish(&deps, sha_a, &seen);
    wait_for(&seen.calls, 4);
    remove_version(1);
    const struct layer **list;
    struct layer_facts facts;
    CU_ASSERT_EQUAL(layers_list(registry, "111111111111", "us-east-1", NULL, &list), 3);
    layer_describe_at(list[0], 0, &facts);
    CU_ASSERT_STRING_EQUAL(facts.layer->name, "a");
    free(list);
    CU_ASSERT_EQUAL(layers_list(registry, "111111111111", "us-east-1", "b", &list), 2);
    free(list);
    CU_ASSERT_EQUAL(layers_list(registry, "111111111111", "eu-west-1", NULL, &list), 0);
    free(list);
    end();
}

struct turn {
    int calls;
    bool waited;
};

static void my_turn(void *arg)
{
    struct turn *turn = arg;
    turn->calls++;
    turn->waited = layers_wait(registry, &deps, my_turn, turn);
}

static void test_layers_policy(void)
{
    begin();
    struct seen seen = {0};
    struct layer_facts facts;
    struct turn turn = {0};
    int calls = 0;
    publish(&deps, sha_a, &seen);
    wait_for(&seen.calls, 1);
    CU_ASSERT_FALSE(layers_wait(registry, &deps, my_turn, &turn));
    layers_set_policy(registry, &deps, 1, "{\"Id\":1}", "11111111-1111-1111-1111-111111111111", written, &calls);
    CU_ASSERT_TRUE(layers_wait(registry, &deps, my_turn, &turn));
    CU_ASSERT_TRUE(layers_describe(registry, &deps, 1, &facts));
    CU_ASSERT_PTR_NULL(facts.policy);
    wait_for(&calls, 1);
    wait_for(&turn.calls, 1);
    CU_ASSERT_FALSE(turn.waited);
    restart();
    CU_ASSERT_TRUE_FATAL(layers_describe(registry, &deps, 1, &facts));
    CU_ASSERT_STRING_EQUAL(facts.policy, "{\"Id\":1}");
    CU_ASSERT_STRING_EQUAL(facts.policy_revision, "11111111-1111-1111-1111-111111111111");
    layers_set_policy(registry, &deps, 1, NULL, NULL, written, &calls);
    wait_for(&calls, 2);
    CU_ASSERT_TRUE(layers_describe(registry, &deps, 1, &facts) && facts.policy == NULL && facts.policy_revision == NULL);
    end();
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
    CU_ASSERT_EQUAL_FATAL(registry_create_begin(registry, &name, &record, &err), 0);
    const struct function_draft draft = {.config = config, .code_sha256 = sha_b, .code_size = 10, .unpacked_size = 30};
    registry_create_commit(record, &draft, NULL, function_done, &calls);
    cJSON_Delete(config);
    wait_for(&calls, 1);
    settle();
    return record;
}

/* The archive lives with its version, then with what uses it: the function, the workers of a version that is no more. */
static void test_layers_archive_lives(void)
{
    begin();
    struct seen seen = {0};
    struct function_record *record;
    struct function_facts facts;
    struct function_version *version;
    publish(&deps, sha_a, &seen);
    wait_for(&seen.calls, 1);
    create_with_layer(sha_a);
    remove_version(1);
    CU_ASSERT_TRUE(registry_code_is_live(registry, sha_a));
    restart();
    CU_ASSERT_TRUE(registry_code_is_live(registry, sha_a));
    CU_ASSERT_EQUAL_FATAL(registry_resolve(registry, "111111111111", "us-east-1", "uses", NULL, &version, &err), 0);
    CU_ASSERT_EQUAL(version->layer_count, 1);
    CU_ASSERT_STRING_EQUAL(version->layer_sha256[0], sha_a);
    struct function_name name;
    CU_ASSERT_EQUAL_FATAL(function_name_parse("uses", NULL, "111111111111", "us-east-1", &name, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_find(registry, &name, &record, &err), 0);
    CU_ASSERT_EQUAL(registry_describe(record, NULL, &facts, &err), 0);
    CU_ASSERT_EQUAL(facts.unpacked_size, 30);
    int calls = 0;
    CU_ASSERT_EQUAL(registry_delete(record, function_done, &calls, &err), 0);
    wait_for(&calls, 1);
    CU_ASSERT_TRUE(registry_code_is_live(registry, sha_a));
    function_version_unref(version);
    CU_ASSERT_FALSE(registry_code_is_live(registry, sha_a));
    end();
}

TEST_MAIN("layers", TEST(test_layer_name), TEST(test_layers_numbers), TEST(test_layers_list), TEST(test_layers_policy),
          TEST(test_layers_archive_lives))
