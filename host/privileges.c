/* Dropping privileges, each step checked: what the network can reach must hold none. Raw system calls: the few lines that
 * libcap would save are the ones a reader wants to see here. */
#include "host/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/strutil.h"

#define UID_DEFAULT 64989
#define USER_DEFAULT "stoke"

static int find_named(const char *user, struct identity *identity, struct err *err)
{
    int64_t number;
    bool is_number = str_to_i64(user, 0, UINT32_MAX - 1, &number);
    const struct passwd *entry = is_number ? getpwuid((uid_t)number) : getpwnam(user);
    if (entry == NULL && !is_number)
        return err_set(err, ERR_INVALID, "user: there is no user '%s' on this machine", user);
    identity->uid = entry != NULL ? entry->pw_uid : (uid_t)number;
    identity->gid = entry != NULL ? entry->pw_gid : (gid_t)number;
    if (identity->uid == 0)
        return err_set(err, ERR_INVALID, "user: stoked does not run as root; name an unprivileged user");
    return 0;
}

int identity_find(const char *user, struct identity *ret_identity, struct err *err)
{
    struct identity identity = {.from_root = geteuid() == 0, .uid = geteuid(), .gid = getegid()};
    if (!identity.from_root) {
        if (*user != '\0')
            return err_set(err, ERR_INVALID, "user: only root can become another user; start stoked as '%s' instead", user);
        *ret_identity = identity;
        return 0;
    }
    int r = 0;
    if (*user != '\0') {
        r = find_named(user, &identity, err);
    } else if (getpwnam(USER_DEFAULT) != NULL) {
        r = find_named(USER_DEFAULT, &identity, err);
    } else if (getpwuid(UID_DEFAULT) != NULL) {
        r = err_set(err, ERR_INVALID, "uid %d, which stoked would become, belongs to %s; set user in the configuration", UID_DEFAULT,
                    getpwuid(UID_DEFAULT)->pw_name);
    } else {
        identity.uid = UID_DEFAULT;
        identity.gid = UID_DEFAULT;
    }
    if (r == 0)
        *ret_identity = identity;
    return r;
}

static int drop_bounding_set(struct err *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
            return err_errno(err, "dropping capability %d from the bounding set", cap);
    return 0;
}

static int clear_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (syscall(SYS_capset, &header, data) < 0)
        return err_errno(err, "clearing the capabilities");
    return 0;
}

static int verify(const struct identity *identity, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    uid_t real, effective, saved;
    if (syscall(SYS_capget, &header, data) < 0 || getresuid(&real, &effective, &saved) < 0)
        return err_errno(err, "reading the own privileges");
    unsigned left = 0;
    for (int i = 0; i < 2; i++)
        left |= data[i].effective | data[i].permitted | data[i].inheritable;
    if (left != 0 || real != identity->uid || effective != identity->uid || saved != identity->uid)
        return err_set(err, ERR_INTERNAL, "privileges are left after they were dropped");
    return 0;
}

int privileges_drop(const struct identity *identity, struct err *err)
{
    int r = 0;
    if (identity->from_root) {
        r = drop_bounding_set(err);
        if (r == 0 && setgroups(0, NULL) < 0)
            r = err_errno(err, "dropping the supplementary groups");
        if (r == 0 && setresgid(identity->gid, identity->gid, identity->gid) < 0)
            r = err_errno(err, "becoming group %u", identity->gid);
        if (r == 0 && setresuid(identity->uid, identity->uid, identity->uid) < 0)
            r = err_errno(err, "becoming user %u", identity->uid);
    }
    if (r == 0)
        r = clear_capabilities(err);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = err_errno(err, "setting no_new_privs");
    return r == 0 ? verify(identity, err) : r;
}
