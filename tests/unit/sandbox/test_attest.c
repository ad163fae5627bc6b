/* Reading what the kernel says of a process, and refusing one that is not what it should be; the generated meminfo. */
#include "sandbox/stages/attest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/strutil.h"
#include "sandbox/stages/meminfo.h"
#include "tests/unit/cunit.h"

static const char sealed[] = "Name:\tpython3\nUmask:\t0022\nUid:\t1879056385\t1879056385\t1879056385\t1879056385\n"
                             "Gid:\t1879056385\t1879056385\t1879056385\t1879056385\nFDSize:\t64\nGroups:\t \nNStgid:\t42\t1207\n"
                             "NSpid:\t42\t1207\nVmHWM:\t  9000 kB\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
                             "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n"
                             "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n";

static void test_attest_parse(void)
{
    struct attest_status s;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(attest_parse(sealed, &s, &err), 0);
    CU_ASSERT_EQUAL(s.uid[0], 1879056385u);
    CU_ASSERT_EQUAL(s.gid[3], 1879056385u);
    CU_ASSERT_EQUAL(s.groups, 0);
    CU_ASSERT_EQUAL(s.no_new_privs, 1);
    CU_ASSERT_EQUAL(s.seccomp, 2);
    CU_ASSERT_EQUAL(s.filters, 2);
    CU_ASSERT_EQUAL(s.inner_pid, 1207);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(s.cap[i], 0);
}

/* Every field that decides has to be there: a text without one is refused. */
static void test_attest_missing_fields(void)
{
    static const char *const keys[] = {"Uid:",    "Gid:",    "Groups:", "NSpid:",      "CapInh:",  "CapPrm:",
                                       "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char text[sizeof sealed];
        struct attest_status s;
        struct err err;
        memcpy(text, sealed, sizeof text);
        char needle[32];
        snprintf(needle, sizeof needle, "\n%s", keys[i]);
        char *at = strstr(text, needle);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        at[1] = '#';
        CU_ASSERT(attest_parse(text, &s, &err) < 0);
    }
}

static void test_attest_groups_and_caps(void)
{
    char text[sizeof sealed + 64];
    struct attest_status s;
    struct err err;
    const char *groups = strstr(sealed, "Groups:\t ");
    snprintf(text, sizeof text, "%.*sGroups:\t0 27 \n%s", (int)(groups - sealed), sealed, strchr(groups, '\n') + 1);
    char *bounding = strstr(text, "CapBnd:\t");
    memcpy(bounding, "CapBnd:\t000001ffffffffff", strlen("CapBnd:\t000001ffffffffff"));
    CU_ASSERT_EQUAL_FATAL(attest_parse(text, &s, &err), 0);
    CU_ASSERT_EQUAL(s.groups, 2);
    CU_ASSERT_EQUAL(s.cap[3], 0x1ffffffffffull);
}

/* This very process is no sealed worker, whoever runs the test. */
static void test_attest_refuses_us(void)
{
    struct err err;
    struct attest_want want = {.pid = getpid(), .uid = getuid() + 1, .filters = 2};
    CU_ASSERT_EQUAL(attest_process(&want, &err), -ERR_DENIED);
    want.uid = getuid();
    CU_ASSERT_EQUAL(attest_process(&want, &err), -ERR_DENIED);
    want.pid = 0x3fffffff;
    CU_ASSERT(attest_process(&want, &err) < 0);
}

static void test_meminfo(void)
{
    char text[MEMINFO_BYTES_MAX];
    size_t len = meminfo_format(text, 10240);
    CU_ASSERT(len < sizeof text);
    CU_ASSERT_EQUAL(strlen(text), len);
    CU_ASSERT_EQUAL(strtoul(strchr(text, ':') + 1, NULL, 10), 10240ul * 1024);
    CU_ASSERT(str_starts(text, "MemTotal:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nMemAvailable:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nSwapTotal:             0 kB\n"));
}

TEST_MAIN("attest", TEST(test_attest_parse), TEST(test_attest_missing_fields), TEST(test_attest_groups_and_caps),
          TEST(test_attest_refuses_us), TEST(test_meminfo))
