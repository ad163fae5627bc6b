/* Function names in all their forms. */
#include "lib/aws/arn.h"

#include <stdio.h>

#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

static const char *parse(const char *text)
{
    static char out[600];
    struct arn_function fn;
    struct err err;
    if (arn_function_parse(text, &fn, &err) < 0)
        return "invalid";
    snprintf(out, sizeof out, "%s|%s|%s|%s", fn.region, fn.account, fn.name, fn.qualifier);
    return out;
}

static void test_arn_parse(void)
{
    CU_ASSERT_STRING_EQUAL(parse("hello"), "||hello|");
    CU_ASSERT_STRING_EQUAL(parse("hello:prod"), "||hello|prod");
    CU_ASSERT_STRING_EQUAL(parse("hello:$LATEST"), "||hello|$LATEST");
    CU_ASSERT_STRING_EQUAL(parse("123456789012:function:hello:1"), "|123456789012|hello|1");
    CU_ASSERT_STRING_EQUAL(parse("123456789012:hello"), "|123456789012|hello|");
    CU_ASSERT_STRING_EQUAL(parse("123456789012"), "||123456789012|");
    CU_ASSERT_STRING_EQUAL(parse("function:hello"), "||hello|");
    CU_ASSERT_STRING_EQUAL(parse("function"), "||function|");
    CU_ASSERT_STRING_EQUAL(parse("us-east-1"), "||us-east-1|");
    CU_ASSERT_STRING_EQUAL(parse("us-east-1:123456789012:function:hello"), "us-east-1|123456789012|hello|");
    CU_ASSERT_STRING_EQUAL(parse("arn:aws:lambda:us-gov-west-1:123456789012:function:he_l-lo:v1"), "us-gov-west-1|123456789012|he_l-lo|v1");
    static const char *const bad[] = {"",
                                      ":",
                                      "a:b:c",
                                      "a b",
                                      "hello:",
                                      "arn:aws:lambda:function:f",
                                      "arn:aws:sqs:us-east-1:123456789012:queue",
                                      "arn:aws:lambda:us-east-1:123400000000@function:myfn",
                                      "arn:aws:lambda:us-east-1:123456789012:function:f:1:2",
                                      "a:b:c:d:e:f:g:h:i:j",
                                      "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_STRING_EQUAL(parse(bad[i]), "invalid");
    char name[ARN_NAME_BYTES + 1];
    memset(name, 'x', ARN_NAME_BYTES);
    name[ARN_NAME_BYTES] = '\0';
    CU_ASSERT_STRING_EQUAL(parse(name), "invalid");
    CU_ASSERT(parse(name + 1)[0] == '|');
}

static void test_arn_format(void)
{
    char out[ARN_FUNCTION_BYTES];
    arn_function_format("us-east-1", "000000000000", "f", NULL, out);
    CU_ASSERT_STRING_EQUAL(out, "arn:aws:lambda:us-east-1:000000000000:function:f");
    arn_function_format("cn-north-1", "000000000000", "f", "$LATEST", out);
    CU_ASSERT_STRING_EQUAL(out, "arn:aws-cn:lambda:cn-north-1:000000000000:function:f:$LATEST");
    CU_ASSERT_STRING_EQUAL(parse(out), "cn-north-1|000000000000|f|$LATEST");
}

TEST_MAIN("arn", TEST(test_arn_parse), TEST(test_arn_format))
