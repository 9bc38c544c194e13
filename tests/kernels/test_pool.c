#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/pool.h"

static struct pool *pool_of(int threads)
{
    struct pool *p = NULL;
    struct fault f = {0};
    if (pool_open(&p, threads, &f) != ST_OK)
        fail_msg("%s", f.text);
    return p;
}

enum { TILES_MAX = 300 };
struct job {
    int count[TILES_MAX]; /* plain: each tile is one thread's, and pool_run makes it seen */
    int number, workers;
};

static void count_tile(void *ctx, int tile, int worker)
{
    struct job *j = ctx;
    if (worker >= 0 && worker < j->workers)
        j->count[tile] += j->number;
}

/* Thousands of jobs one after the other, of changing size: each tile runs once and in its own job. */
static void every_tile_once(void **state)
{
    for (int threads = 1; threads <= 5; threads++) {
        struct pool *p = pool_of(threads);
        struct job j = {.workers = pool_workers(p)};
        assert_int_equal(j.workers, threads);
        for (j.number = 1; j.number <= 3000; j.number++) {
            int tiles = j.number % 7 == 0 ? TILES_MAX : j.number % 13;
            memset(j.count, 0, sizeof j.count);
            pool_run(p, count_tile, &j, tiles);
            for (int i = 0; i < TILES_MAX; i++)
                assert_int_equal(j.count[i], i < tiles ? j.number : 0);
        }
        pool_close(&p);
        assert_null(p);
    }
    (void)state;
}

static atomic_int helped;

static void slow_tile(void *ctx, int tile, int worker)
{
    struct job *j = ctx;
    if (worker > 0)
        atomic_fetch_add(&helped, 1);
    if (tile % 4 == 0)
        nanosleep(&(struct timespec){0, 3000000}, NULL);
    j->count[tile]++;
}

/* Long enough pauses that everybody falls asleep in between: nobody may miss the call. */
static void wakes_from_sleep(void **state)
{
    struct pool *p = pool_of(3);
    (void)state;
    for (int n = 0; n < 20; n++) {
        struct job j = {.workers = 3};
        nanosleep(&(struct timespec){0, 2000000}, NULL);
        pool_run(p, slow_tile, &j, 9);
        for (int i = 0; i < 9; i++)
            assert_int_equal(j.count[i], 1);
    }
    assert_true(atomic_load(&helped) > 0); /* the caller's pauses leave time for them */
    pool_close(&p);
}

static atomic_int unblocked;

static void look_at_mask(void *ctx, int tile, int worker)
{
    sigset_t set;
    (void)ctx, (void)tile;
    nanosleep(&(struct timespec){0, 1000000}, NULL); /* so that workers get some */
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    if (worker > 0 && (!sigismember(&set, SIGINT) || !sigismember(&set, SIGTERM)))
        atomic_fetch_add(&unblocked, 1);
}

static void workers_block_signals(void **state)
{
    struct pool *p = pool_of(4);
    sigset_t set;
    (void)state;
    pool_run(p, look_at_mask, NULL, 16);
    assert_int_equal(atomic_load(&unblocked), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    assert_false(sigismember(&set, SIGINT)); /* the caller's own mask is as it was */
    pool_close(&p);
    pool_close(&p); /* closing nothing is allowed */
}

static void sleeping_costs_nothing(void **state)
{
    struct pool *p = pool_of(4);
    struct timespec before, after;
    (void)state;
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used < 0.02);
    pool_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile_once),
        cmocka_unit_test(wakes_from_sleep),
        cmocka_unit_test(workers_block_signals),
        cmocka_unit_test(sleeping_costs_nothing),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
