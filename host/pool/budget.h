/* The memory of all rooms together: what they were measured to use, plus a measured reserve for every new one, never the sum of
 * configured sizes. The host's MemAvailable has the last word: what nobody accounted for counts too. Loop thread only.
 *
 *     budget_init(&budget, limit, spare);
 *     if (budget_admits(&budget, need)) budget_charge(&budget, &worker->charge_bytes, need);
 *     ... budget_charge(&budget, &worker->charge_bytes, measured); ... budget_charge(&budget, &worker->charge_bytes, 0);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_AVAILABLE_US (100 * 1000) /* MemAvailable is read at most this often, */
#define BUDGET_PLENTY_US (2000 * 1000)   /* and by whoever asks only when it is so old, where there is plenty: the pool's tick reads it */

/* A running estimate of what one worker takes. */
struct budget_need {
    uint64_t bytes; /* 0: nothing measured yet */
};

struct budget {
    uint64_t limit_bytes, spare_bytes;
    uint64_t used_bytes;      /* sum of charges */
    uint64_t available_bytes; /* as read last, minus what was charged since */
    int64_t read_us;
    const char *meminfo; /* the file; tests give their own */
};

/* 0: defaults (see struct pool_options). */
void budget_init(struct budget *budget, uint64_t limit_bytes, uint64_t spare_bytes);
bool budget_admits(struct budget *budget, uint64_t bytes);
/* Whether the host itself is short, whatever we count. */
bool budget_is_pressed(struct budget *budget);
/* Changes what is counted for one worker from *charge to bytes. */
void budget_charge(struct budget *budget, uint64_t *charge, uint64_t bytes);
/* Learns one measurement: rises at once, falls slowly. */
void budget_learn(struct budget_need *need, uint64_t measured_bytes);
/* The same as a moving average: for what many unlike workers share. */
void budget_blend(struct budget_need *need, uint64_t measured_bytes);
