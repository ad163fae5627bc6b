/* What the spawner refuses to act on. */
#include "sandbox/spawner/spawn_check.h"

#include <signal.h>

#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int check(const struct spawn_msg *msg)
{
    struct err err;
    return spawn_check(msg, "/srv/stoke", &err);
}

static struct spawn_msg good_zygote(void)
{
    struct spawn_msg msg = {.op = SPAWN_ZYGOTE_START, .room_id = 1, .zygote = {.kind = SPAWN_ZYGOTE_PYTHON}};
    str_copy(msg.zygote.account, sizeof msg.zygote.account, "000000000000");
    str_copy(msg.zygote.interpreter, SPAWN_PATH_MAX, "/usr/bin/python3.11");
    str_copy(msg.zygote.var_runtime, SPAWN_PATH_MAX, "/srv/stoke/runtimes/python");
    return msg;
}

static struct spawn_msg good_assign(void)
{
    struct spawn_msg msg = {
        .op = SPAWN_ROOM_ASSIGN,
        .room_id = 1,
        .assign = {.version_key = 7, .memory_mb = 128, .cpu_milli = 72, .cpu_count = 2, .tmp_mb = 512, .pids_max = 1024, .layer_count = 1}};
    str_copy(msg.assign.code, SPAWN_DIGEST_BYTES, DIGEST);
    str_copy(msg.assign.layer[0], SPAWN_DIGEST_BYTES, DIGEST);
    return msg;
}

static void test_spawn_check_good(void)
{
    struct spawn_msg zygote = good_zygote(), assign = good_assign(), expect = assign;
    expect.op = SPAWN_ROOM_EXPECT;
    CU_ASSERT_EQUAL(check(&expect), 0);
    expect.assign.code[0] = '/';
    CU_ASSERT(check(&expect) < 0);
    CU_ASSERT_EQUAL(check(&zygote), 0);
    CU_ASSERT_EQUAL(check(&assign), 0);
    static const uint32_t plain[] = {SPAWN_ZYGOTE_STOP, SPAWN_ROOM_MAKE, SPAWN_ROOM_FREEZE, SPAWN_ROOM_THAW,
                                     SPAWN_ROOM_RESET,  SPAWN_ROOM_STAT, SPAWN_ROOM_KILL,   SPAWN_HOST_REPORT};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        CU_ASSERT_EQUAL(check(&(struct spawn_msg){.op = plain[i], .room_id = 3}), 0);
}

static void test_spawn_check_operations(void)
{
    CU_ASSERT(check(&(struct spawn_msg){.op = 0}) < 0);
    CU_ASSERT(check(&(struct spawn_msg){.op = SPAWN_ROOM_SIGNAL + 1}) < 0);
    CU_ASSERT(check(&(struct spawn_msg){.op = SPAWN_ROOM_READY}) < 0);
    CU_ASSERT(check(&(struct spawn_msg){.op = SPAWN_ROOM_MAKE, .room_id = 0}) < 0);
}

static void test_spawn_check_paths(void)
{
    static const char *const bad[] = {
        "", "python3", "/", "//usr/bin/python3", "/usr/../root/x", "/usr/./bin", "/usr/bin/\npy", "/usr//python", "/usr/bin/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct spawn_msg msg = good_zygote();
        str_copy(msg.zygote.interpreter, SPAWN_PATH_MAX, bad[i]);
        CU_ASSERT(check(&msg) < 0);
    }
    struct spawn_msg endless = good_zygote();
    memset(endless.zygote.interpreter, '/', SPAWN_PATH_MAX);
    CU_ASSERT(check(&endless) < 0);
    struct spawn_msg native = good_zygote();
    native.zygote.kind = SPAWN_ZYGOTE_NATIVE;
    CU_ASSERT(check(&native) < 0); /* it has no interpreter */
    native.zygote.interpreter[0] = '\0';
    CU_ASSERT(check(&native) < 0); /* nor a runtime of ours */
    native.zygote.var_runtime[0] = '\0';
    CU_ASSERT_EQUAL(check(&native), 0);
}

