/* Reading code from the host's side before a room does. readahead(2) skips what is cached already. */
#include "sandbox/stages/warm.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define INLINE_ENTRIES_MAX 64
#define INLINE_BYTES_MAX (4 << 20)
#define DEPTH_MAX 64

struct budget {
    int64_t entries, bytes;
};

static void read_file(int dirfd, const char *name, struct budget *left)
{
    struct stat st;
    CLEANUP(fd_closep) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    left->bytes -= st.st_size;
    if (left->bytes >= 0 && readahead(fd, 0, (size_t)st.st_size) < 0)
        return;
}

/* False when the budget is used up. */
static bool walk(int dirfd, int depth, struct budget *left)
{
    DIR *dir = fdopendir(dirfd);
    struct dirent *entry;
    if (!dir) {
        close(dirfd);
        return true;
    }
    while (left->entries > 0 && left->bytes > 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || (entry->d_name[1] == '.' && !entry->d_name[2])))
            continue;
        left->entries--;
        if (entry->d_type == DT_REG) {
            read_file(dirfd, entry->d_name, left);
        } else if (entry->d_type == DT_DIR && depth < DEPTH_MAX) {
            int below = openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0)
                walk(below, depth + 1, left);
        }
    }
    closedir(dir);
    return left->entries > 0 && left->bytes > 0;
}

static bool walk_from(int dirfd, struct budget left)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || walk(fd, 0, &left);
}

void warm_tree(int dirfd)
{
    if (walk_from(dirfd, (struct budget){INLINE_ENTRIES_MAX, INLINE_BYTES_MAX}))
        return;
    if (fork() == 0) {
        if (nice(10) == -1)
            _exit(1);
        walk_from(dirfd, (struct budget){INT64_MAX, INT64_MAX});
        _exit(0);
    }
}
