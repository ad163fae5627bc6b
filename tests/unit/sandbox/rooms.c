/* A daemon's side of rooms, for tests. */
#include "tests/unit/sandbox/rooms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/strutil.h"
#include "runtime-api/channel.h"

#define UID_BASE 0x7f000000u /* the upper end of what daemons choose from, which they take from the lower end */
#define UID_RANGES 128
#define UID_RANGE_SIZE 65536
#define UIDS_OF_ZYGOTES 8192 /* as in the spawner */
#define CODE "00000000000000000000000000000000000000000000000000000000000000c0"

static void on_message(void *arg, const struct spawn_msg *msg, int *fds, size_t nfds)
{
    struct rooms *rooms = arg;
    if (rooms->count == ARRAY_LEN(rooms->inbox) || nfds > ROOMS_FDS_MAX)
        abort();
    struct rooms_message *m = &rooms->inbox[rooms->count++];
    m->msg = *msg;
    m->nfds = nfds;
    for (size_t i = 0; i < nfds; i++)
        m->fds[i] = fds[i];
}

static void on_lost(void *arg)
{
    ((struct rooms *)arg)->losses++;
}

static void on_up(void *arg)
{
    ((struct rooms *)arg)->ups++;
}

static void on_gone(void *arg)
{
    ((struct rooms *)arg)->gone++;
}

static const struct spawn_events events = {on_message, on_lost, on_up, on_gone};

static bool copy_program(const char *from, const char *to)
{
    struct stat st;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    bool ok = in >= 0 && out >= 0 && fstat(in, &st) == 0 && sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size;
    close(in);
    close(out);
    return ok;
}

const char *rooms_build = BUILD_DIR;

bool rooms_restart(struct rooms *rooms)
{
    struct err err;
    char spawner[256];
    snprintf(spawner, sizeof spawner, "%s/stoke-spawner", rooms_build);
    const struct spawn_options options = {
        .spawner_path = spawner, .data_dir = rooms->data, .cgroup_name = rooms->cgroup, .uid_base = rooms->uid_base};
    rooms->ups = rooms->losses = rooms->gone = 0;
    rooms->count = 0;
    if (spawn_client_start(rooms->loop, &options, &events, rooms, &rooms->client, &err) < 0) {
        printf("%s\n", err.msg);
        return false;
    }
    return rooms_run_until(rooms, &rooms->ups, 1, ROOMS_WAIT_MS);
}

bool rooms_start(struct rooms *rooms)
{
    char path[256], bootstrap[256];
    struct err err;
    snprintf(bootstrap, sizeof bootstrap, "%s/tests/room_bootstrap", rooms_build);
    *rooms = (struct rooms){.code = CODE, .uid_base = UID_BASE + (uint32_t)getpid() % UID_RANGES * UID_RANGE_SIZE};
    snprintf(rooms->data, sizeof rooms->data, "/tmp/test-rooms-XXXXXX");
    snprintf(rooms->cgroup, sizeof rooms->cgroup, "test-rooms-%d", getpid());
    if (!mkdtemp(rooms->data) || chmod(rooms->data, 0755) < 0)
        return false;
    snprintf(path, sizeof path, "%s/trees", rooms->data);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/trees/%s", rooms->data, CODE);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/trees/%s/bootstrap", rooms->data, CODE);
    return copy_program(bootstrap, path) && loop_new(&rooms->loop, &err) == 0 && rooms_restart(rooms);
}

void rooms_stop(struct rooms *rooms)
{
    char command[128];
    spawn_client_stop(rooms->client);
    loop_free(rooms->loop);
    rooms->client = NULL;
    snprintf(command, sizeof command, "rm -rf %s", rooms->data);
    if (system(command) != 0)
        printf("%s was not removed\n", rooms->data);
}

bool rooms_run_until(struct rooms *rooms, const unsigned *counter, unsigned at_least, int ms)
{
    int64_t deadline = clock_mono_us() + (int64_t)ms * 1000;
    while (*counter < at_least && clock_mono_us() < deadline)
        loop_run_once(rooms->loop, 10);
    return *counter >= at_least;
}

bool rooms_is_quiet(struct rooms *rooms, int ms)
{
    int64_t deadline = clock_mono_us() + (int64_t)ms * 1000;
    while (rooms->count == 0 && clock_mono_us() < deadline)
        loop_run_once(rooms->loop, 10);
    return rooms->count == 0;
}

static bool take(struct rooms *rooms, uint32_t id, struct rooms_message *ret)
{
    for (size_t i = 0; i < rooms->count; i++)
        if (rooms->inbox[i].msg.room_id == id) {
            *ret = rooms->inbox[i];
            memmove(&rooms->inbox[i], &rooms->inbox[i + 1], (rooms->count - i - 1) * sizeof rooms->inbox[0]);
            rooms->count--;
            return true;
        }
    return false;
}

