/* Which documents are policies: element by element, what is let through and what is refused with which words. */
#include <stdlib.h>
#include <string.h>

#include "host/api/settings/policy_check.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

#define ARN "arn:aws:lambda:eu-west-1:123456789012:function:f"
#define WHO "\"Principal\":\"*\","
#define WHAT "\"Action\":\"lambda:InvokeFunction\","
#define WHERE "\"Resource\":\"" ARN "\""
#define GOOD "{\"Effect\":\"Allow\"," WHO WHAT WHERE "}"

static const struct policy_owner owner = {ARN, ARN ":live"};

static char *parsed(const char *text)
{
    CLEANUP(json_freep) cJSON *policy = NULL;
    struct err err;
    return policy_parse(text, &owner, &policy, &err) == 0 ? json_print(policy) : NULL;
}

static void refused(const char *text, const char *words)
{
    cJSON *policy = NULL;
    struct err err = {0};
    CU_ASSERT_FATAL(policy_parse(text, &owner, &policy, &err) == -ERR_INVALID);
    CU_ASSERT_PTR_NULL(policy);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, words));
    if (strstr(err.msg, words) == NULL)
        printf("\n%s\nwanted %s\ngot    %s\n", text, words, err.msg);
}

/* One statement alone, of members that each case gives. */
static void statement_refused(const char *members, const char *words)
{
    CLEANUP(freep) char *text = str_format("{\"Statement\":[{%s}]}", members);
    refused(text, words);
}

static void statement_good(const char *members)
{
    CLEANUP(freep) char *text = str_format("{\"Statement\":[{%s}]}", members);
    CLEANUP(freep) char *got = parsed(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_STRING_EQUAL(got, text);
}

static void test_policy_check_document(void)
{
    CLEANUP(freep) char *one = parsed(" { \"Version\" : \"2012-10-17\", \"Statement\" : " GOOD ", \"Id\":\"x\" } ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(one);
    CU_ASSERT_STRING_EQUAL(one, "{\"Version\":\"2012-10-17\",\"Id\":\"x\",\"Statement\":[" GOOD "]}");
    CLEANUP(freep) char *old = parsed("{\"Version\":\"2008-10-17\",\"Statement\":[" GOOD "," GOOD "]}");
    CU_ASSERT_PTR_NOT_NULL(old);
    refused("", "");
    refused("{\"Statement\":[" GOOD "]", "");
    refused("[" GOOD "]", "not an object");
    refused("\"text\"", "not an object");
    refused("{}", "Statement is not");
    refused("{\"Statement\":[]}", "Statement is not");
    refused("{\"Statement\":null}", "Statement is not");
    refused("{\"Statement\":\"x\"}", "Statement is not");
    refused("{\"Statement\":[" GOOD ",1]}", "a statement is not an object");
    refused("{\"Statement\":[" GOOD "],\"Version\":\"2012-10-18\"}", "Version is neither");
    refused("{\"Statement\":[" GOOD "],\"Version\":null}", "Version is neither");
    refused("{\"Statement\":[" GOOD "],\"Id\":7}", "Id is not");
    refused("{\"Statement\":[" GOOD "],\"statement\":[]}", "the policy has an unknown element: statement");
    refused("{\"Statement\":[" GOOD "],\"Statement\":[" GOOD "]}", "twice");
}

static void test_policy_check_statement(void)
{
    static const char two[] = "{\"Statement\":[{\"Sid\":\"%s\",\"Effect\":\"Deny\"," WHO WHAT WHERE "},"
                              "{\"Sid\":\"%s\",\"Effect\":\"Allow\"," WHO WHAT WHERE "}]}";
    CLEANUP(freep) char *same = str_format(two, "s", "s"), *other = str_format(two, "s", "S"), *none = str_format(two, "", "");
    CLEANUP(freep) char *other_parsed = parsed(other), *none_parsed = parsed(none);
    CU_ASSERT_PTR_NOT_NULL(other_parsed);
    CU_ASSERT_PTR_NOT_NULL(none_parsed);
    refused(same, "two statements have the Sid s");
    statement_refused("\"Sid\":\"a b\",\"Effect\":\"Allow\"," WHO WHAT WHERE, "a Sid is not");
    statement_refused("\"Sid\":1,\"Effect\":\"Allow\"," WHO WHAT WHERE, "a Sid is not");
    statement_refused(WHO WHAT WHERE, "Effect is neither");
    statement_refused("\"Effect\":\"allow\"," WHO WHAT WHERE, "Effect is neither");
    statement_refused("\"Effect\":\"Allow\",\"Effects\":1," WHO WHAT WHERE, "unknown element: Effects");
    statement_refused("\"Effect\":\"Allow\"," WHAT WHERE, "neither Principal and NotPrincipal");
    statement_refused("\"Effect\":\"Allow\"," WHO "\"NotPrincipal\":\"*\"," WHAT WHERE, "both Principal and NotPrincipal");
    statement_refused("\"Effect\":\"Allow\"," WHO WHERE, "neither Action and NotAction");
    statement_refused("\"Effect\":\"Allow\"," WHO "\"Action\":\"lambda:InvokeFunction\"", "neither Resource and NotResource");
}

static void test_policy_check_principal(void)
{
    static const char *const good[] = {"\"*\"",
                                       "{\"AWS\":\"*\"}",
                                       "{\"AWS\":\"111122223333\"}",
                                       "{\"AWS\":[\"arn:aws:iam::111122223333:role/r\",\"444455556666\"]}",
                                       "{\"Service\":\"s3.amazonaws.com\"}",
                                       "{\"Service\":[\"s3.amazonaws.com\"],\"AWS\":\"*\"}",
                                       "{\"Federated\":\"accounts.google.com\"}",
                                       "{\"CanonicalUser\":\"79a5\"}"};
    static const char *const bad[] = {"\"111122223333\"",
                                      "[\"*\"]",
                                      "{}",
                                      "null",
                                      "{\"AWS\":[]}",
                                      "{\"AWS\":\"me\"}",
                                      "{\"AWS\":[1]}",
                                      "{\"aws\":\"*\"}",
                                      "{\"Service\":\"*\"}",
                                      "{\"Service\":\"example.com\"}",
                                      "{\"Federated\":\"\"}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Deny\",\"NotPrincipal\":%s," WHAT WHERE, good[i]);
        statement_good(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Deny\",\"Principal\":%s," WHAT WHERE, bad[i]);
        statement_refused(text, "Principal is not");
    }
}

static void test_policy_check_action(void)
{
    static const char *const good[] = {"\"*\"", "\"lambda:*\"", "\"Lambda:Get*\"", "[\"lambda:InvokeFunction\",\"lambda:Get?unction\"]"};
    static const char *const bad[] = {"\"s3:GetObject\"", "\"lambda:\"", "\"InvokeFunction\"", "[]", "[\"lambda:*\",\"sqs:*\"]", "1", "{}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO "\"NotAction\":%s," WHERE, good[i]);
        statement_good(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO "\"Action\":%s," WHERE, bad[i]);
        statement_refused(text, "Action is not");
    }
}

