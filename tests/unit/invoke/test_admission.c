/* Who may run: provisioned, reserved and shared concurrency, and what changes while invocations run. */
#include <string.h>

#include "host/invoke/admission.h"
#include "host/registry/registry.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

#define LIMIT 10
#define SHARED "ConcurrentInvocationLimitExceeded"
#define RESERVED "ReservedFunctionConcurrentInvocationLimitExceeded"

/* Two functions; of f the versions $LATEST (key 1), 1 (key 2) and 2 (key 4). */
static struct function_version f = {.key = 1, .account = "123456789012", .region = "r", .name = "f"};
static struct function_version f1 = {.key = 2, .account = "123456789012", .region = "r", .name = "f"};
static struct function_version f2 = {.key = 4, .account = "123456789012", .region = "r", .name = "f"};
static struct function_version g = {.key = 3, .account = "123456789012", .region = "r", .name = "g"};

static struct admission *admission;
static int64_t reserved;     /* of f */
static uint64_t provisioned; /* of f1 */
static bool moving;          /* f2 has as many while an alias moves to it; the function has them once */
static struct admission_slot *slots[64];
static size_t count;

static void concurrency(void *arg, const struct function_version *version, struct concurrency *ret)
{
    (void)arg;
    *ret = (struct concurrency){.reserved = CONCURRENCY_UNRESERVED};
    ret->account_claimed = reserved != CONCURRENCY_UNRESERVED ? (uint64_t)reserved : provisioned;
    if (version == &g)
        return;
    ret->reserved = reserved;
    ret->provisioned = provisioned;
    ret->version_provisioned = version == &f1 || (moving && version == &f2) ? provisioned : 0;
}

static void begin(void)
{
    admission = admission_new(LIMIT, concurrency, NULL);
    reserved = CONCURRENCY_UNRESERVED;
    provisioned = count = 0;
    moving = false;
}

static void leave(size_t n)
{
    while (n-- > 0)
        admission_leave(slots[--count]);
}

static void end(void)
{
    leave(count);
    admission_free(admission);
}

/* How many of n get in; the reason of the first that does not. */
static unsigned enter(const struct function_version *version, unsigned n, const char *reason)
{
    for (unsigned i = 0; i < n; i++) {
        const char *why = NULL;
        if (admission_enter(admission, version, &slots[count], &why)) {
            count++;
            continue;
        }
        CU_ASSERT(reason && why && str_eq(why, reason));
        return i;
    }
    CU_ASSERT(reason == NULL);
    return n;
}

static void test_admission_shared(void)
{
    begin();
    CU_ASSERT(enter(&f, 7, NULL) == 7 && enter(&g, 9, SHARED) == 3);
    leave(1);
    CU_ASSERT(enter(&f1, 2, SHARED) == 1);
    end();
}

/* What is provisioned is there for its version, whatever the others do, and nothing but that. */
static void test_admission_provisioned(void)
{
    begin();
    provisioned = 4;
    CU_ASSERT(enter(&g, 20, SHARED) == 6);
    CU_ASSERT(enter(&f, 1, SHARED) == 0);
    CU_ASSERT(enter(&f1, 20, SHARED) == 4);
    leave(4);
    leave(2);                               /* of g */
    CU_ASSERT(enter(&f1, 20, SHARED) == 6); /* its own and two of the shared */
    end();
}

static void test_admission_reserved(void)
{
    begin();
    reserved = 5;
    provisioned = 3;
    CU_ASSERT(enter(&g, 20, SHARED) == 5);
    CU_ASSERT(enter(&f, 20, RESERVED) == 2); /* $LATEST has what is not provisioned */
    CU_ASSERT(enter(&f1, 20, RESERVED) == 3);
    leave(3);
    leave(1); /* of $LATEST */
    CU_ASSERT(enter(&f1, 20, RESERVED) == 4);
    end();
    begin();
    reserved = 2;
    provisioned = 2;
    CU_ASSERT(enter(&f, 1, RESERVED) == 0 && enter(&f1, 9, RESERVED) == 2);
    end();
    begin();
    reserved = 0;
    CU_ASSERT(enter(&f, 1, RESERVED) == 0);
    end();
}

/* What runs counts where it belongs from the moment that the numbers change. */
static void test_admission_changes(void)
{
    begin();
    CU_ASSERT(enter(&f1, 4, NULL) == 4 && enter(&g, 4, NULL) == 4);
    provisioned = 4;
    admission_provision(admission, &f1, 4);
    CU_ASSERT(enter(&g, 9, SHARED) == 2);
    provisioned = 0;
    admission_provision(admission, &f1, 0);
    CU_ASSERT(enter(&g, 1, SHARED) == 0);
    reserved = 4;
    admission_reserve(admission, f.account, f.region, f.name, true);
    CU_ASSERT(enter(&g, 1, SHARED) == 0 && enter(&f1, 1, RESERVED) == 0);
    leave(1); /* of g */
    CU_ASSERT(enter(&g, 2, SHARED) == 1);
    end();
}

/* While an alias moves both of its versions have sandboxes, but the function has no more than it claims. */
static void test_admission_moving(void)
{
    begin();
    provisioned = 4;
    moving = true;
    CU_ASSERT(enter(&g, 20, SHARED) == 6);
    CU_ASSERT(enter(&f1, 20, SHARED) == 4);
    CU_ASSERT(enter(&f2, 20, SHARED) == 0);
    leave(1);
    CU_ASSERT(enter(&f2, 20, SHARED) == 1);
    CU_ASSERT(enter(&f1, 20, SHARED) == 0);
    end();
    begin();
    provisioned = 4;
    moving = true;
    CU_ASSERT(enter(&f1, 3, NULL) == 3 && enter(&f2, 4, NULL) == 4); /* three of them of the shared six */
    CU_ASSERT(enter(&g, 20, SHARED) == 3);
    provisioned = 0; /* nothing is provisioned any more: all seven share */
    moving = false;
    admission_provision(admission, &f2, 0);
    admission_provision(admission, &f1, 0);
    CU_ASSERT(enter(&g, 1, SHARED) == 0);
    leave(3);
    CU_ASSERT(enter(&g, 20, SHARED) == 3);
    end();
    begin();
    reserved = 5;
    provisioned = 4;
    moving = true;
    CU_ASSERT(enter(&f1, 4, NULL) == 4 && enter(&f2, 9, RESERVED) == 1);
    leave(3);
    CU_ASSERT(enter(&f, 9, RESERVED) == 1);
    end();
}

TEST_MAIN("admission", TEST(test_admission_shared), TEST(test_admission_provisioned), TEST(test_admission_reserved),
          TEST(test_admission_changes), TEST(test_admission_moving))
