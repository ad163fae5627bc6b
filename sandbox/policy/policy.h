/* The system call policy as BPF programs, made by libseccomp at build time (policy_gen) from policy.list, where each line
 * has its reason. Plain data; the order of installation is big, then last (or pid1).
 *   big:  the allow-list plus what a zygote needs to make workers; installed once in each zygote
 *   last: takes that away again; installed by each worker
 *   pid1: the few calls sandbox_init lives on
 */
#pragma once

#include <linux/filter.h>

extern const struct sock_fprog policy_big, policy_last, policy_pid1;

/* seccomp(SECCOMP_SET_MODE_FILTER) with that program; needs no_new_privs. 0 or -errno. Async-signal-safe. */
int policy_install(const struct sock_fprog *program);
