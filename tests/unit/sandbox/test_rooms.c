/* Rooms for real, with a custom runtime in them: from the making to ROOM_DEAD, resets, limits, and the deaths of the spawner and
 * the monitor. Needs root; built as test_rooms_rootless (ROOMS_ROOTLESS) it gives root up first and does what is possible with one
 * uid and without control groups. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/strutil.h"
#include "tests/unit/cunit.h"
#include "tests/unit/sandbox/rooms.h"

#define SKIPPED 77
#define SPARES 2 /* of each zygote, as in the spawner */
#define SETTLE_US (10 * 1000000)
#define SPARES_HELD_MS 5000 /* as in the spawner */

#define ROOTLESS_ID 61234 /* a user without a name, so without a range of ids */

static struct rooms rooms;
static uint32_t zygote;
static const bool rootless = ROOMS_ROOTLESS;

static const char *ask(const struct room_fds *room, const char *word)
{
    static char answer[512];
    rooms_ask(room, word, answer, sizeof answer);
    return answer;
}

static bool make_and_assign(uint32_t id, struct room_fds *room)
{
    struct spawn_msg assign = rooms_assign_msg(&rooms, id, 1);
    return rooms_make(&rooms, id, zygote, room) && rooms_assign(&rooms, room, &assign, "you");
}

static void test_rooms_host_report(void)
{
    struct rooms_message m;
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_HOST_REPORT});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 0, SPAWN_HOST, &m));
    CU_ASSERT_EQUAL(m.msg.host.rootless, rootless);
    CU_ASSERT_EQUAL(m.msg.host.unique_uids, !rootless);
    if (rootless)
        CU_ASSERT_PTR_NOT_NULL(strstr(m.msg.host.missing, "/etc/subuid"));
    CU_ASSERT(m.msg.host.tmp_backend[0] != '\0');
    printf("\n  cgroup v%u, /tmp on %s; missing: %s\n", m.msg.host.cgroup_version, m.msg.host.tmp_backend, m.msg.host.missing);
}

/* The bootstrap runs as the room's own user, sees its directory and its sizes, and nothing of the host. */
static void test_rooms_run(void)
{
    struct room_fds room;
    char log[256];
    CU_ASSERT_FATAL(make_and_assign(1, &room));
    rooms_read_log(&room, log, sizeof log);
    CU_ASSERT_STRING_EQUAL(log, "hello you in /var/task\n");
    int pid = 0, parent = 0, uid = 0, gid = 0;
    CU_ASSERT_EQUAL(sscanf(ask(&room, "who"), "%d %d %d %d", &pid, &parent, &uid, &gid), 4);
    CU_ASSERT_EQUAL(uid, rootless ? 0 : 993);
    CU_ASSERT_EQUAL(gid, rootless ? 0 : 993);
    CU_ASSERT_EQUAL(parent, 0);
    CU_ASSERT(pid >= 300);
    CU_ASSERT_STRING_EQUAL(ask(&room, "meminfo"), "MemTotal:         131072 kB");
    CU_ASSERT_STRING_EQUAL(ask(&room, "cpus"), "1");
    CU_ASSERT_STRING_EQUAL(ask(&room, "endpoint"), "0");
    CU_ASSERT_EQUAL(atoi(ask(&room, "open:/etc/shadow")), ENOENT);
    CU_ASSERT_EQUAL(atoi(ask(&room, "open:/proc/1/status")), ENOENT);
    CU_ASSERT_EQUAL(atoi(ask(&room, "open:/sys")), ENOENT);
    if (!rootless) /* the log is for writing only, which takes a second uid */
        CU_ASSERT_EQUAL(atoi(ask(&room, "open:/proc/self/fd/1")), EACCES);
    CU_ASSERT_EQUAL(atoi(ask(&room, "write:/dev/stderr")), 0);
    CU_ASSERT_EQUAL(atoi(ask(&room, "write:/var/task/x")), EROFS);
    CU_ASSERT_EQUAL(atoi(ask(&room, "write:/usr/x")), EROFS);
    CU_ASSERT_EQUAL(atoi(ask(&room, "write:/dev/x")), EROFS);
    CU_ASSERT_EQUAL(atoi(ask(&room, "write:/tmp/x")), 0);
    CU_ASSERT_EQUAL(atoi(ask(&room, "open:/usr/bin/env")), 0);
    CU_ASSERT(rooms_kill(&rooms, &room));
}

