/* Inside host/pool only: every limit and time of the pool that is no option of struct pool_options. */
#pragma once

#define POOL_MAKES_MAX 32                    /* ROOM_MAKEs on the way at once */
#define POOL_WAIT_LOOK_US (100 * 1000)       /* past the wait for memory, how often a visit looks whether it is refused */
#define POOL_WAIT_HARD_US (10 * 1000 * 1000) /* a visit waits no longer for a worker, whatever the reason */
#define POOL_MAKE_TRIES 3
#define POOL_REFILL_US 2000       /* blanks are made this long after the last cold visit */
#define POOL_REFILL_BUSY_US 20000 /* ... but no later than this while others initialise */
#define POOL_REFILL_FAILED_US (5 * 1000 * 1000)
#define POOL_TICK_US (1000 * 1000)          /* the reaper's round */
#define POOL_DEMAND_US (10 * 1000 * 1000)   /* window in which blanks taken set the target */
#define WORKER_INIT_CPU_MILLI 1000          /* a function initialises with at least one CPU */
#define WORKER_EXIT_GRACE_US 5000           /* what a runtime sent before it ended is read first */
#define WORKER_BROKEN_GRACE_US (100 * 1000) /* a broken session: its exit status may follow */
#define WORKER_MEASURE_US (50 * 1000)
#define WORKER_MEASURES_MAX 1024
#define WORKER_KILL_TRIES 3
#define ZYGOTES_MAX 64 /* at once; each takes some 10 MB that no budget counts */
#define ZYGOTE_START_US (20 * 1000 * 1000)
#define ZYGOTE_BACKOFF_MIN_US (100 * 1000)
#define ZYGOTE_BACKOFF_MAX_US (5 * 1000 * 1000)
#define ZYGOTE_STEADY_US (10 * 1000 * 1000) /* one that was up so long had a good start: its end is news, no repetition */
#define ZYGOTE_TRIES 3                      /* failed starts until waiting visits hear of it */
