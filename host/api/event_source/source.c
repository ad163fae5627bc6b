/* The kinds of event sources that Lambda polls, as a table. */
#include "host/api/event_source/source.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/strutil.h"

/* The families, as bits: which members are for whom. */
#define SQS 1u
#define KINESIS 2u
#define DYNAMODB 4u
#define MSK 8u
#define KAFKA 16u /* self-managed */
#define MQ 32u
#define DOCDB 64u
#define STREAM (KINESIS | DYNAMODB)
#define RECORD_AGE_S_MIN 60
#define ANY_KAFKA (MSK | KAFKA)

struct source_kind {
    const char *service; /* of the ARN; NULL: without an ARN */
    unsigned family;
    int batch, batch_max;
    bool needs_position;
    bool has_window; /* whose default is shown */
};

/* clang-format off: a line for each */
static const struct source_kind kinds[] = {
    {"sqs", SQS, 10, 10000, false, true},    {"kinesis", KINESIS, 100, 10000, true, true}, {"dynamodb", DYNAMODB, 100, 10000, true, true},
    {"kafka", MSK, 100, 10000, true, false}, {"mq", MQ, 100, 10000, false, false},         {"rds", DOCDB, 100, 10000, true, false},
    {NULL, KAFKA, 100, 10000, true, false},
};
/* clang-format on */

/* Who may be given what; members that are not here are for all. */
static const struct {
    const char *member;
    unsigned families;
} members[] = {
    {"ParallelizationFactor", STREAM},
    {"StartingPositionTimestamp", STREAM | ANY_KAFKA | DOCDB},
    {"MaximumRecordAgeInSeconds", STREAM | ANY_KAFKA},
    {"BisectBatchOnFunctionError", STREAM | ANY_KAFKA},
    {"MaximumRetryAttempts", STREAM | ANY_KAFKA},
    {"TumblingWindowInSeconds", STREAM},
    {"Topics", ANY_KAFKA},
    {"Queues", MQ},
    {"SourceAccessConfigurations", ANY_KAFKA | MQ | DOCDB},
    {"SelfManagedEventSource", KAFKA},
    {"FunctionResponseTypes", SQS | STREAM | ANY_KAFKA},
    {"AmazonManagedKafkaEventSourceConfig", MSK},
    {"SelfManagedKafkaEventSourceConfig", KAFKA},
    {"ScalingConfig", SQS},
    {"DocumentDBEventSourceConfig", DOCDB},
    {"ProvisionedPollerConfig", SQS | ANY_KAFKA},
    {"DestinationConfig", STREAM | ANY_KAFKA},
};

const struct source_kind *source_kind_of(const cJSON *input)
{
    const char *arn = json_str(input, "EventSourceArn");
    bool managed_elsewhere = json_get(input, "SelfManagedEventSource") != NULL;
    if (arn == NULL)
        return managed_elsewhere ? &kinds[ARRAY_LEN(kinds) - 1] : NULL;
    const char *partition = strchr(arn, ':'), *service = partition != NULL ? strchr(partition + 1, ':') : NULL;
    for (size_t i = 0; service != NULL && kinds[i].service != NULL; i++) {
        size_t len = strlen(kinds[i].service);
        if (strncmp(service + 1, kinds[i].service, len) == 0 && service[1 + len] == ':')
            return &kinds[i];
    }
    return NULL;
}

static bool is_fifo(const cJSON *mapping)
{
    const char *arn = json_str(mapping, "EventSourceArn");
    return arn != NULL && str_ends(arn, ".fifo");
}

static int say(char message[SOURCE_MESSAGE_BYTES], const char *what, const char *member)
{
    snprintf(message, SOURCE_MESSAGE_BYTES, what, member);
    return -1;
}

static int check_members(const struct source_kind *kind, const cJSON *input, char message[SOURCE_MESSAGE_BYTES])
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_get(input, members[i].member) != NULL && (members[i].families & kind->family) == 0)
            return say(message, "Unsupported %s parameter for given event source mapping type.", members[i].member);
    if (json_str(json_get(json_get(input, "DestinationConfig"), "OnSuccess"), "Destination") != NULL)
        return say(message, "Unsupported %s parameter for given event source mapping type.", "DestinationConfig");
    const cJSON *on_failure = json_get(json_get(input, "DestinationConfig"), "OnFailure");
    if (on_failure != NULL && json_str(on_failure, "Destination") == NULL)
        return say(message, "The Destination field is required for an %s configuration.", "OnFailure");
    return 0;
}

static int check_position(const struct source_kind *kind, const cJSON *input, char message[SOURCE_MESSAGE_BYTES])
{
    const char *position = json_str(input, "StartingPosition");
    bool timed = position != NULL && str_eq(position, "AT_TIMESTAMP");
    if (kind->needs_position && position == NULL)
        return say(message, "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null.",
                   "startingPosition");
    if (position != NULL && (!kind->needs_position || (timed && kind->family == DYNAMODB)))
        return say(message, "Unsupported starting position for arn type: %s", json_str(input, "EventSourceArn"));
    if (timed != (json_get(input, "StartingPositionTimestamp") != NULL))
        return say(message,
                   timed ? "%s must be given with StartingPosition AT_TIMESTAMP." : "%s is for StartingPosition AT_TIMESTAMP only.",
                   "StartingPositionTimestamp");
    return 0;
}

static int check_record_age(const cJSON *input, char message[SOURCE_MESSAGE_BYTES])
{
    int64_t age = json_int(input, "MaximumRecordAgeInSeconds", -1);
    if (age == -1 || age >= RECORD_AGE_S_MIN)
        return 0; /* the model has the maximum */
    return say(message, "%s must be either -1 (forever) or between 60 and 604800 (inclusive)", "MaximumRecordAgeInSeconds");
}

