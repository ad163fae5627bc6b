/* The bounded buffer: growth, the maximum, consumption, ownership. */
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/cunit.h"

static void test_buf_append_and_consume(void)
{
    CLEANUP(buf_free) struct buf b = BUF_INIT(1000);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(buf_printf(&b, "%02d,", i), 0);
    CU_ASSERT_EQUAL(b.len, 300);
    CU_ASSERT_EQUAL(strlen(b.data), 300);
    buf_consume(&b, 3);
    CU_ASSERT_EQUAL(strncmp(b.data, "01,02,", 6), 0);
    buf_consume(&b, b.len);
    CU_ASSERT_EQUAL(b.len, 0);
    CU_ASSERT_STRING_EQUAL(b.data, "");
}

static void test_buf_max(void)
{
    CLEANUP(buf_free) struct buf b = BUF_INIT(10);
    CU_ASSERT_EQUAL(buf_puts(&b, "0123456789"), 0);
    CU_ASSERT_EQUAL(buf_putc(&b, 'x'), -ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(buf_printf(&b, "%d", 12345678), -ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(buf_reserve(&b, SIZE_MAX), -ERR_TOO_LARGE);
    CU_ASSERT_STRING_EQUAL(b.data, "0123456789");
}

static void test_buf_steal(void)
{
    struct buf b = BUF_INIT(100);
    char *empty = buf_steal(&b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(empty);
    CU_ASSERT_STRING_EQUAL(empty, "");
    free(empty);
    CU_ASSERT_EQUAL(buf_append(&b, "a\0b", 3), 0);
    char *data = buf_steal(&b);
    CU_ASSERT_EQUAL(memcmp(data, "a\0b", 4), 0);
    CU_ASSERT_PTR_NULL(b.data);
    free(data);
}

TEST_MAIN("buf", TEST(test_buf_append_and_consume), TEST(test_buf_max), TEST(test_buf_steal))
