/* The interpreters of this host: looked for under /usr, in the directories of the search path and their subdirectories (as version
 * managers lay them out), and in the list of added ones. Each is asked for its version; one that does not answer is left out. */
#include "layers/runtimes/runtimes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layers/runtimes/interpreter.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/strutil.h"

#define INTERPRETERS_MAX 128
#define LIST_BYTES_MAX 65536

struct runtimes {
    struct runtime_interpreter list[INTERPRETERS_MAX];
    size_t count;
    bool (*may_show)(const char *prefix);
};

/* ---- finding them */

static enum runtime_language language_of(const char *name)
{
    const char *digits = name + 8;
    if (str_starts(name, "python3.") && *digits && strspn(digits, "0123456789") == strlen(digits))
        return RUNTIME_PYTHON;
    return str_eq(name, "node") || str_eq(name, "nodejs") ? RUNTIME_NODE : RUNTIME_NONE;
}

static bool is_listed(const struct runtimes *runtimes, const char *path)
{
    CLEANUP(freep) char *real = realpath(path, NULL);
    for (size_t i = 0; real && i < runtimes->count; i++)
        if (str_eq(runtimes->list[i].path, real))
            return true;
    return false;
}

static int add(struct runtimes *runtimes, enum runtime_language language, const char *path, const char *source, struct err *err)
{
    struct runtime_interpreter it = {.language = language};
    if (runtimes->count == INTERPRETERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d interpreters", INTERPRETERS_MAX);
    if (!str_copy(it.path, sizeof it.path, path))
        return err_set(err, ERR_INVALID, "%.200s... is too long a path", path);
    str_copy(it.source, sizeof it.source, source);
    if (is_listed(runtimes, path)) /* under another name */
        return 0;
    int rc = interpreter_ask(&it, err);
    if (rc < 0)
        return rc;
    if (it.prefix[0] && runtimes->may_show && !runtimes->may_show(it.prefix))
        return err_set(err, ERR_INVALID, "%s needs %s, where a sandbox has something of its own; install it elsewhere, such as below /opt",
                       it.path, it.prefix);
    if (is_listed(runtimes, it.path))
        return 0;
    runtimes->list[runtimes->count++] = it;
    return 0;
}

/* One that does not answer is left out, and said to be. */
static void try(struct runtimes *runtimes, enum runtime_language language, const char *path, const char *source)
{
    struct err err;
    if (add(runtimes, language, path, source, &err) < 0)
        log_warn("runtime.left_out", "path=%s error=\"%s\"", path, err.msg);
}

static void scan_bin(struct runtimes *runtimes, const char *prefix, const char *source)
{
    CLEANUP(freep) char *bin = str_format("%s/bin", prefix);
    DIR *dir = opendir(bin);
    struct dirent *d;
    while (dir && (d = readdir(dir))) {
        enum runtime_language language = language_of(d->d_name);
        CLEANUP(freep) char *path = str_format("%s/%s", bin, d->d_name);
        if (language != RUNTIME_NONE)
            try(runtimes, language, path, source);
    }
    if (dir)
        closedir(dir);
}

static void scan_directory(struct runtimes *runtimes, const char *name)
{
    DIR *dir = opendir(name);
    struct dirent *d;
    if (!dir)
        log_warn("runtime.path", "directory=%s error=\"%s\"", name, strerror(errno));
    scan_bin(runtimes, name, name);
    while (dir && (d = readdir(dir)))
        if (d->d_name[0] != '.') {
            CLEANUP(freep) char *below = str_format("%s/%s", name, d->d_name);
            scan_bin(runtimes, below, name);
        }
    if (dir)
        closedir(dir);
}

static enum runtime_language language_of_identifier(const char *name)
{
    return str_starts(name, "python")     ? RUNTIME_PYTHON
           : str_starts(name, "nodejs")   ? RUNTIME_NODE
           : str_starts(name, "provided") ? RUNTIME_PROVIDED
                                          : RUNTIME_OTHER;
}

/* One that cannot be read is left aside, and said to be: what is under /usr still runs. */
static void scan_list(struct runtimes *runtimes, const char *file)
{
    CLEANUP(freep) char *text = NULL;
    struct err err;
    if (fd_read_file(AT_FDCWD, file, LIST_BYTES_MAX, &text, NULL, &err) < 0) {
        if (err.kind != ERR_NOT_FOUND)
            log_warn("runtime.list", "file=%s error=\"%s\"", file, err.msg);
        return;
    }
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[RUNTIME_NAME_MAX + 1], path[RUNTIME_PATH_MAX];
        if (line[0] != '#' && sscanf(line, "%63s %255[^\n]", name, path) == 2)
            try(runtimes, language_of_identifier(name), path, "added");
    }
}

