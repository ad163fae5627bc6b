/* Finding interpreters and matching identifiers, with made-up interpreters that only know their version. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/runtimes/interpreter.h"
#include "layers/unpack.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
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

/* A Python that says what it is asked, with a library beside it. */
static void fake_python(const char *prefix, int minor, const char *version)
{
    CLEANUP(freep) char *path = str_format("%sbin/python3.%d", prefix, minor);
    CLEANUP(freep) char *lib = str_format("%slib/python3.%d/os.py", prefix, minor);
    CLEANUP(freep) char *says = str_format("echo %s; echo %s/%s; echo %s/%s", version, dir, prefix, dir, path);
    fake(path, says);
    fake(lib, "");
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
    fake_python("", 97, "3.97.1");
    fake("v99/bin/node", "echo v99.5.0"); /* as version managers lay them out */
    fake("v99/include/node/node.h", "");
    fake("bin/python3.98", "exit 1"); /* broken ones are left out */
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
    fake_python("", 97, "3.97.1");
    fake_python("", 99, "3.99.0");
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

static bool nothing(const char *prefix)
{
    return prefix == NULL;
}

static void test_runtimes_add(void)
{
    set_up();
    fake_python("elsewhere/deep/", 95, "3.95.4");
    fake("elsewhere/deep/bin/liar", "echo nonsense");
    CLEANUP(freep) char *list = str_format("%s/runtimes.list", dir);
    CLEANUP(freep) char *good = str_format("%s/elsewhere/deep/bin/python3.95", dir);
    CLEANUP(freep) char *bad = str_format("%s/elsewhere/deep/bin/liar", dir);
    struct err err;
    struct runtimes_options options = {.extra_file = list, .may_show = nothing};
    CU_ASSERT_EQUAL(runtimes_add(&options, "python3.95", good, &err), -ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "where a sandbox has something of its own"));
    options.may_show = NULL;
    CU_ASSERT_EQUAL(runtimes_add(&options, "python3.96", good, &err), -ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "is version 3.95.4, not python3.96"));
    CU_ASSERT_EQUAL(runtimes_add(&options, "python3.95", good, &err), 0);
    CU_ASSERT_EQUAL(runtimes_add(&options, "python3.95", bad, &err), -ERR_INVALID);
    CU_ASSERT_EQUAL(runtimes_add(&options, "ruby3.3", good, &err), -ERR_INVALID);
    CU_ASSERT_EQUAL(runtimes_add(&options, "python3.95", "relative/python", &err), -ERR_INVALID);
    struct runtimes *runtimes = scan();
    const struct runtime_interpreter *it = find(runtimes, "3.95.4");
    CU_ASSERT_PTR_NOT_NULL_FATAL(it);
    CU_ASSERT_STRING_EQUAL(it->source, "added");
    runtimes_free(runtimes);
    tear_down();
}

static char *read_list(const char *list)
{
    char *text = NULL;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(fd_read_file(AT_FDCWD, list, 1 << 20, &text, NULL, &err), 0);
    return text;
}

static void write_list(const char *list, const char *text)
{
    FILE *f = fopen(list, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void test_runtimes_add_stays_bounded(void)
{
    set_up();
    fake_python("elsewhere/deep/", 95, "3.95.4");
    CLEANUP(freep) char *list = str_format("%s/runtimes.list", dir);
    CLEANUP(freep) char *fresh = str_format("%s.new", list);
    CLEANUP(freep) char *good = str_format("%s/elsewhere/deep/bin/python3.95", dir);
    CLEANUP(freep) char *line = str_format("python3.95 %s\n", good);
    CLEANUP(freep) char *long_name = str_format("python%070000d", 0);
    const struct runtimes_options options = {.extra_file = list};
    struct err err;
    CU_ASSERT_EQUAL(runtimes_add(&options, long_name, good, &err), -ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "too long a name"));
    CU_ASSERT_EQUAL(access(list, F_OK), -1);
    /* one that is there is not added again; what somebody wrote by hand stays, and the line after it is one of its own */
    write_list(list, "# ours");
    CLEANUP(freep) char *wanted = str_format("# ours\n%s", line);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(runtimes_add(&options, "python3.95", good, &err), 0);
        CLEANUP(freep) char *text = read_list(list);
        CU_ASSERT_STRING_EQUAL(text, wanted);
    }
    CU_ASSERT_EQUAL(access(fresh, F_OK), -1);
    /* a full one stays as it is, and readable */
    CLEANUP(freep) char *full = str_format("#%065500d\n", 0);
    write_list(list, full);
    CU_ASSERT_EQUAL(runtimes_add(&options, "python3.95", good, &err), -ERR_LIMIT);
    CLEANUP(freep) char *still = read_list(list);
    CU_ASSERT_STRING_EQUAL(still, full);
    runtimes_free(scan());
    tear_down();
}

