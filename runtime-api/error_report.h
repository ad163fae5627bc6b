/* What a runtime says about a failure, made safe to pass on: error types by Lambda's rule, content types without control
 * characters, X-Ray causes within their limit. Pure functions on bytes, any thread.
 *
 *     struct error_report report;
 *     error_report_fill(&report, type, body, len);  ... report.error ...  error_report_free(&report);
 */
#pragma once

#include "runtime-api/session_state.h"

struct error_report {
    struct session_error error; /* points into this struct, into the body it was filled with, or to owned text */
    char type[LIMIT_TYPE_BYTES];
    char *owned_body, *owned_cause;
};

/* type: of a header or field, or NULL and empty: then the body's errorType counts. Borrows body. Nothing is allocated. */
void error_report_fill(struct error_report *report, const char *type, const char *body, size_t len);
/* For a body of the type application/vnd.aws.lambda.error.cause+json: takes errorCause out of it. */
void error_report_split_cause(struct error_report *report);
/* A cause from a header: kept when it is a JSON object of at most 64 KiB. */
void error_report_set_cause(struct error_report *report, const char *json, size_t len);
/* Makes the body {"errorMessage","errorType"}. */
void error_report_make_body(struct error_report *report, const char *message);
void error_report_free(struct error_report *report);

/* "(Runtime|Function).Name" as it is; another "Function." is Function.Unknown, anything else Runtime.Unknown. */
void error_report_type(const char *type, size_t len, char out[LIMIT_TYPE_BYTES]);
/* Printable ASCII as it is; absent: application/json; anything else: application/octet-stream. */
void error_report_content_type(const char *type, size_t len, char out[LIMIT_TYPE_BYTES]);
/* A text of a stranger for a log line: printable ASCII, cut to cap - 1 bytes. */
void error_report_print(const char *text, size_t len, char *out, size_t cap);
