/* Loads the programs of netlock.bpf.c, which the build embeds as an object file, and holds their links: the
 * kernel detaches them with the descriptors, so nothing outlives the spawner. */
#include "sandbox/bpf/netlock.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAMS_MAX 16

extern const unsigned char netlock_object[], netlock_object_end[];
__asm__(".section .rodata\n"
        ".global netlock_object\n"
        ".global netlock_object_end\n"
        ".balign 8\n"
        "netlock_object:\n"
        ".incbin \"" NETLOCK_OBJECT "\"\n"
        "netlock_object_end:\n"
        ".previous\n");

struct traffic {
    uint64_t bytes, packets;
};

struct netlock {
    struct bpf_object *object;
    struct bpf_link *links[PROGRAMS_MAX];
    size_t link_count;
    int traffic_fd; /* borrowed from object */
};

void netlock_close(struct netlock *lock)
{
    if (!lock)
        return;
    while (lock->link_count)
        bpf_link__destroy(lock->links[--lock->link_count]);
    bpf_object__close(lock->object);
    free(lock);
}

static int attach_all(struct netlock *lock, int cgroup_fd, struct err *err)
{
    struct bpf_program *program;
    bpf_object__for_each_program(program, lock->object)
    {
        const char *name = bpf_program__name(program);
        if (lock->link_count == PROGRAMS_MAX)
            return err_set(err, ERR_INTERNAL, "more than %d BPF programs", PROGRAMS_MAX);
        struct bpf_link *link = bpf_program__attach_cgroup(program, cgroup_fd);
        if (!link)
            return err_set(err, ERR_UNSUPPORTED,
                           "Sockets and devices are not locked by BPF as well: %s cannot be attached to the control "
                           "group: %s",
                           name, strerror(errno));
        lock->links[lock->link_count++] = link;
    }
    return 0;
}

int netlock_open(int cgroup_fd, struct netlock **ret_lock, struct err *err)
{
    if (cgroup_fd < 0)
        return err_set(err, ERR_UNSUPPORTED, "Sockets and devices are not locked by BPF as well: there is no usable cgroup v2 tree");
    struct netlock *lock = calloc(1, sizeof *lock);
    if (!lock)
        return err_set(err, ERR_NO_MEMORY, "no memory for the BPF programs");
    libbpf_set_print(NULL);
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "netlock");
    lock->object = bpf_object__open_mem(netlock_object, (size_t)(netlock_object_end - netlock_object), &options);
    if (!lock->object || bpf_object__load(lock->object) < 0) {
        int code = errno;
        err_set(err, ERR_UNSUPPORTED, "Sockets and devices are not locked by BPF as well: %s%s",
                code == EPERM ? "that needs root of this machine" : "the kernel does not take the programs: ",
                code == EPERM ? "" : strerror(code));
        err->code = code;
        netlock_close(lock);
        return -ERR_UNSUPPORTED;
    }
    lock->traffic_fd = bpf_object__find_map_fd_by_name(lock->object, "traffic_by_room");
    if (attach_all(lock, cgroup_fd, err) < 0) {
        netlock_close(lock);
        return -(int)err->kind;
    }
    *ret_lock = lock;
    return 0;
}

void netlock_count(const struct netlock *lock, uint64_t cgroup_id, uint64_t *ret_bytes, uint64_t *ret_packets)
{
    struct traffic traffic = {0};
    if (bpf_map_lookup_elem(lock->traffic_fd, &cgroup_id, &traffic) < 0)
        traffic = (struct traffic){0};
    *ret_bytes = traffic.bytes;
    *ret_packets = traffic.packets;
}

void netlock_forget(struct netlock *lock, uint64_t cgroup_id)
{
    /* A room that never sent has no entry. */
    (void)bpf_map_delete_elem(lock->traffic_fd, &cgroup_id);
}
