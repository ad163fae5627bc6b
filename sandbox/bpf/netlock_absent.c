/* Stands in for netlock.c in a build without clang or libbpf: says so, and why. */
#include <assert.h>

#include "sandbox/bpf/netlock.h"

int netlock_open(int cgroup_fd, struct netlock **ret_lock, struct err *err)
{
    (void)cgroup_fd;
    (void)ret_lock;
    return err_set(err, ERR_UNSUPPORTED, "Sockets and devices are not locked by BPF as well: this build was made without %s",
                   NETLOCK_LACKS);
}

/* There is no netlock to call these with. */
void netlock_count(const struct netlock *lock, uint64_t cgroup_id, uint64_t *ret_bytes, uint64_t *ret_packets)
{
    (void)cgroup_id;
    assert(!lock);
    *ret_bytes = *ret_packets = 0;
}

void netlock_forget(struct netlock *lock, uint64_t cgroup_id)
{
    (void)cgroup_id;
    assert(!lock);
}

void netlock_close(struct netlock *lock)
{
    assert(!lock);
}
