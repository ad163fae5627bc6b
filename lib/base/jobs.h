/* A few threads for work that would stall the event loop: hashing, unpacking, fsync.
 *
 *     jobs_new(&(struct jobs_options){.threads = 2, .loop = loop, .background = true}, &jobs, &err);
 *     jobs_submit(jobs, unpack, done, request);     // unpack(request) on a thread, then done(request) on the loop
 */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"

struct jobs;
struct loop;
typedef void jobs_fn(void *arg);

struct jobs_options {
    unsigned threads;  /* 1 to 64 */
    struct loop *loop; /* done callbacks run on its thread; borrowed for the jobs' life */
    bool background;   /* the loop and the functions have the processor when they want it */
};
int jobs_new(const struct jobs_options *options, struct jobs **ret_jobs, struct err *err) WARN_UNUSED;
/* Loop thread only. Runs work(arg) on some thread, in order of submission per thread, then done(arg) on the loop. */
void jobs_submit(struct jobs *jobs, jobs_fn *work, jobs_fn *done, void *arg);
/* Submitted, and not yet done with: their done callbacks are still to run. Loop thread only. */
unsigned jobs_unfinished(const struct jobs *jobs);
/* Waits for running and queued work and runs what is posted on the loop, so that every done callback has run. Loop thread only. */
void jobs_free(struct jobs *jobs);
