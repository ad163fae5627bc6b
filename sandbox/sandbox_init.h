/* Pid 1 of a room: the only process of ours that stays in it. Born in new user, mount and pid namespaces (a copy of the
 * template's mounts), it makes the others, brings up the network, puts /proc and /tmp in place, gives up everything, and then
 * reaps what the function orphans. It runs no program, so no environment or library can reach it. */
#pragma once

/* In the child of clone3(). sock: a SEQPACKET socket, from which it takes an init_order with two mounts and to which it
 * reports ZYGOTE_READY with SANDBOX_LISTENERS listeners, or ZYGOTE_FAILED. */
void sandbox_init(int sock) __attribute__((noreturn));

#define SANDBOX_LISTENERS 2 /* 127.0.0.1:9001, the Runtime API, and 127.0.0.1:4566, the front door, in this order */
