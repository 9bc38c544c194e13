#include "kernels/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Yields before a thread goes to sleep: some tens of microseconds, the gap between two ops. */
enum { YIELDS = 100 };

struct worker {
    struct pool *pool;
    pthread_t thread;
    int index;
};

/* `next` holds the job's number in its upper half and its next free tile in the lower one, so that
 * taking a tile with compare-and-swap also proves that fn, ctx and tiles, read before, belong to
 * this job: they change only after all its tiles are done. */
struct pool {
    _Atomic uint64_t next;
    _Atomic(pool_fn *) fn;
    _Atomic(void *) ctx;
    _Atomic int tiles;
    _Atomic int done;
    _Atomic int sleepers; /* workers in or on their way into work_ready */
    _Atomic bool waiting; /* the caller in or on its way into all_done */
    _Atomic bool stop;
    pthread_mutex_t lock;
    pthread_cond_t work_ready, all_done;
    int count; /* worker threads, the caller not among them */
    struct worker workers[];
};

static bool has_work(struct pool *p)
{
    return atomic_load(&p->stop) || (int)(uint32_t)atomic_load(&p->next) < atomic_load(&p->tiles);
}

/* Takes and runs one tile; false when none is left. */
static bool run_one(struct pool *p, int worker)
{
    uint64_t at = atomic_load(&p->next);
    for (;;) {
        pool_fn *fn = atomic_load(&p->fn);
        void *ctx = atomic_load(&p->ctx);
        int tiles = atomic_load(&p->tiles), tile = (int)(uint32_t)at;
        if (tile >= tiles)
            return false;
        if (!atomic_compare_exchange_weak(&p->next, &at, at + 1))
            continue;
        fn(ctx, tile, worker);
        if (atomic_fetch_add(&p->done, 1) + 1 == tiles && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->all_done);
            pthread_mutex_unlock(&p->lock);
        }
        return true;
    }
}

static void sleep_until_work(struct pool *p)
{
    for (int i = 0; i < YIELDS; i++) {
        if (has_work(p))
            return;
        sched_yield();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_work(p))
        pthread_cond_wait(&p->work_ready, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(&w->pool->stop)) {
        if (!run_one(w->pool, w->index))
            sleep_until_work(w->pool);
    }
    return NULL;
}

static void wait_all_done(struct pool *p, int tiles)
{
    for (int i = 0; i < YIELDS; i++) {
        if (atomic_load(&p->done) == tiles)
            return;
        sched_yield();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->done) != tiles)
        pthread_cond_wait(&p->all_done, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, pool_fn *fn, void *ctx, int tiles)
{
    if (p->count == 0 || tiles <= 1) {
        for (int tile = 0; tile < tiles; tile++)
            fn(ctx, tile, 0);
        return;
    }
    /* The old job has no free tile, so nobody acts on these before `next` opens the new one; tiles
     * is 0 meanwhile, lest its old `next` be taken for a free tile of the new job. */
    atomic_store(&p->tiles, 0);
    atomic_store(&p->done, 0);
    atomic_store(&p->fn, fn);
    atomic_store(&p->ctx, ctx);
    atomic_store(&p->next, ((atomic_load(&p->next) >> 32) + 1) << 32);
    atomic_store(&p->tiles, tiles);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->work_ready);
        pthread_mutex_unlock(&p->lock);
    }
    while (run_one(p, 0))
        ;
    wait_all_done(p, tiles);
}

int pool_workers(const struct pool *p)
{
    return p->count + 1;
}

static void start_workers(struct pool *p, int wanted)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* workers inherit the mask */
    for (int i = 0; i < wanted; i++) {
        struct worker *w = &p->workers[i];
        w->pool = p;
        w->index = i + 1;
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        p->count++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

enum status pool_open(struct pool **out, int threads, struct fault *f)
{
    size_t bytes = sizeof(struct pool) + (size_t)(threads - 1) * sizeof(struct worker);
    struct pool *p = calloc(1, bytes);
    if (!p)
        return fault_nomem(f, "the thread pool", bytes);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work_ready, NULL);
    pthread_cond_init(&p->all_done, NULL);
    start_workers(p, threads - 1);
    *out = p;
    return ST_OK;
}

void pool_close(struct pool **pp)
{
    struct pool *p = *pp;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->work_ready);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->count; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->work_ready);
    pthread_cond_destroy(&p->all_done);
    pthread_mutex_destroy(&p->lock);
    free(p);
    *pp = NULL;
}
