/* One API call on its way through a handler; private to host/api. A handler gets validated input and ends, now or later,
 * in exactly one of the call_ functions below, which free the call. It writes no HTTP. When the client leaves, http turns
 * NULL and the handler goes on: what was asked for happens; slices of the request are gone then, so whatever a handler needs
 * after its first return it copies first.
 */
#pragma once

#include <sys/queue.h>

#include "host/api/api.h"
#include "host/registry/settings.h"
#include "lib/aws/aws.h"

struct resource_shelf;
struct upload;

struct api {
    struct api_options options;
    unsigned working;
    uint64_t upload_bytes; /* of archives on their way to the store, waiting ones included */
    unsigned uploads;      /* handed to the job threads */
    bool uploads_held, adding_runtime;
    STAILQ_HEAD(, upload) held;
    void (*uploads_ended)(void *arg); /* may be NULL */
    void *uploads_ended_arg;
    unsigned char secret[32]; /* signs the addresses of archives; new at each start */
};

struct api_call {
    struct api *api;
    struct http_req *http;           /* NULL once the client has left */
    struct function_version *caller; /* counted; NULL: the public API */
    struct aws_request request;      /* dead when http is NULL */
    struct aws_call aws;
    char *trace_id;          /* what an invocation's answer says in X-Amzn-Trace-Id; owned, or NULL */
    void (*left)(void *arg); /* set by a handler that wants to know that the client left */
    void *left_arg;
    void (*again)(struct api_call *call); /* its handler, while the call waits for another's write */
};

typedef void api_handler_fn(struct api_call *call);

/* api.c: finds the handler and runs it, or answers in its place. */
void api_dispatch(struct api *api, struct http_req *req, const struct aws_request *request);

/* call.c */
struct api_call *call_new(struct api *api, struct http_req *req, const struct aws_request *request);
/* Ends the call with error, which is freed. */
void call_end_error(struct api_call *call, struct aws_error *error);

/* output: members by the model's names, taken; NULL for none. */
void call_reply(struct api_call *call, cJSON *output);
void call_reply_payload(struct api_call *call, cJSON *output, const void *payload, size_t len);
/* code is static: an error shape's name. */
void call_fail(struct api_call *call, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void call_fail_members(struct api_call *call, const char *code, cJSON *members, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* As call_fail(), for the errors to which Lambda gives no Type though their shape has one. */
void call_fail_untyped(struct api_call *call, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* max: bytes that Lambda takes for this operation; false: the call has ended with the error. */
bool call_body_fits(struct api_call *call, size_t max);
/* The one mapping of error kinds to AWS's errors (errors.c). */
void call_fail_err(struct api_call *call, const struct err *err);
/* "what is not implemented in Stoke: missing.": status 501, code NotImplemented. missing: one of missing.h. */
void call_fail_unsupported(struct api_call *call, const char *what, const char *missing);

/* The HTTP status of an error code that no model lists, else 0. */
int errors_status(const char *code);

/* The call's FunctionName and Qualifier. False: the call has failed already. */
bool call_function_name(struct api_call *call, struct function_name *ret_name);
/* The same of what is about a function as a whole: a qualifier is refused. */
bool call_whole_name(struct api_call *call, struct function_name *ret_name);
/* The same of what makes or changes $LATEST: any other qualifier is refused. */
bool call_latest_name(struct api_call *call, struct function_name *ret_name);
/* call_function_name(), and the function itself. */
bool call_function(struct api_call *call, struct function_name *ret_name, struct function_record **ret_record);

/* Runs a call that waits again, from its handler's beginning; for who keeps it waiting. */
void call_run_again(void *call);
/* Takes the call away from its handler while the function is being written; the handler then runs again, from its beginning. */
bool call_waits(struct api_call *call, struct function_record *record, api_handler_fn *handler);
/* The same while a shelf of resources is being written or held. */
bool call_waits_shelf(struct api_call *call, struct resource_shelf *shelf, api_handler_fn *handler);
/* call_function() for a handler that will write settings or tags. False: the call has failed, or waits. */
bool call_function_to_write(struct api_call *call, api_handler_fn *handler, struct function_name *ret_name,
                            struct function_record **ret_record);

/* The call's RevisionId, if it has one, is current (NULL: nothing is). source: where to get the latest, "GetPolicy". False: the call has
 * failed. */
bool call_check_revision(struct api_call *call, const char *current, const char *source);

/* Ends the call: the caller may not do action ("GetFunction") with what the ARN names. */
void call_fail_denied(struct api_call *call, const char *action, const char *arn);
/* Ends the call for which function_name_parse() of these failed. */
void call_fail_name(struct api_call *call, const char *identifier, const char *qualifier, const struct err *err);

/* Who calls, as STS names it; malloc'd (account.c). */
char *call_caller_arn(const struct api_call *call);

/* ---- control.c: what the command line asks beyond AWS's API ---- */
void control_on_request(struct api *api, struct http_req *req, const struct aws_call *who);
/* The answer to GET /_stoke/runtimes. */
void runtime_list_reply(struct api *api, struct http_req *req);
/* POST /_stoke/runtimes (runtime_add.c). */
void runtime_add_request(struct api *api, struct http_req *req);

/* ---- front_door.c ---- */
/* Sends a reply with the headers that an allowed web page's browser asks for. */
void front_door_send(struct http_req *req, const struct http_reply *reply);
/* One JSON answer; body is taken. */
void front_door_reply_json(struct http_req *req, int status, cJSON *body);
/* {"Message": ...} with x-amzn-errortype. */
void front_door_fail(struct http_req *req, int status, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool slice_is(struct http_slice slice, const char *text);
bool slice_starts(struct http_slice slice, const char *text);
