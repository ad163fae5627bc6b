/* One thread, started with the first descriptor, and a locked queue; a semaphore, as in jobs.c. It lives as long as the process. */
#include "lib/base/closer.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

struct closing {
    int fd;
    STAILQ_ENTRY(closing) link;
};

static struct {
    pthread_once_t once;
    pthread_mutex_t lock; /* guards queue */
    sem_t more;           /* one for each in the queue */
    STAILQ_HEAD(, closing) queue;
    int failed; /* there is no thread */
} closer = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER, .queue = STAILQ_HEAD_INITIALIZER(closer.queue)};

static void *close_all(void *arg)
{
    (void)arg;
    for (;;) {
        while (sem_wait(&closer.more) < 0) /* a signal */
            ;
        pthread_mutex_lock(&closer.lock);
        struct closing *closing = STAILQ_FIRST(&closer.queue);
        STAILQ_REMOVE_HEAD(&closer.queue, link);
        pthread_mutex_unlock(&closer.lock);
        (void)setsockopt(closing->fd, SOL_SOCKET, SO_LINGER, &(struct linger){0}, sizeof(struct linger)); /* nobody waits for it */
        close(closing->fd);
        free(closing);
    }
    return NULL;
}

static void start(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    closer.failed = sem_init(&closer.more, 0, 0) < 0 || pthread_create(&thread, NULL, close_all, NULL) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!closer.failed)
        pthread_detach(thread);
}

void closer_close(int fd)
{
    if (fd < 0)
        return;
    pthread_once(&closer.once, start);
    struct closing *closing = closer.failed ? NULL : malloc(sizeof *closing);
    if (closing == NULL) {
        close(fd);
        return;
    }
    closing->fd = fd;
    pthread_mutex_lock(&closer.lock);
    STAILQ_INSERT_TAIL(&closer.queue, closing, link);
    pthread_mutex_unlock(&closer.lock);
    sem_post(&closer.more);
}
