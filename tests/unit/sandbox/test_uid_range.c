/* Ranges of uids: every holder another one, free again when the holder is gone. */
#include "sandbox/spawner/uid_range.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/cunit.h"

static void test_uid_range_distinct(void)
{
    char base[] = "/tmp/uid-range-XXXXXX", dir[64], path[80];
    uint32_t first, second, third;
    int a, b, c;
    struct err err;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(base));
    snprintf(dir, sizeof dir, "%s/stoke/uids", base);
    CU_ASSERT_EQUAL_FATAL(uid_range_take(dir, &first, &a, &err), 0);
    CU_ASSERT_EQUAL_FATAL(uid_range_take(dir, &second, &b, &err), 0);
    CU_ASSERT_EQUAL(first, UID_RANGE_FIRST);
    CU_ASSERT_EQUAL(second, UID_RANGE_FIRST + UID_RANGE_SIZE);
    close(a);
    CU_ASSERT_EQUAL_FATAL(uid_range_take(dir, &third, &c, &err), 0);
    CU_ASSERT_EQUAL(third, first);
    close(b);
    close(c);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%d", dir, i);
        unlink(path);
    }
    rmdir(dir);
    snprintf(dir, sizeof dir, "%s/stoke", base);
    rmdir(dir);
    rmdir(base);
}

static void test_uid_range_bounds(void)
{
    CU_ASSERT((uint64_t)UID_RANGE_FIRST + (uint64_t)UID_RANGE_COUNT * UID_RANGE_SIZE <= 0x7ffe0000u);
    uint32_t base = 1;
    int fd = -1;
    struct err err;
    CU_ASSERT(uid_range_take("/proc/no/such/place", &base, &fd, &err) < 0);
    CU_ASSERT_EQUAL(base, 1);
    CU_ASSERT_EQUAL(fd, -1);
}

TEST_MAIN("uid_range", TEST(test_uid_range_distinct), TEST(test_uid_range_bounds))
