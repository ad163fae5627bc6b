/* Errors as values: filling, the classes of errno, wrapping, over-long texts. */
#include <errno.h>
#include <string.h>

#include "lib/base/err.h"
#include "tests/unit/cunit.h"

static void test_err_set(void)
{
    struct err err = {0};
    CU_ASSERT_EQUAL(err_set(&err, ERR_INVALID, "bad %d", 7), -ERR_INVALID);
    CU_ASSERT_EQUAL(err.kind, ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(err.msg, "bad 7");
    CU_ASSERT_EQUAL(err_set(NULL, ERR_IO, "nobody reads this"), -ERR_IO);
}

static void test_err_errno_classes(void)
{
    static const struct {
        int code;
        enum err_kind kind;
    } rows[] = {{ENOSPC, ERR_NO_SPACE},  {EDQUOT, ERR_NO_SPACE}, {ENOMEM, ERR_NO_MEMORY}, {EMFILE, ERR_NO_MEMORY},
                {ENOENT, ERR_NOT_FOUND}, {EACCES, ERR_DENIED},   {EPERM, ERR_DENIED},     {EPIPE, ERR_IO}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err;
        errno = rows[i].code;
        CU_ASSERT_EQUAL(err_errno(&err, "writing"), -(int)rows[i].kind);
        CU_ASSERT_EQUAL(err.kind, rows[i].kind);
        CU_ASSERT_EQUAL(err.code, rows[i].code);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, strerror(rows[i].code)));
    }
}

static void test_err_wrap(void)
{
    struct err err;
    (void)err_set(&err, ERR_TIMEOUT, "no answer");
    CU_ASSERT_EQUAL(err_wrap(&err, "asking %s", "it"), -ERR_TIMEOUT);
    CU_ASSERT_STRING_EQUAL(err.msg, "asking it: no answer");
}

static void test_err_long(void)
{
    struct err err;
    char text[2 * ERR_MSG_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)err_set(&err, ERR_IO, "%s", text);
    CU_ASSERT_EQUAL(strlen(err.msg), ERR_MSG_MAX - 1);
    (void)err_wrap(&err, "%s", text);
    CU_ASSERT_EQUAL(strlen(err.msg), ERR_MSG_MAX - 1);
    (void)err_set(&err, ERR_IO, "again: %s", err.msg); /* an argument inside the target */
    CU_ASSERT_EQUAL(strncmp(err.msg, "again: xxx", 10), 0);
}

TEST_MAIN("err", TEST(test_err_set), TEST(test_err_errno_classes), TEST(test_err_wrap), TEST(test_err_long))