/* Each filter is a JSON object (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html). */
static int check_filters(const cJSON *input, char message[SOURCE_MESSAGE_BYTES])
{
    const cJSON *filter;
    cJSON_ArrayForEach(filter, json_get(json_get(input, "FilterCriteria"), "Filters")) {
        const char *text = json_str(filter, "Pattern");
        CLEANUP(json_freep) cJSON *pattern = NULL;
        struct err err;
        if (text == NULL || json_parse(text, strlen(text), &pattern, &err) < 0 || !cJSON_IsObject(pattern))
            return say(message, "%s", "Invalid filter pattern definition.");
    }
    return 0;
}

int source_check(const struct source_kind *kind, const cJSON *input, bool updates, char message[SOURCE_MESSAGE_BYTES])
{
    if (check_members(kind, input, message) < 0 || check_record_age(input, message) < 0 || check_filters(input, message) < 0)
        return -1;
    if (updates)
        return 0;
    if (check_position(kind, input, message) < 0)
        return -1;
    if ((kind->family & ANY_KAFKA) != 0 && json_get(input, "Topics") == NULL)
        return say(message, "%s must be given for this event source.", "Topics");
    if (kind->family == MQ && json_get(input, "Queues") == NULL)
        return say(message, "%s must be given for this event source.", "Queues");
    if (kind->family == DOCDB && json_get(input, "DocumentDBEventSourceConfig") == NULL)
        return say(message, "%s must be given for this event source.", "DocumentDBEventSourceConfig");
    return 0;
}

int source_check_whole(const struct source_kind *kind, const cJSON *mapping, char message[SOURCE_MESSAGE_BYTES])
{
    int64_t batch = json_int(mapping, "BatchSize", kind->batch), window = json_int(mapping, "MaximumBatchingWindowInSeconds", 0);
    if (batch > kind->batch_max)
        return say(message, "%s is larger than this event source allows.", "BatchSize");
    if (kind->family != SQS)
        return 0;
    if (is_fifo(mapping) && window > 0)
        return say(message, "%s", "Batching window is not supported for FIFO queues");
    if (is_fifo(mapping) && batch > 10)
        return say(message, "%s", "Batch size must be between 1 and 10 for FIFO queues");
    if (batch > 10 && window == 0)
        return say(message, "%s", "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10");
    return 0;
}

static void number(cJSON *mapping, const char *member, double value)
{
    if (json_get(mapping, member) == NULL)
        cJSON_AddNumberToObject(mapping, member, value);
}

static void name_consumer_group(const struct source_kind *kind, cJSON *mapping, const char *uuid)
{
    const char *member = kind->family == MSK ? "AmazonManagedKafkaEventSourceConfig" : "SelfManagedKafkaEventSourceConfig";
    cJSON *config = json_get(mapping, member);
    if (config == NULL)
        config = cJSON_AddObjectToObject(mapping, member);
    if (json_str(config, "ConsumerGroupId") == NULL)
        cJSON_AddStringToObject(config, "ConsumerGroupId", uuid);
}

void source_fill(const struct source_kind *kind, cJSON *mapping, const char *uuid)
{
    if ((kind->family & ANY_KAFKA) != 0)
        name_consumer_group(kind, mapping, uuid);
    number(mapping, "BatchSize", kind->batch);
    if (kind->has_window)
        number(mapping, "MaximumBatchingWindowInSeconds", 0);
    if ((kind->family & (SQS | STREAM)) != 0 && json_get(mapping, "FunctionResponseTypes") == NULL)
        cJSON_AddArrayToObject(mapping, "FunctionResponseTypes");
    if ((kind->family & (STREAM | ANY_KAFKA)) != 0 && json_get(mapping, "DestinationConfig") == NULL)
        cJSON_AddObjectToObject(cJSON_AddObjectToObject(mapping, "DestinationConfig"), "OnFailure");
    if ((kind->family & STREAM) == 0)
        return;
    number(mapping, "ParallelizationFactor", 1);
    number(mapping, "MaximumRecordAgeInSeconds", -1);
    number(mapping, "MaximumRetryAttempts", -1);
    number(mapping, "TumblingWindowInSeconds", 0);
    if (json_get(mapping, "BisectBatchOnFunctionError") == NULL)
        cJSON_AddBoolToObject(mapping, "BisectBatchOnFunctionError", false);
    if (json_get(mapping, "LastProcessingResult") == NULL)
        cJSON_AddStringToObject(mapping, "LastProcessingResult", "No records processed");
}

const char *source_reason(const struct source_kind *kind)
{
    return (kind->family & (SQS | MQ | ANY_KAFKA | DOCDB)) != 0 ? "USER_INITIATED" : "User action";
}

void source_duplicate(const struct source_kind *kind, const char *arn, const char *function, const char *uuid,
                      char message[SOURCE_MESSAGE_BYTES])
{
    static const char queue[] = "An event source mapping with SQS arn (\" %.256s \") and function (\" %.64s \") already exists. "
                                "Please update or delete the existing mapping with UUID %.36s";
    static const char other[] = "The event source arn (\" %.256s \") and function (\" %.64s \") provided mapping already exists. "
                                "Please update or delete the existing mapping with UUID %.36s";
    if (kind->family == SQS)
        snprintf(message, SOURCE_MESSAGE_BYTES, queue, arn, function, uuid);
    else
        snprintf(message, SOURCE_MESSAGE_BYTES, other, arn, function, uuid);
}
