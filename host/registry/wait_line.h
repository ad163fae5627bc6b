/* Who wants to check something and then write it waits in line while another does: for settings of a function, versions of a layer,
 * resources of an account. Private to host/registry; loop thread only.
 *
 *     if (wait_line_wait(&record->line, again, call)) return;     // again(call) runs when it is its turn
 *     ... check ...; wait_line_begin(&record->line);              // a write is on its way
 *     ... wait_line_end(&record->line);                           // it is over: the next one's turn
 *
 * One at a time is called, in the order of their coming; newcomers stand behind it. Whoever was called and wrote nothing has its turn
 * over when its function returns. So each runs once, however many wait.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

struct registry;
struct wait_line_turn;

/* Embedded in what it guards. */
struct wait_line {
    struct registry *registry;
    bool busy;                     /* a write is on its way, or it is held */
    struct wait_line_turn *called; /* posted, or running now; or NULL */
    STAILQ_HEAD(, wait_line_turn) waiting;
};

void wait_line_init(struct wait_line *line, struct registry *registry);
/* False: it is the caller's turn. Else fn(arg) runs once, from the loop. */
bool wait_line_wait(struct wait_line *line, void (*fn)(void *arg), void *arg);
void wait_line_begin(struct wait_line *line); /* not while it is busy */
void wait_line_end(struct wait_line *line);

/* What was guarded is gone: all who wait look for themselves. */
void wait_line_close(struct wait_line *line);
/* The registry closes: nobody who waits runs any more. */
void wait_line_drop(struct wait_line *line);