/* Whether the number of our processes becomes n and stays so; each has a uid of its own. */
static bool settles(unsigned n)
{
    unsigned uids = 0, processes = 0;
    for (int64_t end = clock_mono_us() + SETTLE_US; clock_mono_us() < end;) {
        processes = rooms_processes(&rooms, &uids);
        bool still = rooms_is_quiet(&rooms, 100);
        if (still && processes == n && rooms_processes(&rooms, &uids) == n && uids == n)
            return true;
    }
    printf("\n  %u processes with %u uids\n", processes, uids);
    return false;
}

/* Furnished rooms wait beside their zygote, are used up by ROOM_MAKE and made anew, and go with it. */
static void test_rooms_spares(void)
{
    struct room_fds room[3];
    CU_ASSERT(settles(1 + SPARES));
    for (uint32_t i = 0; i < ARRAY_LEN(room); i++) /* one more than there are spares */
        CU_ASSERT_FATAL(rooms_make(&rooms, 20 + i, zygote, &room[i]));
    CU_ASSERT(settles(1 + SPARES + 2 * ARRAY_LEN(room)));
    for (size_t i = 0; i < ARRAY_LEN(room); i++)
        CU_ASSERT(rooms_kill(&rooms, &room[i]));
    uint32_t other = rooms_zygote(&rooms);
    CU_ASSERT(settles(2 * (1 + SPARES)));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ZYGOTE_STOP, .room_id = other});
    CU_ASSERT(settles(1 + SPARES));
}

/* A spare that fails is not made again at once and for ever, whatever else happens meanwhile. */
static void test_rooms_spares_fail(void)
{
    struct rooms_message m;
    CU_ASSERT_FATAL(settles(1 + SPARES));
    CU_ASSERT_EQUAL(rooms_kill_insiders(&rooms), SPARES);
    int64_t began = clock_mono_us();
    for (int i = 0; i < 10; i++) { /* each message would have them made */
        CU_ASSERT(rooms_is_quiet(&rooms, 100));
        CU_ASSERT_EQUAL(rooms_processes(&rooms, NULL), 1);
        rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_HOST_REPORT});
        CU_ASSERT_FATAL(rooms_wait(&rooms, 0, SPAWN_HOST, &m));
    }
    struct room_fds room;
    CU_ASSERT_FATAL(rooms_make(&rooms, 31, zygote, &room)); /* a visit is not held up */
    CU_ASSERT(rooms_kill(&rooms, &room));
    CU_ASSERT(rooms_is_quiet(&rooms, SPARES_HELD_MS - (int)((clock_mono_us() - began) / 1000)));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_HOST_REPORT});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 0, SPAWN_HOST, &m));
    CU_ASSERT(settles(1 + SPARES));
}

/* A stoked that was taken over shows no directory of root's: neither by naming it nor through a link where a runtime should be. */
static void test_rooms_show_no_others(void)
{
    struct spawn_msg msg = {.op = SPAWN_ZYGOTE_START, .room_id = 78, .zygote.kind = SPAWN_ZYGOTE_NODE};
    struct rooms_message m;
    str_copy(msg.zygote.account, sizeof msg.zygote.account, "000000000000");
    str_copy(msg.zygote.interpreter, SPAWN_PATH_MAX, "/usr/bin/true");
    str_copy(msg.zygote.var_runtime, SPAWN_PATH_MAX, "/var/lib");
    rooms_send(&rooms, msg);
    CU_ASSERT_FATAL(rooms_wait(&rooms, 78, SPAWN_ZYGOTE_DOWN, &m));
    CU_ASSERT_STRING_EQUAL(m.msg.failed.stage, "message");
    CU_ASSERT_FATAL(rooms_make_runtimes(&rooms, NULL, msg.zygote.var_runtime));
    rooms_send(&rooms, msg);
    CU_ASSERT_FATAL(rooms_wait(&rooms, 78, SPAWN_ZYGOTE_DOWN, &m));
    CU_ASSERT_STRING_EQUAL(m.msg.failed.stage, "template");
    CU_ASSERT_EQUAL(m.msg.failed.code, ELOOP);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.msg.failed.text, "runtimes/nodejs"));
}

