/* The event loop. Timers live in a binary heap (stb of every text book: parent (i-1)/2); its head is mirrored in a
 * timerfd, so that the epoll descriptor alone tells an outer loop when to call. A watch that is removed while its events
 * are being handed out is only marked, and freed at the end of the round. */
#include "lib/base/loop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"

#define EVENTS_PER_ROUND 64

struct loop_watch {
    struct loop *loop;
    int fd;
    loop_event_fn *fn; /* NULL: removed */
    void *arg;
    TAILQ_ENTRY(loop_watch) link; /* in loop->watches or loop->removed */
};

struct task {
    loop_task_fn *fn;
    void *arg;
    STAILQ_ENTRY(task) link;
};

TAILQ_HEAD(watch_list, loop_watch);
STAILQ_HEAD(task_list, task);

struct loop {
    int epoll_fd, timer_fd, wake_fd;
    int64_t armed_us; /* what timer_fd is set to; 0: disarmed */
    struct watch_list watches, removed;
    struct loop_timer **heap;
    uint32_t heap_len, heap_cap;
    pthread_mutex_t task_lock; /* guards tasks */
    struct task_list tasks;
};

static int watch_internal(struct loop *loop, int fd, struct err *err)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return err_errno(err, "setting up an event loop");
    return 0;
}

int loop_new(struct loop **ret_loop, struct err *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return err_set(err, ERR_NO_MEMORY, "no memory for an event loop");
    TAILQ_INIT(&loop->watches);
    TAILQ_INIT(&loop->removed);
    STAILQ_INIT(&loop->tasks);
    pthread_mutex_init(&loop->task_lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = loop->epoll_fd < 0 ? err_errno(err, "epoll_create1") : watch_internal(loop, loop->timer_fd, err);
    if (rc == 0)
        rc = watch_internal(loop, loop->wake_fd, err);
    if (rc < 0) {
        loop_free(loop);
        return rc;
    }
    *ret_loop = loop;
    return 0;
}

static void free_watches(struct watch_list *list)
{
    struct loop_watch *watch;
    while ((watch = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, watch, link);
        free(watch);
    }
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    free_watches(&loop->watches);
    free_watches(&loop->removed);
    struct task *task;
    while ((task = STAILQ_FIRST(&loop->tasks))) {
        STAILQ_REMOVE_HEAD(&loop->tasks, link);
        free(task);
    }
    fd_closep(&loop->epoll_fd);
    fd_closep(&loop->timer_fd);
    fd_closep(&loop->wake_fd);
    pthread_mutex_destroy(&loop->task_lock);
    free(loop->heap);
    free(loop);
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_event_fn *fn, void *arg, struct loop_watch **ret_watch, struct err *err)
{
    struct loop_watch *watch = malloc(sizeof *watch);
    if (!watch)
        return err_set(err, ERR_NO_MEMORY, "no memory to watch a descriptor");
    *watch = (struct loop_watch){.loop = loop, .fd = fd, .fn = fn, .arg = arg};
    struct epoll_event ev = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        int rc = err_errno(err, "watching descriptor %d", fd);
        free(watch);
        return rc;
    }
    TAILQ_INSERT_TAIL(&loop->watches, watch, link);
    *ret_watch = watch;
    return 0;
}

void loop_modify(struct loop_watch *watch, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = watch};
    int rc = epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev);
    assert(rc == 0);
    (void)rc;
}

void loop_remove(struct loop_watch *watch)
{
    if (!watch)
        return;
    int rc = epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    assert(rc == 0); /* the owner closed the descriptor first: its events would reach a freed watch */
    (void)rc;
    watch->fn = NULL;
    TAILQ_REMOVE(&watch->loop->watches, watch, link);
    TAILQ_INSERT_TAIL(&watch->loop->removed, watch, link);
}

/* ---- timers ---- */

static void heap_place(struct loop *loop, uint32_t i, struct loop_timer *timer)
{
    loop->heap[i] = timer;
    timer->heap_slot = i + 1;
}

