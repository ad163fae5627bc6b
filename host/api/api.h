/* The front door: HTTP requests in, AWS's answers out. Every operation is a handler in a table; what is not in the table
 * answers with an error that names it. Loop thread only.
 *
 *     api_new(&options, &api, &err);
 *     http_server_new(loop, &http_options, api_on_request, api, &server, &err);
 *
 * A listener's context says whose request it is: NULL the public listener, else the struct function_version whose sandbox
 * the listener was made in; such a request acts as that function, in its account and region, whatever key it carries.
 */
#pragma once

#include "host/config.h"
#include "host/registry/functions.h"
#include "lib/http/server.h"
#include "lib/json/json.h"

struct api;
struct invoke;
struct jobs;
struct logs;
struct provision;
struct loop;
struct runtimes;

/* All borrowed for the api's life. */
struct api_options {
    const struct config *config;
    struct loop *loop;
    struct jobs *jobs, *checks; /* checks: what invocations wait for */
    struct registry *registry;
    struct store *store;
    struct invoke *invoke;
    struct provision *provision;
    struct logs *logs;
    struct runtimes **runtimes; /* the current ones; changes when one is added */
    /* GET /_stoke/health; the answer is owned by the caller. */
    cJSON *(*health)(void *arg);
    /* POST /_stoke/runtimes: registers it and looks at the host again, on a job thread; *ret_runtimes is handed to
     * runtimes_changed(), on the loop's. */
    int (*runtime_add)(void *arg, const char *name, const char *path, struct runtimes **ret_runtimes, struct err *err);
    void (*runtimes_changed)(void *arg, struct runtimes *runtimes);
    void *arg;
};

int api_new(const struct api_options *options, struct api **ret_api, struct err *err) WARN_UNUSED;
/* Before it: http_server_free(), so that no request is answered any more. Calls still at work are forgotten. */
void api_free(struct api *api);

/* An http_request_fn; api is the struct api. */
void api_on_request(void *api, struct http_req *req);

/* For struct http_options: what the server refuses itself, in AWS's shape. small: by a listener that takes no more than an Invoke. */
const struct http_reply *api_refusal(int status, bool small);

#define API_PAYLOAD_BYTES_MAX 6291456u /* of Invoke */

/* API calls taken and not yet finished, those whose client has left included. */
unsigned api_working(const struct api *api);

/* Archives on their way to the store; while they are held, new ones wait for the release. For host/reclaim.c. */
bool api_uploading(const struct api *api);
void api_hold_uploads(struct api *api, bool hold);
/* Set once: fn(arg) runs when the last upload under way has ended, and what it stored is used by whoever uploaded it. */
void api_on_uploads_ended(struct api *api, void (*fn)(void *arg), void *arg);