/* An interpreter that does not start is told about, and nobody else is harmed. */
static void test_rooms_zygote_fails(void)
{
    struct spawn_msg msg = {.op = SPAWN_ZYGOTE_START, .room_id = 77, .zygote.kind = SPAWN_ZYGOTE_PYTHON};
    struct rooms_message m;
    unsigned losses = rooms.losses;
    str_copy(msg.zygote.account, sizeof msg.zygote.account, "000000000000");
    str_copy(msg.zygote.interpreter, SPAWN_PATH_MAX, "/usr/bin/false");
    CU_ASSERT_FATAL(rooms_make_runtimes(&rooms, msg.zygote.var_runtime, NULL));
    rooms_send(&rooms, msg);
    CU_ASSERT_FATAL(rooms_wait(&rooms, 77, SPAWN_ZYGOTE_DOWN, &m));
    CU_ASSERT_STRING_EQUAL(m.msg.failed.stage, "exited");
    CU_ASSERT_EQUAL(m.msg.failed.code, 1);
    struct room_fds room;
    CU_ASSERT_FATAL(make_and_assign(30, &room));
    CU_ASSERT(rooms_kill(&rooms, &room));
    CU_ASSERT(rooms.losses == losses && rooms.gone == 0);
}

static void test_rooms_are_apart(void)
{
    struct room_fds a, b;
    char first[64];
    CU_ASSERT_FATAL(make_and_assign(2, &a));
    CU_ASSERT_FATAL(make_and_assign(3, &b));
    str_copy(first, sizeof first, ask(&a, "who"));
    CU_ASSERT_STRING_NOT_EQUAL(first, ask(&b, "who")); /* other process numbers */
    CU_ASSERT_EQUAL(atoi(ask(&a, "write:/tmp/mine")), 0);
    CU_ASSERT_EQUAL(atoi(ask(&b, "open:/tmp/mine")), ENOENT);
    CU_ASSERT(settles(1 + SPARES + 2 * 2)); /* the zygote, and two in each room: every one has its own uid */
    CU_ASSERT(rooms_kill(&rooms, &a));
    CU_ASSERT(rooms_kill(&rooms, &b));
}

static void test_rooms_freeze(void)
{
    struct room_fds room;
    struct rooms_message m;
    char answer[64];
    CU_ASSERT_FATAL(make_and_assign(4, &room));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_FREEZE, .room_id = 4});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 4, SPAWN_ROOM_FROZEN, &m));
    CU_ASSERT(m.msg.stats.peak_bytes > 0);
    CU_ASSERT(m.msg.stats.tasks >= 2);
    rooms_ask_within(&room, "cpus", answer, sizeof answer, 150);
    CU_ASSERT_STRING_EQUAL(answer, "");
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_THAW, .room_id = 4});
    rooms_ask(&room, "", answer, sizeof answer);
    CU_ASSERT_STRING_EQUAL(answer, "1");
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_FREEZE, .room_id = 4});
    CU_ASSERT(rooms_wait(&rooms, 4, SPAWN_ROOM_FROZEN, &m));
    CU_ASSERT(rooms_kill(&rooms, &room)); /* frozen tasks die too */
}

/* /tmp is kept; processes, also those that hide from their parent, are not. */
static void test_rooms_reset(void)
{
    struct room_fds room;
    struct rooms_message m;
    CU_ASSERT_FATAL(make_and_assign(5, &room));
    CU_ASSERT_EQUAL(atoi(ask(&room, "write:/tmp/kept")), 0);
    CU_ASSERT_STRING_EQUAL(ask(&room, "daemon"), "ok");
    CU_ASSERT_FATAL(rooms_reset(&rooms, &room));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_STAT, .room_id = 5});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 5, SPAWN_ROOM_STATS, &m));
    CU_ASSERT_EQUAL(m.msg.stats.tasks, 2); /* pid 1 and the new worker */
    struct spawn_msg assign = rooms_assign_msg(&rooms, 5, 1);
    CU_ASSERT_FATAL(rooms_assign(&rooms, &room, &assign, "again"));
    CU_ASSERT_STRING_EQUAL(ask(&room, "read:/tmp/kept"), "kept");
    /* a frozen room, and one whose runtime ended, can be reset too */
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_FREEZE, .room_id = 5});
    CU_ASSERT(rooms_wait(&rooms, 5, SPAWN_ROOM_FROZEN, &m));
    CU_ASSERT_FATAL(rooms_reset(&rooms, &room));
    CU_ASSERT_FATAL(rooms_assign(&rooms, &room, &assign, "thawed"));
    rooms_ask(&room, "exit:3", (char[8]){0}, 8);
    CU_ASSERT_FATAL(rooms_wait(&rooms, 5, SPAWN_ROOM_EXITED, &m));
    CU_ASSERT(WIFEXITED(m.msg.exited.wait_status) && WEXITSTATUS(m.msg.exited.wait_status) == 3);
    CU_ASSERT_FATAL(rooms_reset(&rooms, &room));
    CU_ASSERT(rooms_kill(&rooms, &room));
}

