/* The blocking HTTP client: libcurl with collected headers and body. */
#include "lib/http/client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/strutil.h"

#define ANSWER_BYTES_MAX (64u << 20)
#define HEADER_BYTES_MAX (1u << 20)
#define CONNECT_TIMEOUT_S 5

struct http_client {
    CURL *curl;
    char *endpoint, *userpwd, *sigv4;
};

struct transfer {
    const struct http_call *call;
    struct buf headers, body;
    bool too_large;
};

int http_client_new(const char *endpoint, const char *access_key, const char *region, struct http_client **ret_client, struct err *err)
{
    struct http_client *client = calloc(1, sizeof *client);
    if (!client)
        return err_set(err, ERR_NO_MEMORY, "no memory for an HTTP client");
    client->curl = curl_easy_init();
    if (!client->curl) {
        free(client);
        return err_set(err, ERR_NO_MEMORY, "libcurl does not start");
    }
    size_t n = strlen(endpoint);
    while (n && endpoint[n - 1] == '/')
        n--;
    client->endpoint = str_format("%.*s", (int)n, endpoint);
    client->userpwd = str_format("%s:%s", access_key, access_key);
    client->sigv4 = str_format("aws:amz:%s:lambda", region);
    *ret_client = client;
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->endpoint);
    free(client->userpwd);
    free(client->sigv4);
    free(client);
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count, colon = 0;
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0) {
        buf_clear(&t->headers); /* of the final answer only, not of a 100 Continue */
        return len;
    }
    while (colon < len && data[colon] != ':')
        data[colon] = (char)tolower((unsigned char)data[colon]), colon++;
    size_t end = len;
    while (end && (data[end - 1] == '\r' || data[end - 1] == '\n'))
        end--;
    if (end && (buf_append(&t->headers, data, end) < 0 || buf_putc(&t->headers, '\n') < 0))
        return 0;
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;
    if (t->call->stream)
        return t->call->stream(t->call->arg, data, len) == 0 ? len : 0;
    if (buf_append(&t->body, data, len) < 0) {
        t->too_large = true;
        return 0;
    }
    return len;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    (void)down_total, (void)down;
    struct transfer *t = arg;
    t->call->progress(t->call->arg, (size_t)up, (size_t)up_total);
    return 0;
}

static void set_options(struct http_client *client, struct transfer *t, const char *url, struct curl_slist *headers)
{
    CURL *curl = client->curl;
    const struct http_call *call = t->call;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERPWD, client->userpwd);
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, client->sigv4);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "stoke/" STOKE_VERSION);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the endpoint is named explicitly; a proxy from the environment is for others */
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->timeout_s);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    if (call->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    }
    if (call->progress) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    }
}

static int error_of(CURLcode rc, const struct http_client *client, const struct transfer *t, struct err *err)
{
    if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST)
        return err_set(err, ERR_UNAVAILABLE, "nobody answers at %s", client->endpoint);
    if (rc == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "%s did not answer in time", client->endpoint);
    if (t->too_large)
        return err_set(err, ERR_TOO_LARGE, "an answer of more than %u bytes from %s", ANSWER_BYTES_MAX, client->endpoint);
    return err_set(err, ERR_IO, "talking to %s: %s", client->endpoint, curl_easy_strerror(rc));
}

int http_client_call(struct http_client *client, const struct http_call *call, struct http_answer *ret_answer, struct err *err)
{
    CLEANUP(freep) char *url = str_format("%s%s", client->endpoint, call->path);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        headers = curl_slist_append(headers, call->headers[i]);
    struct transfer t = {.call = call, .headers = BUF_INIT(HEADER_BYTES_MAX), .body = BUF_INIT(ANSWER_BYTES_MAX)};
    set_options(client, &t, url, headers);
    CURLcode rc = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (rc != CURLE_OK && !(rc == CURLE_WRITE_ERROR && call->stream)) {
        int code = error_of(rc, client, &t, err);
        buf_free(&t.headers);
        buf_free(&t.body);
        return code;
    }
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_answer = (struct http_answer){.status = (int)status, .body_len = t.body.len};
    ret_answer->headers = buf_steal(&t.headers);
    ret_answer->body = buf_steal(&t.body);
    return 0;
}

void http_answer_free(struct http_answer *answer)
{
    free(answer->headers);
    free(answer->body);
    *answer = (struct http_answer){0};
}

bool http_answer_header(const struct http_answer *answer, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    for (const char *line = answer->headers; line && *line;) {
        const char *end = strchrnul(line, '\n');
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1;
            while (*value == ' ')
                value++;
            size_t len = (size_t)(end - value);
            if (len >= cap)
                return false;
            memcpy(out, value, len);
            out[len] = '\0';
            return true;
        }
        line = *end ? end + 1 : end;
    }
    return false;
}

char *http_escape(const char *text)
{
    static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    char *out = malloc(3 * strlen(text) + 1), *o = out;
    if (!out)
        abort();
    for (; *text; text++) {
        if (strchr(keep, *text))
            *o++ = *text;
        else
            o += sprintf(o, "%%%02X", (unsigned char)*text);
    }
    *o = '\0';
    return out;
}
