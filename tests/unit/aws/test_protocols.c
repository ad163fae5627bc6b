/* What the generated services do not use yet, with a model made by hand: json-1.x, unions, greedy labels,
 * maps in queries and headers, lists and maps in query's forms, timestamps in their formats. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/aws/codec.h"
#include "lib/base/strutil.h"
#include "lib/json/json.h"
#include "tests/unit/aws/request.h"
#include "tests/unit/cunit.h"

static const struct aws_shape text_shape = {.name = "Text", .type = AWS_STRING};
static const struct aws_shape time_shape = {.name = "Time", .type = AWS_TIMESTAMP};
static const struct aws_shape long_shape = {.name = "Long", .type = AWS_LONG};
static const struct aws_member pair_members[] = {
    {"key", "key", &text_shape, 0, 0, 0},
    {"value", "value", &text_shape, 0, 0, 0},
};
static const struct aws_shape map_shape = {.name = "Map", .type = AWS_MAP, .members = pair_members, .member_count = 2};
static const struct aws_member choice_members[] = {
    {"Left", "left", &text_shape, 0, 0, 0},
    {"Right", "right", &text_shape, 0, 0, 0},
};
static const struct aws_shape choice_shape = {
    .name = "Choice", .type = AWS_STRUCTURE, .members = choice_members, .member_count = 2, .flags = AWS_UNION};
static const struct aws_member choices_member[] = {{"member", "member", &choice_shape, 0, 0, 0}};
static const struct aws_shape choices_shape = {.name = "Choices", .type = AWS_LIST, .members = choices_member, .member_count = 1};
static const struct aws_member body_members[] = {
    {"Choice", "choice", &choice_shape, AWS_IN_BODY, 0, 0}, {"Choices", "choices", &choices_shape, AWS_IN_BODY, 0, 0},
    {"Tags", "tags", &map_shape, AWS_IN_BODY, 0, 0},        {"When", "when", &time_shape, AWS_IN_BODY, 0, AWS_TIME_ISO8601},
    {"Size", "size", &long_shape, AWS_IN_BODY, 0, 0},
};
static const struct aws_shape body_shape = {
    .name = "Body", .type = AWS_STRUCTURE, .members = body_members, .member_count = ARRAY_LEN(body_members)};
static const struct aws_member rest_members[] = {
    {"Bucket", "Bucket", &text_shape, AWS_IN_URI, AWS_REQUIRED, 0},
    {"Key", "Key", &text_shape, AWS_IN_URI, AWS_REQUIRED, 0},
    {"Since", "If-Modified-Since", &time_shape, AWS_IN_HEADER, 0, 0},
    {"Metadata", "x-amz-meta-", &map_shape, AWS_IN_HEADERS, 0, 0},
    {"Name", "name", &text_shape, AWS_IN_QUERY, 0, 0},
    {"Others", "others", &map_shape, AWS_IN_QUERY, 0, 0},
};
static const struct aws_shape rest_shape = {
    .name = "Rest", .type = AWS_STRUCTURE, .members = rest_members, .member_count = ARRAY_LEN(rest_members)};
static const struct aws_shape gone_shape = {.name = "GoneException", .type = AWS_STRUCTURE, .code = "GoneException", .status = 410};
static const struct aws_shape *const errors[] = {&gone_shape};
static const struct aws_operation ops[] = {
    {.name = "Do", .method = "POST", .uri = "/", .status = 200, .input = &body_shape, .output = &body_shape, .result_wrapper = "DoResult"},
    {.name = "Put", .method = "PUT", .uri = "/{Bucket}/{Key+}?x-id=Put", .status = 200, .input = &rest_shape, .output = &rest_shape},
};
static const struct aws_service json_service = {.name = "made",
                                                .api_version = "1",
                                                .target_prefix = "Made_1",
                                                .json_version = "1.1",
                                                .xml_namespace = "urn:made",
                                                .protocol = &aws_json_rpc,
                                                .ops = ops,
                                                .op_count = 2,
                                                .errors = errors,
                                                .error_count = 1};

static struct request request;
static struct aws_call call;
static struct aws_error error;
static struct aws_reply reply;
static char *printed;

static const char *parse(const struct aws_protocol *protocol, const char *text)
{
    struct aws_service service = json_service;
    service.protocol = protocol;
    aws_call_free(&call);
    aws_error_free(&error);
    free(printed);
    printed = NULL;
    memset(&call, 0, sizeof call);
    request_read(&request, text, strlen(text));
    call.request = &request.r;
    call.service = &json_service;
    call.op = protocol->match(&service, &request.r, &call);
    if (!call.op) {
        protocol->unknown(&service, &request.r, &error);
        return error.code;
    }
    call.input = cJSON_CreateObject();
    return protocol->parse(&call, &error) < 0 ? (error.message ? error.message : error.code) : (printed = json_print(call.input));
}

static const char *body(void)
{
    free(printed);
    printed = str_format("%.*s", (int)reply.body_len, reply.body_len ? reply.body : "");
    aws_reply_free(&reply);
    return printed;
}

#define TARGET "POST /\nX-Amz-Target: Made_1.Do\n\n"

static void test_protocols_json_rpc(void)
{
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, TARGET "{\"size\":5,\"choice\":{\"left\":\"l\"},\"when\":\"2026-11-21T07:24:26.5Z\"}"),
                           "{\"Size\":5,\"Choice\":{\"Left\":\"l\"},\"When\":1795245866.5}");
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, TARGET), "{}");
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, TARGET "{\"choice\":{}}"), "A union must have exactly one member set, Choice has 0");
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, TARGET "{\"choices\":[{\"left\":\"a\",\"right\":\"b\"}]}"),
                           "A union must have exactly one member set, Choice has 2");
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, TARGET "{\"when\":\"tomorrow\"}"), "STRING_VALUE can not be converted to a Date");
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, "POST /\nX-Amz-Target: Made_1.Nope\n\n{}"), "UnknownOperationException");
    CU_ASSERT_STRING_EQUAL(parse(&aws_json_rpc, "POST /\n\n{}"), "UnknownOperationException");

    parse(&aws_json_rpc, TARGET "{}");
    struct aws_output output = {.tree = NULL};
    CLEANUP(json_freep) cJSON *tree = cJSON_CreateObject();
    cJSON_AddNumberToObject(tree, "When", 1795245866.5);
    cJSON_AddNumberToObject(tree, "Size", 9007199254740992.0);
    output.tree = tree;
    aws_json_rpc.write_output(&call, &output, &reply);
    CU_ASSERT_STRING_EQUAL(reply.headers[1].value, "application/x-amz-json-1.1");
    CU_ASSERT_STRING_EQUAL(body(), "{\"when\":\"2026-11-21T07:24:26.500Z\",\"size\":9007199254740992}");
    aws_error_set(&error, "GoneException", "gone");
    aws_json_rpc.write_error(&call, &error, &reply);
    CU_ASSERT_EQUAL(reply.status, 410);
    CU_ASSERT_STRING_EQUAL(body(), "{\"__type\":\"GoneException\",\"message\":\"gone\"}");
}

static void test_protocols_query(void)
{
    CU_ASSERT_STRING_EQUAL(parse(&aws_query, "POST /?Action=Do\n\nchoices.member.1.left=a%20b&choices.member.2.right=c%2B+d&size=-7&"
                                             "tags.entry.1.key=k&tags.entry.1.value=v&when=2026-11-21T07%3A24%3A26Z"),
                           "{\"Choices\":[{\"Left\":\"a b\"},{\"Right\":\"c+ d\"}],\"Tags\":{\"k\":\"v\"},\"When\":1795245866,"
                           "\"Size\":-7}");
    CU_ASSERT_STRING_EQUAL(parse(&aws_query, "POST /\n\nAction=Do&size=x"), "STRING_VALUE can not be converted to a Long");
    CU_ASSERT_STRING_EQUAL(error.code, "MalformedInput");
    parse(&aws_query, "POST /\n\nAction=Do&size.x=1");
    CU_ASSERT_STRING_EQUAL(error.code, "MalformedInput");
    CU_ASSERT_STRING_EQUAL(parse(&aws_query, "POST /\n\nAction=Do&choice-left=x&size=1&size=2&choice.left=y"),
                           "{\"Choice\":{\"Left\":\"y\"},\"Size\":1}");
    parse(&aws_query, "POST /\n\nAction=Do&size=%ff");
    CU_ASSERT_STRING_EQUAL(error.code, "MalformedQueryString");

    parse(&aws_query, "POST /\n\nAction=Do");
    struct err err;
    CLEANUP(json_freep) cJSON *tree = NULL;
    static const char text[] = "{\"Choices\":[{\"Left\":\"a\"}],\"Tags\":{\"k\":\"\\u0001\"},\"When\":1795245866}";
    CU_ASSERT_EQUAL(json_parse(text, sizeof text - 1, &tree, &err), 0);
    struct aws_output output = {.tree = tree};
    aws_query.write_output(&call, &output, &reply);
    CU_ASSERT_PTR_NOT_NULL(strstr(body(), "<DoResult><choices><member><left>a</left></member></choices><tags><entry><key>k</key>"
                                          "<value>&#xFFFD;</value></entry></tags><when>2026-11-21T07:24:26Z</when></DoResult>"));
}

static void test_protocols_rest(void)
{
    CU_ASSERT_STRING_EQUAL(parse(&aws_rest_json, "PUT /b/a/b%20c/d+e?x-id=Put&name=n&more=1&more=2\nIf-Modified-Since: "
                                                 "Sat, 21 Nov 2026 07:24:26 GMT\nX-Amz-Meta-Colour: blue\n\n"),
                           "{\"Bucket\":\"b\",\"Key\":\"a/b c/d+e\",\"Others\":{\"x-id\":\"Put\",\"more\":\"1\"},\"Name\":\"n\","
                           "\"Since\":1795245866,\"Metadata\":{\"Colour\":\"blue\"}}");
    CU_ASSERT_STRING_EQUAL(parse(&aws_rest_json, "PUT /b/?x-id=Put\n\n"), "AccessDeniedException");
    CU_ASSERT_STRING_EQUAL(parse(&aws_rest_json, "PUT /b/k\n\n"), "AccessDeniedException");
    parse(&aws_rest_json, "PUT /b/k?x-id=Put\n\n");
    CLEANUP(json_freep) cJSON *tree = cJSON_CreateObject();
    cJSON_AddNumberToObject(tree, "Since", 1795245866);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(tree, "Metadata"), "Colour", "blue");
    struct aws_output output = {.tree = tree};
    aws_rest_json.write_output(&call, &output, &reply);
    CU_ASSERT_STRING_EQUAL(reply.headers[1].value, "Sat, 21 Nov 2026 07:24:26 GMT");
    CU_ASSERT_STRING_EQUAL(reply.headers[2].name, "x-amz-meta-Colour");
    CU_ASSERT_STRING_EQUAL(body(), "{}");
}

static void test_protocols_time(void)
{
    double seconds = 0;
    char text[AWS_TIME_BYTES];
    CU_ASSERT(aws_time_parse(AWS_TIME_ISO8601, "2026-11-21T08:24:26+01:00", &seconds) && seconds == 1795245866);
    CU_ASSERT(aws_time_parse(AWS_TIME_ISO8601, "1795245866", &seconds) && seconds == 1795245866);
    CU_ASSERT(aws_time_parse(AWS_TIME_EPOCH, "1.795245866E9", &seconds) && seconds == 1795245866);
    static const char *const bad[] = {
        "",    "x",   "2026-11-21", "2026-13-21T07:24:26Z", "2026-11-21T07:24:26", "2026-11-21T07:24:26.Z", "2026-11-21T07:24:26Zx",
        "inf", "1e99"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_FALSE(aws_time_parse(AWS_TIME_ISO8601, bad[i], &seconds));
    aws_time_format(AWS_TIME_ISO8601, 1795245866.9996, text);
    CU_ASSERT_STRING_EQUAL(text, "2026-11-21T07:24:27Z");
    aws_time_format(AWS_TIME_ISO8601, -0.25, text);
    CU_ASSERT_STRING_EQUAL(text, "1969-12-31T23:59:59.750Z");
    aws_time_format(AWS_TIME_DEFAULT, 1795245866.125, text);
    CU_ASSERT_STRING_EQUAL(text, "1795245866.125");
    aws_call_free(&call);
    aws_error_free(&error);
    free(printed);
    printed = NULL;
}

TEST_MAIN("aws protocols", TEST(test_protocols_json_rpc), TEST(test_protocols_query), TEST(test_protocols_rest), TEST(test_protocols_time))