static void test_rooms_limits(void)
{
    struct room_fds room;
    struct rooms_message m;
    CU_ASSERT_FATAL(rooms_make(&rooms, 6, zygote, &room));
    struct spawn_msg assign = rooms_assign_msg(&rooms, 6, 2);
    assign.assign.tmp_mb = 1024;
    CU_ASSERT_FATAL(rooms_assign(&rooms, &room, &assign, "you"));
    int tmp_mb = atoi(ask(&room, "tmp"));
    CU_ASSERT(tmp_mb >= 1000 && tmp_mb <= 1040);
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_LIMIT, .room_id = 6, .limit.cpu_milli = 500});
    char answer[8];
    rooms_ask(&room, "eat", answer, sizeof answer);
    CU_ASSERT_FATAL(rooms_wait(&rooms, 6, SPAWN_ROOM_EXITED, &m));
    CU_ASSERT(WIFSIGNALED(m.msg.exited.wait_status) && WTERMSIG(m.msg.exited.wait_status) == SIGKILL);
    CU_ASSERT(m.msg.exited.stats.oom_kills > 0);
    CU_ASSERT_EQUAL(m.msg.exited.stats.peak_bytes, 128u << 20);
    CU_ASSERT(rooms_kill(&rooms, &room));
}

/* What stoked must not get, whatever it sends. */
static void test_rooms_refusals(void)
{
    struct room_fds room;
    struct rooms_message m;
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_MAKE, .room_id = 7, .make.zygote_id = 99});
    CU_ASSERT(rooms_wait(&rooms, 7, SPAWN_ROOM_FAILED, &m));
    CU_ASSERT_FATAL(rooms_make(&rooms, 7, zygote, &room));
    struct spawn_msg bad = rooms_assign_msg(&rooms, 7, 1);
    memcpy(bad.assign.code, "../..", 6);
    rooms_send(&rooms, bad);
    CU_ASSERT_FATAL(rooms_wait(&rooms, 7, SPAWN_ROOM_FAILED, &m));
    CU_ASSERT_STRING_EQUAL(m.msg.failed.stage, "message");
    struct spawn_msg assign = rooms_assign_msg(&rooms, 7, 1);
    CU_ASSERT_FATAL(rooms_assign(&rooms, &room, &assign, "you"));
    if (!rootless)
        CU_ASSERT_FATAL(rooms_reset(&rooms, &room));
    rooms_send(&rooms, rooms_assign_msg(&rooms, 7, 8)); /* a used room is one version's for ever */
    CU_ASSERT(rooms_wait(&rooms, 7, SPAWN_ROOM_FAILED, &m));
    CU_ASSERT(rooms_kill(&rooms, &room));
    CU_ASSERT_FATAL(rooms_make(&rooms, 8, zygote, &room));
    struct spawn_msg absent = rooms_assign_msg(&rooms, 8, 9);
    absent.assign.code[0] = 'f';
    rooms_send(&rooms, absent);
    CU_ASSERT(rooms_wait(&rooms, 8, SPAWN_ROOM_FAILED, &m));
    CU_ASSERT(rooms_kill(&rooms, &room));
}

