/* A daemon's side of rooms, for tests: a real monitor and spawner, messages waited for one at a time.
 *
 *     rooms_start(&rooms); zygote = rooms_zygote(&rooms);
 *     rooms_make(&rooms, 1, zygote, &room); rooms_assign(&rooms, &room, 1, "one"); rooms_ask(&room, "who", answer, sizeof answer)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sandbox/spawn_client.h"

#define ROOMS_FDS_MAX 8
#define ROOMS_WAIT_MS 10000

struct rooms_message {
    struct spawn_msg msg;
    int fds[ROOMS_FDS_MAX];
    size_t nfds;
};

struct rooms {
    struct loop *loop;
    struct spawn_client *client;
    uint32_t uid_base; /* a range for this test alone, so that its processes can be told from others */
    char data[64], cgroup[32], code[SPAWN_DIGEST_BYTES];
    struct rooms_message inbox[64];
    size_t count;
    unsigned ups, losses, gone;
};

struct room_fds {
    uint32_t id;
    int channel, log, runtime, endpoint;
    int talk; /* accepted from the bootstrap, -1 before */
};

/* Where the programs are: the build directory, or where whoever has given root up finds it. */
extern const char *rooms_build;

/* Makes a data directory with one code tree and starts the monitor; false when no spawner came. */
bool rooms_start(struct rooms *rooms);
/* Ends everything and removes the data directory. */
void rooms_stop(struct rooms *rooms);
bool rooms_restart(struct rooms *rooms); /* a new monitor on the same data */
/* Runs the loop for so long, or until *counter reaches at_least. */
bool rooms_run_until(struct rooms *rooms, const unsigned *counter, unsigned at_least, int ms);
/* The next message for that id with that op (0: any); others for it fail the wait and are printed. */
bool rooms_wait(struct rooms *rooms, uint32_t id, uint32_t op, struct rooms_message *ret);
/* Whether no message at all comes for so long. */
bool rooms_is_quiet(struct rooms *rooms, int ms);
void rooms_send(struct rooms *rooms, struct spawn_msg msg);

/* DATA/runtimes/python as a directory, DATA/runtimes/nodejs as a link to /var; their paths, each of SPAWN_PATH_MAX, or NULL. */
bool rooms_make_runtimes(const struct rooms *rooms, char *ret_python, char *ret_node);
uint32_t rooms_zygote(struct rooms *rooms); /* 0: failed */
bool rooms_make(struct rooms *rooms, uint32_t id, uint32_t zygote, struct room_fds *ret);
struct spawn_msg rooms_assign_msg(const struct rooms *rooms, uint32_t id, uint64_t version_key);
/* ASSIGN, START with GREETING, the bootstrap's call. */
bool rooms_assign(struct rooms *rooms, struct room_fds *room, const struct spawn_msg *assign, const char *greeting);
bool rooms_reset(struct rooms *rooms, struct room_fds *room);
/* KILL until DEAD; closes the descriptors. */
bool rooms_kill(struct rooms *rooms, struct room_fds *room);
/* One word to the bootstrap, one line back within ms; "" when none came. */
void rooms_ask_within(const struct room_fds *room, const char *word, char *out, size_t cap, int ms);
void rooms_ask(const struct room_fds *room, const char *word, char *out, size_t cap);
void rooms_read_log(const struct room_fds *room, char *out, size_t cap);

/* The only child of a process, 0 if there is none. */
pid_t rooms_child_of(pid_t parent);
/* How many processes of the host run under a uid of ours, and how many different uids those are. */
unsigned rooms_processes(const struct rooms *rooms, unsigned *ret_uids);
/* Kills every process in a room; how many those were. */
unsigned rooms_kill_insiders(const struct rooms *rooms);
/* What is left on the host of this daemon: processes, control groups, mounts, loop devices; printed. */
unsigned rooms_leftovers(const struct rooms *rooms);
