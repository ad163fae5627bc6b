/* Asking one interpreter. A symbolic link in /usr/local/bin may lead to a home directory, a script may stand before the program: what
 * counts is the program that runs and the directory it takes its library from. */
#include "layers/runtimes/interpreter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/strutil.h"

#define OUTPUT_FAILED (-1) /* it ended, badly */
#define OUTPUT_LATE (-2)   /* it did not end, or did not start */
#define ANSWER_BYTES (3 * PATH_MAX)

#define PYTHON_QUESTION                                                                                                                    \
    "import os, sys\n"                                                                                                                     \
    "print('%d.%d.%d' % sys.version_info[:3], sys.base_prefix, os.readlink('/proc/self/exe'), sep='\\n')"

/* ---- running it ---- */

/* stream (1 or 2) goes to out, the other nowhere. */
static int start(char *const argv[], int stream, int out, pid_t *ret_pid)
{
    char *env[] = {NULL};
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, stream);
    posix_spawn_file_actions_addopen(&actions, 3 - stream, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    int rc = posix_spawn(ret_pid, argv[0], &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

/* What it writes to stream until it ends, at most cap - 1 bytes. 0 if it ended well and in time; whatever it started is gone. */
static int output_of(char *const argv[], int stream, char *out, size_t cap)
{
    int fds[2];
    pid_t pid;
    out[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) < 0)
        return OUTPUT_LATE;
    CLEANUP(fd_closep) int from = fds[0], to = fds[1];
    if (start(argv, stream, to, &pid) != 0)
        return OUTPUT_LATE;
    fd_closep(&to);
    size_t len = 0;
    int64_t end = clock_mono_us() + INTERPRETER_ASK_MS * 1000ll;
    bool ended = false;
    for (int64_t now = clock_mono_us(); !ended && now < end && len < cap - 1; now = clock_mono_us()) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        if (poll(&p, 1, (int)((end - now) / 1000) + 1) <= 0)
            continue;
        ssize_t n = read(from, out + len, cap - 1 - len);
        ended = n == 0 || (n < 0 && errno != EINTR);
        len += n > 0 ? (size_t)n : 0;
    }
    out[len] = '\0';
    siginfo_t info = {0};
    while (ended && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0 && clock_mono_us() < end)
        usleep(1000); /* it closed its output: it is ending */
    kill(-pid, SIGKILL);
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return !ended ? OUTPUT_LATE : status == 0 ? 0 : OUTPUT_FAILED;
}

/* ---- where it lives ---- */

static bool is_below(const char *path, const char *top)
{
    size_t n = strlen(top);
    return strncmp(path, top, n) == 0 && path[n] == '/';
}

static bool is_home(const char *path)
{
    FILE *file = fopen("/etc/passwd", "re");
    bool home = false;
    for (struct passwd *p; !home && file && (p = fgetpwent(file));)
        home = str_eq(p->pw_dir, path);
    if (file)
        fclose(file);
    return home;
}

