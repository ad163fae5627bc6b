/* Function versions without a registry; see fake.h. */
#include <assert.h>
#include <stdlib.h>

#include "lib/base/strutil.h"
#include "tests/unit/pool/fake.h"

int fake_versions;

struct function_version *fake_version(const char *name)
{
    static uint64_t next_key = 1;
    static const struct runtime_interpreter python = {
        .language = RUNTIME_PYTHON, .major = 3, .minor = 11, .version = "3.11.2", .path = "/usr/bin/python3.11"};
    struct function_version *v = calloc(1, sizeof *v);
    *v = (struct function_version){.key = next_key++,
                                   .refs = 1,
                                   .account = "123456789012",
                                   .region = "us-east-1",
                                   .name = str_format("%s", name),
                                   .version = str_format("$LATEST"),
                                   .arn = str_format("arn:aws:lambda:us-east-1:123456789012:function:%s", name),
                                   .runtime = str_format("python3.11"),
                                   .handler = str_format("app.handler"),
                                   .memory_mb = 128,
                                   .timeout_s = 3,
                                   .tmp_mb = 512,
                                   .log_group = str_format("/aws/lambda/%s", name),
                                   .match = {.language = RUNTIME_PYTHON, .interpreter = &python, .exact = true},
                                   .state = "Active"};
    fake_versions++;
    return v;
}

void function_version_ref(struct function_version *v)
{
    v->refs++;
}

void function_version_count_network(const struct function_version *v, uint64_t bytes, uint64_t packets)
{
    fake.net_bytes += v ? bytes : 0;
    fake.net_packets += v ? packets : 0;
}

void function_version_unref(struct function_version *v)
{
    assert(v->refs > 0);
    if (--v->refs > 0)
        return;
    free(v->name);
    free(v->version);
    free(v->arn);
    free(v->runtime);
    free(v->handler);
    free(v->log_group);
    free(v);
    fake_versions--;
}
