/* The configuration: defaults, sources and their order, and every way in which a value is refused. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/config.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

static struct err err;

static int load(struct config **config, char **argv)
{
    enum config_action action;
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    return config_load(argc, argv, config, &action, &err);
}
#define LOAD(config, ...) load(config, (char *[]){"stoked", __VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_config_defaults(void)
{
    struct config *config;
    CU_ASSERT_EQUAL_FATAL(LOAD(&config), 0);
    CU_ASSERT_STRING_EQUAL(config->listen_host, "127.0.0.1");
    CU_ASSERT_EQUAL(config->listen_port, 4566);
    CU_ASSERT_EQUAL(config->concurrency_account, 1000);
    CU_ASSERT_EQUAL(config->runtimes_retired, CONFIG_RETIRED_REFUSE);
    CU_ASSERT_EQUAL(config->functions_endpoint, CONFIG_ENDPOINT_INVOKE);
    CU_ASSERT_FALSE(config->listen_public);
    config_free(config);
}

static void test_config_arguments(void)
{
    struct config *config;
    CU_ASSERT_EQUAL_FATAL(LOAD(&config, "--listen", "[::1]:80", "--data", "/x", "--set", "runtimes.retired=allow"), 0);
    CU_ASSERT_STRING_EQUAL(config->listen_host, "::1");
    CU_ASSERT_EQUAL(config->listen_port, 80);
    CU_ASSERT_STRING_EQUAL(config->data, "/x");
    CU_ASSERT_EQUAL(config->runtimes_retired, CONFIG_RETIRED_ALLOW);
    config_free(config);
}

static void refused(enum err_kind kind, const char *part, int rc)
{
    CU_ASSERT(rc < 0);
    CU_ASSERT_EQUAL(err.kind, kind);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, part));
    if (rc < 0 && strstr(err.msg, part) == NULL)
        fprintf(stderr, "'%s' lacks '%s'\n", err.msg, part);
}

static void test_config_refuses(void)
{
    struct config *config;
    refused(ERR_INVALID, "unknown option '--port'", LOAD(&config, "--port", "1"));
    refused(ERR_INVALID, "no setting 'colour'", LOAD(&config, "--set", "colour=red"));
    refused(ERR_INVALID, "wants a value", LOAD(&config, "--data"));
    refused(ERR_INVALID, "set twice", LOAD(&config, "--data", "/a", "--data", "/b"));
    refused(ERR_INVALID, "1 to 1000000 invocations", LOAD(&config, "--set", "concurrency.account=0"));
    refused(ERR_INVALID, "1 to 1000000", LOAD(&config, "--set", "concurrency.account=1e3"));
    refused(ERR_INVALID, "yes or no", LOAD(&config, "--set", "listen.public=1"));
    refused(ERR_INVALID, "none|invoke|account", LOAD(&config, "--set", "functions.endpoint=all"));
    refused(ERR_INVALID, "HOST:PORT", LOAD(&config, "--listen", "4566"));
    refused(ERR_INVALID, "neither an IP address", LOAD(&config, "--listen", "example.com:1"));
    refused(ERR_UNSUPPORTED, "network = public", LOAD(&config, "--set", "network=public"));
    refused(ERR_DENIED, "listen.public = yes", LOAD(&config, "--listen", "0.0.0.0:4566"));
    CU_ASSERT_EQUAL_FATAL(LOAD(&config, "--listen", "0.0.0.0:4566", "--set", "listen.public=yes"), 0);
    config_free(config);
}

static int load_text(struct config **config, const char *text, char *option, char *value)
{
    char path[] = "/tmp/stoke-config-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(fd_write_all(fd, text, strlen(text), &err), 0);
    close(fd);
    int rc = option != NULL ? LOAD(config, "--config", path, option, value) : LOAD(config, "--config", path);
    unlink(path);
    return rc;
}

static void test_config_file(void)
{
    struct config *config;
    CU_ASSERT_EQUAL_FATAL(load_text(&config, "# ours\n\n  data = /file \nruntimes.exact=yes\nlisten = 127.0.0.2:1", "--data", "/arg"), 0);
    CU_ASSERT_STRING_EQUAL(config->data, "/arg");
    CU_ASSERT(config->runtimes_exact);
    CU_ASSERT_STRING_EQUAL(config->listen, "127.0.0.2:1");
    config_free(config);
    refused(ERR_INVALID, ":2: there is no setting 'runtime.exact'", load_text(&config, "\nruntime.exact = yes", NULL, NULL));
    refused(ERR_INVALID, ":1: expected 'name = value'", load_text(&config, "exact", NULL, NULL));
    refused(ERR_INVALID, ":2: data is set twice", load_text(&config, "data=/a\ndata=/b", NULL, NULL));
    refused(ERR_NOT_FOUND, "/nowhere/x", LOAD(&config, "--config", "/nowhere/x"));
}

static void test_config_page_is_printed(void)
{
    char *page = NULL, *kept = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&page, &len);
    config_print_page(out);
    fclose(out);
    CU_ASSERT_EQUAL_FATAL(fd_read_file(AT_FDCWD, STOKE_SOURCE_DIR "/docs/configuration.md", 1 << 20, &kept, NULL, &err), 0);
    CU_ASSERT_STRING_EQUAL(page, kept); /* else: stoked --configuration-page > docs/configuration.md */
    free(page);
    free(kept);
}

TEST_MAIN("config", TEST(test_config_defaults), TEST(test_config_arguments), TEST(test_config_refuses), TEST(test_config_file),
          TEST(test_config_page_is_printed))
