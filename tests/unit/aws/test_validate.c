/* The messages of violated constraints, to the letter: texts as AWS answered them (the recorded answers of
 * Lambda, bug reports that quote it), and the same forms for members that nobody quoted. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/aws/codec.h"
#include "lib/base/strutil.h"
#include "tests/unit/aws/request.h"
#include "tests/unit/cunit.h"

static struct request request;
static struct aws_call call;
static struct aws_error error;

static int parse(const char *text)
{
    aws_error_free(&error);
    aws_call_free(&call);
    request_read(&request, text, strlen(text));
    return aws_route(&request.r, &call, &error) < 0 || aws_parse(&call, &error) < 0 ? -1 : 0;
}

static void refused(const char *text, const char *code, const char *message)
{
    CU_ASSERT_EQUAL_FATAL(parse(text), -1);
    CU_ASSERT_STRING_EQUAL(error.code, code);
    CU_ASSERT_STRING_EQUAL_FATAL(error.message, message);
}

#define INVALID(text, message) refused(text, "ValidationException", message)
#define ONE "1 validation error detected: "
#define FAILED(value, path) "Value " value " at '" path "' failed to satisfy constraint: "
#define PATTERN "Member must satisfy regular expression pattern: "
#define FUNCTIONS "/2015-03-31/functions"
#define ROLE "\"Role\":\"arn:aws:iam::123456789012:role/r\""
#define CREATE(members) "POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\"," ROLE ",\"Code\":{}" members "}"

static void test_validate_recorded(void)
{
    INVALID("POST " FUNCTIONS "/f/aliases\n\n{\"Name\":\"2024\",\"FunctionVersion\":\"1\"}",
            ONE FAILED("'2024'", "name") PATTERN "(?!^[0-9]+$)([a-zA-Z0-9-_]+)");
    INVALID("POST " FUNCTIONS "/arn:aws:lambda:us-east-1:123400000000@function:myfn/invocations\n\n{}",
            ONE FAILED("'arn:aws:lambda:us-east-1:123400000000@function:myfn'", "functionName") PATTERN
            "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{"
            "12}:)?(function:)?"
            "([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?");
    INVALID("POST "
            "/2018-10-31/layers/l/versions/1/"
            "policy\n\n{\"Action\":\"*\",\"Principal\":\"*\",\"StatementId\":\"s\"}",
            ONE FAILED("'*'", "action") PATTERN "lambda:GetLayerVersion");
    INVALID("POST " FUNCTIONS "/f/policy\n\n{\"Action\":\"lambda:InvokeFunction\",\"Principal\":\"s3.amazonaws.com\","
            "\"StatementId\":\"example.com\"}",
            ONE FAILED("'example.com'", "statementId") PATTERN "([a-zA-Z0-9-_]+)");
    INVALID("POST " FUNCTIONS "/f/policy?Qualifier=invalid-qualifier-with-%3F-char\n\n{\"Action\":\"lambda:InvokeFunction\","
            "\"Principal\":\"s3.amazonaws.com\",\"StatementId\":\"s3\"}",
            ONE FAILED("'invalid-qualifier-with-?-char'", "qualifier") PATTERN "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+");
    INVALID("PUT "
            "/2019-09-30/functions/f/"
            "provisioned-concurrency?Qualifier=1\n\n{\"ProvisionedConcurrentExecutions\":0}",
            ONE FAILED("'0'", "provisionedConcurrentExecutions") "Member must have value greater than or equal to 1");
    INVALID("PUT /2024-08-31/functions/f/recursion-config\n\n{\"RecursiveLoop\":\"InvalidValue\"}",
            ONE FAILED("'InvalidValue'", "recursiveLoop") "Member must satisfy enum value set: [Terminate, Allow]");
    INVALID("GET /2021-10-31/functions/f/url?Qualifier=%24LATEST\n\n",
            ONE FAILED("'$LATEST'", "qualifier") PATTERN "((?!^\\d+$)^[0-9a-zA-Z-_]+$)");
    INVALID("GET /2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A111111111111%3Afoobar%3Ax\n\n",
            ONE FAILED("'arn:aws:lambda:us-east-1:111111111111:foobar:x'", "resource") PATTERN
            "arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:("
            "function:[a-zA-Z0-9-_]+"
            "(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|"
            "event-source-mapping:"
            "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:["
            "a-zA-Z0-9-_]+)");
}

static void test_validate_quoted(void) /* in bug reports of other projects */
{
    INVALID("POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\",\"Role\":\"lambdarole\",\"Code\":{}}",
            ONE FAILED("'lambdarole'", "role") PATTERN "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+");
    INVALID(CREATE(",\"KMSKeyArn\":\"alias/x\""), ONE FAILED("'alias/x'", "kMSKeyArn") PATTERN "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()");
    INVALID(CREATE(",\"Environment\":{\"Variables\":{\"a-b\":\"secret\"}}"),
            ONE "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy "
                "constraint: [" PATTERN "[a-zA-Z]([a-zA-Z0-9_])+]");
    INVALID(
        "POST " FUNCTIONS
        "/f/aliases\n\n{\"Name\":\"a\",\"FunctionVersion\":\"1\",\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"x\":0.5}}}",
        ONE FAILED(
            "'{x=0.5}'",
            "routingConfig.additionalVersionWeights") "Map keys must satisfy constraint: [Member must have length less "
                                                      "than or equal to 1024, Member must have length greater than or equal to 1, " PATTERN
                                                      "[0-9]+, Member must not be null]");
    INVALID(CREATE(",\"Architectures\":[\"x86_64\",\"arm64\"]"),
            ONE FAILED("'[x86_64, arm64]'", "architectures") "Member must have length less than or equal to 1");
    INVALID(CREATE(",\"Architectures\":[\"invalid\"]"),
            ONE FAILED("'[invalid]'", "architectures") "Member must satisfy constraint: [Member must satisfy enum value set: "
                                                       "[x86_64, arm64], Member must not be null]");
    INVALID("GET " FUNCTIONS "?FunctionVersion=x\n\n", ONE FAILED("'x'", "functionVersion") "Member must satisfy enum value set: [ALL]");
    INVALID("POST " FUNCTIONS "/f/aliases\n\n{\"Name\":\"a\",\"FunctionVersion\":\"1\",\"RoutingConfig\":"
            "{\"AdditionalVersionWeights\":{\"2\":2}}}",
            ONE FAILED("'{2=2.0}'", "routingConfig.additionalVersionWeights") "Map value must satisfy constraint: [Member "
                                                                              "must have value less than or equal to 1.0, "
                                                                              "Member must have value "
                                                                              "greater than or equal to 0.0, Member must "
                                                                              "not be null]");
    INVALID("POST " FUNCTIONS "/f/invocations\nX-Amz-Log-Type: All\n\n{}",
            ONE FAILED("'All'", "logType") "Member must satisfy enum value set: [Tail, None]");
}