static void test_rooms_end_with_pid1(void)
{
    struct room_fds room, blank;
    struct rooms_message m;
    char answer[8];
    CU_ASSERT_FATAL(make_and_assign(9, &room));
    CU_ASSERT_FATAL(rooms_make(&rooms, 10, zygote, &blank));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ZYGOTE_STOP, .room_id = zygote});
    CU_ASSERT_STRING_EQUAL(ask(&room, "cpus"), "1"); /* rooms outlive their zygote, */
    struct spawn_msg assign = rooms_assign_msg(&rooms, 10, 10);
    CU_ASSERT_FATAL(rooms_assign(&rooms, &blank, &assign, "you")); /* those without a function too, */
    CU_ASSERT_STRING_EQUAL(ask(&blank, "cpus"), "1");
    CU_ASSERT(rooms_kill(&rooms, &blank));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_RESET, .room_id = 9});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 9, SPAWN_ROOM_FAILED, &m)); /* but cannot be reset without it */
    CU_ASSERT(rooms_kill(&rooms, &room));
    rooms_ask_within(&room, "", answer, sizeof answer, 1);
    zygote = rooms_zygote(&rooms);
    CU_ASSERT_FATAL(zygote != 0);
}

/* Within one second there is a new spawner that makes rooms, and nothing of the old one. */
static void test_rooms_spawner_dies(void)
{
    struct room_fds room;
    pid_t monitor = rooms_child_of(getpid()), spawner = rooms_child_of(monitor);
    CU_ASSERT_FATAL(make_and_assign(11, &room));
    CU_ASSERT_FATAL(spawner > 0);
    int64_t began = clock_mono_us();
    kill(spawner, SIGKILL);
    CU_ASSERT_FATAL(rooms_run_until(&rooms, &rooms.ups, 2, ROOMS_WAIT_MS));
    int64_t took = clock_mono_us() - began;
    CU_ASSERT_EQUAL(rooms.losses, 1);
    CU_ASSERT(took < 1000000);
    CU_ASSERT_EQUAL(rooms_processes(&rooms, NULL), 0);
    zygote = rooms_zygote(&rooms);
    CU_ASSERT_FATAL(zygote != 0);
    printf("\n  a new spawner after %lld ms, a zygote after %lld\n", (long long)took / 1000, (long long)(clock_mono_us() - began) / 1000);
    CU_ASSERT_FATAL(make_and_assign(11, &room));
    CU_ASSERT(rooms_kill(&rooms, &room));
}

static void test_rooms_monitor_dies(void)
{
    struct room_fds room;
    pid_t monitor = rooms_child_of(getpid());
    CU_ASSERT_FATAL(make_and_assign(12, &room));
    kill(monitor, SIGKILL);
    CU_ASSERT_FATAL(rooms_run_until(&rooms, &rooms.gone, 1, ROOMS_WAIT_MS));
    for (int i = 0; i < 200 && rooms_processes(&rooms, NULL) > 0; i++)
        usleep(10000);
    CU_ASSERT_EQUAL(rooms_processes(&rooms, NULL), 0);
    spawn_client_stop(rooms.client);
    CU_ASSERT_FATAL(rooms_restart(&rooms)); /* sweeps */
    zygote = rooms_zygote(&rooms);
    CU_ASSERT_FATAL(make_and_assign(12, &room));
}

/* Where an overlay would hide what is mounted below /usr, rooms do without, and the host report says so. */
static void test_rooms_mounted_below_usr(void)
{
    static const char *const places[] = {"/usr/src", "/usr/games", "/usr/local/src", "/usr/local/games"};
    struct rooms_message m;
    const char *place = NULL;
    CU_ASSERT_FATAL(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    for (size_t i = 0; i < ARRAY_LEN(places) && !place; i++)
        if (mount("test", places[i], "tmpfs", 0, NULL) == 0)
            place = places[i];
    if (!place) {
        printf("SKIP none of the usual empty directories below /usr: ");
        return;
    }
    spawn_client_stop(rooms.client);
    CU_ASSERT_FATAL(rooms_restart(&rooms));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_HOST_REPORT});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 0, SPAWN_HOST, &m));
    CU_ASSERT_PTR_NOT_NULL(strstr(m.msg.host.missing, "mounted below /usr"));
    umount2(place, MNT_DETACH);
    spawn_client_stop(rooms.client);
    CU_ASSERT_FATAL(rooms_restart(&rooms));
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_HOST_REPORT});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 0, SPAWN_HOST, &m));
    CU_ASSERT_PTR_NULL(strstr(m.msg.host.missing, "mounted below /usr"));
    zygote = rooms_zygote(&rooms);
    CU_ASSERT_FATAL(make_and_assign(13, &(struct room_fds){0}));
}

/* With rooms alive: an orderly end leaves nothing. */
static void test_rooms_leave_nothing(void)
{
    rooms_stop(&rooms);
    CU_ASSERT_EQUAL(rooms_leftovers(&rooms), 0);
}

