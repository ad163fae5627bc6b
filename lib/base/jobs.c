/* Worker threads around one locked queue; results travel back through loop_post(). They wait at a semaphore: signalling a condition
 * variable can wait itself, for those that were woken before and have not run since (glibc's quiescing), and they run when others let them.
 */
#include "lib/base/jobs.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/queue.h>

#include "lib/base/loop.h"
#include "lib/base/priority.h"

#define THREADS_MAX 64

struct job {
    struct jobs *jobs;
    jobs_fn *work, *done;
    void *arg;
    STAILQ_ENTRY(job) link;
};

struct jobs {
    struct loop *loop;
    unsigned threads, unfinished; /* the latter: loop thread only */
    pthread_t thread[THREADS_MAX];
    pthread_mutex_t lock; /* guards queue */
    sem_t more;           /* one for each job queued, and for each thread at the end */
    STAILQ_HEAD(, job) queue;
    bool background;
};

static void finish(void *arg)
{
    struct job *job = arg;
    job->jobs->unfinished--;
    job->done(job->arg);
    free(job);
}

static void *work_loop(void *arg)
{
    struct jobs *jobs = arg;
    if (jobs->background)
        priority_background();
    for (;;) {
        while (sem_wait(&jobs->more) < 0) /* a signal */
            ;
        pthread_mutex_lock(&jobs->lock);
        struct job *job = STAILQ_FIRST(&jobs->queue);
        if (job)
            STAILQ_REMOVE_HEAD(&jobs->queue, link);
        pthread_mutex_unlock(&jobs->lock);
        if (!job)
            return NULL;
        job->work(job->arg);
        loop_post(jobs->loop, finish, job);
    }
}

int jobs_new(const struct jobs_options *options, struct jobs **ret_jobs, struct err *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return err_set(err, ERR_NO_MEMORY, "no memory for a thread pool");
    jobs->loop = options->loop;
    jobs->background = options->background;
    pthread_mutex_init(&jobs->lock, NULL);
    sem_init(&jobs->more, 0, 0);
    STAILQ_INIT(&jobs->queue);
    for (; jobs->threads < options->threads && jobs->threads < THREADS_MAX; jobs->threads++)
        if (pthread_create(&jobs->thread[jobs->threads], NULL, work_loop, jobs) != 0) {
            jobs_free(jobs);
            return err_set(err, ERR_NO_MEMORY, "cannot start a thread");
        }
    *ret_jobs = jobs;
    return 0;
}

void jobs_submit(struct jobs *jobs, jobs_fn *work, jobs_fn *done, void *arg)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        abort();
    *job = (struct job){.jobs = jobs, .work = work, .done = done, .arg = arg};
    jobs->unfinished++;
    pthread_mutex_lock(&jobs->lock);
    STAILQ_INSERT_TAIL(&jobs->queue, job, link);
    pthread_mutex_unlock(&jobs->lock);
    sem_post(&jobs->more);
}

unsigned jobs_unfinished(const struct jobs *jobs)
{
    return jobs->unfinished;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    while (jobs->unfinished)
        loop_run_posted(jobs->loop);
    for (unsigned i = 0; i < jobs->threads; i++)
        sem_post(&jobs->more); /* to an empty queue: the end */
    for (unsigned i = 0; i < jobs->threads; i++)
        pthread_join(jobs->thread[i], NULL);
    pthread_mutex_destroy(&jobs->lock);
    sem_destroy(&jobs->more);
    free(jobs);
}
