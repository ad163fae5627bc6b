/* The runtimes' directories: put together, made anew only after a change, whole or as before. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layers/runtimes/runtime_dir.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

static char base[64];
static struct err err;

static char *at(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", base, name);
    return path;
}

static void put(const char *name, const char *text)
{
    char *path = at(name);
    for (char *p = path + strlen(base) + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

static bool has(const char *name, const char *text)
{
    CLEANUP(freep) char *data = NULL;
    return fd_read_file(AT_FDCWD, at(name), 4096, &data, NULL, &err) == 0 && str_eq(data, text);
}

static mode_t mode_of(const char *name)
{
    struct stat st = {0};
    CU_ASSERT_EQUAL(stat(at(name), &st), 0);
    return st.st_mode & 07777;
}

static ino_t inode_of(const char *name)
{
    struct stat st = {0};
    CU_ASSERT_EQUAL(stat(at(name), &st), 0);
    return st.st_ino;
}

static int prepare(void)
{
    char files[256];
    snprintf(files, sizeof files, "%s", at("files"));
    return runtime_dir_prepare(files, at("data"), &err);
}

static void test_runtime_dir_without_sdk(void)
{
    strcpy(base, "/tmp/runtime_dir.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(base));
    umask(077);
    put("files/python/zygote.py", "one");
    put("files/python/pkg/inner.py", "two");
    mkdir(at("data"), 0700);
    CU_ASSERT_EQUAL_FATAL(prepare(), 0);
    umask(022);
    CU_ASSERT(has("data/runtimes/python/zygote.py", "one"));
    CU_ASSERT(has("data/runtimes/python/pkg/inner.py", "two"));
    CU_ASSERT_EQUAL(mode_of("data/runtimes"), 0755);
    CU_ASSERT_EQUAL(mode_of("data/runtimes/python/pkg"), 0755);
    CU_ASSERT_EQUAL(mode_of("data/runtimes/python/pkg/inner.py"), 0644);
    CU_ASSERT_NOT_EQUAL(access(at("data/runtimes/nodejs"), F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(at("data/runtimes/python/sdk"), F_OK), 0);
}

static void test_runtime_dir_with_sdk(void)
{
    put("files/nodejs/bootstrap.mjs", "node");
    put("data/sdk/python-1/boto3/__init__.py", "boto");
    put("data/sdk/nodejs-1/node_modules/@aws-sdk/x/index.js", "sdk");
    CU_ASSERT_EQUAL(symlink("python-1", at("data/sdk/python")), 0);
    CU_ASSERT_EQUAL(symlink("nodejs-1", at("data/sdk/nodejs")), 0);
    CU_ASSERT_EQUAL_FATAL(prepare(), 0);
    CU_ASSERT(has("data/runtimes/python/zygote.py", "one"));
    CU_ASSERT(has("data/runtimes/python/sdk/boto3/__init__.py", "boto"));
    CU_ASSERT(has("data/runtimes/nodejs/bootstrap.mjs", "node"));
    CU_ASSERT(has("data/runtimes/nodejs/node_modules/@aws-sdk/x/index.js", "sdk"));
    CU_ASSERT_NOT_EQUAL(access(at("data/runtimes/.python.new"), F_OK), 0);
}

static void test_runtime_dir_unchanged(void)
{
    ino_t before = inode_of("data/runtimes/python");
    CU_ASSERT_EQUAL_FATAL(prepare(), 0);
    CU_ASSERT_EQUAL(inode_of("data/runtimes/python"), before);
}

static void test_runtime_dir_changed(void)
{
    put("files/python/zygote.py", "three");
    unlink(at("files/python/pkg/inner.py"));
    put("data/sdk/python-2/boto3/__init__.py", "newer");
    unlink(at("data/sdk/python"));
    CU_ASSERT_EQUAL(symlink("python-2", at("data/sdk/python")), 0);
    put("data/runtimes/.python.new/left", "of a crash");
    CU_ASSERT_EQUAL_FATAL(prepare(), 0);
    CU_ASSERT(has("data/runtimes/python/zygote.py", "three"));
    CU_ASSERT(has("data/runtimes/python/sdk/boto3/__init__.py", "newer"));
    CU_ASSERT_NOT_EQUAL(access(at("data/runtimes/python/pkg/inner.py"), F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(at("data/runtimes/python/left"), F_OK), 0);
}

static void test_runtime_dir_failure_keeps_the_old(void)
{
    put("files/python/zygote.py", "four");
    put("data/runtimes/.python.new", "in the way");
    CU_ASSERT_EQUAL(rename(at("data/runtimes"), at("data/elsewhere")), 0);
    put("data/runtimes", "not a directory");
    CU_ASSERT(prepare() < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "runtimes"));
    unlink(at("data/runtimes"));
    CU_ASSERT_EQUAL(rename(at("data/elsewhere"), at("data/runtimes")), 0);
    CU_ASSERT(has("data/runtimes/python/zygote.py", "three"));
    CU_ASSERT_EQUAL_FATAL(prepare(), 0);
    CU_ASSERT(has("data/runtimes/python/zygote.py", "four"));
}

/* The tests build on each other; the last one takes everything away. */
static void test_runtime_dir_clean_up(void)
{
    CLEANUP(freep) char *command = str_format("rm -rf '%s'", base);
    CU_ASSERT_EQUAL(system(command), 0);
}

TEST_MAIN("runtime_dir", TEST(test_runtime_dir_without_sdk), TEST(test_runtime_dir_with_sdk), TEST(test_runtime_dir_unchanged),
          TEST(test_runtime_dir_changed), TEST(test_runtime_dir_failure_keeps_the_old), TEST(test_runtime_dir_clean_up))
