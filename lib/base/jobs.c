/* Worker threads around one locked queue; results travel back through loop_post(). */
#include "lib/base/jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "lib/base/loop.h"

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
    pthread_mutex_t lock; /* guards queue and stopping */
    pthread_cond_t more;
    STAILQ_HEAD(, job) queue;
    bool stopping;
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
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        struct job *job = STAILQ_FIRST(&jobs->queue);
        if (!job) {
            if (jobs->stopping)
                break;
            pthread_cond_wait(&jobs->more, &jobs->lock);
            continue;
        }
        STAILQ_REMOVE_HEAD(&jobs->queue, link);
        pthread_mutex_unlock(&jobs->lock);
        job->work(job->arg);
        loop_post(jobs->loop, finish, job);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

int jobs_new(unsigned threads, struct loop *loop, struct jobs **ret_jobs, struct err *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return err_set(err, ERR_NO_MEMORY, "no memory for a thread pool");
    jobs->loop = loop;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->more, NULL);
    STAILQ_INIT(&jobs->queue);
    for (; jobs->threads < threads && jobs->threads < THREADS_MAX; jobs->threads++)
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
    pthread_cond_signal(&jobs->more);
    pthread_mutex_unlock(&jobs->lock);
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
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->more);
    pthread_mutex_unlock(&jobs->lock);
    for (unsigned i = 0; i < jobs->threads; i++)
        pthread_join(jobs->thread[i], NULL);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->more);
    free(jobs);
}
