/* The monitor: starts the spawner as pid 1 of a pid namespace of its own, starts it again when it dies, and sweeps what a dead
 * one left. One thread, no loop; it does nothing else. */
#pragma once

#include <stdint.h>

#define MONITOR_SOCKET_FD 3 /* SEQPACKET to stoked; its end is the monitor's end */
#define MONITOR_LOCK_FD 4   /* the lock on the data directory, shared with stoked: held until everything is swept; may be missing */

/* monitor -> stoked: one byte, with one descriptor or a text. */
enum monitor_said {
    MONITOR_SPAWNER = 'S', /* and the socket of a new spawner */
    MONITOR_FAILED = 'F',  /* and why, up to the end of the message; the monitor ends */
};

/* stoked -> monitor: a spawner says nothing any more; it is killed, and a new one started. */
struct monitor_complaint {
    uint32_t spawner; /* its number, from 1 on: its successor is not meant */
};

struct monitor_options {
    const char *data_dir, *cgroup_name;
    uint32_t uid_base; /* 0: choose */
};

/* Returns the exit status. */
int monitor_run(const struct monitor_options *options);
