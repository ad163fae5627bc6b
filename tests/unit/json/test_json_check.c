/* The payload checker: what RFC 8259 allows passes, whatever it means; everything else fails with its place. */
#include <stdlib.h>

#include "lib/json/json_check.h"
#include "tests/unit/cunit.h"

static struct json_fault fault;

static int ok(const char *text)
{
    char *exact = malloc(strlen(text) + 1); /* so that a sanitizer sees a read past the end */
    memcpy(exact, text, strlen(text));
    int r = json_check(exact, strlen(text), &fault);
    free(exact);
    return r == 0;
}

static void test_json_check_accepts(void)
{
    static const char *const good[] = {
        "{}",
        "[]",
        " null ",
        "\"\"",
        "-0.5e+10",
        "0",
        "[1,[2,[{\"a\":[]}]],{}]",
        "{\"a\":1,\"a\":2}",
        "\"\\u0000\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\t[\r\n1 , 2 ]\n",
        "1e400",
        "{\"a\" : {\"b\":true},\"c\":false}",
        "\"\xc3\xa9\"",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        CU_ASSERT(ok(good[i]));
}

static void test_json_check_refuses(void)
{
    static const char *const bad[] = {
        "",         " ",         "{",
        "[",        "[1",        "[1,",
        "[1,]",     "{\"a\"",    "{\"a\":",
        "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
        "{a:1}",    "{1:1}",     "]",
        "}",        "[}",        "{]",
        "1 2",      "01",        "1.",
        ".5",       "-",         "+1",
        "1e",       "0x1",       "nul",
        "nulL",     "tru",       "NaN",
        "'a'",      "\"",        "\"\\",
        "\"\\x\"",  "\"\\u12\"", "\"\\u12g4\"",
        "\"\n\"",   "\"\xff\"",  "\xef\xbb\xbf{}",
        "[1 2]",    "{\"a\" 1}", "{}{}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CU_ASSERT_FALSE(ok(bad[i]));
    CU_ASSERT_EQUAL(json_check("\0", 1, &fault), -1);
}

static void test_json_check_place(void)
{
    CU_ASSERT_FALSE(ok("{\n \"a\": x}"));
    CU_ASSERT_EQUAL(fault.line, 2);
    CU_ASSERT_EQUAL(fault.column, 7);
}

static void test_json_check_depth(void)
{
    char text[2 * JSON_CHECK_DEPTH_MAX + 4];
    memset(text, '[', JSON_CHECK_DEPTH_MAX);
    memset(text + JSON_CHECK_DEPTH_MAX, ']', JSON_CHECK_DEPTH_MAX);
    CU_ASSERT_EQUAL(json_check(text, 2 * JSON_CHECK_DEPTH_MAX, &fault), 0);
    memset(text, '[', JSON_CHECK_DEPTH_MAX + 1);
    memset(text + JSON_CHECK_DEPTH_MAX + 1, ']', JSON_CHECK_DEPTH_MAX + 1);
    CU_ASSERT_EQUAL(json_check(text, 2 * JSON_CHECK_DEPTH_MAX + 2, &fault), -1);
}

TEST_MAIN("json_check", TEST(test_json_check_accepts), TEST(test_json_check_refuses), TEST(test_json_check_place),
          TEST(test_json_check_depth))
