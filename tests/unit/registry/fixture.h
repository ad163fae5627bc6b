/* A registry in a directory of its own, one at a time: what every test of it begins and ends with. */
#pragma once

#include <stdint.h>

#include "host/registry/functions.h"
#include "lib/base/loop.h"

struct fixture {
    struct loop *loop;
    struct registry *registry;
    int64_t inactive_after_s; /* for the next open [0: never] */
};

extern struct fixture fixture;

/* Opens it, empty; Python is there (fake_runtimes.h). */
void fixture_begin(void);
/* A new start of stoked is a close and an open. */
void fixture_open(void);
void fixture_close(void);  /* what was posted on the loop has run then */
void fixture_settle(void); /* runs what is posted */
/* Runs the loop until *calls is wanted, five seconds at most; then asserts that it is. */
void fixture_wait_for(const int *calls, int wanted);
void fixture_end(void);
