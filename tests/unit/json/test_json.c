/* JSON: what is refused beyond cJSON's own rules. */
#include <stdio.h>

#include "lib/json/json.h"
#include "tests/unit/cunit.h"

static int parses(const char *text, size_t len)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    struct err err;
    int rc = json_parse(text, len, &tree, &err);
    CU_ASSERT(rc == 0 ? tree != NULL : err.kind == ERR_INVALID && tree == NULL);
    return rc == 0;
}
#define PARSES(literal) parses(literal, sizeof literal - 1)

static void test_json_accepts(void)
{
    CU_ASSERT(PARSES("{}"));
    CU_ASSERT(PARSES(" [1, 2.5e3, null, true, \"\\u00e9\\\\u0000\"] \n"));
    CU_ASSERT(PARSES("{\"a\":1,\"A\":2}"));
    CU_ASSERT(PARSES("\"text\""));
}

static void test_json_refuses(void)
{
    CU_ASSERT_FALSE(PARSES(""));
    CU_ASSERT_FALSE(PARSES("{} x"));
    CU_ASSERT_FALSE(PARSES("{\"a\":1,\"a\":2}"));
    CU_ASSERT_FALSE(PARSES("[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]"));
    CU_ASSERT_FALSE(PARSES("\"\\u0000\""));
    CU_ASSERT_FALSE(PARSES("\"a\0b\""));
    CU_ASSERT_FALSE(PARSES("\"\xff\""));
    CU_ASSERT_FALSE(PARSES("{\"a\":"));
}

static void test_json_depth(void)
{
    char text[2 * JSON_DEPTH_MAX + 4];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    CU_ASSERT(parses(text, 2 * JSON_DEPTH_MAX));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    CU_ASSERT_FALSE(parses(text, 2 * JSON_DEPTH_MAX + 2));
}

static void test_json_set(void)
{
    struct err err;
    CLEANUP(json_freep) cJSON *tree = NULL;
    CU_ASSERT_FATAL(json_parse("{\"a\":1,\"A\":2}", 13, &tree, &err) == 0);
    json_set(tree, "a", cJSON_CreateString("x"));
    json_set(tree, "b", cJSON_CreateNull());
    CLEANUP(freep) char *text = json_print(tree);
    CU_ASSERT_STRING_EQUAL(text, "{\"A\":2,\"a\":\"x\",\"b\":null}");
}

static void test_json_get(void)
{
    CLEANUP(json_freep) cJSON *tree = NULL;
    struct err err;
    static const char text[] = "{\"s\":\"x\",\"n\":42,\"b\":true,\"z\":null}";
    CU_ASSERT_EQUAL_FATAL(json_parse(text, sizeof text - 1, &tree, &err), 0);
    CU_ASSERT_STRING_EQUAL(json_str(tree, "s"), "x");
    CU_ASSERT_PTR_NULL(json_str(tree, "n"));
    CU_ASSERT_EQUAL(json_int(tree, "n", 0), 42);
    CU_ASSERT_EQUAL(json_int(tree, "s", -1), -1);
    CU_ASSERT(json_bool(tree, "b", false));
    CU_ASSERT_PTR_NULL(json_get(tree, "z"));
    CU_ASSERT_PTR_NULL(json_get(NULL, "z"));
}

TEST_MAIN("json", TEST(test_json_accepts), TEST(test_json_refuses), TEST(test_json_depth), TEST(test_json_get), TEST(test_json_set))