/* Of two with the same version, the one that somebody asked for comes first. */
static int rank(const struct runtime_interpreter *it)
{
    return str_eq(it->source, "added") ? 0 : str_eq(it->source, "/usr") ? 2 : 1;
}

static int by_version(const void *a, const void *b)
{
    const struct runtime_interpreter *x = a, *y = b;
    if (x->language != y->language)
        return (int)x->language - (int)y->language;
    if (x->major != y->major)
        return x->major - y->major;
    return x->minor != y->minor ? x->minor - y->minor : rank(x) - rank(y);
}

int runtimes_scan(const struct runtimes_options *options, struct runtimes **ret_runtimes, struct err *err)
{
    struct runtimes *runtimes = calloc(1, sizeof *runtimes);
    if (!runtimes)
        return err_set(err, ERR_NO_MEMORY, "no memory for the list of runtimes");
    runtimes->may_show = options->may_show;
    if (options->extra_file)
        scan_list(runtimes, options->extra_file);
    CLEANUP(freep) char *path = strdup(options->search_path ? options->search_path : "");
    char *rest = NULL;
    for (char *dir = strtok_r(path, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest))
        scan_directory(runtimes, dir);
    scan_bin(runtimes, "/usr/local", "/usr");
    scan_bin(runtimes, "/usr", "/usr");
    qsort(runtimes->list, runtimes->count, sizeof runtimes->list[0], by_version);
    *ret_runtimes = runtimes;
    return 0;
}

void runtimes_free(struct runtimes *runtimes)
{
    free(runtimes);
}

size_t runtimes_count(const struct runtimes *runtimes)
{
    return runtimes->count;
}

const struct runtime_interpreter *runtimes_at(const struct runtimes *runtimes, size_t i)
{
    return i < runtimes->count ? &runtimes->list[i] : NULL;
}

/* ---- matching */

/* The number that distinguishes versions: Python's minor, Node's major. */
static int version_of(const struct runtime_interpreter *it)
{
    return it->language == RUNTIME_PYTHON ? it->minor : it->major;
}

/* The number in python3.N or nodejsN.x; 0 where there is none (nodejs), or an old major one (python2.7). */
static int version_wanted(const char *identifier, enum runtime_language language)
{
    int want = 0;
    return sscanf(identifier, language == RUNTIME_PYTHON ? "python3.%d" : "nodejs%d", &want) == 1 ? want : 0;
}

/* The exact version, else the nearest newer, else the nearest older one. The list is sorted. */
static const struct runtime_interpreter *nearest(const struct runtimes *runtimes, enum runtime_language language, int want)
{
    const struct runtime_interpreter *older = NULL;
    for (size_t i = 0; i < runtimes->count; i++) {
        const struct runtime_interpreter *it = &runtimes->list[i];
        if (it->language != language)
            continue;
        if (version_of(it) >= want)
            return it;
        older = it;
    }
    return older;
}

static int missing(const char *identifier, enum runtime_language language, struct err *err)
{
    if (language == RUNTIME_OTHER)
        return err_set(err, ERR_NOT_FOUND,
                       "Stoke has no managed runtime for %s. Package the function with a bootstrap and use provided.al2023", identifier);
    bool python = language == RUNTIME_PYTHON;
    return err_set(err, ERR_NOT_FOUND,
                   "%s needs %s, which is not installed on this host. Install it (apt-get install %s), or name its directory in "
                   "runtimes.path, and start stoked again",
                   identifier, python ? "Python" : "Node.js", python ? "python3" : "nodejs");
}

