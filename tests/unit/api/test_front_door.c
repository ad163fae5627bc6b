/* Who may come in: Host and Origin against rebound names and pages of other origins. The HTTP server and the operations
 * behind the door are stand-ins. */
#include <strings.h>

#include "host/api/call.h"
#include "tests/unit/cunit.h"

struct http_req {
    const char *method, *path, *host, *origin;
};

static struct {
    int status;
    bool passed;
    char allow_origin[256];
} seen;

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, text != NULL ? strlen(text) : 0};
}

struct http_slice http_req_method(const struct http_req *req)
{
    return slice(req->method);
}
struct http_slice http_req_path(const struct http_req *req)
{
    return slice(req->path);
}
struct http_slice http_req_query(const struct http_req *req)
{
    (void)req;
    return slice("");
}
struct http_slice http_req_body(const struct http_req *req)
{
    (void)req;
    return slice("");
}
struct http_slice http_req_header(const struct http_req *req, const char *name)
{
    return slice(strcasecmp(name, "host") == 0 ? req->host : strcasecmp(name, "origin") == 0 ? req->origin : NULL);
}
size_t http_req_header_count(const struct http_req *req)
{
    (void)req;
    return 0;
}
void http_req_header_at(const struct http_req *req, size_t i, struct http_slice *name, struct http_slice *value)
{
    (void)req;
    (void)i;
    *name = *value = slice(NULL);
}
void *http_req_context(const struct http_req *req)
{
    (void)req;
    return NULL;
}
void http_reply(struct http_req *req, const struct http_reply *reply)
{
    (void)req;
    seen.status = reply->status;
    seen.allow_origin[0] = '\0';
    for (size_t i = 0; i < reply->header_count; i++)
        if (strcasecmp(reply->headers[i].name, "access-control-allow-origin") == 0)
            strcpy(seen.allow_origin, reply->headers[i].value);
    if (reply->body_free != NULL)
        reply->body_free((void *)reply->body);
}
int aws_route(const struct aws_request *request, struct aws_call *call, struct aws_error *error)
{
    (void)request;
    (void)call;
    (void)error;
    return -1;
}
void aws_error_free(struct aws_error *error)
{
    (void)error;
}
void aws_call_free(struct aws_call *call)
{
    (void)call;
}
void api_dispatch(struct api *api, struct http_req *req, const struct aws_request *request)
{
    (void)api;
    (void)request;
    seen.passed = true;
    front_door_send(req, &(struct http_reply){.status = 200});
}
void control_on_request(struct api *api, struct http_req *req, const struct aws_call *who)
{
    (void)who;
    api_dispatch(api, req, NULL);
}

static struct config config = {
    .listen_host = (char *)"127.0.0.1", .http_hosts = (char *)"stoke.test, .below.test", .http_origins = (char *)"https://app.test"};

static int ask(const char *method, const char *host, const char *origin)
{
    struct api api = {.options = {.config = &config}};
    struct http_req req = {.method = method, .path = "/2015-03-31/functions", .host = host, .origin = origin};
    memset(&seen, 0, sizeof(seen));
    api_on_request(&api, &req);
    return seen.status;
}

static void test_front_door_hosts(void)
{
    static const char *const good[] = {"127.0.0.1:4566", "localhost",  "LOCALHOST:1",     "a.localhost:4566", "[::1]:4566",
                                       "10.0.0.7",       "stoke.test", "x.below.test:80", "y.x.below.test"};
    static const char *const bad[] = {"evil.test",
                                      "localhost.evil.test",
                                      "127.0.0.1.evil.test",
                                      "evil-localhost",
                                      "below.test",
                                      "xbelow.test",
                                      "stoke.test.",
                                      "",
                                      ":80",
                                      "[::1",
                                      "127.0.0.1@evil.test",
                                      "0x7f.1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        CU_ASSERT_EQUAL(ask("GET", good[i], NULL), 200);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CU_ASSERT_EQUAL(ask("GET", bad[i], NULL), 403);
        CU_ASSERT_FALSE(seen.passed);
    }
}

static void test_front_door_origins(void)
{
    CU_ASSERT_EQUAL(ask("POST", "127.0.0.1:4566", "http://127.0.0.1:4566"), 200);
    CU_ASSERT_STRING_EQUAL(seen.allow_origin, "http://127.0.0.1:4566");
    CU_ASSERT_EQUAL(ask("POST", "127.0.0.1:4566", "https://app.test"), 200);
    static const char *const bad[] = {"null",
                                      "",
                                      "http://127.0.0.1:4567",
                                      "https://127.0.0.1:4566",
                                      "http://localhost:4566",
                                      "https://app.test.evil",
                                      "https://app.test:1",
                                      "http://app.test",
                                      "http://127.0.0.1:45666",
                                      "file://",
                                      "*"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CU_ASSERT_EQUAL(ask("POST", "127.0.0.1:4566", bad[i]), 403);
        CU_ASSERT_FALSE(seen.passed);
        CU_ASSERT_STRING_EQUAL(seen.allow_origin, "");
    }
    CU_ASSERT_EQUAL(ask("POST", "evil.test", "http://evil.test"), 403); /* rebound: its own origin, a foreign name */
}

static void test_front_door_preflight(void)
{
    CU_ASSERT_EQUAL(ask("OPTIONS", "localhost:4566", "https://app.test"), 204);
    CU_ASSERT_STRING_EQUAL(seen.allow_origin, "https://app.test");
    CU_ASSERT_FALSE(seen.passed);
    CU_ASSERT_EQUAL(ask("OPTIONS", "localhost:4566", "https://evil.test"), 403);
    CU_ASSERT_STRING_EQUAL(seen.allow_origin, "");
}

TEST_MAIN("front_door", TEST(test_front_door_hosts), TEST(test_front_door_origins), TEST(test_front_door_preflight))
