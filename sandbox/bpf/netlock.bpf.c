/* The programs of netlock.h, for clang -target bpf. They decide from addresses alone: every room has only a
 * loopback, so that anything else is an escape or a mistake. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define UNREACHABLE 101 /* ENETUNREACH */
#define ALLOW 1
#define DENY 0
#define ROOMS_MAX 16384
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define STREAM 1
#define DATAGRAM 2
#define MEMORY_DEVICES 1 /* the major number of null, zero, full, random, urandom */

struct traffic {
    __u64 bytes, packets;
};

/* Grown as rooms send, by the room's cgroup id. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, ROOMS_MAX);
    __type(key, __u64);
    __type(value, struct traffic);
} traffic_by_room SEC(".maps");

/* 127.0.0.0/8, and 0.0.0.0, which the kernel takes as the own host. Network order. */
static __always_inline int is_own_v4(__u32 address)
{
    return address == 0 || (bpf_ntohl(address) >> 24) == 127;
}

/* ::1, ::, and loopback addresses mapped into IPv6. */
static __always_inline int is_own_v6(__u32 a, __u32 b, __u32 c, __u32 d)
{
    if (a || b)
        return 0;
    if (c == 0)
        return d == 0 || d == bpf_htonl(1);
    return c == bpf_htonl(0xffff) && is_own_v4(d);
}

/* The errno that the room's network namespace itself would give, so that programs meet one answer with and
 * without BPF. */
static __always_inline int refuse(void)
{
    bpf_set_retval(-UNREACHABLE);
    return DENY;
}

static __always_inline int check_v4(struct bpf_sock_addr *ctx)
{
    return is_own_v4(ctx->user_ip4) ? ALLOW : refuse();
}

static __always_inline int check_v6(struct bpf_sock_addr *ctx)
{
    return is_own_v6(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]) ? ALLOW : refuse();
}

SEC("cgroup/connect4")
int room_connect4(struct bpf_sock_addr *ctx)
{
    return check_v4(ctx);
}

SEC("cgroup/connect6")
int room_connect6(struct bpf_sock_addr *ctx)
{
    return check_v6(ctx);
}

SEC("cgroup/sendmsg4")
int room_sendmsg4(struct bpf_sock_addr *ctx)
{
    return check_v4(ctx);
}

SEC("cgroup/sendmsg6")
int room_sendmsg6(struct bpf_sock_addr *ctx)
{
    return check_v6(ctx);
}

SEC("cgroup/sock_create")
int room_socket(struct bpf_sock *ctx)
{
    if (ctx->family != FAMILY_INET && ctx->family != FAMILY_INET6)
        return DENY;
    return ctx->type == STREAM || ctx->type == DATAGRAM ? ALLOW : DENY;
}

/* Leaving packets only: on a loopback each one leaves a socket of the room once, and would arrive at another.
 */
SEC("cgroup_skb/egress")
int room_egress(struct __sk_buff *skb)
{
    __u32 address[4] = {0};
    int own;
    if (skb->protocol == bpf_htons(0x0800))
        own = bpf_skb_load_bytes(skb, 16, address, 4) == 0 && is_own_v4(address[0]);
    else if (skb->protocol == bpf_htons(0x86dd))
        own = bpf_skb_load_bytes(skb, 24, address, 16) == 0 && is_own_v6(address[0], address[1], address[2], address[3]);
    else
        own = 0;
    if (!own)
        return DENY;
    __u64 room = bpf_skb_cgroup_id(skb);
    struct traffic *traffic = bpf_map_lookup_elem(&traffic_by_room, &room);
    if (!traffic) {
        struct traffic none = {0};
        bpf_map_update_elem(&traffic_by_room, &room, &none, BPF_NOEXIST);
        traffic = bpf_map_lookup_elem(&traffic_by_room, &room);
    }
    if (traffic) {
        __sync_fetch_and_add(&traffic->bytes, skb->len);
        __sync_fetch_and_add(&traffic->packets, 1);
    }
    return ALLOW;
}

SEC("cgroup/dev")
int room_device(struct bpf_cgroup_dev_ctx *ctx)
{
    __u32 type = ctx->access_type & 0xffff; /* making the five is allowed too: templates are built below the same parent */
    if (type != BPF_DEVCG_DEV_CHAR || ctx->major != MEMORY_DEVICES)
        return DENY;
    switch (ctx->minor) {
    case 3: /* null */
    case 5: /* zero */
    case 7: /* full */
    case 8: /* random */
    case 9: /* urandom */
        return ALLOW;
    }
    return DENY;
}

char license_text[] SEC("license") = "GPL";