int runtimes_match(const struct runtimes *runtimes, const char *identifier, bool exact_only, struct runtime_match *ret_match,
                   struct err *err)
{
    struct runtime_match match = {.language = language_of_identifier(identifier), .exact = true};
    if (match.language == RUNTIME_PROVIDED) {
        *ret_match = match;
        return 0;
    }
    if (match.language == RUNTIME_OTHER)
        return missing(identifier, match.language, err);
    int want = version_wanted(identifier, match.language); /* 0: the oldest there is */
    match.interpreter = nearest(runtimes, match.language, want);
    if (!match.interpreter)
        return missing(identifier, match.language, err);
    match.exact = version_of(match.interpreter) == want;
    const char *language = match.language == RUNTIME_PYTHON ? "Python" : "Node.js";
    if (!match.exact && exact_only)
        return err_set(err, ERR_UNSUPPORTED, "%s is not installed on this host (the nearest is %s %s, and runtimes.exact forbids it)",
                       identifier, language, match.interpreter->version);
    if (!match.exact)
        snprintf(match.note, sizeof match.note, "%.64s runs on %s %s (%.100s)", identifier, language, match.interpreter->version,
                 match.interpreter->path);
    *ret_match = match;
    return 0;
}

/* ---- adding */

static bool has_line(const char *text, const char *line)
{
    for (const char *at = strstr(text, line); at; at = strstr(at + 1, line))
        if (at == text || at[-1] == '\n')
            return true;
    return false;
}

/* A name in a directory that was renamed outlasts a crash once the directory is on the disk. */
static int sync_directory_of(const char *file, struct err *err)
{
    CLEANUP(freep) char *copy = str_format("%s", file);
    CLEANUP(fd_closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? err_errno(err, "fsync of the directory of %s", file) : 0;
}

/* The whole new file or the whole old one: a disk that is full, or a crash, leaves no half line. */
static int replace_file(const char *file, const char *text, size_t len, struct err *err)
{
    CLEANUP(freep) char *fresh = str_format("%s.new", file);
    CLEANUP(fd_closep) int fd = open(fresh, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, "opening %s", fresh);
    int rc = fd_write_all(fd, text, len, err);
    if (rc == 0 && fsync(fd) < 0)
        rc = err_errno(err, "fsync of %s", fresh);
    if (rc == 0 && rename(fresh, file) < 0)
        rc = err_errno(err, "renaming %s", fresh);
    if (rc < 0)
        (void)unlink(fresh);
    return rc < 0 ? rc : sync_directory_of(file, err);
}

static int append_to_list(const char *file, const char *name, const char *path, struct err *err)
{
    CLEANUP(freep) char *before = NULL;
    int rc = fd_read_file(AT_FDCWD, file, LIST_BYTES_MAX, &before, NULL, err);
    if (rc < 0 && err->kind != ERR_NOT_FOUND)
        return rc;
    const char *text = before ? before : "";
    CLEANUP(freep) char *line = str_format("%s %s\n", name, path);
    if (has_line(text, line))
        return 0;
    CLEANUP(freep) char *after = str_format("%s%s%s", text, *text && !str_ends(text, "\n") ? "\n" : "", line);
    if (strlen(after) > LIST_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%s is full: it has no room for another interpreter", file);
    return replace_file(file, after, strlen(after), err);
}

int runtimes_add(const struct runtimes_options *options, const char *name, const char *path, struct err *err)
{
    enum runtime_language language = language_of_identifier(name);
    if (strlen(name) > RUNTIME_NAME_MAX)
        return err_set(err, ERR_INVALID, "\"%.64s...\" is too long a name: at most %d bytes", name, RUNTIME_NAME_MAX);
    if (language != RUNTIME_PYTHON && language != RUNTIME_NODE)
        return err_set(err, ERR_INVALID, "\"%.64s\" is no runtime that takes an interpreter: python3.N or nodejsN.x", name);
    if (path[0] != '/' || strlen(path) >= RUNTIME_PATH_MAX || strpbrk(path, "\n:,\\") || strpbrk(name, " \t\n\v\f\r"))
        return err_set(err, ERR_INVALID, "\"%.200s\" is no absolute path of an interpreter (without ':', ',' or '\\')", path);
    CLEANUP(freep) struct runtimes *probe = calloc(1, sizeof *probe);
    if (!probe)
        return err_set(err, ERR_NO_MEMORY, "no memory");
    probe->may_show = options->may_show;
    if (add(probe, language, path, "added", err) < 0)
        return -(int)(err->kind = ERR_INVALID);
    int want = version_wanted(name, language);
    if (want && want != version_of(&probe->list[0]))
        return err_set(err, ERR_INVALID, "\"%.200s\" is version %s, not %.64s", path, probe->list[0].version, name);
    return append_to_list(options->extra_file, name, path, err);
}
