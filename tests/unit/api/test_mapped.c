/* Which functions of a page have event source mappings, among many; the shelf is played here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/api/event_source/mapping.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"

#define MAPPINGS 20000

static cJSON *mappings[MAPPINGS];
static size_t mapping_count;

struct resource_shelf *resource_shelf_find(struct registry *registry, const char *account, const char *region, const char *kind)
{
    (void)registry, (void)account, (void)region, (void)kind;
    return NULL;
}

size_t resource_list(const struct resource_shelf *shelf, struct resource_view **ret_views)
{
    (void)shelf;
    *ret_views = calloc(mapping_count + 1, sizeof(**ret_views));
    CU_ASSERT_PTR_NOT_NULL_FATAL(*ret_views);
    for (size_t i = 0; i < mapping_count; i++)
        (*ret_views)[i].resource = (struct resource *)mappings[i];
    return mapping_count;
}

const cJSON *resource_json(const struct resource_view *view)
{
    return (const cJSON *)view->resource;
}

static void add(const char *function_arn)
{
    mappings[mapping_count] = cJSON_CreateObject();
    cJSON_AddStringToObject(mappings[mapping_count++], "FunctionArn", function_arn);
}

static void clear(void)
{
    while (mapping_count > 0)
        cJSON_Delete(mappings[--mapping_count]);
}

static void test_mapped_functions(void)
{
    static const char *const names[] = {"a", "aa", "b", "c", "d"};
    bool mapped[ARRAY_LEN(names)] = {true, true, true, true, true};
    mapping_find_functions(NULL, "", "", names, ARRAY_LEN(names), mapped);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CU_ASSERT_FALSE(mapped[i]);
    add("arn:aws:lambda:us-east-1:111111111111:function:a");
    add("arn:aws:lambda:us-east-1:111111111111:function:c:live");
    add("arn:aws:lambda:us-east-1:111111111111:function:c:2");
    add("arn:aws:lambda:us-east-1:111111111111:function:d");
    add("arn:aws:lambda:us-east-1:111111111111:function:zzz");
    add("nothing of the kind:::::::::");
    mapping_find_functions(NULL, "", "", names, ARRAY_LEN(names), mapped);
    CU_ASSERT(mapped[0] && !mapped[1] && !mapped[2] && mapped[3] && mapped[4]);
    mapping_find_functions(NULL, "", "", names, 0, mapped);
    clear();
}

/* What is asked of a page takes as long as the mappings are many, not as their square: the loop waits for it. */
static void test_mapped_among_many(void)
{
    const char *names[200];
    char text[200][16];
    bool mapped[200];
    for (int i = 0; i < MAPPINGS; i++) {
        CLEANUP(freep) char *arn = str_format("arn:aws:lambda:us-east-1:111111111111:function:f%05d", i);
        add(arn);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(text[i], sizeof(text[i]), "f%05d", MAPPINGS - 100 + i);
        names[i] = text[i];
    }
    clock_t begin = clock();
    for (int i = 0; i < 5; i++)
        mapping_find_functions(NULL, "", "", names, 200, mapped);
    CU_ASSERT((double)(clock() - begin) / CLOCKS_PER_SEC < 1); /* of 20 ms; the square took two seconds */
    for (int i = 0; i < 200; i++)
        CU_ASSERT_EQUAL(mapped[i], i < 100);
    clear();
}

TEST_MAIN("mapped", TEST(test_mapped_functions), TEST(test_mapped_among_many))
