/* Numbers, UTF-8, identifiers, and the two time formats. */
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

static void test_str_to_i64(void)
{
    int64_t v = 42;
    CU_ASSERT(str_to_i64("7", 0, 10, &v) && v == 7);
    CU_ASSERT(str_to_i64("-7", -10, 10, &v) && v == -7);
    static const char *const bad[] = {"", "-", "+7", " 7", "7 ", "0x7", "11", "99999999999999999999", "1.0"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_FALSE(str_to_i64(bad[i], 0, 10, &v));
    CU_ASSERT_EQUAL(v, -7);
}

static void test_str_is_utf8(void)
{
    static const char *const good[] = {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"};
    static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc3",         "\xed\xa0\x80",
                                      "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80", "a\xff"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        CU_ASSERT(str_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_FALSE(str_is_utf8(bad[i], strlen(bad[i])));
}

static void test_uuid(void)
{
    char a[ID_UUID_BYTES], b[ID_UUID_BYTES];
    id_uuid(a);
    id_uuid(b);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    CU_ASSERT_EQUAL(strlen(a), 36);
    CU_ASSERT_EQUAL(a[14], '4');
    CU_ASSERT_PTR_NOT_NULL(strchr("89ab", a[19]));
    CU_ASSERT_EQUAL(strspn(a, "0123456789abcdef-"), 36);
}

static void test_clock_iso(void)
{
    char out[CLOCK_ISO_BYTES];
    clock_iso_lambda(1763709866123, out);
    CU_ASSERT_STRING_EQUAL(out, "2025-11-21T07:24:26.123+0000");
    clock_iso_utc(0, out);
    CU_ASSERT_STRING_EQUAL(out, "1970-01-01T00:00:00.000Z");
}

static void test_str_dup(void)
{
    CLEANUP(freep) char *copy = str_dup("text");
    CU_ASSERT_STRING_EQUAL(copy, "text");
    CU_ASSERT_PTR_NULL(str_dup(NULL));
}

TEST_MAIN("strutil", TEST(test_str_dup), TEST(test_str_to_i64), TEST(test_str_is_utf8), TEST(test_uuid), TEST(test_clock_iso))