/* A disk that is full leaves the list as it was. The limit on the size of a file plays the disk. */
static void test_runtimes_add_on_a_full_disk(void)
{
    set_up();
    fake_python("elsewhere/deep/", 95, "3.95.4");
    CLEANUP(freep) char *list = str_format("%s/runtimes.list", dir);
    CLEANUP(freep) char *fresh = str_format("%s.new", list);
    CLEANUP(freep) char *good = str_format("%s/elsewhere/deep/bin/python3.95", dir);
    struct rlimit limit;
    struct err err;
    write_list(list, "# ours\n");
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &(struct rlimit){20, limit.rlim_max}), 0);
    int rc = runtimes_add(&(struct runtimes_options){.extra_file = list}, "python3.95", good, &err);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CU_ASSERT(rc < 0 && err.code == EFBIG);
    CLEANUP(freep) char *text = read_list(list);
    CU_ASSERT_STRING_EQUAL(text, "# ours\n");
    CU_ASSERT_EQUAL(access(fresh, F_OK), -1);
    tear_down();
}

/* A list that cannot be read keeps nobody from starting. */
static void test_runtimes_scan_without_its_list(void)
{
    set_up();
    fake_python("", 97, "3.97.1");
    CLEANUP(freep) char *list = str_format("%s/runtimes.list", dir);
    CLEANUP(freep) char *text = str_format("#%070000d\n", 0);
    write_list(list, text);
    struct runtimes *runtimes = scan();
    CU_ASSERT_PTR_NOT_NULL(find(runtimes, "3.97.1"));
    runtimes_free(runtimes);
    tear_down();
}

/* What a sandbox would have to show decides, not the name by which a program was found. */
static void test_runtimes_prefix(void)
{
    set_up();
    fake_python("real/", 94, "3.94.0");
    fake("scattered/bin/python3.93", "echo 3.93.0; echo /nowhere; echo $0");
    fake("tools/bin/node", "echo v97.1.0"); /* a program among others */
    CLEANUP(freep) char *link = str_format("%s/bin/python3.94", dir);
    CLEANUP(freep) char *target = str_format("%s/real/bin/python3.94", dir);
    CLEANUP(freep) char *real = str_format("%s/real", dir);
    CLEANUP(freep) char *tools = str_format("%s/tools/bin", dir);
    fake("bin/other", "");
    CU_ASSERT_EQUAL(symlink(target, link), 0);
    struct runtimes *runtimes = scan();
    const struct runtime_interpreter *python = find(runtimes, "3.94.0"), *node = find(runtimes, "97.1.0");
    CU_ASSERT_PTR_NOT_NULL_FATAL(python);
    CU_ASSERT_STRING_EQUAL(python->path, target);
    CU_ASSERT_STRING_EQUAL(python->prefix, real);
    CU_ASSERT_PTR_NOT_NULL_FATAL(node);
    CU_ASSERT_STRING_EQUAL(node->prefix, tools);
    CU_ASSERT_PTR_NULL(find(runtimes, "3.93.0"));
    runtimes_free(runtimes);
    tear_down();
}

/* Neither an interpreter that never ends nor one that leaves something behind holds us up. */
static void test_interpreter_that_hangs(void)
{
    set_up();
    fake("bin/python3.92", "sleep 1000 & sleep 1000");
    struct runtime_interpreter it = {.language = RUNTIME_PYTHON};
    struct err err;
    int64_t start = clock_mono_us();
    snprintf(it.path, sizeof it.path, "%s/bin/python3.92", dir);
    CU_ASSERT_EQUAL(interpreter_ask(&it, &err), -ERR_INVALID);
    CU_ASSERT(clock_mono_us() - start < (INTERPRETER_ASK_MS + 2000) * 1000ll);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "does not answer as a Python 3"));
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

TEST_MAIN("runtimes", TEST(test_runtimes_scan), TEST(test_runtimes_match), TEST(test_runtimes_add), TEST(test_runtimes_add_stays_bounded),
          TEST(test_runtimes_add_on_a_full_disk), TEST(test_runtimes_scan_without_its_list), TEST(test_runtimes_prefix),
          TEST(test_interpreter_that_hangs), TEST(test_runtime_status))
