/* Scope-bound ownership. CLEANUP(fn) runs fn(&var) when var leaves its scope; STEAL(p) hands the value on and
 * leaves NULL behind, so that the clean-up does nothing.
 *
 *     CLEANUP(fd_closep) int fd = open(...);
 *     CLEANUP(freep) char *name = strdup(...);
 *     *ret_name = STEAL(name);
 */
#pragma once

#include <stdlib.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define STEAL(p)                                                                                                                           \
    ({                                                                                                                                     \
        __typeof__(p) stolen_ = (p);                                                                                                       \
        (p) = NULL;                                                                                                                        \
        stolen_;                                                                                                                           \
    })
#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Frees *(void **)p. For CLEANUP on any pointer from malloc. */
static inline void freep(void *p)
{
    free(*(void **)p);
}
