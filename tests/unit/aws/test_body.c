/* Bodies: wrong JSON types, what is no JSON, blobs that stay out of the tree, depth, duplicates; and where
 * members may be. */
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

static int parse(const char *text)
{
    aws_error_free(&error);
    aws_call_free(&call);
    request_read(&request, text, strlen(text));
    return aws_route(&request.r, &call, &error) < 0 || aws_parse(&call, &error) < 0 ? -1 : 0;
}

#define FUNCTIONS "/2015-03-31/functions"
#define ROLE "\"Role\":\"arn:aws:iam::123456789012:role/r\""
#define CREATE(members) "POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\"," ROLE "," members "}"

static void unreadable(const char *body, const char *message)
{
    CLEANUP(freep) char *text = str_format("POST " FUNCTIONS "\n\n%s", body);
    CU_ASSERT_EQUAL_FATAL(parse(text), -1);
    CU_ASSERT_STRING_EQUAL(error.code, "SerializationException");
    CU_ASSERT(str_starts(error.message, message));
}

static void test_body_types(void) /* as Coral words them */
{
    unreadable("{\"Timeout\":\"x\"}", "STRING_VALUE can not be converted to an Integer");
    unreadable("{\"Timeout\":true}", "TRUE_VALUE can not be converted to an Integer");
    unreadable("{\"Timeout\":1.5}", "DECIMAL_VALUE can not be converted to an Integer");
    unreadable("{\"Timeout\":3000000000}", "NUMBER_VALUE can not be converted to an Integer");
    unreadable("{\"Timeout\":1e400}", "NUMBER_VALUE can not be converted to an Integer");
    unreadable("{\"Timeout\":[1]}", "Start of list found where not expected");
    unreadable("{\"Timeout\":{}}", "Start of structure or map found where not expected.");
    unreadable("{\"FunctionName\":1}", "NUMBER_VALUE can not be converted to a String");
    unreadable("{\"FunctionName\":false}", "FALSE_VALUE can not be converted to a String");
    unreadable("{\"Publish\":\"x\"}", "STRING_VALUE can not be converted to an Boolean");
    unreadable("{\"Layers\":\"x\"}", "Expected list or null");
    unreadable("{\"Layers\":[1]}", "NUMBER_VALUE can not be converted to a String");
    unreadable("{\"Environment\":\"x\"}", "Expected null");
    unreadable("{\"Environment\":{\"Variables\":7}}", "Expected map or null");
    unreadable("{\"Environment\":{\"Variables\":{\"a\":7}}}", "NUMBER_VALUE can not be converted to a String");
    unreadable("{\"Code\":{\"ZipFile\":7}}", "NUMBER_VALUE can not be converted to a ByteBuffer");
    unreadable("[]", "Start of list found where not expected");
    unreadable("\"x\"", "Expected null");
}

