/* stoke-spawner: the privileged program. `monitor` is its only mode that somebody can start; the spawner itself is a clone of
 * the monitor and the first processes of rooms are clones of the spawner. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/strutil.h"
#include "sandbox/monitor.h"

static int usage(void)
{
    fprintf(stderr,
            "usage: stoke-spawner monitor --data DIR --cgroup NAME [--uid-base N]\n"
            "It is started by stoked, which talks to it over descriptor %d.\n",
            MONITOR_SOCKET_FD);
    return 2;
}

int main(int argc, char **argv)
{
    struct monitor_options options = {0};
    struct stat st;
    if (argc == 2 && str_eq(argv[1], "--version")) {
        puts("stoke-spawner " STOKE_VERSION);
        return 0;
    }
    if (argc < 2 || !str_eq(argv[1], "monitor"))
        return usage();
    for (int i = 2; i + 1 < argc; i += 2) {
        int64_t number;
        if (str_eq(argv[i], "--data"))
            options.data_dir = argv[i + 1];
        else if (str_eq(argv[i], "--cgroup"))
            options.cgroup_name = argv[i + 1];
        else if (str_eq(argv[i], "--uid-base") && str_to_i64(argv[i + 1], 0, UINT32_MAX, &number))
            options.uid_base = (uint32_t)number;
        else
            return usage();
    }
    if (!options.data_dir || options.data_dir[0] != '/' || !options.cgroup_name || argc % 2)
        return usage();
    if (fstat(MONITOR_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
        return usage();
    if (fcntl(MONITOR_SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0 || close_range(MONITOR_LOCK_FD + 1, ~0U, 0) < 0 ||
        (fcntl(MONITOR_LOCK_FD, F_SETFD, FD_CLOEXEC) < 0 && errno != EBADF))
        return 1;
    return monitor_run(&options);
}
