/* Replies: outputs by their shape (status, headers, body, payload), errors in Lambda's form, query's XML. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/aws/codec.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"
#include "tests/unit/aws/request.h"
#include "tests/unit/cunit.h"

static struct request request;
static struct aws_call call;
static struct aws_error error;
static struct aws_reply reply;

static void route(const char *text)
{
    aws_reply_free(&reply);
    request_read(&request, text, strlen(text));
    CU_ASSERT_EQUAL_FATAL(aws_route(&request.r, &call, &error), 0);
}

static void write(const char *output, const char *payload)
{
    struct err err;
    CLEANUP(json_freep) cJSON *tree = NULL;
    CU_ASSERT_EQUAL_FATAL(output ? json_parse(output, strlen(output), &tree, &err) : 0, 0);
    aws_write_output(&call, tree, payload, payload ? strlen(payload) : 0, &reply);
}

static const char *header(const char *name)
{
    for (size_t i = 0; i < reply.header_count; i++)
        if (str_eq(reply.headers[i].name, name))
            return reply.headers[i].value;
    return "";
}

static bool body_is(const char *text)
{
    return reply.body_len == strlen(text) && memcmp(reply.body, text, reply.body_len) == 0;
}

static void test_write_body(void)
{
    route("POST /2015-03-31/functions\n\n{}");
    write("{\"FunctionName\":\"f\",\"Timeout\":3,\"CodeSize\":1234567890123456,\"Layers\":[],\"KMSKeyArn\":"
          "null,"
          "\"Environment\":{\"Variables\":{\"a\":\"b\"},\"Error\":null},\"SnapStart\":{\"ApplyOn\":\"None\"}}",
          NULL);
    CU_ASSERT_EQUAL(reply.status, 201);
    CU_ASSERT_STRING_EQUAL(header("content-type"), "application/json");
    CU_ASSERT_STRING_EQUAL(header("x-amzn-RequestId"), call.request_id);
    CU_ASSERT(body_is("{\"FunctionName\":\"f\",\"Timeout\":3,\"CodeSize\":1234567890123456,\"Layers\":[],\"Environment\":"
                      "{\"Variables\":{\"a\":\"b\"}},\"SnapStart\":{\"ApplyOn\":\"None\"}}"));
    route("GET /2015-03-31/event-source-mappings/u\n\n");
    write("{\"LastModified\":1763709866.125,\"BatchSize\":10}", NULL);
    CU_ASSERT(body_is("{\"LastModified\":1763709866.125,\"BatchSize\":10}"));
    route("GET /2015-03-31/functions\n\n");
    write(NULL, NULL);
    CU_ASSERT(reply.status == 200 && body_is("{}"));
}

static void test_write_status(void)
{
    route("DELETE /2015-03-31/functions/f\n\n");
    write("{\"StatusCode\":204}", NULL);
    CU_ASSERT(reply.status == 204 && reply.body_len == 0);
    route("DELETE /2015-03-31/functions/f\n\n");
    write(NULL, NULL);
    CU_ASSERT_EQUAL(reply.status, 204);
    route("DELETE /2015-03-31/functions/f/aliases/a\n\n");
    write(NULL, NULL);
    CU_ASSERT(reply.status == 204 && reply.body_len == 0);
    CU_ASSERT_STRING_EQUAL(header("content-type"), "");
}

static void test_write_payload(void)
{
    route("POST /2015-03-31/functions/f/invocations\n\n");
    write("{\"StatusCode\":200,\"ExecutedVersion\":\"$LATEST\",\"FunctionError\":\"Unhandled\",\"LogResult\":"
          "\"TE9H\"}",
          "\"hi\"");
    CU_ASSERT_EQUAL(reply.status, 200);
    CU_ASSERT_STRING_EQUAL(header("X-Amz-Executed-Version"), "$LATEST");
    CU_ASSERT_STRING_EQUAL(header("X-Amz-Function-Error"), "Unhandled");
    CU_ASSERT_STRING_EQUAL(header("X-Amz-Log-Result"), "TE9H");
    CU_ASSERT(body_is("\"hi\""));
    route("POST /2015-03-31/functions/f/invocations\n\n");
    write("{\"StatusCode\":202}", NULL);
    CU_ASSERT(reply.status == 202 && reply.body_len == 0);
}

static void test_write_error(void)
{
    route("GET /2015-03-31/functions/f\n\n");
    aws_error_set(&error, "ResourceNotFoundException", "Function not found: %s", "arn:\"x\"");
    aws_write_error(&call, &error, &reply);
    CU_ASSERT_EQUAL(reply.status, 404);
    CU_ASSERT_STRING_EQUAL(header("x-amzn-errortype"), "ResourceNotFoundException");
    CU_ASSERT_STRING_EQUAL(header("x-amzn-RequestId"), call.request_id);
    CU_ASSERT(body_is("{\"Type\":\"User\",\"Message\":\"Function not found: arn:\\\"x\\\"\"}"));
    aws_reply_free(&reply);

    aws_error_set(&error, "TooManyRequestsException", "Rate Exceeded.");
    error.members = cJSON_CreateObject();
    cJSON_AddStringToObject(error.members, "Reason", "ReservedFunctionConcurrentInvocationLimitExceeded");
    cJSON_AddStringToObject(error.members, "retryAfterSeconds", "1");
    aws_write_error(&call, &error, &reply);
    CU_ASSERT_EQUAL(reply.status, 429);
    CU_ASSERT_STRING_EQUAL(header("Retry-After"), "1");
    CU_ASSERT(body_is("{\"Type\":\"User\",\"message\":\"Rate Exceeded.\",\"Reason\":"
                      "\"ReservedFunctionConcurrentInvocationLimitExceeded\"}"));
    aws_reply_free(&reply);

    aws_error_set(&error, "ServiceException", "x");
    error.status = 502;
    aws_write_error(&call, &error, &reply);
    CU_ASSERT(reply.status == 502 && body_is("{\"Type\":\"Service\",\"Message\":\"x\"}"));
    aws_reply_free(&reply);

    aws_error_set(&error, "ValidationException", "1 validation error \xff");
    aws_write_error(&call, &error, &reply);
    CU_ASSERT(reply.status == 400 && body_is("{\"message\":\"1 validation error ?\"}"));
    aws_reply_free(&reply);
    aws_error_free(&error);

    struct aws_call nothing = {0};
    aws_error_set(&error, "AccessDeniedException", "no");
    aws_write_error(&nothing, &error, &reply);
    CU_ASSERT(reply.status == 403 && body_is("{\"Message\":\"no\"}"));
    aws_error_free(&error);
}

static void test_write_sts(void)
{
    char text[512];
    route("POST /\n\nAction=GetCallerIdentity&Version=2011-06-15");
    write("{\"UserId\":\"U\",\"Account\":\"123456789012\",\"Arn\":\"arn:aws:iam::123456789012:root<&>\"}", NULL);
    snprintf(text, sizeof text,
             "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  "
             "<GetCallerIdentityResult><UserId>U"
             "</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root&lt;&amp;&gt;</Arn>"
             "</GetCallerIdentityResult>\n  <ResponseMetadata>\n    <RequestId>%s</RequestId>\n  "
             "</ResponseMetadata>\n"
             "</GetCallerIdentityResponse>\n",
             call.request_id);
    CU_ASSERT(reply.status == 200 && body_is(text));
    CU_ASSERT_STRING_EQUAL(header("content-type"), "text/xml");
    route("POST /\n\nAction=AssumeRole&Version=2011-06-15");
    CU_ASSERT_EQUAL(aws_parse(&call, &error), -1);
    aws_write_error(&call, &error, &reply);
    snprintf(text, sizeof text,
             "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    "
             "<Type>Sender</Type>\n    <Code>"
             "ValidationError</Code>\n    <Message>2 validation errors detected: Value null at 'roleArn' "
             "failed to satisfy "
             "constraint: Member must not be null; Value null at 'roleSessionName' failed to satisfy "
             "constraint: Member must not be "
             "null</Message>\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n",
             call.request_id);
    CU_ASSERT(reply.status == 400 && body_is(text));
    aws_call_free(&call);
    aws_error_free(&error);
    aws_reply_free(&reply);
}

TEST_MAIN("aws write", TEST(test_write_body), TEST(test_write_status), TEST(test_write_payload), TEST(test_write_error),
          TEST(test_write_sts))
