/* The registry that the tests share, and its directory. */
#include "tests/unit/registry/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/registry/fake_runtimes.h"

struct fixture fixture;
static char dir[64];

void fixture_open(void)
{
    CLEANUP(freep) char *path = str_format("%s/stoke.db", dir);
    const struct registry_options options = {.db_path = path, .loop = fixture.loop, .inactive_after_s = fixture.inactive_after_s};
    struct err err;
    CU_ASSERT_EQUAL_FATAL(registry_open(&options, &fixture.registry, &err), 0);
}

void fixture_begin(void)
{
    struct err err;
    strcpy(dir, "/tmp/stoke-registry-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    CU_ASSERT_EQUAL_FATAL(loop_new(&fixture.loop, &err), 0);
    fake_has_python = true;
    fixture_open();
}

void fixture_settle(void)
{
    for (int i = 0; i < 3; i++)
        loop_run_once(fixture.loop, 0);
}

void fixture_close(void)
{
    registry_close(fixture.registry);
    fixture_settle();
}

void fixture_wait_for(const int *calls, int wanted)
{
    int64_t until = clock_mono_us() + 5000000;
    while (*calls < wanted && clock_mono_us() < until)
        loop_run_once(fixture.loop, 100);
    CU_ASSERT_EQUAL_FATAL(*calls, wanted);
}

void fixture_end(void)
{
    fixture_close();
    loop_free(fixture.loop);
    CLEANUP(freep) char *command = str_format("rm -rf %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}
