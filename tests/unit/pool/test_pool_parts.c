/* What of the pool stands alone: the memory budget, the environment of a function, a zygote that keeps ending,
 * what a sandbox gets of the CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/pool/budget.h"
#include "host/pool/env.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/pool/fake.h"
#include "tests/unit/pool/visit.h"

static void write_meminfo(const char *path, unsigned long long kib)
{
    FILE *f = fopen(path, "w");
    fprintf(f, "MemTotal: 99999999 kB\nMemAvailable:   %llu kB\n", kib);
    fclose(f);
}

static void test_budget(void)
{
    char path[] = "/tmp/stoke-meminfo-XXXXXX";
    close(mkstemp(path));
    write_meminfo(path, 1000 * 1024);
    struct budget budget;
    budget_init(&budget, 100 << 20, 200 << 20);
    budget.meminfo = path;
    budget.read_us = 0;
    uint64_t a = 0, b = 0;
    CU_ASSERT(budget_admits(&budget, 100 << 20) && !budget_admits(&budget, (100 << 20) + 1));
    budget_charge(&budget, &a, 60 << 20);
    CU_ASSERT(!budget_admits(&budget, 50 << 20) && budget_admits(&budget, 40 << 20));
    budget_charge(&budget, &b, 40 << 20);
    budget_charge(&budget, &a, 10 << 20);
    CU_ASSERT(budget.used_bytes == 50 << 20 && !budget_is_pressed(&budget));
    /* The host itself is short: nothing is admitted, whatever was counted. */
    write_meminfo(path, 90 * 1024);
    budget.read_us = 0;
    CU_ASSERT(!budget_admits(&budget, 1) && budget_is_pressed(&budget));
    budget_charge(&budget, &a, 0);
    budget_charge(&budget, &b, 0);
    CU_ASSERT(budget.used_bytes == 0);
    unlink(path);
}

/* Where there is plenty, what was read a second ago will do; where there is not, what is asked for is looked up. */
static void test_budget_reads_seldom(void)
{
    char path[] = "/tmp/stoke-meminfo-XXXXXX";
    close(mkstemp(path));
    struct budget budget;
    budget_init(&budget, 8ull << 30, 200 << 20);
    budget.meminfo = path;
    budget.read_us = 0;
    write_meminfo(path, 1000 * 1024);
    CU_ASSERT(budget_admits(&budget, 100 << 20));
    write_meminfo(path, 90 * 1024);
    budget.read_us = clock_mono_us() - BUDGET_PLENTY_US / 2;
    CU_ASSERT(budget_admits(&budget, 100 << 20));
    CU_ASSERT(!budget_admits(&budget, 400 << 20));
    CU_ASSERT(!budget_admits(&budget, 1));
    write_meminfo(path, 1000 * 1024);
    budget.read_us = 0;
    CU_ASSERT(budget_admits(&budget, 1));
    write_meminfo(path, 90 * 1024);
    budget.read_us = clock_mono_us() - BUDGET_PLENTY_US;
    CU_ASSERT(!budget_admits(&budget, 1));
    unlink(path);
}

static void test_budget_learn(void)
{
    struct budget_need need = {0};
    budget_learn(&need, 80);
    CU_ASSERT(need.bytes == 80);
    budget_learn(&need, 160);
    CU_ASSERT(need.bytes == 160);
    budget_learn(&need, 80);
    CU_ASSERT(need.bytes == 150);
    budget_blend(&need, 950);
    CU_ASSERT(need.bytes == 250);
}

static const char *get(char **env, const char *name)
{
    size_t n = strlen(name);
    const char *found = NULL;
    int times = 0;
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') {
            found = *env + n + 1;
            times++;
        }
    return times == 1 ? found : NULL;
}

#define IS(name, value) (get(env, name) && str_eq(get(env, name), value))

