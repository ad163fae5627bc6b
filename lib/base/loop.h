/* An event loop: epoll for descriptors, a heap for timers, a wake-up for other threads. Nests in another loop: its one
 * descriptor becomes readable when it has work (a timerfd in the epoll set stands for the timers).
 *
 *     loop_new(&loop, &err);
 *     loop_add(loop, fd, EPOLLIN, on_readable, arg, &watch, &err);
 *     loop_timer_set(loop, &conn->deadline, clock_mono_us() + 5 * 1000 * 1000);
 *     while (running) loop_run_once(loop, -1);          // or: poll loop_fd(loop), then loop_run_once(loop, 0)
 *
 * Everything but loop_post() belongs to the loop's own thread. Callbacks may add, change and remove any watch or timer,
 * their own included; a removed watch's callback is not called again, also not for events already fetched.
 */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "lib/base/err.h"

struct loop;
struct loop_watch;
struct loop_timer;

typedef void loop_event_fn(void *arg, uint32_t epoll_events);
typedef void loop_timer_fn(void *arg);
typedef void loop_task_fn(void *arg);

/* Embedded in its owner's struct and set up by loop_timer_init(); the owner cancels it before it goes away. */
struct loop_timer {
    int64_t due_us;
    loop_timer_fn *fn;
    void *arg;
    uint32_t heap_slot; /* 0: not set; else index + 1 in the loop's heap */
};

int loop_new(struct loop **ret_loop, struct err *err) WARN_UNUSED;
void loop_free(struct loop *loop); /* no callbacks; watches still there are freed, their descriptors stay open */

/* Watches fd (borrowed; it must stay open until loop_remove()). events as for epoll_ctl(2); level-triggered. */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_event_fn *fn, void *arg, struct loop_watch **ret_watch,
             struct err *err) WARN_UNUSED;
void loop_modify(struct loop_watch *watch, uint32_t events);
/* Stops watching and frees the watch; NULL is allowed. */
void loop_remove(struct loop_watch *watch);

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *fn, void *arg);
/* Fires once at due_us of the monotonic clock, or at once if that has passed; setting it again moves it. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
static inline int loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->heap_slot != 0;
}

/* Runs fn(arg) on the loop's thread, soon, in the order of posting. Any thread. Aborts only when memory runs out. */
void loop_post(struct loop *loop, loop_task_fn *fn, void *arg);

/* One round: waits up to timeout_ms (-1: until something happens), then runs what is due. */
void loop_run_once(struct loop *loop, int timeout_ms);
/* Waits for what is posted and runs that alone: no watch, no timer. For the end, when only work on other threads is to be finished. */
void loop_run_posted(struct loop *loop);
/* The descriptor to watch for reading when nesting. */
int loop_fd(const struct loop *loop);
