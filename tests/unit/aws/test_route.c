/* Which operation, by whom: every operation's own URI, neighbours that differ by a query parameter,
 * identities. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/aws/model.h"
#include "lib/base/strutil.h"
#include "tests/unit/aws/request.h"
#include "tests/unit/cunit.h"

static struct request request;
static struct aws_call call;
static struct aws_error error;
static struct aws_reply reply;

static int route(const char *text)
{
    aws_error_free(&error);
    aws_call_free(&call);
    request_read(&request, text, strlen(text));
    return aws_route(&request.r, &call, &error);
}

static const char *routed(const char *text)
{
    return route(text) < 0 ? error.code : call.op_name;
}

/* The template with its labels filled: {X} by value. */
static char *fill(const char *uri, const char *value)
{
    char *out = str_format("%s", "");
    while (*uri) {
        size_t literal = strcspn(uri, "{");
        char *next = str_format("%s%.*s%s", out, (int)literal, uri, uri[literal] ? value : "");
        free(out);
        out = next;
        uri += literal;
        if (*uri)
            uri = strchr(uri, '}') + 1;
    }
    return out;
}

static void test_route_every_operation(void)
{
    const struct aws_service *lambda = aws_services[0];
    CU_ASSERT_STRING_EQUAL(lambda->name, "lambda");
    CU_ASSERT_EQUAL(lambda->op_count, 91);
    for (size_t i = 0; i < lambda->op_count; i++) {
        const struct aws_operation *op = &lambda->ops[i];
        CLEANUP(freep) char *uri = fill(op->uri, "x%2Fy");
        CLEANUP(freep) char *text = str_format("%s %s\n\n", op->method, uri);
        CU_ASSERT_STRING_EQUAL(routed(text), op->name);
        for (const char *p = strchr(op->uri, '{'), *end; p; p = strchr(p + 1, '{')) {
            end = strchr(p, '}');
            CU_ASSERT(end[1] == '/' || end[1] == '\0' || end[1] == '?');
        }
        if (strchr(op->uri, '{'))
            CU_ASSERT(call.labels[0].n == 5 && memcmp(call.labels[0].p, "x%2Fy", 5) == 0);
    }
}

static void test_route_neighbours(void)
{
    CU_ASSERT_STRING_EQUAL(routed("GET /2015-03-31/functions\n\n"), "ListFunctions");
    CU_ASSERT_STRING_EQUAL(routed("GET /2015-03-31/functions/\n\n"), "ListFunctions");
    CU_ASSERT_STRING_EQUAL(routed("GET /2015-03-31/functions/f\n\n"), "GetFunction");
    CU_ASSERT_STRING_EQUAL(routed("DELETE /2015-03-31/functions/f?Qualifier=1\n\n"), "DeleteFunction");
    CU_ASSERT_STRING_EQUAL(routed("GET /2018-10-31/layers?MaxItems=1\n\n"), "ListLayers");
    CU_ASSERT_STRING_EQUAL(routed("GET /2018-10-31/layers?find=LayerVersion&Arn=x\n\n"), "GetLayerVersionByArn");
    CU_ASSERT_STRING_EQUAL(routed("GET /2019-09-30/functions/f/provisioned-concurrency?Qualifier=1\n\n"),
                           "GetProvisionedConcurrencyConfig");
    CU_ASSERT_STRING_EQUAL(routed("GET /2019-09-30/functions/f/provisioned-concurrency?MaxItems=2&List=ALL\n\n"),
                           "ListProvisionedConcurrencyConfigs");
    CU_ASSERT_STRING_EQUAL(routed("GET /2019-09-25/functions/f/event-invoke-config/list\n\n"), "ListFunctionEventInvokeConfigs");
    CU_ASSERT_STRING_EQUAL(routed("POST /2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/invocations\n\n"), "Invoke");
}

