/* The /proc/meminfo that a function sees. Its lines are those that libc's sysconf, the JVM, .NET, V8 and Go look for. */
#include "sandbox/stages/meminfo.h"

#include <stdio.h>

size_t meminfo_format(char out[MEMINFO_BYTES_MAX], uint32_t memory_mb)
{
    unsigned long total = (unsigned long)memory_mb * 1024, available = total - total / 16;
    int n = snprintf(out, MEMINFO_BYTES_MAX,
                     "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n"
                     "Buffers:               0 kB\nCached:                0 kB\nSwapCached:            0 kB\n"
                     "Active:                0 kB\nInactive:              0 kB\n"
                     "SwapTotal:             0 kB\nSwapFree:              0 kB\n"
                     "Dirty:                 0 kB\nWriteback:             0 kB\nAnonPages:             0 kB\n"
                     "Mapped:                0 kB\nShmem:                 0 kB\nSlab:                  0 kB\n"
                     "SReclaimable:          0 kB\nSUnreclaim:            0 kB\n"
                     "CommitLimit:    %8lu kB\nCommitted_AS:          0 kB\n"
                     "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n",
                     total, available, available, total);
    return (size_t)n;
}
