/* PublishLayerVersion and DeleteLayerVersion. */
#include <stdlib.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/handlers.h"
#include "host/api/layer/output.h"
#include "host/api/missing.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

/* A version on its way. */
struct publication {
    struct api_call *call;
    struct layer_name name;
    cJSON *about;
};

/* What AWS shows of the input: a description always, the rest where it was given. */
static cJSON *about_of(const cJSON *input)
{
    static const char *const members[] = {"LicenseInfo", "CompatibleRuntimes", "CompatibleArchitectures"};
    const char *description = json_str(input, "Description");
    cJSON *about = cJSON_CreateObject();
    cJSON_AddStringToObject(about, "Description", description != NULL ? description : "");
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const cJSON *value = json_get(input, members[i]);
        if (value != NULL)
            cJSON_AddItemToObject(about, members[i], cJSON_Duplicate(value, true));
    }
    return about;
}

static void published(void *arg, const struct layer_facts *facts, const struct err *err)
{
    struct api_call *call = arg;
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    log_info("layer.published", "account=%s region=%s layer=%s version=%llu code=%.12s request_id=%s", facts->layer->account,
             facts->layer->region, facts->layer->name, (unsigned long long)facts->number, facts->code_sha256, call->aws.request_id);
    call_reply(call, layer_output(call, facts));
}

static void code_stored(void *arg, const struct store_archive *archive, const struct err *err)
{
    struct publication publication = *(struct publication *)arg;
    free(arg);
    if (archive == NULL) {
        code_fail(publication.call, err);
    } else {
        const struct layer_draft draft = {.about = publication.about,
                                          .code_sha256 = archive->sha256_hex,
                                          .code_size = archive->size_bytes,
                                          .unpacked_size = archive->unpacked_bytes};
        layers_publish(publication.call->api->options.registry, &publication.name, &draft, published, publication.call);
    }
    cJSON_Delete(publication.about);
}

void publish_layer_version(struct api_call *call)
{
    const cJSON *content = json_get(call->aws.input, "Content");
    struct layer_name name;
    if (!code_request_fits(call) || !layer_of_call(call, &name))
        return;
    if (json_get(content, "S3Bucket") != NULL || json_get(content, "S3Key") != NULL) {
        call_fail_unsupported(call, "An archive from S3 (Content.S3Bucket, Content.S3Key)", MISSING_S3);
        return;
    }
    struct http_slice zip = code_blob(call);
    if (zip.p == NULL) {
        call_fail(call, "InvalidParameterValueException", "Please provide a source for layer content.");
        return;
    }
    if (!code_may_put(call, zip))
        return;
    struct publication *publication = malloc(sizeof(*publication));
    if (publication == NULL)
        abort();
    *publication = (struct publication){.call = call, .name = name, .about = about_of(call->aws.input)};
    code_put(call->api, zip, code_stored, publication);
}

static void deleted(void *arg, const struct err *err)
{
    struct api_call *call = arg;
    if (err != NULL) {
        call_fail_err(call, err);
        return;
    }
    log_info("layer.deleted", "account=%s region=%s layer=%s version=%llu request_id=%s", call->aws.account, call->aws.region,
             json_str(call->aws.input, "LayerName"), (unsigned long long)layer_number_of_call(call), call->aws.request_id);
    call_reply(call, NULL);
}

/* Functions that use the version keep its archive. A version that is not there is gone already. */
void delete_layer_version(struct api_call *call)
{
    struct registry *registry = call->api->options.registry;
    uint64_t number = layer_number_of_call(call);
    struct layer_name name;
    struct layer_facts facts;
    if (number == 0) {
        call_fail(call, "InvalidParameterValueException", "Layer Version Cannot be less than 1");
        return;
    }
    if (!layer_of_call(call, &name))
        return;
    if (layer_waits(call, &name, delete_layer_version))
        return;
    if (layers_describe(registry, &name, number, &facts))
        layers_delete(registry, &name, number, deleted, call);
    else
        call_reply(call, NULL);
}