/* Only what stoked put together for that language while it was root. */
static void test_spawn_check_runtime_dirs(void)
{
    static const char *const bad[] = {"",
                                      "/proc",
                                      "/var/lib/private/x",
                                      "/srv/stoke",
                                      "/srv/stoke/runtimes",
                                      "/srv/stoke/runtimes/nodejs", /* Node's */
                                      "/srv/stoke/runtimes/python/sub",
                                      "/srv/stoke/runtimes/python/",
                                      "/srv/stoke/runtimes/../../../root",
                                      "/srv/stoke2/runtimes/python",
                                      "srv/stoke/runtimes/python"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct spawn_msg msg = good_zygote();
        str_copy(msg.zygote.var_runtime, SPAWN_PATH_MAX, bad[i]);
        CU_ASSERT(check(&msg) < 0);
    }
    struct spawn_msg node = good_zygote();
    node.zygote.kind = SPAWN_ZYGOTE_NODE;
    CU_ASSERT(check(&node) < 0);
    str_copy(node.zygote.var_runtime, SPAWN_PATH_MAX, "/srv/stoke/runtimes/nodejs");
    CU_ASSERT_EQUAL(check(&node), 0);
}

static void test_spawn_check_prefixes(void)
{
    static const char *const bad[] = {"/",     "/etc",  "/etc/x", "/usr/local",  "/proc/1", "/dev/shm", "/var/lib/x",
                                      "/root", "/home", "/opt",   "/tmp/python", "/run/x",  "relative"};
    static const char *const good[] = {"/opt/python3.12", "/root/.pyenv/versions/3.11.7", "/home/me/node", "/data"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct spawn_msg msg = good_zygote();
        str_copy(msg.zygote.prefix, SPAWN_PATH_MAX, bad[i]);
        CU_ASSERT(check(&msg) < 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct spawn_msg msg = good_zygote();
        str_copy(msg.zygote.prefix, SPAWN_PATH_MAX, good[i]);
        CU_ASSERT_EQUAL(check(&msg), 0);
    }
}

static void test_spawn_check_digests(void)
{
    static const char *const bad[] = {"", "0123", "../../../../etc/0123456789abcdef0123456789abcdef0123456789abcdef01",
                                      "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
                                      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct spawn_msg code = good_assign(), layer = good_assign(), tree = {.op = SPAWN_TREE_FORGET};
        str_copy(code.assign.code, SPAWN_DIGEST_BYTES, bad[i]);
        str_copy(layer.assign.layer[0], SPAWN_DIGEST_BYTES, bad[i]);
        str_copy(tree.tree.digest, SPAWN_DIGEST_BYTES, bad[i]);
        CU_ASSERT(check(&code) < 0);
        CU_ASSERT(check(&layer) < 0);
        CU_ASSERT(check(&tree) < 0);
    }
    struct spawn_msg endless = good_assign();
    memset(endless.assign.code, 'a', SPAWN_DIGEST_BYTES);
    CU_ASSERT(check(&endless) < 0);
}

static void test_spawn_check_numbers(void)
{
    struct spawn_msg msg = good_assign();
    msg.assign.memory_mb = 0; /* would be no limit at all */
    CU_ASSERT(check(&msg) < 0);
    msg = good_assign();
    msg.assign.tmp_mb = 1u << 30;
    CU_ASSERT(check(&msg) < 0);
    msg = good_assign();
    msg.assign.layer_count = SPAWN_LAYERS_MAX + 1;
    CU_ASSERT(check(&msg) < 0);
    msg = good_assign();
    msg.assign.pids_max = UINT32_MAX; /* one more would be none */
    CU_ASSERT(check(&msg) < 0);
    CU_ASSERT(check(&(struct spawn_msg){.op = SPAWN_ROOM_LIMIT, .limit.cpu_milli = UINT32_MAX}) < 0);
    CU_ASSERT(check(&(struct spawn_msg){.op = SPAWN_ROOM_SIGNAL, .room_id = 3, .signal = SIGTERM}) == 0);
    CU_ASSERT(check(&(struct spawn_msg){.op = SPAWN_ROOM_SIGNAL, .room_id = 3, .signal = SIGSTOP}) < 0);
}

TEST_MAIN("spawn_check", TEST(test_spawn_check_good), TEST(test_spawn_check_operations), TEST(test_spawn_check_paths),
          TEST(test_spawn_check_runtime_dirs), TEST(test_spawn_check_prefixes), TEST(test_spawn_check_digests),
          TEST(test_spawn_check_numbers))
