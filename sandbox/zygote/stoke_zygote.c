/* stoke-zygote node|native INTERPRETER: the small parent of workers whose runtime is another program. A static binary, for
 * it runs where no library need be. Node's worker execs the interpreter at once, which boots and waits for GO itself; a custom
 * runtime's worker waits, starts the extensions it is told to, takes the environment from the START frame and execs the
 * bootstrap. The protocol is on top of zygote.h. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runtime-api/channel.h"
#include "sandbox/zygote/zygote.h"

#define ENVIRONMENT_MAX 4096 /* variables */
#define EXIT_NOT_FOUND 127
#define EXIT_NOT_EXECUTABLE 126

static char meta[CHANNEL_META_BYTES_MAX + 1];
static char *environment[ENVIRONMENT_MAX + 1];

static void write_all(const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(CHANNEL_FD, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1);
        p += n;
        len -= (size_t)n;
    }
}

/* At the end of the stream the room is over. */
static void read_all(void *data, size_t len)
{
    char *p = data;
    while (len) {
        ssize_t n = read(CHANNEL_FD, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        p += n;
        len -= (size_t)n;
    }
}

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get_u32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void send_frame(enum channel_type type, const char *fields, size_t len)
{
    unsigned char header[CHANNEL_HEADER_BYTES] = {(unsigned char)type};
    put_u32(header + 4, (uint32_t)len);
    write_all(header, sizeof header);
    write_all(fields, len);
}

/* Reads START or EXTENSION into meta, fills environment from it, and returns which it is. */
static int receive_frame(void)
{
    unsigned char header[CHANNEL_HEADER_BYTES];
    size_t count = 0;
    read_all(header, sizeof header);
    uint32_t len = get_u32(header + 4), body = get_u32(header + 8);
    int type = header[0];
    if ((type != CHANNEL_START && type != CHANNEL_EXTENSION) || len > CHANNEL_META_BYTES_MAX || body != 0)
        _exit(1);
    read_all(meta, len);
    meta[len] = '\0';
    char *first = type == CHANNEL_EXTENSION ? meta + strlen(meta) + 1 : meta; /* behind the path */
    for (char *p = first; p < meta + len && count < ENVIRONMENT_MAX; p += strlen(p) + 1)
        environment[count++] = p;
    environment[count] = NULL;
    return type;
}

/* What a program is built for, if not for this machine; else "". */
static const char *foreign_machine(const char *path)
{
    static const struct {
        unsigned machine;
        const char *name; /* as uname says it */
    } known[] = {{EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_386, "i686"}, {EM_ARM, "armv7l"}, {EM_RISCV, "riscv64"}};
    Elf64_Ehdr head; /* e_machine is where a 32-bit one has it */
    struct utsname host;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, &head, sizeof head);
    if (fd >= 0)
        close(fd);
    if (n < (ssize_t)offsetof(Elf64_Ehdr, e_version) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || uname(&host) < 0)
        return "";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].machine == head.e_machine)
            return strcmp(known[i].name, host.machine) == 0 ? "" : known[i].name;
    return "another machine";
}

static void exec_failed(int code, const char *path)
{
    char fields[512];
    int n = snprintf(fields, sizeof fields, "%d%c%.400s%c%s", code, 0, path, 0, code == ENOEXEC ? foreign_machine(path) : "");
    send_frame(CHANNEL_EXEC_FAILED, fields, (size_t)n + 1);
    _exit(code == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static void run_bootstrap(void)
{
    static const char *const paths[] = {"/var/task/bootstrap", "/opt/bootstrap"};
    const char *path = paths[0];
    int code = ENOENT;
    for (size_t i = 0; i < 2; i++) {
        char *argv[] = {(char *)paths[i], NULL};
        execve(paths[i], argv, environment);
        int why = errno;
        if (why == ENOENT && access(paths[i], F_OK) < 0)
            continue;
        code = why; /* ENOENT of a file that is there: its interpreter or loader is missing */
        path = paths[i];
        break;
    }
    exec_failed(code, path);
}

/* The program in meta, in a session of its own. */
static void run_extension(void)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    char *argv[] = {meta, NULL};
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    int code = posix_spawn(&(pid_t){0}, meta, &files, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (code != 0)
        exec_failed(code, meta);
}

static void native_worker(void)
{
    zygote_await_go(); /* no BOOTED: that frame says that a runtime of ours will speak on the channel */
    if (fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
        _exit(1);
    while (receive_frame() == CHANNEL_EXTENSION)
        run_extension();
    if (chdir("/var/task") < 0)
        _exit(1);
    run_bootstrap();
}

static void node_worker(char *interpreter)
{
    char *argv[] = {interpreter, "--max-http-header-size=81920", "/var/runtime/bootstrap.mjs", NULL};
    char *envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=en_US.UTF-8", "TZ=:UTC", "HOME=/tmp", NULL};
    zygote_say_sealed();
    execve(interpreter, argv, envp);
    dprintf(2, "%s cannot be executed: %s\n", interpreter, strerror(errno));
    _exit(EXIT_NOT_FOUND);
}

int main(int argc, char **argv)
{
    struct err err;
    bool native = argc == 2 && strcmp(argv[1], "native") == 0;
    bool node = argc == 3 && strcmp(argv[1], "node") == 0;
    if (!native && !node) {
        dprintf(2, "stoke-zygote is started by stoke-spawner alone\n");
        return 2;
    }
    if (zygote_open(&err) < 0) {
        dprintf(2, "stoke-zygote: %s\n", err.msg);
        return 1;
    }
    zygote_serve(NULL);
    if (native)
        native_worker();
    else
        node_worker(argv[2]);
    return 1;
}
