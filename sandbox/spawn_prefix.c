/* Which directories of the host a room can show besides /usr: asked by who registers interpreters, so that what cannot be shown is
 * refused there and then, and by the spawner, which trusts nobody. */
#include <stddef.h>
#include <string.h>

#include "lib/base/strutil.h"
#include "sandbox/spawn_proto.h"

static bool is_at_or_below(const char *path, const char *top)
{
    size_t len = strlen(top);
    return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool spawn_may_show(const char *prefix)
{
    static const char *const own[] = {"/usr", "/etc", "/proc", "/dev", "/tmp",   "/var",  "/sys",
                                      "/run", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/lost+found"};
    static const char *const whole[] = {"/root", "/home", "/opt", "/srv", "/mnt", "/media"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (is_at_or_below(prefix, own[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (str_eq(prefix, whole[i]))
            return false;
    return true;
}