static void test_policy_check_resource(void)
{
    static const char *const good[] = {ARN,          ARN ":*",
                                       ARN ":7",     ARN "*",
                                       "*",          "arn:aws:lambda:*:123456789012:function:*",
                                       "arn:*:live", "arn:aws:lambda:eu-west-?:123456789012:function:f:l??e"};
    static const char *const bad[] = {"",
                                      ARN "2",
                                      "arn:aws:lambda:eu-west-1:123456789012:function:g",
                                      "arn:aws:s3:::b/*",
                                      "arn:*:dead",
                                      "arn:aws:lambda:eu-west-?:123456789012:function:f?",
                                      "[a]*"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO WHAT "\"Resource\":\"%s\"", good[i]);
        statement_good(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO WHAT "\"Resource\":[\"" ARN "\",\"%s\"]", bad[i]);
        statement_refused(text, "Resource is not " ARN);
    }
    statement_good("\"Effect\":\"Deny\"," WHO WHAT "\"NotResource\":\"arn:aws:s3:::b\"");
}

/* As many stars as fit, and no match: it has to end. */
static void test_policy_check_many_stars(void)
{
    CLEANUP(freep) char *stars = calloc(1, 20001);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stars);
    for (size_t i = 0; i < 10000; i++)
        memcpy(stars + 2 * i, "*:", 2);
    CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO WHAT "\"Resource\":\"%s\"", stars);
    statement_refused(text, "Resource is not");
}

static void test_policy_check_condition(void)
{
    static const char *const good[] = {
        "{}", "{\"StringEquals\":{\"AWS:SourceAccount\":\"111122223333\"},\"ArnLike\":{\"AWS:SourceArn\":[\"a\",\"b\"]}}",
        "{\"ForAnyValue:StringLikeIfExists\":{\"k\":[]},\"Null\":{\"k\":true},\"NumericLessThan\":{\"k\":[1,2.5]}}"};
    static const char *const bad[] = {"[]",
                                      "null",
                                      "{\"StringIs\":{\"k\":\"v\"}}",
                                      "{\"NullIfExists\":{\"k\":true}}",
                                      "{\"StringEquals\":\"v\"}",
                                      "{\"StringEquals\":{}}",
                                      "{\"StringEquals\":{\"k\":null}}",
                                      "{\"StringEquals\":{\"k\":[[]]}}",
                                      "{\"StringEquals\":{\"\":\"v\"}}",
                                      "{\"NumericEquals\":{\"k\":1234567890123456789}}",
                                      "{\"IfExists\":{\"k\":\"v\"}}",
                                      "{\"StringEquals\":[\"v\"]}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO WHAT WHERE ",\"Condition\":%s", good[i]);
        statement_good(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(freep) char *text = str_format("\"Effect\":\"Allow\"," WHO WHAT WHERE ",\"Condition\":%s", bad[i]);
        statement_refused(text, "Condition");
    }
}

TEST_MAIN("policy_check", TEST(test_policy_check_document), TEST(test_policy_check_statement), TEST(test_policy_check_principal),
          TEST(test_policy_check_action), TEST(test_policy_check_resource), TEST(test_policy_check_many_stars),
          TEST(test_policy_check_condition))
