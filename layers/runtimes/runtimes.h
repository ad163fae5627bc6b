/* Which runtimes there are: AWS's identifiers, the interpreters this host has, and how a function of one gets a worker.
 * Reads the file system only in runtimes_scan(). Immutable afterwards, any thread.
 *
 *     runtimes_scan(&options, &runtimes, &err);
 *     runtimes_match(runtimes, "python3.12", false, &match, &err);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

#define RUNTIME_PATH_MAX 256
#define RUNTIME_NAME_MAX 63

enum runtime_language { RUNTIME_NONE, RUNTIME_PYTHON, RUNTIME_NODE, RUNTIME_PROVIDED, RUNTIME_OTHER };
enum runtime_status { RUNTIME_CURRENT, RUNTIME_RETIRED, RUNTIME_UNKNOWN };

struct runtimes;

struct runtimes_options {
    const char *search_path;              /* directories besides /usr, separated by ':'; each has bin/python3.N or bin/node */
    const char *extra_file;               /* DATA/runtimes.list, written by `stoke runtimes add`; need not exist */
    bool (*may_show)(const char *prefix); /* whether a sandbox can show that directory; NULL: any */
};

/* An interpreter on this host. */
struct runtime_interpreter {
    enum runtime_language language;
    int major, minor;              /* 3, 11; 20, 19 */
    char version[32];              /* as it says itself: "3.11.2" */
    char path[RUNTIME_PATH_MAX];   /* absolute */
    char prefix[RUNTIME_PATH_MAX]; /* what to show in the sandbox besides /usr; empty if under /usr */
    char source[RUNTIME_PATH_MAX]; /* "/usr", the directory of the path it was found in, or "added" */
};

/* What an identifier means here. */
struct runtime_match {
    enum runtime_language language;
    const struct runtime_interpreter *interpreter; /* NULL for provided.* */
    bool exact;                                    /* the interpreter has the identifier's version */
    char note[384]; /* when not exact: "python3.12 runs on Python 3.11.2 (/usr/bin/python3.11)"; else empty; room for more */
};

/* Asks every interpreter that it finds for its version, which takes a process each; one that does not answer is left out and logged.
 * options are borrowed for the call. The caller frees *ret_runtimes. Error: ERR_NO_MEMORY. An
 * extra_file that cannot be read is logged and left aside. */
int runtimes_scan(const struct runtimes_options *options, struct runtimes **ret_runtimes, struct err *err) WARN_UNUSED;
/* Its interpreters, those in matches included, end with it. */
void runtimes_free(struct runtimes *runtimes);
size_t runtimes_count(const struct runtimes *runtimes);
/* By language and version; borrowed until runtimes_free(). NULL from the count on. */
const struct runtime_interpreter *runtimes_at(const struct runtimes *runtimes, size_t i);

/* What AWS says of an identifier: current, retired (then *ret_replacement, if not NULL, is what AWS recommends, or NULL),
 * or unknown to AWS. */
enum runtime_status runtime_status(const char *identifier, const char **ret_replacement);
/* The interpreter for a current or retired identifier. ERR_NOT_FOUND: the language is missing (the message names what to
 * install); ERR_UNSUPPORTED: only another version is there and exact_only is set. */
int runtimes_match(const struct runtimes *runtimes, const char *identifier, bool exact_only, struct runtime_match *ret_match,
                   struct err *err) WARN_UNUSED;
/* Registers an interpreter in options' extra_file (made if need be): NAME is python3.N or nodejsN.x or the like, PATH an executable that
 * answers as that language; one that is in it already under that name is not added again. ERR_INVALID says what is wrong with either,
 * ERR_LIMIT that the file is full. Takes effect at the next scan. One call at a time. */
int runtimes_add(const struct runtimes_options *options, const char *name, const char *path, struct err *err) WARN_UNUSED;
