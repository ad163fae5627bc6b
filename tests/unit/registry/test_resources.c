/* Resources of accounts on a real database: what readers see when, one write at a time, what survives a restart. */
#include <stdlib.h>
#include <unistd.h>

#include "host/registry/functions.h"
#include "host/registry/resources.h"
#include "lib/base/loop.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"
#include "tests/unit/registry/fixture.h"

#define ACCOUNT "111111111111"
#define REGION "us-east-1"

static int written, woken;

static void begin(void)
{
    fixture_begin();
    written = woken = 0;
}

static void on_written(void *arg, const struct err *error)
{
    (void)arg;
    CU_ASSERT_PTR_NULL(error);
    written++;
}

static void on_woken(void *arg)
{
    (void)arg;
    woken++;
}

static struct resource_shelf *shelf_of(const char *kind)
{
    return resource_shelf(fixture.registry, ACCOUNT, REGION, kind);
}

static void test_resources_appear_when_committed(void)
{
    begin();
    CU_ASSERT_PTR_NULL(resource_shelf_find(fixture.registry, ACCOUNT, REGION, RESOURCE_CODE_SIGNING));
    CU_ASSERT_PTR_NULL(resource_get(NULL, "a"));
    struct resource_shelf *shelf = shelf_of(RESOURCE_CODE_SIGNING);
    CU_ASSERT_PTR_EQUAL(shelf, shelf_of(RESOURCE_CODE_SIGNING));
    CU_ASSERT_PTR_NOT_EQUAL(shelf, shelf_of(RESOURCE_EVENT_SOURCE));
    resource_write(shelf, "a", "{\"n\":1}", on_written, NULL);
    CU_ASSERT_PTR_NULL(resource_get(shelf, "a"));
    fixture_wait_for(&written, 1);
    CU_ASSERT_STRING_EQUAL(resource_get(shelf, "a"), "{\"n\":1}");
    CU_ASSERT_PTR_NULL(resource_get(shelf_of(RESOURCE_EVENT_SOURCE), "a"));
    resource_write(shelf, "a", NULL, on_written, NULL);
    CU_ASSERT_PTR_NOT_NULL(resource_get(shelf, "a"));
    fixture_wait_for(&written, 2);
    CU_ASSERT_PTR_NULL(resource_get(shelf, "a"));
    fixture_end();
}

static void test_resources_wait_for_the_write(void)
{
    begin();
    struct resource_shelf *shelf = shelf_of(RESOURCE_EVENT_SOURCE);
    CU_ASSERT_FALSE(resource_wait(shelf, on_woken, NULL));
    resource_write(shelf, "a", "{}", on_written, NULL);
    CU_ASSERT_TRUE(resource_wait(shelf, on_woken, NULL));
    CU_ASSERT_FALSE(resource_wait(shelf_of(RESOURCE_CODE_SIGNING), on_woken, NULL));
    fixture_wait_for(&woken, 1);
    CU_ASSERT_EQUAL(written, 1);
    resource_hold(shelf);
    CU_ASSERT_TRUE(resource_wait(shelf, on_woken, NULL));
    loop_run_once(fixture.loop, 0);
    CU_ASSERT_EQUAL(woken, 1);
    resource_release(shelf);
    fixture_wait_for(&woken, 2);
    fixture_end();
}

static int number_in(const char *id)
{
    struct resource_view *views;
    int number = -1;
    for (size_t i = resource_list(shelf_of(RESOURCE_EVENT_SOURCE), &views); i-- > 0;)
        if (strcmp(views[i].id, id) == 0)
            number = (int)json_int(resource_json(&views[i]), "n", 0);
    free(views);
    return number;
}

static void test_resources_restart(void)
{
    begin();
    static const char *const ids[] = {"c", "a", "b"};
    for (int i = 0; i < 3; i++) {
        resource_write(shelf_of(RESOURCE_EVENT_SOURCE), ids[i], "{\"n\":1}", on_written, NULL);
        fixture_wait_for(&written, i + 1);
    }
    CU_ASSERT_EQUAL(number_in("b"), 1);
    resource_write(shelf_of(RESOURCE_EVENT_SOURCE), "b", "{\"n\":2}", on_written, NULL);
    fixture_wait_for(&written, 4);
    CU_ASSERT_EQUAL(number_in("b"), 2);
    resource_write(shelf_of(RESOURCE_EVENT_SOURCE), "c", NULL, on_written, NULL);
    fixture_wait_for(&written, 5);
    fixture_close();
    fixture_open();
    struct resource_view *views;
    CU_ASSERT_EQUAL_FATAL(resource_list(resource_shelf_find(fixture.registry, ACCOUNT, REGION, RESOURCE_EVENT_SOURCE), &views), 2);
    CU_ASSERT_STRING_EQUAL(views[0].id, "a");
    CU_ASSERT_STRING_EQUAL(views[1].id, "b");
    CU_ASSERT_STRING_EQUAL(views[1].value, "{\"n\":2}");
    CU_ASSERT_EQUAL(json_int(resource_json(&views[1]), "n", 0), 2);
    CU_ASSERT_PTR_EQUAL(resource_json(&views[1]), resource_json(&views[1])); /* parsed once */
    free(views);
    CU_ASSERT_EQUAL(resource_list(resource_shelf_find(fixture.registry, ACCOUNT, "eu-west-1", RESOURCE_EVENT_SOURCE), &views), 0);
    free(views);
    fixture_end();
}

/* Closed with a write on its way: it is on the disk, nobody is told. */
static void test_resources_close_while_writing(void)
{
    begin();
    resource_write(shelf_of(RESOURCE_CODE_SIGNING), "a", "{}", on_written, NULL);
    CU_ASSERT_TRUE(resource_wait(shelf_of(RESOURCE_CODE_SIGNING), on_woken, NULL));
    fixture_close();
    CU_ASSERT_EQUAL(written + woken, 0);
    fixture_open();
    CU_ASSERT_STRING_EQUAL(resource_get(resource_shelf_find(fixture.registry, ACCOUNT, REGION, RESOURCE_CODE_SIGNING), "a"), "{}");
    fixture_end();
}

TEST_MAIN("resources", TEST(test_resources_appear_when_committed), TEST(test_resources_wait_for_the_write), TEST(test_resources_restart),
          TEST(test_resources_close_while_writing))
