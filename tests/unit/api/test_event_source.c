/* The kinds of event sources: which is meant, what each may be told, what it has by default. */
#include <stdlib.h>
#include <string.h>

#include "host/api/event_source/source.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

#define QUEUE "\"EventSourceArn\":\"arn:aws:sqs:eu-west-1:123456789012:q\""
#define STREAM "\"EventSourceArn\":\"arn:aws:kinesis:eu-west-1:123456789012:stream/s\""
#define CLUSTER "\"EventSourceArn\":\"arn:aws:kafka:eu-west-1:123456789012:cluster/c/1\""
#define SELF "\"SelfManagedEventSource\":{\"Endpoints\":{\"KAFKA_BOOTSTRAP_SERVERS\":[\"k:9092\"]}}"

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    struct err err;
    CU_ASSERT_FATAL(json_parse(text, strlen(text), &tree, &err) == 0);
    return tree;
}

/* What source_check() says of a new mapping; "" if nothing. */
static const char *said(const char *text)
{
    static char message[SOURCE_MESSAGE_BYTES];
    CLEANUP(json_freep) cJSON *input = parse(text);
    const struct source_kind *kind = source_kind_of(input);
    CU_ASSERT_PTR_NOT_NULL_FATAL(kind);
    message[0] = '\0';
    if (source_check(kind, input, false, message) == 0)
        (void)source_check_whole(kind, input, message);
    return message;
}

static void test_source_kinds(void)
{
    static const char *const none[] = {"{}", "{\"EventSourceArn\":\"arn:aws:s3:::b\"}", "{\"EventSourceArn\":\"arn\"}",
                                       "{\"EventSourceArn\":\"arn:aws:sqs\"}", "{\"EventSourceArn\":\"arn:aws:sqsx:r:a:q\"}"};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        CLEANUP(json_freep) cJSON *input = parse(none[i]);
        CU_ASSERT_PTR_NULL(source_kind_of(input));
    }
    CLEANUP(json_freep) cJSON *queue = parse("{" QUEUE "}");
    CLEANUP(json_freep) cJSON *self = parse("{" SELF "}");
    CU_ASSERT_PTR_NOT_NULL(source_kind_of(queue));
    CU_ASSERT_PTR_NOT_NULL(source_kind_of(self));
    CU_ASSERT_PTR_NOT_EQUAL(source_kind_of(queue), source_kind_of(self));
    CU_ASSERT_STRING_EQUAL(source_reason(source_kind_of(queue)), "USER_INITIATED");
}

static void test_source_members(void)
{
    CU_ASSERT_STRING_EQUAL(said("{" QUEUE "}"), "");
    CU_ASSERT_STRING_EQUAL(said("{" QUEUE ",\"TumblingWindowInSeconds\":1}"),
                           "Unsupported TumblingWindowInSeconds parameter for given event source mapping type.");
    CU_ASSERT_STRING_EQUAL(said("{" STREAM ",\"StartingPosition\":\"LATEST\",\"TumblingWindowInSeconds\":1}"), "");
    CU_ASSERT_STRING_EQUAL(
        said("{" STREAM ",\"StartingPosition\":\"LATEST\",\"DestinationConfig\":{\"OnSuccess\":{\"Destination\":\"d\"}}}"),
        "Unsupported DestinationConfig parameter for given event source mapping type.");
    CU_ASSERT_PTR_NOT_NULL(strstr(said("{" STREAM "}"), "'startingPosition'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said("{" QUEUE ",\"StartingPosition\":\"LATEST\"}"), "Unsupported starting position"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said("{" CLUSTER ",\"StartingPosition\":\"LATEST\"}"), "Topics"));
    CU_ASSERT_STRING_EQUAL(said("{" SELF ",\"StartingPosition\":\"LATEST\",\"Topics\":[\"topic\"]}"), "");
    CU_ASSERT_STRING_EQUAL(said("{" QUEUE ",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{}\"},{\"Pattern\":\"{\"}]}}"),
                           "Invalid filter pattern definition.");
}

static void test_source_batches(void)
{
    CU_ASSERT_STRING_EQUAL(said("{" QUEUE ",\"BatchSize\":10}"), "");
    CU_ASSERT_PTR_NOT_NULL(strstr(said("{" QUEUE ",\"BatchSize\":11}"), "Maximum batch window"));
    CU_ASSERT_STRING_EQUAL(said("{" QUEUE ",\"BatchSize\":11,\"MaximumBatchingWindowInSeconds\":1}"), "");
    CU_ASSERT_STRING_EQUAL(said("{" STREAM ",\"StartingPosition\":\"LATEST\",\"BatchSize\":500}"), "");
    CU_ASSERT_PTR_NOT_NULL(strstr(said("{\"EventSourceArn\":\"arn:aws:sqs:r:a:q.fifo\",\"BatchSize\":11}"), "FIFO"));
}

static void test_source_defaults(void)
{
    CLEANUP(json_freep) cJSON *queue = parse("{" QUEUE ",\"BatchSize\":7}");
    source_fill(source_kind_of(queue), queue, "u");
    CU_ASSERT_EQUAL(json_int(queue, "BatchSize", -9), 7);
    CU_ASSERT_EQUAL(json_int(queue, "MaximumBatchingWindowInSeconds", -9), 0);
    CU_ASSERT_PTR_NULL(json_get(queue, "DestinationConfig"));
    CLEANUP(json_freep) cJSON *stream = parse("{" STREAM "}");
    source_fill(source_kind_of(stream), stream, "u");
    CU_ASSERT_EQUAL(json_int(stream, "BatchSize", -9), 100);
    CU_ASSERT_EQUAL(json_int(stream, "MaximumRetryAttempts", -9), -1);
    CU_ASSERT_PTR_NOT_NULL(json_get(json_get(stream, "DestinationConfig"), "OnFailure"));
    CLEANUP(json_freep) cJSON *cluster = parse("{" CLUSTER "}");
    source_fill(source_kind_of(cluster), cluster, "u");
    CU_ASSERT_STRING_EQUAL(json_str(json_get(cluster, "AmazonManagedKafkaEventSourceConfig"), "ConsumerGroupId"), "u");
    CU_ASSERT_PTR_NULL(json_get(cluster, "MaximumBatchingWindowInSeconds"));
}

TEST_MAIN("event_source", TEST(test_source_kinds), TEST(test_source_members), TEST(test_source_batches), TEST(test_source_defaults))