static void test_validate_forms(void)
{
    INVALID("POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\"}",
            "2 validation errors detected: " FAILED("null", "role") "Member must not be null; " FAILED("null",
                                                                                                       "code") "Member must not be null");
    INVALID("POST " FUNCTIONS "\n\n{\"FunctionName\":null,\"Code\":{}," ROLE "}",
            ONE FAILED("null", "functionName") "Member must not be null");
    INVALID(CREATE(",\"Timeout\":901,\"MemorySize\":64"),
            "2 validation errors detected: " FAILED("'901'", "timeout") "Member must have value less than or equal to "
                                                                        "900; " FAILED("'64'", "memorySize") "Member must have "
                                                                                                             "value greater than "
                                                                                                             "or equal to 128");
    INVALID(CREATE(",\"FileSystemConfigs\":[{\"Arn\":\"arn:aws:elasticfilesystem:us-east-1:123456789012:"
                   "access-point/"
                   "fsap-00000000000000000\",\"LocalMountPath\":\"/x\"}]"),
            ONE FAILED("'/x'", "fileSystemConfigs.1.member.localMountPath") PATTERN "/mnt/[a-zA-Z0-9-_.]+");
    INVALID(CREATE(",\"EphemeralStorage\":{\"Size\":1}"),
            ONE FAILED("'1'", "ephemeralStorage.size") "Member must have value greater than or equal to 512");
    INVALID(CREATE(",\"Layers\":[null]"), ONE FAILED("'[null]'", "layers") "Member must satisfy constraint: [Member must have length less "
                                                                           "than or equal to 2048, Member must have length "
                                                                           "greater than or equal to 1, " PATTERN
                                                                           "((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-"
                                                                           "z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:"
                                                                           "[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)), "
                                                                           "Member must not be null]");
    INVALID("GET " FUNCTIONS "?MaxItems=0\n\n", ONE FAILED("'0'", "maxItems") "Member must have value greater than or equal to 1");
}

