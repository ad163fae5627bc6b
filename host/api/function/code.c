/* Archives in and out. In: the base64 text of a request is copied, then decoded, unpacked and stored on a job thread. Out:
 * Code.Location of GetFunction is an address of our own, signed with a secret of this daemon's life and good for ten
 * minutes, since whoever follows it sends no credentials. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/api/call.h"
#include "host/api/code.h"
#include "host/api/handlers.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/id.h"
#include "lib/base/jobs.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define ZIP_BYTES_MAX 52428800ull        /* uploaded */
#define REQUEST_BYTES_MAX 70167211       /* Lambda's own limit of the request that carries ZipFile */
#define UPLOADS_BYTES_MAX (512ull << 20) /* of archives in memory at once */
#define LOCATION_S 600
#define NO_ZIP "Could not unzip uploaded file. Please check your file, then try to upload again."

/* ---- in ---- */

struct upload {
    struct api *api;
    char *data; /* base64, then the archive in its place */
    size_t len, taken;
    struct store_archive archive;
    struct err err;
    bool failed;
    code_done_fn *done;
    void *arg;
    STAILQ_ENTRY(upload) link; /* while held */
};

/* Job thread. */
static void upload_work(void *arg)
{
    struct upload *upload = arg;
    size_t len;
    upload->failed = true;
    if (digest_base64_decode(upload->data, upload->len, upload->data, &len, &upload->err) < 0) {
        err_wrap(&upload->err, "ZipFile is not base64");
        upload->err.kind = ERR_CORRUPT;
        return;
    }
    upload->len = len;
    if (len > ZIP_BYTES_MAX) {
        err_set(&upload->err, ERR_TOO_LARGE, "Zipped size must be smaller than %llu bytes", ZIP_BYTES_MAX);
        upload->err.code = 1;
        return;
    }
    if (len >= 4 && memcmp(upload->data, "PK\5\6", 4) == 0) {
        err_set(&upload->err, ERR_INVALID, "Uploaded file must be a non-empty zip");
        upload->err.code = 1;
        return;
    }
    if (len < 4 || memcmp(upload->data, "PK\3\4", 4) != 0) {
        err_set(&upload->err, ERR_INVALID, NO_ZIP);
        upload->err.code = 1;
        return;
    }
    upload->failed = store_put(upload->api->options.store, upload->data, len, CODE_UNPACKED_BYTES_MAX, &upload->archive, &upload->err) < 0;
}

static void upload_done(void *arg)
{
    struct upload *upload = arg;
    struct api *api = upload->api;
    api->upload_bytes -= upload->taken;
    upload->done(upload->arg, upload->failed ? NULL : &upload->archive, upload->failed ? &upload->err : NULL);
    free(upload->data);
    free(upload);
    if (--api->uploads == 0 && api->uploads_ended != NULL)
        api->uploads_ended(api->uploads_ended_arg);
}

static void submit(struct upload *upload)
{
    upload->api->uploads++;
    jobs_submit(upload->api->options.jobs, upload_work, upload_done, upload);
}

bool code_may_put(struct api_call *call, struct http_slice raw)
{
    if (raw.n <= UPLOADS_BYTES_MAX - call->api->upload_bytes)
        return true;
    call_fail(call, "TooManyRequestsException", "Too many archives are being stored at this moment; try again");
    return false;
}

void code_put(struct api *api, struct http_slice raw, code_done_fn *done, void *arg)
{
    struct upload *upload = calloc(1, sizeof(*upload));
    if (upload == NULL || (upload->data = malloc(raw.n + 1)) == NULL)
        abort();
    memcpy(upload->data, raw.p, raw.n); /* the request goes away with its client, the job does not */
    upload->len = upload->taken = raw.n;
    upload->api = api;
    api->upload_bytes += raw.n;
    upload->done = done;
    upload->arg = arg;
    if (api->uploads_held)
        STAILQ_INSERT_TAIL(&api->held, upload, link);
    else
        submit(upload);
}

void code_release_held(struct api *api)
{
    struct upload *upload;
    while ((upload = STAILQ_FIRST(&api->held)) != NULL) {
        STAILQ_REMOVE_HEAD(&api->held, link);
        submit(upload);
    }
}

void code_fail(struct api_call *call, const struct err *err)
{
    bool in_aws_words = err->code == 1;
    if (!in_aws_words) /* Lambda does not say what is wrong */
        log_info("code.refused", "request_id=%s error=\"%s\"", call->aws.request_id, err->msg);
    switch (err->kind) {
    case ERR_CORRUPT:
        call_fail(call, "SerializationException", "%s", err->msg);
        break;
    case ERR_INVALID:
        if (str_starts(err->msg, "entry ")) /* a whole archive with an entry that we do not take: its author has to know which */
            call_fail(call, "InvalidParameterValueException", NO_ZIP " (%s)", err->msg);
        else
            call_fail(call, "InvalidParameterValueException", "%s", in_aws_words ? err->msg : NO_ZIP);
        break;
    case ERR_TOO_LARGE:
        if (in_aws_words)
            call_fail(call, "RequestEntityTooLargeException", "%s", err->msg);
        else
            call_fail(call, "InvalidParameterValueException", "Unzipped size must be smaller than %llu bytes", CODE_UNPACKED_BYTES_MAX);
        break;
    default:
        call_fail_err(call, err);
        break;
    }
}