static void sift_up(struct loop *loop, uint32_t i, struct loop_timer *timer)
{
    while (i > 0 && loop->heap[(i - 1) / 2]->due_us > timer->due_us) {
        heap_place(loop, i, loop->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_place(loop, i, timer);
}

static void sift_down(struct loop *loop, uint32_t i, struct loop_timer *timer)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && loop->heap[child + 1]->due_us < loop->heap[child]->due_us)
            child++;
        if (loop->heap[child]->due_us >= timer->due_us)
            break;
        heap_place(loop, i, loop->heap[child]);
        i = child;
    }
    heap_place(loop, i, timer);
}

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *fn, void *arg)
{
    *timer = (struct loop_timer){.fn = fn, .arg = arg};
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->heap_slot)
        return;
    uint32_t i = timer->heap_slot - 1;
    assert(i < loop->heap_len && loop->heap[i] == timer);
    timer->heap_slot = 0;
    struct loop_timer *last = loop->heap[--loop->heap_len];
    if (last == timer)
        return;
    if (i > 0 && loop->heap[(i - 1) / 2]->due_us > last->due_us)
        sift_up(loop, i, last);
    else
        sift_down(loop, i, last);
}

/* Sets timer_fd to the earliest timer. A later head than armed costs one early wake-up, cheaper than a system call for
 * each deadline that is set and cancelled, which is what nearly every deadline meets. */
static void arm(struct loop *loop)
{
    int64_t due = loop->heap_len ? loop->heap[0]->due_us : 0;
    if (due == 0 || (loop->armed_us != 0 && loop->armed_us <= due))
        return;
    if (due < 1)
        due = 1; /* zero would disarm */
    struct itimerspec spec = {.it_value = {.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000}};
    int rc = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    assert(rc == 0);
    (void)rc;
    loop->armed_us = due;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us)
{
    loop_timer_cancel(loop, timer);
    if (loop->heap_len == loop->heap_cap) {
        uint32_t cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
        struct loop_timer **heap = realloc(loop->heap, cap * sizeof *heap);
        if (!heap)
            abort(); /* a deadline that cannot be kept must not be promised */
        loop->heap = heap;
        loop->heap_cap = cap;
    }
    timer->due_us = due_us > 0 ? due_us : 1;
    sift_up(loop, loop->heap_len++, timer);
    arm(loop);
}

static void run_timers(struct loop *loop)
{
    if (loop->armed_us && loop->armed_us <= clock_mono_us())
        loop->armed_us = 0; /* it has fired, or is about to: set anew below */
    int64_t now = clock_mono_us();
    while (loop->heap_len && loop->heap[0]->due_us <= now) {
        struct loop_timer *timer = loop->heap[0];
        loop_timer_cancel(loop, timer);
        timer->fn(timer->arg);
    }
    arm(loop);
}

/* ---- posted tasks ---- */

void loop_post(struct loop *loop, loop_task_fn *fn, void *arg)
{
    struct task *task = malloc(sizeof *task);
    if (!task)
        abort();
    *task = (struct task){.fn = fn, .arg = arg};
    pthread_mutex_lock(&loop->task_lock);
    bool first = STAILQ_EMPTY(&loop->tasks);
    STAILQ_INSERT_TAIL(&loop->tasks, task, link);
    pthread_mutex_unlock(&loop->task_lock);
    if (first)
        eventfd_write(loop->wake_fd, 1);
}

static void run_tasks(struct loop *loop)
{
    struct task_list todo = STAILQ_HEAD_INITIALIZER(todo);
    pthread_mutex_lock(&loop->task_lock);
    STAILQ_CONCAT(&todo, &loop->tasks);
    pthread_mutex_unlock(&loop->task_lock);
    struct task *task;
    while ((task = STAILQ_FIRST(&todo))) {
        STAILQ_REMOVE_HEAD(&todo, link);
        task->fn(task->arg);
        free(task);
    }
}

static void drain_wake(struct loop *loop)
{
    uint64_t drained;
    while (read(loop->wake_fd, &drained, sizeof drained) > 0)
        ;
}

void loop_run_posted(struct loop *loop)
{
    struct pollfd wake = {.fd = loop->wake_fd, .events = POLLIN};
    if (poll(&wake, 1, -1) < 0)
        assert(errno == EINTR);
    drain_wake(loop);
    run_tasks(loop);
}

/* ---- a round ---- */

void loop_run_once(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, timeout_ms);
    if (n < 0) {
        assert(errno == EINTR);
        n = 0;
    }
    bool woken = false;
    for (int i = 0; i < n; i++) {
        struct loop_watch *watch = events[i].data.ptr;
        if (!watch)
            woken = true;
        else if (watch->fn)
            watch->fn(watch->arg, events[i].events);
    }
    if (woken) {
        uint64_t drained;
        while (read(loop->timer_fd, &drained, sizeof drained) > 0)
            ;
        drain_wake(loop);
        run_tasks(loop);
    }
    run_timers(loop);
    free_watches(&loop->removed);
}

int loop_fd(const struct loop *loop)
{
    return loop->epoll_fd;
}
