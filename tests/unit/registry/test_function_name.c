/* Names and ARNs of functions in all the forms that clients use, and AWS's words where they are refused. */
#include "host/registry/function_name.h"
#include "tests/unit/cunit.h"

static struct err err;
static struct function_name name;

static int parse(const char *identifier, const char *qualifier)
{
    return function_name_parse(identifier, qualifier, "111111111111", "us-east-1", &name, &err);
}

static void test_function_name_forms(void)
{
    static const char *const forms[] = {
        "hello",
        "function:hello",
        "111111111111:function:hello",
        "111111111111:hello",
        "us-east-1:111111111111:function:hello",
        "arn:aws:lambda:us-east-1:111111111111:function:hello",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        CU_ASSERT_EQUAL(parse(forms[i], NULL), 0);
        CU_ASSERT_STRING_EQUAL(name.name, "hello");
        CU_ASSERT_STRING_EQUAL(name.qualifier, "");
        CU_ASSERT_STRING_EQUAL(name.account, "111111111111");
    }
}

static void test_function_name_qualifier(void)
{
    CU_ASSERT_EQUAL(parse("hello:7", NULL), 0);
    CU_ASSERT_STRING_EQUAL(name.qualifier, "7");
    CU_ASSERT_EQUAL(parse("arn:aws:lambda:us-east-1:111111111111:function:hello:$LATEST", ""), 0);
    CU_ASSERT_STRING_EQUAL(name.qualifier, "$LATEST");
    CU_ASSERT_EQUAL(parse("hello", "live"), 0);
    CU_ASSERT_STRING_EQUAL(name.qualifier, "live");
    CU_ASSERT_EQUAL(parse("hello:live", "live"), 0);
    CU_ASSERT_EQUAL(parse("hello:live", "7"), -ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(err.msg, "The derived qualifier from the function name does not match the specified qualifier.");
}

static void test_function_name_version(void)
{
    uint64_t number = 42;
    static const char *const none[] = {"", "0", "007", "01", "-7", "+7", " 7", "7 ", "7a", "live", "$LATEST", "9223372036854775808"};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        CU_ASSERT_FALSE(function_name_version(none[i], &number));
    CU_ASSERT_EQUAL(number, 42);
    CU_ASSERT_TRUE(function_name_version("7", &number));
    CU_ASSERT_EQUAL(number, 7);
    CU_ASSERT_TRUE(function_name_version("10", &number));
    CU_ASSERT_EQUAL(number, 10);
    CU_ASSERT_TRUE(function_name_version("9223372036854775807", &number));
    CU_ASSERT_EQUAL(number, INT64_MAX);
}

static void test_function_name_refuses(void)
{
    CU_ASSERT_EQUAL(parse("arn:aws:lambda:eu-central-1:111111111111:function:hello", NULL), -ERR_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(err.msg, "Functions from 'eu-central-1' are not reachable in this region ('us-east-1')");
    CU_ASSERT_EQUAL(parse("arn:aws:lambda:us-east-1:222222222222:function:hello", NULL), -ERR_DENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "arn:aws:lambda:us-east-1:222222222222:function:hello"));
    static const char *const bad[] = {"",
                                      ":",
                                      "a:b:c",
                                      "a/b",
                                      "hello:",
                                      "arn:aws:lambda:us-east-1:111111111111:layer:x",
                                      "arn:aws:s3:::x",
                                      "h\xc3\xa9",
                                      "111111111111:function:hello:1:2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CU_ASSERT_EQUAL(parse(bad[i], NULL), -ERR_INVALID);
    char longest[FUNCTION_NAME_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[FUNCTION_NAME_MAX] = '\0';
    CU_ASSERT_EQUAL(parse(longest, NULL), 0);
    longest[FUNCTION_NAME_MAX] = 'x';
    longest[FUNCTION_NAME_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(parse(longest, NULL), -ERR_INVALID);
}

TEST_MAIN("function_name", TEST(test_function_name_forms), TEST(test_function_name_qualifier), TEST(test_function_name_version),
          TEST(test_function_name_refuses))