static int start_once(void)
{
    if (!rooms_start(&rooms))
        return 1;
    zygote = rooms_zygote(&rooms);
    return zygote == 0;
}

/* Where its worker has our user id, and could stop whoever we send into the room to clear it, a room is not reset but ended. */
static void test_rooms_one_life(void)
{
    struct room_fds room;
    struct rooms_message m;
    CU_ASSERT_FATAL(make_and_assign(5, &room));
    CU_ASSERT_STRING_EQUAL(ask(&room, "daemon"), "ok");
    rooms_send(&rooms, (struct spawn_msg){.op = SPAWN_ROOM_RESET, .room_id = 5});
    CU_ASSERT_FATAL(rooms_wait(&rooms, 5, SPAWN_ROOM_FAILED, &m));
    CU_ASSERT_STRING_EQUAL(m.msg.failed.stage, "reset");
    char byte;
    CU_ASSERT(read(room.talk, &byte, 1) <= 0); /* all in it have ended */
    for (size_t i = 0; i < 5; i++)
        close(((const int[]){room.channel, room.log, room.runtime, room.endpoint, room.talk})[i]);
}

static int run(void)
{
    static const struct unit_test tests[] = {TEST(test_rooms_host_report),
                                             TEST(test_rooms_run),
                                             TEST(test_rooms_spares),
                                             TEST(test_rooms_spares_fail),
                                             TEST(test_rooms_show_no_others),
                                             TEST(test_rooms_zygote_fails),
                                             TEST(test_rooms_are_apart),
                                             TEST(test_rooms_freeze),
                                             TEST(test_rooms_reset),
                                             TEST(test_rooms_limits),
                                             TEST(test_rooms_refusals),
                                             TEST(test_rooms_end_with_pid1),
                                             TEST(test_rooms_spawner_dies),
                                             TEST(test_rooms_monitor_dies),
                                             TEST(test_rooms_mounted_below_usr),
                                             TEST(test_rooms_leave_nothing)};
    static const struct unit_test rootless_tests[] = {
        TEST(test_rooms_host_report),  TEST(test_rooms_run),          TEST(test_rooms_zygote_fails),  TEST(test_rooms_show_no_others),
        TEST(test_rooms_one_life),     TEST(test_rooms_refusals),     TEST(test_rooms_end_with_pid1), TEST(test_rooms_spawner_dies),
        TEST(test_rooms_monitor_dies), TEST(test_rooms_leave_nothing)};
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite(rootless ? "rooms, rootless" : "rooms", start_once, NULL);
    const struct unit_test *list = rootless ? rootless_tests : tests;
    size_t count = rootless ? ARRAY_LEN(rootless_tests) : ARRAY_LEN(tests);
    for (size_t i = 0; suite && i < count; i++)
        if (!CU_add_test(suite, list[i].name, list[i].fn))
            return 2;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    bool failed = CU_get_number_of_failures() > 0 || CU_get_number_of_suites_failed() > 0;
    CU_cleanup_registry();
    return failed;
}

/* Why this host lets nobody but root make user namespaces; NULL when it does. */
static const char *why_not_rootless(void)
{
    static const char *const files[] = {"/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/unprivileged_userns_clone"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        FILE *file = fopen(files[i], "r");
        int value = 1;
        if (file && fscanf(file, "%d", &value) != 1)
            value = 1;
        if (file)
            fclose(file);
        if (value == 0)
            return files[i];
    }
    return NULL;
}

/* A checkout may lie where only root gets, as in root's home. */
static bool show_build(void)
{
    rooms_build = "/mnt";
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(BUILD_DIR, rooms_build, NULL, MS_BIND, NULL) == 0;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (geteuid() != 0) {
        SKIP("needs root");
        return SKIPPED;
    }
    const char *why = rootless ? why_not_rootless() : NULL;
    if (why) {
        SKIP("needs user namespaces for users (%s is 0)", why);
        return SKIPPED;
    }
    if (rootless && (!show_build() || setgroups(0, NULL) < 0 || setresgid(ROOTLESS_ID, ROOTLESS_ID, ROOTLESS_ID) < 0 ||
                     setresuid(ROOTLESS_ID, ROOTLESS_ID, ROOTLESS_ID) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0))
        return 2;
    return run();
}
