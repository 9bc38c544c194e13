/* A pool of threads that run the tiles of one job at a time.
 *
 *     struct pool *p;
 *     if (pool_open(&p, 4, f) != ST_OK) return f->code;   // the caller and three workers
 *     pool_run(p, tile, &args, 100);     // tile(&args, 0..99, worker); returns when all are done
 *     pool_close(&p);
 *
 * Tiles are taken from an atomic counter, so a slow core only takes fewer of them. The caller works
 * as worker 0 and does not wait for workers that have not woken up: a job is done when its tiles
 * are. Between jobs a worker yields a bounded number of times, then sleeps; so does the caller at
 * the end of a job. Nothing spins without end: virtual cores are shared with other programs.
 *
 * What a tile writes is seen by whoever returns from pool_run. Tiles must not call pool_run.
 * One thread at a time may call it. Workers block all signals: handlers run on the program's own
 * threads. Threads do not survive fork(): a child must not run jobs, and must leave through _exit.
 */
#ifndef KERNELS_POOL_H
#define KERNELS_POOL_H

#include "kernels/status.h"

struct pool;
typedef void pool_fn(void *ctx, int tile, int worker); /* 0 <= worker < pool_workers */

/* threads >= 1, the caller included. Fewer than asked for run where the system gives no more. */
enum status pool_open(struct pool **out, int threads, struct fault *f);
void pool_close(struct pool **p);
int pool_workers(const struct pool *p);
void pool_run(struct pool *p, pool_fn *fn, void *ctx, int tiles);

#endif
