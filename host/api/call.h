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

struct upload;

struct api {
    struct api_options options;
    unsigned working;
    uint64_t upload_bytes;    /* of archives on their way to the store, waiting ones included */
    unsigned uploads;         /* handed to the job threads */
    bool uploads_held, adding_runtime;
    STAILQ_HEAD(, upload) held;
    unsigned char secret[32]; /* signs the addresses of archives; new at each start */
};

struct api_call {
    struct api *api;
    struct http_req *http;                  /* NULL once the client has left */
    const struct function_version *caller;  /* NULL: the public API */
    struct aws_request request;             /* dead when http is NULL */
    struct aws_call aws;
    void (*left)(void *arg);                /* set by a handler that wants to know that the client left */
    void *left_arg;
    void (*again)(struct api_call *call);   /* its handler, while the call waits for another's write */
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
/* The one mapping of error kinds to AWS's errors (errors.c). */
void call_fail_err(struct api_call *call, const struct err *err);
/* "what is not implemented in Stoke": status 501, code NotImplemented. */
void call_fail_unsupported(struct api_call *call, const char *what);

/* The HTTP status of an error code that no model lists, else 0. */
int errors_status(const char *code);

/* The call's FunctionName and Qualifier. False: the call has failed already. */
bool call_function_name(struct api_call *call, struct function_name *ret_name);
/* The same, and the function itself. */
bool call_function(struct api_call *call, struct function_name *ret_name, struct function_record **ret_record);

/* Takes the call away from its handler while the function is being written; the handler then runs again, from its beginning. */
bool call_waits(struct api_call *call, struct function_record *record, api_handler_fn *handler);
/* call_function() for a handler that will write settings or tags. False: the call has failed, or waits. */
bool call_function_to_write(struct api_call *call, api_handler_fn *handler, struct function_name *ret_name,
                            struct function_record **ret_record);

/* Who calls, as STS names it; malloc'd (account.c). */
char *call_caller_arn(const struct api_call *call);

/* ---- the handlers, one file per resource ---- */
api_handler_fn create_function;
api_handler_fn get_function, get_function_configuration, list_functions, list_versions_by_function;
api_handler_fn update_function_code, update_function_configuration, delete_function;
api_handler_fn invoke_function;
api_handler_fn publish_version;
api_handler_fn create_alias, update_alias, get_alias, list_aliases, delete_alias;
api_handler_fn get_account_settings, get_caller_identity, get_policy, list_tags, get_function_code_signing_config;

/* ---- function_config.c: what a client may set ---- */
/* A new function's configuration from CreateFunction's input: defaults filled in. NULL: the call has failed. Owned. */
cJSON *function_config_new(struct api_call *call, const struct function_name *name);
/* The configuration after UpdateFunctionConfiguration's input (old: JSON text). NULL: the call has failed. Owned. */
cJSON *function_config_changed(struct api_call *call, const char *old, const struct function_name *name);
/* Refuses members of input that are known and not available here; where: "" or "Code.". False: the call has failed. */
bool function_config_refuse(struct api_call *call, const cJSON *input);

/* ---- function_read.c: what AWS answers ---- */
enum function_output { OUTPUT_WHOLE, OUTPUT_LISTED };
cJSON *function_output(const struct function_facts *facts, bool qualified, enum function_output kind);
/* Lambda's form of a digest. */
void function_sha256(const char *hex, char out[SHA256_BASE64_BYTES]);

/* ---- version.c ---- */
/* The call's RevisionId, if it has one, is current. False: the call has failed. */
bool call_check_revision(struct api_call *call, const char *current);

/* ---- alias.c ---- */
/* The names of the aliases that route to a version, ", " between them; malloc'd; NULL: none. */
char *alias_users(struct function_record *record, const char *version);

/* ---- page.c ---- */
#define PAGE_ITEMS 50 /* Lambda returns no more in one answer */
#define PAGE_MARKER_BYTES 512
struct page {
    char from[PAGE_MARKER_BYTES]; /* the name that the page begins with, or "" */
    size_t index, max;            /* within that name; items at most */
};
/* Marker and MaxItems of the call. False: the call has failed. */
bool page_begin(struct api_call *call, struct page *ret_page);
bool page_is_full(const struct page *page, const cJSON *list);
/* NextMarker: the first that was left out. */
void page_end(cJSON *out, size_t index, const char *name);

/* ---- function_code.c: archives in and out ---- */
/* done runs on the loop, once; archive is NULL when err says why. */
typedef void code_done_fn(void *arg, const struct store_archive *archive, const struct err *err);
/* Decodes and stores a base64 zip on a job thread. raw is copied. */
void code_put(struct api *api, struct http_slice raw, code_done_fn *done, void *arg);
void code_release_held(struct api *api);
/* Whether there is room for one more archive now. False: the call has failed. */
bool code_may_put(struct api_call *call, struct http_slice raw);
/* Ends the call with AWS's error for a failed code_put(). */
void code_fail(struct api_call *call, const struct err *err);
/* The address under which the archive may be fetched for ten minutes; malloc'd. host: the Host header of the request. */
char *code_location(struct api *api, struct http_slice host, const char *sha256_hex);
/* GET /_stoke/code/... */
void code_download(struct api *api, struct http_req *req);
/* Whether the request is within Lambda's limit. False: the call has failed. */
bool code_request_fits(struct api_call *call);
/* The single blob of the call, or .p NULL. */
struct http_slice code_blob(const struct api_call *call);

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
