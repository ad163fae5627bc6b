/* Finding interpreters and matching identifiers, with made-up interpreters that only know their version. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/runtimes/runtimes.h"
#include "layers/unpack.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

static char dir[64];

static void fake(const char *path, const char *says)
{
    CLEANUP(freep) char *full = str_format("%s/%s", dir, path);
    for (char *p = full + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0755);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fprintf(f, "#!/bin/sh\n%s\n", says);
    fclose(f);
    chmod(full, 0755);
}

static struct runtimes *scan(void)
{
    struct runtimes *runtimes = NULL;
    struct err err;
    CLEANUP(freep) char *list = str_format("%s/runtimes.list", dir);
    struct runtimes_options options = {.search_path = dir, .extra_file = list};
    CU_ASSERT_EQUAL_FATAL(runtimes_scan(&options, &runtimes, &err), 0);
    return runtimes;
}

static void set_up(void)
{
    strcpy(dir, "/tmp/stoke-runtimes-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void tear_down(void)
{
    struct err err;
    CU_ASSERT_EQUAL(remove_tree(AT_FDCWD, dir, &err), 0);
}

static const struct runtime_interpreter *find(const struct runtimes *runtimes, const char *version)
{
    for (size_t i = 0; i < runtimes_count(runtimes); i++)
        if (str_eq(runtimes_at(runtimes, i)->version, version))
            return runtimes_at(runtimes, i);
    return NULL;
}

static void test_runtimes_scan(void)
{
    set_up();
    fake("bin/python3.97", "echo 3.97.1");
    fake("v99/bin/node", "echo v99.5.0"); /* as version managers lay them out */
    fake("bin/python3.98", "exit 1");     /* broken ones are left out */
    fake("bin/python3.96-config", "echo 3.96.0");
    struct runtimes *runtimes = scan();
    const struct runtime_interpreter *python = find(runtimes, "3.97.1"), *node = find(runtimes, "99.5.0");
    CU_ASSERT_PTR_NOT_NULL_FATAL(python);
    CU_ASSERT_PTR_NOT_NULL_FATAL(node);
    CU_ASSERT_EQUAL(python->minor, 97);
    CU_ASSERT_STRING_EQUAL(python->prefix, dir);
    CU_ASSERT_EQUAL(node->major, 99);
    CU_ASSERT(str_ends(node->prefix, "/v99"));
    CU_ASSERT_PTR_NULL(find(runtimes, "3.96.0"));
    runtimes_free(runtimes);
    tear_down();
}

static void test_runtimes_match(void)
{
    set_up();
    fake("bin/python3.97", "echo 3.97.1");
    fake("bin/python3.99", "echo 3.99.0");
    struct runtimes *runtimes = scan();
    struct runtime_match match;
    struct err err;
    CU_ASSERT_EQUAL(runtimes_match(runtimes, "python3.97", false, &match, &err), 0);
    CU_ASSERT(match.exact && match.interpreter->minor == 97 && match.note[0] == '\0');
    CU_ASSERT_EQUAL(runtimes_match(runtimes, "python3.98", false, &match, &err), 0); /* the nearest newer */
    CU_ASSERT(!match.exact && match.interpreter->minor == 99);
    CU_ASSERT_PTR_NOT_NULL(strstr(match.note, "python3.98 runs on Python 3.99.0"));
    CU_ASSERT_EQUAL(runtimes_match(runtimes, "python3.105", false, &match, &err), 0); /* the nearest older */
    CU_ASSERT_EQUAL(match.interpreter->minor, 99);
    CU_ASSERT_EQUAL(runtimes_match(runtimes, "python3.98", true, &match, &err), -ERR_UNSUPPORTED);
    CU_ASSERT_EQUAL(runtimes_match(runtimes, "provided.al2023", true, &match, &err), 0);
    CU_ASSERT_PTR_NULL(match.interpreter);
    CU_ASSERT_EQUAL(runtimes_match(runtimes, "java21", false, &match, &err), -ERR_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "provided.al2023"));
    runtimes_free(runtimes);
    tear_down();
}

static void test_runtimes_add(void)
{
    set_up();
    fake("elsewhere/deep/bin/python3.95", "echo 3.95.4");
    fake("elsewhere/deep/bin/liar", "echo nonsense");
    CLEANUP(freep) char *list = str_format("%s/runtimes.list", dir);
    CLEANUP(freep) char *good = str_format("%s/elsewhere/deep/bin/python3.95", dir);
    CLEANUP(freep) char *bad = str_format("%s/elsewhere/deep/bin/liar", dir);
    struct err err;
    CU_ASSERT_EQUAL(runtimes_add(list, "python3.95", good, &err), 0);
    CU_ASSERT_EQUAL(runtimes_add(list, "python3.95", bad, &err), -ERR_INVALID);
    CU_ASSERT_EQUAL(runtimes_add(list, "ruby3.3", good, &err), -ERR_INVALID);
    CU_ASSERT_EQUAL(runtimes_add(list, "python3.95", "relative/python", &err), -ERR_INVALID);
    struct runtimes *runtimes = scan();
    const struct runtime_interpreter *it = find(runtimes, "3.95.4");
    CU_ASSERT_PTR_NOT_NULL_FATAL(it);
    CU_ASSERT_STRING_EQUAL(it->source, "added");
    runtimes_free(runtimes);
    tear_down();
}

static void test_runtime_status(void)
{
    const char *replacement = NULL;
    CU_ASSERT_EQUAL(runtime_status("python3.13", &replacement), RUNTIME_CURRENT);
    CU_ASSERT_PTR_NULL(replacement);
    CU_ASSERT_EQUAL(runtime_status("go1.x", &replacement), RUNTIME_RETIRED);
    CU_ASSERT_STRING_EQUAL(replacement, "provided.al2023");
    CU_ASSERT_EQUAL(runtime_status("python3.1", &replacement), RUNTIME_UNKNOWN);
    CU_ASSERT_EQUAL(runtime_status("", NULL), RUNTIME_UNKNOWN);
}

TEST_MAIN("runtimes", TEST(test_runtimes_scan), TEST(test_runtimes_match), TEST(test_runtimes_add), TEST(test_runtime_status))
