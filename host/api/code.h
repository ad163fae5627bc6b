/* Archives of code in and out: from an upload to the store on a job thread, and back to whoever has a signed address. */
#pragma once

#include "host/api/call.h"

#define CODE_UNPACKED_BYTES_MAX 262144000ull /* of a function's archive and its layers, and of a layer */

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
