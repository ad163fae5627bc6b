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
static struct admission_place places[64];
static size_t count;
static const struct admission_place *let_in[64]; /* of those that were held, in order */
static size_t let_in_count;

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

static void on_room(void *arg, struct admission_place *place)
{
    CU_ASSERT(arg == &admission && place->standing == ADMISSION_RUNNING);
    let_in[let_in_count++] = place;
}

static void begin(void)
{
    admission = admission_new(LIMIT, concurrency, NULL);
    admission_on_room(admission, on_room, &admission);
    let_in_count = 0;
    reserved = CONCURRENCY_UNRESERVED;
    provisioned = count = 0;
    moving = false;
}

static void leave(size_t n)
{
    while (n-- > 0)
        admission_leave(&places[--count]);
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
        if (admission_enter(admission, version, &places[count], &why)) {
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

/* The sandboxes of the last n have answered and run on. */
static void answered(size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++)
        admission_answered(&places[i]);
}

/* Who has answered counts on, though nobody is refused for it: who comes then gets its sandbox, or waits for room. */
static void test_admission_settling(void)
{
    begin();
    reserved = 2;
    CU_ASSERT(enter(&f, 3, RESERVED) == 2);
    answered(0, 1);
    CU_ASSERT(enter(&f, 2, RESERVED) == 1); /* one that answers leaves room for one that is held, no more */
    CU_ASSERT(places[0].standing == ADMISSION_SETTLING && places[1].standing == ADMISSION_RUNNING);
    CU_ASSERT(places[2].standing == ADMISSION_HELD && str_eq(places[2].reason, RESERVED));
    admission_run(&places[2]); /* given the sandbox of the first, which then leaves */
    admission_leave(&places[0]);
    CU_ASSERT(places[2].standing == ADMISSION_RUNNING && let_in_count == 0);
    admission_leave(&places[0]); /* once is enough */
    CU_ASSERT(enter(&f, 1, RESERVED) == 0);
    end();
    begin();
    reserved = 1;
    for (int i = 0; i < 3; i++) { /* without an answer there is no settling either */
        CU_ASSERT(enter(&f, 2, RESERVED) == 1 && places[0].standing == ADMISSION_RUNNING);
        leave(1);
    }
    end();
}

static void test_admission_held(void)
{
    begin();
    reserved = 2;
    CU_ASSERT(enter(&f, 2, NULL) == 2);
    answered(0, 2);
    CU_ASSERT(enter(&f1, 1, NULL) == 1 && enter(&f, 2, RESERVED) == 1); /* another version's sandbox does not help f1 */
    CU_ASSERT(places[2].standing == ADMISSION_HELD && places[3].standing == ADMISSION_HELD);
    CU_ASSERT(enter(&g, 1, NULL) == 1 && places[4].standing == ADMISSION_RUNNING);
    leave(1); /* of g: nothing to f */
    CU_ASSERT(let_in_count == 0);
    admission_leave(&places[0]);
    CU_ASSERT(let_in_count == 1 && let_in[0] == &places[2]);
    admission_leave(&places[1]);
    CU_ASSERT(let_in_count == 2 && let_in[1] == &places[3]);
    end();
    /* Who gives up lets nobody in, and is not let in. */
    begin();
    reserved = 2;
    CU_ASSERT(enter(&f, 2, NULL) == 2);
    answered(0, 2);
    CU_ASSERT(enter(&f, 2, NULL) == 2);
    admission_leave(&places[2]);
    CU_ASSERT(let_in_count == 0);
    admission_leave(&places[0]);
    CU_ASSERT(let_in_count == 1 && let_in[0] == &places[3]);
    end();
}

/* All functions without a reservation share, and who was held is let in when the settings allow. */
static void test_admission_held_of_account(void)
{
    begin();
    CU_ASSERT(enter(&f, 10, NULL) == 10);
    answered(0, 10);
    CU_ASSERT(enter(&g, 11, SHARED) == 10 && places[10].standing == ADMISSION_HELD && str_eq(places[10].reason, SHARED));
    admission_leave(&places[3]);
    CU_ASSERT(let_in_count == 1 && let_in[0] == &places[10]);
    reserved = 6;
    admission_reserve(admission, f.account, f.region, f.name, true); /* nine of f beyond its six: g has four now */
    CU_ASSERT(let_in_count == 4);
    CU_ASSERT(enter(&f, 1, NULL) == 1 && places[20].standing == ADMISSION_HELD && str_eq(places[20].reason, RESERVED));
    reserved = 10; /* raised */
    admission_reserve(admission, f.account, f.region, f.name, true);
    CU_ASSERT(let_in_count == 5 && let_in[4] == &places[20]);
    end();
    begin();
    CU_ASSERT(enter(&f1, 10, NULL) == 10);
    answered(0, 10);
    CU_ASSERT(enter(&g, 1, NULL) == 1 && places[10].standing == ADMISSION_HELD);
    provisioned = 4; /* four are its own, and ten less four are the account's: full as before */
    admission_provision(admission, &f1, 4);
    CU_ASSERT(let_in_count == 0);
    admission_leave(&places[0]);
    CU_ASSERT(let_in_count == 1);
    CU_ASSERT(enter(&f1, 1, NULL) == 1 && places[11].standing == ADMISSION_HELD);
    end();
    /* While one of the provisioned sandboxes settles, another version has what is shared. */
    begin();
    reserved = 3;
    provisioned = 2;
    CU_ASSERT(enter(&f1, 2, NULL) == 2);
    answered(0, 2);
    CU_ASSERT(enter(&f, 1, NULL) == 1 && places[2].standing == ADMISSION_RUNNING);
    CU_ASSERT(enter(&f1, 1, NULL) == 1 && places[3].standing == ADMISSION_HELD);
    admission_leave(&places[0]);
    CU_ASSERT(let_in_count == 1);
    end();
}

TEST_MAIN("admission", TEST(test_admission_shared), TEST(test_admission_provisioned), TEST(test_admission_reserved),
          TEST(test_admission_changes), TEST(test_admission_moving), TEST(test_admission_settling), TEST(test_admission_held),
          TEST(test_admission_held_of_account))