static void test_validate_late(void)
{
    char name[66];
    memset(name, 'x', 65);
    name[65] = '\0';
    CLEANUP(freep)
    char *text = str_format("POST " FUNCTIONS "\n\n{\"FunctionName\":\"%s\"," ROLE ",\"Code\":{}}", name);
    CLEANUP(freep)
    char *message = str_format(ONE "Value '%s' at 'functionName' failed to satisfy constraint: Member must "
                                   "have length less than or equal "
                                   "to 64",
                               name);
    refused(text, "InvalidParameterValueException", message);
    CLEANUP(freep)
    char *by_arn = str_format("POST " FUNCTIONS "\n\n{\"FunctionName\":\"function:%s:1\"," ROLE ",\"Code\":{}}", name);
    CLEANUP(freep)
    char *arn_message = str_format(ONE "Value 'function:%s:1' at 'functionName' failed to satisfy constraint: Member "
                                       "must have length less than or equal to 64",
                                   name);
    refused(by_arn, "InvalidParameterValueException", arn_message);
    refused(CREATE(",\"MemorySize\":10241"), "InvalidParameterValueException",
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to "
            "10240");
    refused(CREATE(",\"Runtime\":\"python3.1\""), "InvalidParameterValueException",
            "Value python3.1 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            "[nodejs20.x, python3.14, "
            "provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java17, nodejs16.x, java25, "
            "dotnet8, python3.10, "
            "java11, python3.11, dotnet6, java21, nodejs18.x, provided.al2, ruby3.3, ruby3.4, java8.al2, "
            "ruby3.2, python3.8, "
            "python3.9] or be a valid ARN");
    CU_ASSERT_EQUAL(parse(CREATE(",\"Runtime\":\"python2.7\",\"MemorySize\":10240,\"Timeout\":900")), 0);
}

/* Lengths are Java's: a character beyond the basic plane counts twice. */
static void test_validate_length(void)
{
    CLEANUP(buf_free) struct buf b = BUF_INIT(65536);
    CU_ASSERT(buf_puts(&b, "POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\"," ROLE ",\"Code\":{},\"Description\":\"") == 0);
    for (int i = 0; i < 128; i++)
        CU_ASSERT(buf_puts(&b, "\xf0\x9f\x98\x80") == 0);
    size_t len = b.len;
    CU_ASSERT(buf_puts(&b, "\"}") == 0);
    CU_ASSERT_EQUAL(parse(b.data), 0);
    b.len = len;
    CU_ASSERT(buf_puts(&b, "x\"}") == 0);
    CU_ASSERT_EQUAL(parse(b.data), -1);
    CU_ASSERT_STRING_EQUAL(error.code, "ValidationException");
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "'description' failed to satisfy constraint: Member must have length less than or "
                                                 "equal to 256"));
}

/* However much there is to say, a message has its maximum and stays UTF-8. */
static void test_validate_long_values(void)
{
    CLEANUP(buf_free) struct buf b = BUF_INIT(1 << 20);
    CU_ASSERT(buf_puts(&b, "POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\"," ROLE ",\"Code\":{},\"Description\":\"x") == 0);
    for (int i = 0; i < 100000; i++)
        CU_ASSERT(buf_puts(&b, "\xc3\xa9") == 0);
    CU_ASSERT(buf_puts(&b, "\",\"FileSystemConfigs\":[") == 0);
    for (int i = 0; i < 3000; i++)
        CU_ASSERT(buf_puts(&b, i ? ",{}" : "{}") == 0);
    CU_ASSERT(buf_puts(&b, "]}") == 0);
    CU_ASSERT_EQUAL(parse(b.data), -1);
    CU_ASSERT(strlen(error.message) > 4096 && strlen(error.message) <= AWS_MESSAGE_BYTES_MAX + 64);
    CU_ASSERT(str_is_utf8(error.message, strlen(error.message)));
    CU_ASSERT(str_starts(error.message, "6002 validation errors detected: "));
}

static void compile(const struct aws_shape *shape, int depth)
{
    if (shape->pattern)
        (void)aws_pattern_matches(shape->pattern, "x");
    for (size_t i = 0; depth < 8 && i < shape->member_count; i++)
        compile(shape->members[i].shape, depth + 1);
}

static void test_validate_patterns(void) /* a pattern that does not compile aborts */
{
    for (size_t s = 0; aws_services[s]; s++)
        for (size_t i = 0; i < aws_services[s]->op_count; i++)
            if (aws_services[s]->ops[i].input)
                compile(aws_services[s]->ops[i].input, 0);
    CU_ASSERT(aws_pattern_matches("[\\u0020-\\u00FF]+", "caf\xc3\xa9"));
    CU_ASSERT_FALSE(aws_pattern_matches("[a-z]+", "abc\n"));
    CU_ASSERT_FALSE(aws_pattern_matches("a|ab|(abc)", "abcd"));
    CU_ASSERT(aws_pattern_matches("a|ab|(abc)", "abc"));
    CU_ASSERT(aws_pattern_matches("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)", "\xc3\xa9 \xe4\xb8\xad"));
}

TEST_MAIN("aws validate", TEST(test_validate_recorded), TEST(test_validate_quoted), TEST(test_validate_forms), TEST(test_validate_late),
          TEST(test_validate_length), TEST(test_validate_long_values), TEST(test_validate_patterns))
