/* Resource policies as documents: who the principal is, which conditions a statement carries, adding and removing. */
#include <stdlib.h>
#include <string.h>

#include "host/api/settings/policy.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

#define ARN "arn:aws:lambda:eu-west-1:123456789012:function:f"

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    struct err err;
    CU_ASSERT_FATAL(json_parse(text, strlen(text), &tree, &err) == 0);
    return tree;
}

static char *statement_of(const char *input, const char *partition)
{
    CLEANUP(json_freep) cJSON *tree = parse(input);
    CLEANUP(json_freep) cJSON *statement = policy_statement(tree, ARN, partition);
    return statement != NULL ? json_print(statement) : NULL;
}

static void principal_is(const char *principal, const char *partition, const char *want)
{
    CLEANUP(freep) char *input = str_format("{\"StatementId\":\"s\",\"Action\":\"lambda:*\",\"Principal\":\"%s\"}", principal);
    CLEANUP(freep) char *got = statement_of(input, partition);
    if (want == NULL) {
        CU_ASSERT_PTR_NULL(got);
        return;
    }
    CLEANUP(freep)
    char *whole =
        str_format("{\"Sid\":\"s\",\"Effect\":\"Allow\",\"Principal\":%s,\"Action\":\"lambda:*\",\"Resource\":\"" ARN "\"}", want);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_STRING_EQUAL(got, whole);
}

static void test_policy_principals(void)
{
    principal_is("s3.amazonaws.com", "aws", "{\"Service\":\"s3.amazonaws.com\"}");
    principal_is("s3.amazonaws.com.cn", "aws-cn", "{\"Service\":\"s3.amazonaws.com.cn\"}");
    principal_is("alexa-appkit.amazon.com", "aws", "{\"Service\":\"alexa-appkit.amazon.com\"}");
    principal_is("210987654321", "aws", "{\"AWS\":\"arn:aws:iam::210987654321:root\"}");
    principal_is("210987654321", "aws-cn", "{\"AWS\":\"arn:aws-cn:iam::210987654321:root\"}");
    principal_is("arn:aws:iam::210987654321:role/r", "aws", "{\"AWS\":\"arn:aws:iam::210987654321:role/r\"}");
    principal_is("*", "aws", "\"*\"");
    principal_is("invalid.nonaws.com", "aws", NULL);
    principal_is("21098765432", "aws", NULL);
    principal_is("2109876543210", "aws", NULL);
    principal_is("somebody", "aws", NULL);
    principal_is("", "aws", NULL);
}

static void test_policy_conditions(void)
{
    CLEANUP(freep)
    char *got = statement_of("{\"StatementId\":\"s\",\"Action\":\"lambda:InvokeFunctionUrl\",\"Principal\":\"*\","
                             "\"SourceArn\":\"arn:aws:s3:::b\",\"SourceAccount\":\"111122223333\","
                             "\"EventSourceToken\":\"t\",\"PrincipalOrgID\":\"o-1234567890\","
                             "\"FunctionUrlAuthType\":\"NONE\",\"InvokedViaFunctionUrl\":true}",
                             "aws");
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_STRING_EQUAL(strstr(got, "\"Condition\""),
                           "\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"111122223333\",\"aws:PrincipalOrgID\":"
                           "\"o-1234567890\",\"lambda:EventSourceToken\":\"t\",\"lambda:FunctionUrlAuthType\":\"NONE\"},"
                           "\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:s3:::b\"},\"Bool\":{\"lambda:InvokedViaFunctionUrl\":\"true\"}}}");
}

static void test_policy_add_and_remove(void)
{
    CLEANUP(json_freep) cJSON *policy = NULL;
    CU_ASSERT_FALSE(policy_has(policy, "a"));
    policy_add(&policy, parse("{\"Sid\":\"a\"}"));
    policy_add(&policy, parse("{\"Sid\":\"b\"}"));
    CLEANUP(freep) char *text = json_print(policy);
    CU_ASSERT_STRING_EQUAL(text, "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{\"Sid\":\"a\"},{\"Sid\":\"b\"}]}");
    CU_ASSERT_TRUE(policy_has(policy, "b"));
    CU_ASSERT_FALSE(policy_has(policy, "B"));
    CU_ASSERT_TRUE(policy_remove(policy, "a"));
    CU_ASSERT_FALSE(policy_has(policy, "a"));
    CU_ASSERT_FALSE(policy_remove(policy, "b"));
}

TEST_MAIN("resource_policy", TEST(test_policy_principals), TEST(test_policy_conditions), TEST(test_policy_add_and_remove))
