/* Memory accounting; see budget.h. */
#include "host/pool/budget.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"

#define SPARE_DEFAULT (256ull << 20)
#define LIMIT_PERCENT 80

static uint64_t read_available(const char *path)
{
    CLEANUP(freep) char *text = NULL;
    struct err err;
    if (fd_read_file(AT_FDCWD, path, 64 * 1024, &text, NULL, &err) < 0)
        return UINT64_MAX; /* no such file: only our own accounting counts */
    const char *line = strstr(text, "MemAvailable:");
    return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 : UINT64_MAX;
}

static void refresh(struct budget *budget, int64_t age_us_max)
{
    int64_t now = clock_mono_us();
    if (budget->read_us != 0 && now - budget->read_us < age_us_max)
        return;
    budget->available_bytes = read_available(budget->meminfo);
    budget->read_us = now;
}

void budget_init(struct budget *budget, uint64_t limit_bytes, uint64_t spare_bytes)
{
    *budget = (struct budget){.spare_bytes = spare_bytes ? spare_bytes : SPARE_DEFAULT, .meminfo = "/proc/meminfo"};
    refresh(budget, 0);
    budget->limit_bytes = limit_bytes                             ? limit_bytes
                          : budget->available_bytes == UINT64_MAX ? UINT64_MAX
                                                                  : budget->available_bytes / 100 * LIMIT_PERCENT;
}

/* Reading takes up to half a millisecond: where more than twice of what is asked for was left a second ago, no cold start waits for it. */
bool budget_admits(struct budget *budget, uint64_t bytes)
{
    bool plenty = budget->available_bytes / 2 > budget->spare_bytes + bytes;
    refresh(budget, plenty ? BUDGET_PLENTY_US : BUDGET_AVAILABLE_US);
    return budget->used_bytes + bytes <= budget->limit_bytes && budget->available_bytes >= budget->spare_bytes &&
           budget->available_bytes - budget->spare_bytes >= bytes;
}

bool budget_is_pressed(struct budget *budget)
{
    refresh(budget, BUDGET_AVAILABLE_US);
    return budget->used_bytes > budget->limit_bytes || budget->available_bytes < budget->spare_bytes / 2;
}

void budget_charge(struct budget *budget, uint64_t *charge, uint64_t bytes)
{
    assert(budget->used_bytes >= *charge);
    if (bytes > *charge && budget->available_bytes != UINT64_MAX) {
        uint64_t more = bytes - *charge;
        budget->available_bytes -= more < budget->available_bytes ? more : budget->available_bytes;
    }
    budget->used_bytes = budget->used_bytes - *charge + bytes;
    *charge = bytes;
}

void budget_learn(struct budget_need *need, uint64_t measured_bytes)
{
    if (measured_bytes >= need->bytes)
        need->bytes = measured_bytes;
    else
        need->bytes -= (need->bytes - measured_bytes) / 8;
}

void budget_blend(struct budget_need *need, uint64_t measured_bytes)
{
    need->bytes = need->bytes == 0 ? measured_bytes : (need->bytes * 7 + measured_bytes) / 8;
}
