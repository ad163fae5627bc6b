/* The socket between stoked and the spawner: order, descriptors, a peer that does not read, a peer that breaks off. */
#include "sandbox/spawn_link.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "tests/unit/cunit.h"

struct seen {
    uint32_t messages, last_id, fds, out_of_order, ended;
    struct spawn_link **free_on_message;
};

static void on_message(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    struct seen *seen = arg;
    seen->messages++;
    seen->out_of_order += msg->room_id != seen->last_id + 1;
    seen->last_id = msg->room_id;
    seen->fds += (uint32_t)nfds;
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    if (seen->free_on_message) {
        spawn_link_free(*seen->free_on_message);
        *seen->free_on_message = NULL;
    }
}

static void on_ended(void *arg)
{
    ((struct seen *)arg)->ended++;
}

static const struct spawn_link_events events = {.message = on_message, .ended = on_ended};

static void make_pair(struct loop *loop, struct seen *seen, struct spawn_link **a, struct spawn_link **b)
{
    int pair[2];
    struct err err;
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    CU_ASSERT_EQUAL_FATAL(spawn_link_new(loop, pair[0], &events, &seen[0], a, &err), 0);
    CU_ASSERT_EQUAL_FATAL(spawn_link_new(loop, pair[1], &events, &seen[1], b, &err), 0);
}

static void test_spawn_link_queue(void)
{
    enum { COUNT = 5000 };
    struct loop *loop;
    struct err err;
    struct seen seen[2] = {{0}};
    struct spawn_link *a, *b;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    make_pair(loop, seen, &a, &b);
    for (uint32_t i = 1; i <= COUNT; i++) { /* far more than the socket takes */
        int fd = i % 100 ? -1 : dup(1);
        CU_ASSERT_EQUAL(spawn_link_send(a, &(struct spawn_msg){.op = 1, .room_id = i}, &fd, fd >= 0, &err), 0);
    }
    for (int i = 0; i < 10000 && seen[1].messages < COUNT; i++)
        loop_run_once(loop, 100);
    CU_ASSERT_EQUAL(seen[1].messages, COUNT);
    CU_ASSERT_EQUAL(seen[1].out_of_order, 0);
    CU_ASSERT_EQUAL(seen[1].fds, COUNT / 100);
    spawn_link_free(a);
    for (int i = 0; i < 10 && !seen[1].ended; i++)
        loop_run_once(loop, 100);
    CU_ASSERT_EQUAL(seen[1].ended, 1);
    CU_ASSERT_EQUAL(spawn_link_send(b, &(struct spawn_msg){.op = 1}, NULL, 0, &err), -ERR_UNAVAILABLE);
    spawn_link_free(b);
    loop_free(loop);
}

static void test_spawn_link_limit(void)
{
    struct loop *loop;
    struct err err;
    struct seen seen[2] = {{0}};
    struct spawn_link *a, *b;
    int rc = 0;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    make_pair(loop, seen, &a, &b);
    for (uint32_t i = 0; rc == 0 && i < 2 * SPAWN_QUEUE_MAX; i++)
        rc = spawn_link_send(a, &(struct spawn_msg){.op = 1, .room_id = i}, NULL, 0, &err);
    CU_ASSERT_EQUAL(rc, -ERR_LIMIT);
    spawn_link_free(a);
    spawn_link_free(b);
    loop_free(loop);
}

static void test_spawn_link_nonsense(void)
{
    struct loop *loop;
    struct err err;
    struct seen seen = {0};
    struct spawn_link *link;
    int pair[2];
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    CU_ASSERT_EQUAL_FATAL(spawn_link_new(loop, pair[0], &events, &seen, &link, &err), 0);
    CU_ASSERT_EQUAL(write(pair[1], "short", 5), 5);
    loop_run_once(loop, 100);
    CU_ASSERT_EQUAL(seen.messages, 0);
    CU_ASSERT_EQUAL(seen.ended, 1);
    spawn_link_free(link);
    close(pair[1]);
    loop_free(loop);
}

/* A process at its limit of open files loses the descriptors of a message, not the peer. */
static void test_spawn_link_without_descriptors(void)
{
    struct loop *loop;
    struct err err;
    struct seen seen[2] = {{0}};
    struct spawn_link *a, *b;
    struct rlimit limit;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    make_pair(loop, seen, &a, &b);
    int fd = dup(1);
    CU_ASSERT_EQUAL(spawn_link_send(a, &(struct spawn_msg){.op = 1, .room_id = 1}, &fd, 1, &err), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, limit.rlim_max}), 0);
    loop_run_once(loop, 100);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT(seen[1].messages == 1 && seen[1].fds == 0 && seen[1].ended == 0);
    fd = dup(1);
    CU_ASSERT_EQUAL(spawn_link_send(a, &(struct spawn_msg){.op = 1, .room_id = 2}, &fd, 1, &err), 0);
    loop_run_once(loop, 100);
    CU_ASSERT(seen[1].messages == 2 && seen[1].fds == 1 && seen[1].ended == 0);
    spawn_link_free(a);
    spawn_link_free(b);
    loop_free(loop);
}

static void test_spawn_link_freed_in_callback(void)
{
    struct loop *loop;
    struct err err;
    struct seen seen[2] = {{0}};
    struct spawn_link *a, *b;
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &err), 0);
    make_pair(loop, seen, &a, &b);
    seen[1].free_on_message = &b;
    for (uint32_t i = 1; i <= 3; i++)
        CU_ASSERT_EQUAL(spawn_link_send(a, &(struct spawn_msg){.op = 1, .room_id = i}, NULL, 0, &err), 0);
    loop_run_once(loop, 100);
    CU_ASSERT_EQUAL(seen[1].messages, 1);
    CU_ASSERT_PTR_NULL(b);
    spawn_link_free(a);
    loop_free(loop);
}

TEST_MAIN("spawn_link", TEST(test_spawn_link_queue), TEST(test_spawn_link_limit), TEST(test_spawn_link_nonsense),
          TEST(test_spawn_link_without_descriptors), TEST(test_spawn_link_freed_in_callback))