bool rooms_wait(struct rooms *rooms, uint32_t id, uint32_t op, struct rooms_message *ret)
{
    int64_t deadline = clock_mono_us() + (int64_t)ROOMS_WAIT_MS * 1000;
    while (!take(rooms, id, ret)) {
        if (clock_mono_us() > deadline) {
            printf("no message for %u within %d ms (expected %u)\n", id, ROOMS_WAIT_MS, op);
            return false;
        }
        loop_run_once(rooms->loop, 10);
    }
    if (op == 0 || ret->msg.op == op)
        return true;
    printf("message %u for %u instead of %u\n", ret->msg.op, id, op);
    if (ret->msg.op == SPAWN_ROOM_FAILED || ret->msg.op == SPAWN_ZYGOTE_DOWN)
        printf("  stage %s, errno %d: %s\n", ret->msg.failed.stage, ret->msg.failed.code, ret->msg.failed.text);
    for (size_t i = 0; i < ret->nfds; i++)
        close(ret->fds[i]);
    return false;
}

void rooms_send(struct rooms *rooms, struct spawn_msg msg)
{
    struct err err;
    if (spawn_client_send(rooms->client, &msg, &err) < 0)
        printf("sending %u: %s\n", msg.op, err.msg);
}

bool rooms_make_runtimes(const struct rooms *rooms, char *ret_python, char *ret_node)
{
    char path[SPAWN_PATH_MAX];
    snprintf(path, sizeof path, "%s/runtimes", rooms->data);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/runtimes/python", rooms->data);
    bool made = mkdir(path, 0755) == 0 || errno == EEXIST;
    if (ret_python)
        str_copy(ret_python, SPAWN_PATH_MAX, path);
    snprintf(path, sizeof path, "%s/runtimes/nodejs", rooms->data);
    if (ret_node)
        str_copy(ret_node, SPAWN_PATH_MAX, path);
    return (symlink("/var", path) == 0 || errno == EEXIST) && made;
}

uint32_t rooms_zygote(struct rooms *rooms)
{
    static uint32_t next = 1000000; /* apart from the rooms' ids in the inbox */
    struct rooms_message m;
    struct spawn_msg msg = {.op = SPAWN_ZYGOTE_START, .room_id = ++next, .zygote.kind = SPAWN_ZYGOTE_NATIVE};
    str_copy(msg.zygote.account, sizeof msg.zygote.account, "000000000000");
    rooms_send(rooms, msg);
    return rooms_wait(rooms, next, SPAWN_ZYGOTE_UP, &m) ? next : 0;
}

bool rooms_make(struct rooms *rooms, uint32_t id, uint32_t zygote, struct room_fds *ret)
{
    struct rooms_message m;
    rooms_send(rooms, (struct spawn_msg){.op = SPAWN_ROOM_MAKE, .room_id = id, .make.zygote_id = zygote});
    if (!rooms_wait(rooms, id, SPAWN_ROOM_READY, &m) || m.nfds != SPAWN_FD_COUNT)
        return false;
    *ret = (struct room_fds){id, m.fds[0], m.fds[1], m.fds[2], m.fds[3], -1};
    return true;
}

struct spawn_msg rooms_assign_msg(const struct rooms *rooms, uint32_t id, uint64_t version_key)
{
    struct spawn_msg msg = {
        .op = SPAWN_ROOM_ASSIGN,
        .room_id = id,
        .assign = {.version_key = version_key, .memory_mb = 128, .cpu_milli = 1000, .cpu_count = 1, .tmp_mb = 512, .pids_max = 64}};
    str_copy(msg.assign.code, SPAWN_DIGEST_BYTES, rooms->code);
    return msg;
}

static bool send_start(int channel, const char *greeting)
{
    unsigned char frame[256] = {CHANNEL_START};
    int len = snprintf((char *)frame + CHANNEL_HEADER_BYTES, 200, "GREETING=%s", greeting) + 1;
    frame[4] = (unsigned char)len;
    return write(channel, frame, CHANNEL_HEADER_BYTES + (size_t)len) == CHANNEL_HEADER_BYTES + len;
}

bool rooms_assign(struct rooms *rooms, struct room_fds *room, const struct spawn_msg *assign, const char *greeting)
{
    struct rooms_message m;
    struct pollfd call = {.fd = room->runtime, .events = POLLIN};
    rooms_send(rooms, *assign);
    if (!send_start(room->channel, greeting) || !rooms_wait(rooms, room->id, SPAWN_ROOM_ASSIGNED, &m))
        return false;
    if (poll(&call, 1, ROOMS_WAIT_MS) != 1)
        return false;
    room->talk = accept4(room->runtime, NULL, NULL, SOCK_CLOEXEC);
    return room->talk >= 0;
}

bool rooms_reset(struct rooms *rooms, struct room_fds *room)
{
    struct rooms_message m;
    rooms_send(rooms, (struct spawn_msg){.op = SPAWN_ROOM_RESET, .room_id = room->id});
    if (!rooms_wait(rooms, room->id, SPAWN_ROOM_READY, &m) || m.nfds != 2)
        return false;
    close(room->channel);
    close(room->log);
    fd_closep(&room->talk);
    room->channel = m.fds[0];
    room->log = m.fds[1];
    return true;
}

