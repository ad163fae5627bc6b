/* The /proc/meminfo that a function sees: its own memory as if it were the machine's, so that runtimes size their heaps and
 * pools by it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MEMINFO_BYTES_MAX 2048

/* Writes the text into out; returns its length. Pure. */
size_t meminfo_format(char out[MEMINFO_BYTES_MAX], uint32_t memory_mb);