static void test_body_no_json(void)
{
    static const char prefix[] = "Could not parse request body into json: ";
    static const char *const bodies[] = {
        "{",
        "}",
        "{]",
        "nothing",
        "{} {}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"Code\":{\"ZipFile\":\"UEs",
        "{\"Code",
        "{\"Code\":{\"ZipFile\"",
        "{\"Timeout\":1,\"Timeout\":2}",
        "{\"Code\":{\"ZipFile\":\"\",\"ZipFile\":\"\"}}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\\",
        "{\"\\",
        "{\"Code\":{\"ZipFile\":\"a\\",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        unreadable(bodies[i], prefix);
    CLEANUP(buf_free) struct buf b = BUF_INIT(65536);
    for (int i = 0; i < 1000; i++)
        CU_ASSERT(buf_puts(&b, "{\"Code\":") == 0);
    unreadable(b.data, prefix);
}

static void test_body_limits(void)
{
    CLEANUP(buf_free) struct buf b = BUF_INIT(16 << 20);
    CU_ASSERT(buf_puts(&b, "{\"x\":[0") == 0);
    for (int i = 0; i < AWS_JSON_VALUES_MAX; i++)
        CU_ASSERT(buf_puts(&b, ",0") == 0);
    CU_ASSERT(buf_puts(&b, "]}") == 0);
    unreadable(b.data, "Could not parse request body into json: more than 65536 values");
    buf_clear(&b);
    CU_ASSERT(buf_puts(&b, "POST " FUNCTIONS "\n\n{\"FunctionName\":\"f\"," ROLE ",\"Code\":{},\"x\":\"") == 0);
    size_t len = b.len;
    CU_ASSERT(buf_reserve(&b, AWS_JSON_BYTES_MAX) == 0);
    memset(b.data + len, ',', AWS_JSON_BYTES_MAX);
    b.len = len + AWS_JSON_BYTES_MAX - 1000;
    CU_ASSERT(buf_puts(&b, "\"}") == 0);
    CU_ASSERT_EQUAL(parse(b.data), 0);
    b.len = len + AWS_JSON_BYTES_MAX;
    memset(b.data + len, ',', AWS_JSON_BYTES_MAX);
    CU_ASSERT(buf_puts(&b, "\"}") == 0);
    CU_ASSERT_EQUAL(parse(b.data), -1);
    CU_ASSERT_STRING_EQUAL(error.code, "RequestEntityTooLargeException");
}

static void test_body_blob(void)
{
    CU_ASSERT_EQUAL(parse(CREATE("\"Code\" : {\n\"S3Key\":\"ZipFile\", \"ZipFile\" :\t\"UEsDBA==\" }, \"Timeout\":3")), 0);
    CU_ASSERT_EQUAL_FATAL(call.blob_count, 1);
    CU_ASSERT_STRING_EQUAL(call.blob[0].member, "Code.ZipFile");
    CU_ASSERT(call.blob[0].raw.n == 8 && memcmp(call.blob[0].raw.p, "UEsDBA==", 8) == 0);
    CU_ASSERT(call.blob[0].raw.p > request.r.body.p && call.blob[0].raw.p < request.r.body.p + request.r.body.n);
    CU_ASSERT_EQUAL(json_int(call.input, "Timeout", 0), 3);
    CU_ASSERT_PTR_NULL(json_get(json_get(call.input, "Code"), "ZipFile"));
    CU_ASSERT_STRING_EQUAL(json_str(json_get(call.input, "Code"), "S3Key"), "ZipFile");

    CU_ASSERT_EQUAL(parse(CREATE("\"Code\":{\"ZipFile\":\"a\\/b+\"}")), 0); /* as PHP writes it */
    CU_ASSERT(call.blob_count == 1 && call.blob[0].raw.n == 4 && memcmp(call.blob[0].raw.p, "a/b+", 4) == 0);
    CU_ASSERT_EQUAL(parse(CREATE("\"Code\":{\"ZipFile\":\"\\u002Ba\\u002f\\/b\\u003D\\u003d\"}")), 0); /* as .NET and Gson do */
    CU_ASSERT(call.blob_count == 1 && call.blob[0].raw.n == 7 && memcmp(call.blob[0].raw.p, "+a//b==", 7) == 0);
    for (const char *const *other =
             (const char *const[]){"\\u00e4", "\\u002", "\\u 2b ", "\\u+02b", "\\u0x2b", "\\n", "\\\\", "\\u0000", NULL};
         *other; other++) {
        CLEANUP(freep) char *body = str_format(CREATE("\"Code\":{\"ZipFile\":\"abc%s\"}"), *other);
        int rc = parse(body); /* what is no JSON either is refused here, the others by who decodes the base64 */
        CU_ASSERT(rc < 0 || (call.blob_count == 1 && memchr(call.blob[0].raw.p, '\\', call.blob[0].raw.n)));
    }
    CU_ASSERT_EQUAL(parse(CREATE("\"\\u0043ode\":{\"Zip\\u0046ile\":\"abcd\"}")), 0);
    CU_ASSERT(call.blob_count == 1 && call.blob[0].raw.n == 4);
    CU_ASSERT_EQUAL(parse(CREATE("\"Code\":{\"ZipFile\":null}")), 0);
    CU_ASSERT_EQUAL(call.blob_count, 0);
    CU_ASSERT_EQUAL(parse(CREATE("\"Code\":{\"ZipFile\":\"\"}")), 0);
    CU_ASSERT(call.blob_count == 1 && call.blob[0].raw.n == 0);
    /* only there: not in a list, not under another name, not as a value */
    CU_ASSERT_EQUAL(parse(CREATE("\"Code\":{\"x\":[{\"ZipFile\":\"a\"}],\"y\":{\"ZipFile\":\"a\"},\"S3Key\":\"ZipFile\"},\"Cod\":"
                                 "{\"ZipFile\":\"a\"},\"ZipFile\":\"a\"")),
                    0);
    CU_ASSERT_EQUAL(call.blob_count, 0);
    CU_ASSERT_EQUAL(parse("PUT " FUNCTIONS "/f/code\n\n{\"ZipFile\":\"abcd\",\"DryRun\":true}"), 0);
    CU_ASSERT(call.blob_count == 1 && str_eq(call.blob[0].member, "ZipFile"));
    CU_ASSERT(json_bool(call.input, "DryRun", false));
}

static void test_body_members(void)
{
    CU_ASSERT_EQUAL(parse(CREATE("\"Code\":{\"S3Key\":null},\"Unknown\":{\"x\":1},\"Description\":null,\"Tags\":{\"k\":\"v\"}")), 0);
    CLEANUP(freep) char *text = json_print(call.input);
    CU_ASSERT_STRING_EQUAL(text, "{\"FunctionName\":\"f\"," ROLE ",\"Code\":{},\"Tags\":{\"k\":\"v\"}}");
    /* a member of the URI counts there only */
    CU_ASSERT_EQUAL(parse("PUT " FUNCTIONS "/a%2Db/configuration\n\n{\"FunctionName\":\"other\",\"Timeout\":1}"), 0);
    CU_ASSERT_STRING_EQUAL(json_str(call.input, "FunctionName"), "a-b");
    CU_ASSERT_EQUAL(parse("GET " FUNCTIONS "?MaxItems=7&Marker=a+b%20c&FunctionVersion=ALL&unknown=%ff\n\n"), 0);
    CU_ASSERT_EQUAL(json_int(call.input, "MaxItems", 0), 7);
    CU_ASSERT_STRING_EQUAL(json_str(call.input, "Marker"), "a b c");
    CU_ASSERT_EQUAL(parse("DELETE "
                          "/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:f?tagKeys=a&tagKeys=b%2F\n\n"),
                    0);
    CLEANUP(freep) char *keys = json_print(json_get(call.input, "TagKeys"));
    CU_ASSERT_STRING_EQUAL(keys, "[\"a\",\"b/\"]");
    CU_ASSERT_EQUAL(parse("POST " FUNCTIONS "/f/invocations?Qualifier=1\nX-Amz-Invocation-Type: Event\nx-amz-client-context: e30=\n"
                          "\n{\"a\":1}"),
                    0);
    CU_ASSERT_STRING_EQUAL(json_str(call.input, "InvocationType"), "Event");
    CU_ASSERT_STRING_EQUAL(json_str(call.input, "ClientContext"), "e30=");
    CU_ASSERT_STRING_EQUAL(json_str(call.input, "Qualifier"), "1");
    CU_ASSERT(call.payload.n == 7 && call.payload.p == request.r.body.p);
    CU_ASSERT_EQUAL(parse("POST " FUNCTIONS "/f/invocations\n\n"), 0);
    CU_ASSERT(call.payload.p && call.payload.n == 0);
}

static void test_body_bad_text(void)
{
    CU_ASSERT_EQUAL(parse("GET " FUNCTIONS "/a%00b\n\n"), -1);
    CU_ASSERT_STRING_EQUAL(error.message, "The value of 'FunctionName' is not UTF-8 text");
    CU_ASSERT_EQUAL(parse("GET " FUNCTIONS "?Marker=%ff\n\n"), -1);
    CU_ASSERT_EQUAL(parse("GET " FUNCTIONS "?MaxItems=x\n\n"), -1);
    CU_ASSERT_STRING_EQUAL(error.message, "STRING_VALUE can not be converted to an Integer");
    CU_ASSERT_EQUAL(parse("GET " FUNCTIONS "?MaxItems=99999999999999999999\n\n"), -1);
    CU_ASSERT_EQUAL(parse("POST " FUNCTIONS "/f/invocations\nX-Amz-Client-Context: \xff\n\n"), -1);
}

TEST_MAIN("aws body", TEST(test_body_types), TEST(test_body_no_json), TEST(test_body_limits), TEST(test_body_blob), TEST(test_body_members),
          TEST(test_body_bad_text))