struct http_slice code_blob(const struct api_call *call)
{
    return call->aws.blob_count > 0 ? call->aws.blob[0].raw : (struct http_slice){0};
}

bool code_request_fits(struct api_call *call)
{
    return call_body_fits(call, REQUEST_BYTES_MAX);
}

/* ---- out ---- */

#define SIGNATURE_BYTES SHA256_HEX_BYTES

/* Two nested digests under the secret, as HMAC does it, so that nobody can extend a signed text. */
static void sign(const struct api *api, const char *sha256_hex, int64_t expires_s, char out[SIGNATURE_BYTES])
{
    unsigned char block[sizeof(api->secret) + SHA256_HEX_BYTES + 24], digest[SHA256_BYTES];
    memcpy(block, api->secret, sizeof(api->secret));
    int n = snprintf((char *)block + sizeof(api->secret), sizeof(block) - sizeof(api->secret), "%s%" PRId64, sha256_hex, expires_s);
    digest_sha256(block, sizeof(api->secret) + (size_t)n, digest);
    memcpy(block + sizeof(api->secret), digest, sizeof(digest));
    digest_sha256(block, sizeof(api->secret) + sizeof(digest), digest);
    id_hex(digest, sizeof(digest), out);
}

char *code_location(struct api *api, struct http_slice host, const char *sha256_hex)
{
    char signature[SIGNATURE_BYTES];
    int64_t expires_s = clock_wall_ms() / 1000 + LOCATION_S;
    sign(api, sha256_hex, expires_s, signature);
    const struct config *config = api->options.config;
    CLEANUP(freep)
    char *name = host.p != NULL ? str_format("%.*s", (int)host.n, host.p)
                                : str_format("%s:%lld", config->listen_host, (long long)config->listen_port);
    return str_format("http://%s/_stoke/code/%s?expires=%" PRId64 "&signature=%s", name, sha256_hex, expires_s, signature);
}

/* "expires=N&signature=HEX", as we wrote it. */
static bool read_signature(const char *query, int64_t *ret_expires_s, const char **ret_signature)
{
    char digits[24];
    const char *amp = strchr(query, '&');
    if (!str_starts(query, "expires=") || amp == NULL || !str_starts(amp, "&signature="))
        return false;
    size_t n = (size_t)(amp - query) - strlen("expires=");
    if (n >= sizeof(digits))
        return false;
    memcpy(digits, query + strlen("expires="), n);
    digits[n] = '\0';
    *ret_signature = amp + strlen("&signature=");
    return str_to_i64(digits, 0, INT64_MAX, ret_expires_s);
}

/* In a time that does not tell how much of it was right. */
static bool same_text(const char *a, const char *b, size_t len)
{
    unsigned char differs = 0;
    if (strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)(a[i] ^ b[i]);
    return differs == 0;
}

static bool may_download(const struct api *api, const char *sha256_hex, struct http_slice query)
{
    char expected[SIGNATURE_BYTES];
    const char *signature;
    int64_t expires_s;
    CLEANUP(freep) char *text = str_format("%.*s", (int)query.n, query.p != NULL ? query.p : "");
    if (strspn(sha256_hex, "0123456789abcdef") != SHA256_HEX_BYTES - 1 || strlen(sha256_hex) != SHA256_HEX_BYTES - 1 ||
        !read_signature(text, &expires_s, &signature))
        return false;
    sign(api, sha256_hex, expires_s, expected);
    return same_text(expected, signature, strlen(expected)) && clock_wall_ms() / 1000 <= expires_s;
}

void code_download(struct api *api, struct http_req *req)
{
    static const struct http_header headers[] = {{"content-type", "application/zip"}};
    struct http_slice path = http_req_path(req);
    size_t skip = strlen("/_stoke/code/");
    CLEANUP(freep) char *sha256_hex = str_format("%.*s", (int)(path.n - skip), path.p + skip);
    CLEANUP(fd_closep) int fd = -1;
    struct stat st;
    struct err err;
    if (!may_download(api, sha256_hex, http_req_query(req))) {
        front_door_fail(req, 403, "AccessDeniedException", "This address of an archive is not valid, or no longer");
        return;
    }
    if (store_open_blob(api->options.store, sha256_hex, &fd, &err) < 0) {
        front_door_fail(req, 404, "ResourceNotFoundException", "%s", err.msg);
        return;
    }
    char *data = NULL;
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size > ZIP_BYTES_MAX || (data = malloc((size_t)st.st_size + 1)) == NULL ||
        pread(fd, data, (size_t)st.st_size, 0) != st.st_size) {
        free(data);
        front_door_fail(req, 500, "ServiceException", "The archive cannot be read");
        return;
    }
    front_door_send(
        req, &(struct http_reply){
                 .status = 200, .headers = headers, .header_count = 1, .body = data, .body_len = (size_t)st.st_size, .body_free = free});
}