bool rooms_kill(struct rooms *rooms, struct room_fds *room)
{
    struct rooms_message m;
    bool dead = false, answered = true;
    rooms_send(rooms, (struct spawn_msg){.op = SPAWN_ROOM_KILL, .room_id = room->id});
    while (!dead && answered) {
        answered = rooms_wait(rooms, room->id, 0, &m);
        dead = answered && m.msg.op == SPAWN_ROOM_DEAD;
    }
    fd_closep(&room->channel);
    fd_closep(&room->log);
    fd_closep(&room->runtime);
    fd_closep(&room->endpoint);
    fd_closep(&room->talk);
    return dead;
}

void rooms_ask_within(const struct room_fds *room, const char *word, char *out, size_t cap, int ms)
{
    struct pollfd p = {.fd = room->talk, .events = POLLIN};
    out[0] = '\0';
    if (word[0] && dprintf(room->talk, "%s\n", word) < 0)
        return;
    if (poll(&p, 1, ms) != 1)
        return;
    ssize_t n = read(room->talk, out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

void rooms_ask(const struct room_fds *room, const char *word, char *out, size_t cap)
{
    rooms_ask_within(room, word, out, cap, ROOMS_WAIT_MS);
}

void rooms_read_log(const struct room_fds *room, char *out, size_t cap)
{
    struct pollfd p = {.fd = room->log, .events = POLLIN};
    ssize_t n = poll(&p, 1, ROOMS_WAIT_MS) == 1 ? read(room->log, out, cap - 1) : 0;
    out[n > 0 ? n : 0] = '\0';
}

/* ---- what is left ---- */

static pid_t parent_of(pid_t pid)
{
    CLEANUP(freep) char *text = NULL;
    char path[64];
    struct err err;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (fd_read_file(AT_FDCWD, path, 4096, &text, NULL, &err) < 0)
        return 0;
    int parent = 0;
    char *end = strrchr(text, ')');
    return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

pid_t rooms_child_of(pid_t parent)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;
    while (dir && !found && (entry = readdir(dir))) {
        int64_t pid;
        if (str_to_i64(entry->d_name, 1, INT32_MAX, &pid) && parent_of((pid_t)pid) == parent)
            found = (pid_t)pid;
    }
    if (dir)
        closedir(dir);
    return found;
}

unsigned rooms_processes(const struct rooms *rooms, unsigned *ret_uids)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    uid_t seen[256];
    unsigned n = 0, uids = 0;
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        unsigned i = 0;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || st.st_uid < rooms->uid_base || st.st_uid >= rooms->uid_base + UID_RANGE_SIZE)
            continue;
        n++;
        while (i < uids && seen[i] != st.st_uid)
            i++;
        if (i == uids && uids < ARRAY_LEN(seen))
            seen[uids++] = st.st_uid;
    }
    if (dir)
        closedir(dir);
    if (ret_uids)
        *ret_uids = uids;
    return n;
}

unsigned rooms_kill_insiders(const struct rooms *rooms)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    unsigned n = 0;
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        int64_t pid;
        if (!str_to_i64(entry->d_name, 1, INT32_MAX, &pid) || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 ||
            st.st_uid < rooms->uid_base + UIDS_OF_ZYGOTES || st.st_uid >= rooms->uid_base + UID_RANGE_SIZE)
            continue;
        n += kill((pid_t)pid, SIGKILL) == 0;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* Entries below dir whose link or file (dir/NAME/file) holds text. */
static unsigned count_holding(const char *dir, const char *file, const char *text)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    unsigned n = 0;
    while (d && (entry = readdir(d))) {
        CLEANUP(freep) char *data = NULL;
        char path[512];
        struct err err;
        snprintf(path, sizeof path, "%s/%s/%s", dir, entry->d_name, file);
        if (entry->d_name[0] == '.' || fd_read_file(AT_FDCWD, path, 4u << 20, &data, NULL, &err) < 0 || !strstr(data, text))
            continue;
        printf("left: %s\n", path);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static unsigned count_groups(const char *dir, const char *name)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    unsigned n = 0;
    while (d && (entry = readdir(d))) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s/%s", dir, entry->d_name, name);
        if (entry->d_name[0] != '.' && access(path, F_OK) == 0) {
            printf("left: %s\n", path);
            n++;
        }
    }
    if (d)
        closedir(d);
    return n;
}

unsigned rooms_leftovers(const struct rooms *rooms)
{
    return count_holding("/sys/block", "loop/backing_file", rooms->data) + count_groups("/sys/fs/cgroup", rooms->cgroup) +
           count_holding("/proc", "mountinfo", rooms->data) + (rooms_child_of(getpid()) != 0) + rooms_processes(rooms, NULL);
}