static bool exists_in(const char *dir, const char *name)
{
    CLEANUP(freep) char *path = str_format("%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* Removes the last part; false if there is none. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return false;
    *slash = '\0';
    return true;
}

/* Node needs nothing but itself; what an installation brings along (npm) is in PREFIX beside bin. */
static bool node_prefix(const char *path, char *prefix)
{
    char above[RUNTIME_PATH_MAX];
    str_copy(prefix, RUNTIME_PATH_MAX, path);
    if (!go_up(prefix))
        return false;
    str_copy(above, sizeof above, prefix);
    if (str_ends(prefix, "/bin") && go_up(above) && !is_home(above) &&
        (exists_in(above, "lib/node_modules") || exists_in(above, "include/node")))
        str_copy(prefix, RUNTIME_PATH_MAX, above);
    return true;
}

static bool python_prefix(const struct runtime_interpreter *it, const char *base_prefix, char *prefix)
{
    CLEANUP(freep) char *lib = str_format("lib/python%d.%d", it->major, it->minor);
    CLEANUP(freep) char *lib64 = str_format("lib64/python%d.%d", it->major, it->minor);
    CLEANUP(freep) char *real = realpath(base_prefix, NULL);
    return real && str_copy(prefix, RUNTIME_PATH_MAX, real) && is_below(it->path, prefix) &&
           (exists_in(prefix, lib) || exists_in(prefix, lib64));
}

static int find_prefix(struct runtime_interpreter *it, const char *base_prefix, struct err *err)
{
    it->prefix[0] = '\0';
    if (is_below(it->path, "/usr"))
        return 0;
    bool found = it->language == RUNTIME_PYTHON ? python_prefix(it, base_prefix, it->prefix) : node_prefix(it->path, it->prefix);
    if (!found)
        return err_set(err, ERR_INVALID, "%s and its library are not in one directory that a sandbox could show", it->path);
    if (is_home(it->prefix) || str_eq(it->prefix, "/") || str_eq(it->prefix, "/home") || str_eq(it->prefix, "/opt"))
        return err_set(err, ERR_INVALID, "%s lives in %s, which holds more than an interpreter: functions would see all of it", it->path,
                       it->prefix);
    return 0;
}

/* ---- all together ---- */

static int use_real_path(struct runtime_interpreter *it, const char *path, struct err *err)
{
    CLEANUP(freep) char *real = realpath(path, NULL);
    struct stat st;
    if ((!real || access(real, X_OK) < 0) && errno == EACCES)
        return err_set(err, ERR_INVALID,
                       "%s: permission denied to the user that stoked runs as (uid %u). What lives in a private home "
                       "directory has to be installed where everybody may read it, such as /opt",
                       path, geteuid());
    if (!real || access(real, X_OK) < 0)
        return err_errno(err, "%s", path);
    if (stat(real, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is no program", path);
    if (!str_copy(it->path, sizeof it->path, real))
        return err_set(err, ERR_INVALID, "%s is too long a path", real);
    return 0;
}

/* One that failed is asked once more for what it says instead, such as the shared library that it lacks. */
static int no_answer(const struct runtime_interpreter *it, char *const argv[], int output, struct err *err)
{
    char words[256] = "";
    if (output == OUTPUT_FAILED)
        (void)output_of(argv, 2, words, sizeof words);
    words[strcspn(words, "\r\n")] = '\0';
    return err_set(err, ERR_INVALID, "%s does not answer as %s%s%s", it->path, it->language == RUNTIME_PYTHON ? "a Python 3" : "Node.js",
                   words[0] ? ": " : "", words);
}

int interpreter_ask(struct runtime_interpreter *ret, struct err *err)
{
    struct runtime_interpreter it = *ret;
    char answer[ANSWER_BYTES], *rest = NULL;
    int rc = use_real_path(&it, ret->path, err);
    if (rc < 0)
        return rc;
    char *python[] = {it.path, "-I", "-S", "-B", "-c", PYTHON_QUESTION, NULL};
    char *node[] = {it.path, "--version", NULL};
    char **argv = it.language == RUNTIME_PYTHON ? python : node;
    int output = output_of(argv, 1, answer, sizeof answer);
    if (output < 0)
        return no_answer(&it, argv, output, err);
    const char *version = strtok_r(answer, "\r\n", &rest);
    if (version && it.language == RUNTIME_NODE)
        version = version[0] == 'v' ? version + 1 : NULL;
    const char *base_prefix = strtok_r(NULL, "\r\n", &rest), *program = strtok_r(NULL, "\r\n", &rest);
    if (!version || sscanf(version, "%d.%d", &it.major, &it.minor) != 2 || !str_copy(it.version, sizeof it.version, version) ||
        (it.language == RUNTIME_PYTHON && (it.major != 3 || !base_prefix || !program)))
        return no_answer(&it, argv, output, err);
    if (program)
        rc = use_real_path(&it, program, err);
    if (rc == 0)
        rc = find_prefix(&it, base_prefix, err);
    if (rc == 0)
        *ret = it;
    return rc;
}
