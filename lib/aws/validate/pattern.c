/* The models' patterns are Java regular expressions that must match the whole value. PCRE2 reads them: with
 * ALT_BSUX for Java's \uHHHH escapes, in UTF mode for \p{L}. A pattern is compiled when it is first needed
 * and kept for good; patterns are constants of the tables, so there are as many as there are. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lib/aws/codec.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define MATCH_STEPS_MAX 1000000 /* a text that needs more backtracking does not match */

struct compiled {
    const char *pattern; /* the key: the pointer, not the text */
    pcre2_code *code;
    UT_hash_handle hh;
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct compiled *all;

static struct compiled *lookup(const char *pattern)
{
    struct compiled *found = NULL;
    pthread_rwlock_rdlock(&lock);
    HASH_FIND_PTR(all, &pattern, found);
    pthread_rwlock_unlock(&lock);
    return found;
}

static struct compiled *compile(const char *pattern)
{
    int error = 0;
    PCRE2_SIZE offset = 0;
    struct compiled *found = NULL, *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    made->pattern = pattern;
    made->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_ALT_BSUX | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &offset, NULL);
    if (!made->code) /* a constant of ours that a test compiles: the generator must refuse it */
        abort();
    pthread_rwlock_wrlock(&lock);
    HASH_FIND_PTR(all, &pattern, found);
    if (!found)
        HASH_ADD_PTR(all, pattern, made);
    pthread_rwlock_unlock(&lock);
    if (!found)
        return made;
    pcre2_code_free(made->code);
    free(made);
    return found;
}

bool aws_pattern_matches(const char *pattern, const char *text)
{
    struct compiled *c = lookup(pattern);
    if (!c)
        c = compile(pattern);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (!data || !limits)
        abort();
    pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
    int rc = pcre2_match(c->code, (PCRE2_SPTR)text, strlen(text), 0, PCRE2_NO_UTF_CHECK, data, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    return rc >= 0;
}
