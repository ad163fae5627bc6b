/* Slices of the scheduler (Linux 6.12; sched_setattr(2)). By default a thread keeps its processor for a whole slice, up to 3 ms, whoever
 * wakes up meanwhile and however low its own priority is; one that has asked for a longer slice gives way to those that want shorter ones.
 * The lower priority is for older kernels and for when there is more to do than processors. */
#include "lib/base/priority.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROMPT_SLICE_NS 200000
#define BACKGROUND_SLICE_NS 20000000
#define BACKGROUND_NICE 10

/* What glibc has from 2.41 on; linux/sched/types.h and <sched.h> exclude each other. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns, deadline_ns, period_ns;
};

/* The nice value stays where somebody has set it higher, or lower for the loop. A refusal changes nothing but who waits. */
static void ask(struct scheduling wanted)
{
    int nice = getpriority(PRIO_PROCESS, 0); /* of this thread */
    if (wanted.nice == 0 || nice > wanted.nice)
        wanted.nice = nice;
    wanted.size = sizeof wanted;
    (void)syscall(SYS_sched_setattr, 0, &wanted, 0u);
}

void priority_prompt(void)
{
    ask((struct scheduling){.policy = SCHED_OTHER, .slice_ns = PROMPT_SLICE_NS});
}

void priority_background(void)
{
    ask((struct scheduling){.policy = SCHED_BATCH, .nice = BACKGROUND_NICE, .slice_ns = BACKGROUND_SLICE_NS});
}

unsigned processors_usable(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}
