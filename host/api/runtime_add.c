/* POST /_stoke/runtimes: registers an interpreter. It is asked who it is, and the host is looked at again, on a job thread; one at
 * a time, for all of them end up in one file. */
#include <stdlib.h>

#include "host/api/call.h"
#include "layers/runtimes/runtimes.h"
#include "lib/base/jobs.h"
#include "lib/base/strutil.h"

struct runtime_add {
    struct api *api;
    struct http_req *req; /* NULL: the client left */
    char *name, *path;
    struct runtimes *found; /* NULL: err says why */
    struct err err;
};

static void free_add(struct runtime_add *add)
{
    free(add->name);
    free(add->path);
    free(add);
}

static void on_gone(void *arg)
{
    struct runtime_add *add = arg;
    add->req = NULL;
}

/* On a job thread. */
static void look(void *arg)
{
    struct runtime_add *add = arg;
    const struct api_options *options = &add->api->options;
    if (options->runtime_add(options->arg, add->name, add->path, &add->found, &add->err) < 0)
        add->found = NULL;
}

static void on_looked(void *arg)
{
    struct runtime_add *add = arg;
    struct api *api = add->api;
    api->working--;
    api->adding_runtime = false;
    if (add->found != NULL)
        api->options.runtimes_changed(api->options.arg, add->found);
    if (add->req != NULL && add->found != NULL)
        runtime_list_reply(api, add->req);
    else if (add->req != NULL)
        front_door_fail(add->req, 400, "InvalidParameterValueException", "%s", add->err.msg);
    free_add(add);
}

void runtime_add_request(struct api *api, struct http_req *req)
{
    CLEANUP(json_freep) cJSON *body = NULL;
    struct http_slice text = http_req_body(req);
    struct err err;
    if (json_parse(text.p != NULL ? text.p : "", text.n, &body, &err) < 0) {
        front_door_fail(req, 400, "SerializationException", "%s", err.msg);
        return;
    }
    const char *name = json_str(body, "name"), *path = json_str(body, "path");
    if (name == NULL || path == NULL) {
        front_door_fail(req, 400, "ValidationException", "name and path of the runtime are wanted");
        return;
    }
    if (api->adding_runtime) {
        front_door_fail(req, 409, "ResourceConflictException", "another runtime is being added");
        return;
    }
    struct runtime_add *add = calloc(1, sizeof(*add));
    if (add == NULL)
        abort();
    *add = (struct runtime_add){.api = api, .req = req, .name = str_format("%s", name), .path = str_format("%s", path)};
    api->working++;
    api->adding_runtime = true;
    http_req_on_gone(req, on_gone, add);
    jobs_submit(api->options.jobs, look, on_looked, add);
}