static void test_env(void)
{
    struct function_version *v = fake_version("hello");
    char *user[] = {"STAGE=test", "AWS_REGION=mars-1", "PATH=/opt/mine", "_HANDLER=evil", "EMPTY=", "AWS_LAMBDA_MAX_CONCURRENCY=9"};
    v->env = user;
    v->env_count = ARRAY_LEN(user);
    char stream[ENV_LOG_STREAM_BYTES];
    env_log_stream_name(v, stream);
    CU_ASSERT(strlen(stream) == strlen("2026/11/21/[$LATEST]") + 32);
    struct env_about about = {.version = v, .log_stream = stream, .endpoint_url = "http://127.0.0.1:4566"};
    char **env;
    size_t count, n = 0;
    struct err err;
    CU_ASSERT_FATAL(env_build(&about, &env, &count, &err) == 0);
    while (env[n])
        n++;
    CU_ASSERT(n == count);
    CU_ASSERT(IS("AWS_REGION", "us-east-1") && IS("AWS_DEFAULT_REGION", "us-east-1") && IS("_HANDLER", "app.handler"));
    CU_ASSERT(IS("PATH", "/opt/mine") && IS("STAGE", "test") && IS("EMPTY", "") && IS("TZ", ":UTC"));
    CU_ASSERT(IS("AWS_LAMBDA_FUNCTION_NAME", "hello") && IS("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"));
    CU_ASSERT(IS("AWS_LAMBDA_LOG_STREAM_NAME", stream) && IS("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/hello"));
    CU_ASSERT(IS("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11") && IS("PYTHONPATH", "/var/runtime"));
    CU_ASSERT(IS("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"));
    CU_ASSERT(IS("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001") && IS("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"));
    CU_ASSERT(!get(env, "AWS_LAMBDA_MAX_CONCURRENCY") && !get(env, "AWS_LAMBDA_LOG_FORMAT"));
    CU_ASSERT(strlen(get(env, "AWS_ACCESS_KEY_ID")) == 20 && str_starts(get(env, "AWS_ACCESS_KEY_ID"), "ASIA"));
    env_free(env);
    v->match.language = RUNTIME_PROVIDED;
    v->log_json = about.provisioned = true;
    CU_ASSERT_FATAL(env_build(&about, &env, &count, &err) == 0);
    CU_ASSERT(!get(env, "AWS_EXECUTION_ENV") && !get(env, "PYTHONPATH") && IS("AWS_LAMBDA_LOG_FORMAT", "JSON"));
    CU_ASSERT(IS("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency"));
    CU_ASSERT(IS("DOTNET_GCHeapHardLimit", "0x8000000") && IS("JAVA_TOOL_OPTIONS", "-XX:MaxRAM=128m"));
    env_free(env);
    v->env = NULL;
    v->env_count = 0;
    function_version_unref(v);
}

/* Later each time, not in a circle. */
static void test_zygote_flaps(void)
{
    struct pool_stats stats;
    fake_open(&(struct pool_options){.blanks_off = true});
    struct function_version *version = fake_version("f");
    pool_prepare(fake.pool, version);
    for (int i = 0; i < 150; i++) {
        fake_run(10);
        pool_get_stats(fake.pool, &stats);
        if (stats.zygotes_up)
            fake_message(&(struct spawn_msg){.op = SPAWN_ZYGOTE_DOWN, .room_id = fake_last(SPAWN_ZYGOTE_START)->room_id});
    }
    size_t starts = fake_count(SPAWN_ZYGOTE_START); /* at 0, 0.1, 0.3, 0.7 and 1.5 s, when the host is idle */
    CU_ASSERT(starts >= 2 && starts <= 5);
    function_version_unref(version);
    fake_close();
}

/* In proportion to memory, and never more than the host has; init has a whole one. */
static void test_pool_cpu(void)
{
    static const struct {
        uint32_t cpus, memory_mb, init_milli, count, milli;
    } rows[] = {{2, 128, 1000, 2, 72},     {2, 1769, 1000, 2, 1000},  {2, 2048, 1157, 2, 1157}, {2, 3538, 2000, 2, 2000},
                {2, 10240, 2000, 2, 2000}, {8, 10240, 5788, 6, 5788}, {1, 10240, 1000, 1, 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_open(&(struct pool_options){.blanks_off = true, .cpus = rows[i].cpus});
        struct function_version *f = fake_version("f");
        f->memory_mb = rows[i].memory_mb;
        visit_once(f);
        const struct spawn_assign *assign = &fake_last(SPAWN_ROOM_ASSIGN)->assign;
        CU_ASSERT(assign->cpu_milli == rows[i].init_milli && assign->cpu_count == rows[i].count);
        CU_ASSERT(fake_count(SPAWN_ROOM_LIMIT) == 0 || fake_last(SPAWN_ROOM_LIMIT)->limit.cpu_milli == rows[i].milli);
        CU_ASSERT(fake_count(SPAWN_ROOM_LIMIT) > 0 || assign->cpu_milli == rows[i].milli);
        visit_end(f);
    }
}

TEST_MAIN("pool_parts", TEST(test_budget), TEST(test_budget_reads_seldom), TEST(test_budget_learn), TEST(test_env), TEST(test_zygote_flaps),
          TEST(test_pool_cpu))
