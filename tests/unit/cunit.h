/* The one way our CUnit executables are put together: a list of tests, a main that fails when an assertion does.
 *
 *     TEST_MAIN("buf", TEST(test_buf_append), TEST(test_buf_max))
 */
#pragma once

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

struct unit_test {
    const char *name;
    CU_TestFunc fn;
};

#define TEST(fn)                                                                                                                           \
    {                                                                                                                                      \
#fn, fn                                                                                                                            \
    }

/* Says what a test that returns at once needs, a literal format first: SKIP("needs root"). scripts/skips.allow judges it. */
#define SKIP(...)                                                                                                                          \
    do {                                                                                                                                   \
        printf("\nSKIP: " __VA_ARGS__);                                                                                                    \
        putchar('\n');                                                                                                                     \
        fflush(stdout); /* before a child has it, too */                                                                                   \
    } while (0)

#define TEST_MAIN(suite_name, ...)                                                                                                         \
    int main(void)                                                                                                                         \
    {                                                                                                                                      \
        static const struct unit_test tests[] = {__VA_ARGS__};                                                                             \
        if (CU_initialize_registry() != CUE_SUCCESS)                                                                                       \
            return 2;                                                                                                                      \
        CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);                                                                            \
        for (size_t i = 0; suite && i < sizeof tests / sizeof *tests; i++)                                                                 \
            if (!CU_add_test(suite, tests[i].name, tests[i].fn))                                                                           \
                return 2;                                                                                                                  \
        CU_basic_set_mode(CU_BRM_NORMAL);                                                                                                  \
        CU_basic_run_tests();                                                                                                              \
        int failed = (int)CU_get_number_of_failures() + (CU_get_number_of_tests_run() == 0);                                               \
        CU_cleanup_registry();                                                                                                             \
        return failed ? 1 : 0;                                                                                                             \
    }
