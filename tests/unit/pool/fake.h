/* A spawner and runtimes played by the test: fake.c replaces spawn_client and session at link time. Answers are posted on the
 * loop, so that every callback comes from there, as from the real ones.
 *
 *     fake_open(&options);  ... pool_acquire(fake.pool, fake_version("f"), ...);  fake_run(20);
 *     CU_ASSERT(fake_count(SPAWN_ROOM_MAKE) == 1);  fake_respond(room, "{}");  fake_close();
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/pool/pool.h"
#include "host/pool/worker.h"
#include "host/registry/registry.h"
#include "host/telemetry/logs.h"
#include "lib/base/clock.h"
#include "lib/base/loop.h"
#include "sandbox/spawn_proto.h"

#define FAKE_ROOMS 2048
#define FAKE_SENT 16384

struct fake {
    struct loop *loop;
    struct logs *logs;
    struct pool *pool;
    char dir[64];
    struct spawn_msg *sent; /* everything the pool sent */
    size_t sent_count;
    uint64_t mute;          /* 1 << op: such messages get no answer */
    uint64_t fail;          /* 1 << op: they get ROOM_FAILED or ZYGOTE_DOWN */
    bool spawner_gone;      /* sends fail */
    bool no_boot, no_ready; /* runtimes do not say BOOTED, READY */
    bool init_fails;
    int dead_blanks;                       /* so many of those that are taken next have died, unheard */
    int exec_errno;                        /* the runtime says EXEC_FAILED */
    const char *exec_machine;              /* in it; "" unless a test sets it */
    bool echo;                             /* runtimes answer at once with the event */
    struct spawn_stats stats;              /* of every room */
    struct session *session[FAKE_ROOMS];   /* by room id */
    int endpoints;                         /* open */
    bool has_extensions, wants_shutdown;   /* external ones */
    int expected, terminations, shutdowns; /* extensions named to sessions; SIGTERM announced; SHUTDOWN events */
    int sessions, payload_reads;
    uint64_t net_bytes, net_packets; /* counted to functions */
};
extern struct fake fake;

void fake_open(const struct pool_options *options);
void fake_close(void); /* frees the pool too */
/* Runs the loop for so long. */
void fake_run(int ms);
/* Runs until *flag or 2 s; false if it did not come. */
bool fake_until(const int *flag);
/* Runs the loop until the condition holds, ten seconds at most; whether it does. */
#define FAKE_UNTIL(condition)                                                                                                              \
    ({                                                                                                                                     \
        int64_t fake_end = clock_mono_us() + 10 * 1000 * 1000;                                                                             \
        while (!(condition) && clock_mono_us() < fake_end)                                                                                 \
            fake_run(1);                                                                                                                   \
        (condition);                                                                                                                       \
    })
size_t fake_count(uint32_t op);
const struct spawn_msg *fake_last(uint32_t op);
void fake_message(const struct spawn_msg *msg);
void fake_spawner_dies(void); /* and a new one is there */
void fake_exit(uint32_t room, int wait_status, uint32_t oom_kills);
/* The runtime in a room speaks, from the loop. */
void fake_respond(uint32_t room, const char *body, bool idle);
void fake_error(uint32_t room, const char *type, const char *body);
void fake_idle(uint32_t room);
void fake_ready(uint32_t room);
void fake_broken(uint32_t room);
void fake_print(uint32_t room, const char *text);
void fake_too_large(uint32_t room);
bool fake_is_provisioned(uint32_t room); /* its environment says so */
uint32_t fake_busy_room(void);           /* of the session that has an event; 0: none */

/* A new function version; freed when the last reference is gone. */
struct function_version *fake_version(const char *name);
extern int fake_versions; /* alive */