static void test_route_unknown(void)
{
    static const char signed_[] = "PATCH /2015-03-31/functions\nAuthorization: AWS4-HMAC-SHA256 "
                                  "Credential=k/20261121/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=0\n\n";
    CU_ASSERT_STRING_EQUAL(routed(signed_), "AccessDeniedException");
    CU_ASSERT_STRING_EQUAL(error.message, "Unable to determine service/operation name to be authorized");
    aws_write_error(&call, &error, &reply);
    CU_ASSERT_EQUAL(reply.status, 403);
    aws_reply_free(&reply);
    CU_ASSERT_STRING_EQUAL(routed("POST /2015-03-31/functions//invocations\n\n"), "UnknownOperationException");
    aws_write_error(&call, &error, &reply);
    CU_ASSERT_EQUAL(reply.status, 404);
    CU_ASSERT_STRING_EQUAL(reply.body, "{\"Message\":\"No service here knows POST /2015-03-31/functions//invocations.\"}");
    aws_reply_free(&reply);
    CU_ASSERT_STRING_EQUAL(routed("POST /\nX-Amz-Target: DynamoDB_20120810.ListTables\nAuthorization: AWS4-HMAC-SHA256 "
                                  "Credential=k/20261121/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0\n\n{}"),
                           "NotImplemented");
    CU_ASSERT_STRING_EQUAL(error.message, "The service 'dynamodb' is not available here.");
    aws_write_error(&call, &error, &reply);
    CU_ASSERT_EQUAL(reply.status, 501);
    aws_reply_free(&reply);
    CU_ASSERT_STRING_EQUAL(routed(""), "UnknownOperationException");
}

static void identity(const char *headers, const char *account, const char *region, const char *key)
{
    CLEANUP(freep) char *text = str_format("GET /2015-03-31/functions%s\n\n", headers);
    CU_ASSERT_STRING_EQUAL(routed(text), "ListFunctions");
    CU_ASSERT_STRING_EQUAL(call.account, account);
    CU_ASSERT_STRING_EQUAL(call.region, region);
    CU_ASSERT_STRING_EQUAL(call.access_key, key);
    CU_ASSERT_EQUAL(strlen(call.request_id), 36);
}

#define AUTH(scope) "\nAuthorization: AWS4-HMAC-SHA256 Credential=" scope ", SignedHeaders=host, Signature=0"

static void test_route_identity(void)
{
    identity("", "000000000000", "us-east-1", "");
    identity(AUTH("123456789012/20261121/eu-central-1/lambda/aws4_request"), "123456789012", "eu-central-1", "123456789012");
    identity(AUTH("AKIDEXAMPLE/20261121/eu-central-1/lambda/aws4_request"), "000000000000", "eu-central-1", "AKIDEXAMPLE");
    identity("\nauthorization: AWS4-HMAC-SHA256 "
             "SignedHeaders=host;x,Signature=0,Credential=123456789012/1/a-b-1/lambda/aws4_request",
             "123456789012", "a-b-1", "123456789012");
    identity(AUTH("1234567890123/20261121/eu-central-1/lambda/aws4_request"), "000000000000", "eu-central-1", "1234567890123");
    identity(AUTH("123456789012/20261121/lambda/aws4_request"), "123456789012", "us-east-1", "123456789012"); /* sigv4a */
    identity(AUTH("123456789012/20261121/EU_Central'1/lambda/aws4_request"), "123456789012", "us-east-1", "123456789012");
    identity(AUTH("nonsense"), "000000000000", "us-east-1", "");
    identity("\nAuthorization: Basic Credential=123456789012/1/a-b-1/lambda/aws4_request", "000000000000", "us-east-1", "");
    identity("\nAuthorization: ", "000000000000", "us-east-1", "");
    identity("?X-Amz-Credential=123456789012%2F20261121%2Feu-west-3%2Flambda%2Faws4_request", "123456789012", "eu-west-3", "123456789012");
    identity("?X-Amz-Credential=%00&X-Amz-Credential=x", "000000000000", "us-east-1", "");
}

static void test_route_query(void)
{
    CU_ASSERT_STRING_EQUAL(routed("POST /\n\nAction=GetCallerIdentity&Version=2011-06-15"), "GetCallerIdentity");
    CU_ASSERT_STRING_EQUAL(routed("GET /?Version=2011-06-15&Action=GetCallerIdentity\n\n"), "GetCallerIdentity");
    static const char start[] = "POST /" AUTH("k/1/us-east-1/sts/aws4_request") "\n\n";
    CLEANUP(freep) char *other = str_format("%sAction=Nope&Version=2011-06-15", start);
    CU_ASSERT_STRING_EQUAL(routed(other), "InvalidAction");
    CU_ASSERT_STRING_EQUAL(error.message, "Could not find operation Nope for version 2011-06-15");
    CU_ASSERT_STRING_EQUAL(routed(start), "MissingAction");
}

TEST_MAIN("aws route", TEST(test_route_every_operation), TEST(test_route_neighbours), TEST(test_route_unknown), TEST(test_route_identity),
          TEST(test_route_query))
