/* The archive reader and the unpacking, fed with anything. What it accepts must lie inside the tree, with the sizes that its
 * directory promised, and nothing but files, directories and links that stay inside. Input that begins with ":" describes a
 * well-formed archive, other input is one. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layers/archive_tree.h"
#include "layers/unpack.h"
#include "tests/unit/layers/zips.h"

#define UNPACKED_MAX (1u << 20)
#define ITEMS_MAX 16

static char base[] = "/dev/shm/stoke-fuzz-XXXXXX";
static int basefd;

static void remove_base(void)
{
    struct err err;
    (void)!remove_tree(AT_FDCWD, base, &err);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    if (!mkdtemp(base) || (basefd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        abort();
    atexit(remove_base);
    return 0;
}

static void check_link(int tree, const char *path)
{
    struct open_how how = {.flags = O_PATH, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, tree, path, &how, sizeof how);
    assert(fd >= 0 || errno != EXDEV); /* it may lead nowhere or in a circle, but not out */
    if (fd >= 0)
        close(fd);
}

static void check_tree(int tree, const struct zip_directory *dir)
{
    char root[64];
    snprintf(root, sizeof root, "%s/t", base);
    char *paths[] = {root, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;
    size_t nodes = 0;
    assert(walk);
    for (FTSENT *f; (f = fts_read(walk));) {
        if (f->fts_info == FTS_DP)
            continue;
        nodes++;
        mode_t mode = f->fts_statp->st_mode;
        if (S_ISREG(mode)) {
            assert((mode & 07777) == 0644 || (mode & 07777) == 0755);
            assert(f->fts_statp->st_nlink == 1);
            bytes += (uint64_t)f->fts_statp->st_size;
        } else if (S_ISLNK(mode)) {
            bytes += (uint64_t)f->fts_statp->st_size;
            check_link(tree, f->fts_path + strlen(root) + 1);
        } else {
            assert(S_ISDIR(mode) && (mode & 07777) == 0755);
        }
    }
    fts_close(walk);
    assert(bytes == dir->unpacked_bytes);
    assert(nodes <= TREE_NODES_MAX + 1);
}

static void take(const void *data, size_t len)
{
    struct zip_directory *dir;
    struct archive_tree *tree;
    struct err err;
    if (zip_directory_read(data, len, TREE_NODES_MAX, &dir, &err) < 0)
        return;
    if (dir->unpacked_bytes <= UNPACKED_MAX && archive_tree_plan(dir, &tree, &err) == 0) {
        if (mkdirat(basefd, "t", 0755) < 0)
            abort();
        int fd = openat(basefd, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (unpack(fd, dir, tree, &err) == 0)
            check_tree(fd, dir);
        close(fd);
        if (remove_tree(basefd, "t", &err) < 0)
            abort();
        archive_tree_free(tree);
    }
    zip_directory_free(dir);
}

/* Well-formed archives of odd names, kinds and links: "K name \n content \n" again and again, K choosing kind and packing. */
static void take_items(const uint8_t *data, size_t len)
{
    static const uint32_t modes[] = {0, 0100644, 0100755, 0120777, 0120777, 0040755, 0106755, 0010644};
    struct zip_item items[ITEMS_MAX] = {0};
    char *text = strndup((const char *)data, len);
    size_t count = 0;
    for (char *p = text; p && *p && count < ITEMS_MAX;) {
        unsigned kind = (unsigned char)*p;
        struct zip_item *it = &items[count++];
        *it = (struct zip_item){.mode = modes[kind % 8], .deflated = kind & 8, .later = kind & 16, .name = p + 1, .data = ""};
        p = strchr(p + 1, '\n');
        if (p) {
            *p++ = '\0';
            it->data = p;
            p = strchr(p, '\n');
        }
        if (p)
            *p++ = '\0';
    }
    CLEANUP(buf_free) struct buf zip = BUF_INIT(UNPACKED_MAX);
    zip_write(&zip, items, count);
    take(zip.data, zip.len);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > 0 && data[0] == ':')
        take_items(data + 1, len - 1);
    else
        take(data, len);
    return 0;
}
