#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t first_seed(void)
{
    const char *s = getenv("SEED");
    return s ? strtoull(s, NULL, 10) : 1;
}

/* ---- devices ------------------------------------------------------------------------------------ */

/* What test functions run over. Equal names with two thread counts: bits must agree. */
struct setup {
    const char *label, *device[2];
    int threads[2];
};

static const struct setup pairs[] = {
    {"cpu:base", {"cpu:ref", "cpu:base"}, {0, 0}},
    {"cpu:avx2", {"cpu:ref", "cpu:avx2"}, {0, 0}},
    {"cpu:avx512", {"cpu:ref", "cpu:avx512"}, {0, 0}},
    {"cpu:blas", {"cpu:ref", "cpu:blas"}, {0, 0}},
    {"cpu", {"cpu:ref", "cpu"}, {0, 0}},
    {"opencl", {"cpu:ref", "opencl"}, {0, 0}},
    {"cpu:ref threads 1=5", {"cpu:ref", "cpu:ref"}, {1, 5}},
    {"cpu:base threads 1=2", {"cpu:base", "cpu:base"}, {1, 2}},
    {"cpu:avx2 threads 1=3", {"cpu:avx2", "cpu:avx2"}, {1, 3}},
    {"cpu:avx512 threads 1=5", {"cpu:avx512", "cpu:avx512"}, {1, 5}},
    {"cpu:blas threads 1=3", {"cpu:blas", "cpu:blas"}, {1, 3}},
    {"cpu threads 2=3", {"cpu", "cpu"}, {2, 3}},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };
static const struct setup reference = {"cpu:ref", {"cpu:ref", "cpu:ref"}, {0, 0}};

kern *check_open(const char *device, int threads)
{
    kern *k = NULL;
    struct fault f = {0};
    bool ocl = strncmp(device, "opencl", 6) == 0;
    struct kern_options o = {.threads = threads, .cache_dir = getenv("OCL_CACHE")};
    if (kern_open(&k, device, &o, &f) == ST_OK) {
        if (kern_prepare(k, &(struct kern_specs){0}, &f) != ST_OK) /* what needs no sizes */
            fail_msg("%s: %s", device, f.text);
        const char *want = getenv("OCL_NAME");
        if (ocl && want && !strstr(kern_info(k)->name, want))
            fail_msg("%s is %s, not %s", device, kern_info(k)->name, want);
        return k;
    }
    if (f.code != ST_NODEVICE || (ocl && getenv("REQUIRE_OCL")))
        fail_msg("%s: %s", device, f.text);
    print_message("skipped: %s\n", f.text);
    skip();
    return NULL;
}

void check_prepare(struct check *t, const struct kern_specs *s)
{
    for (int i = 0; i < 2; i++) {
        struct fault f = {0};
        if (kern_prepare(t->k[i], s, &f) != ST_OK)
            fail_msg("%s", f.text);
    }
}

void check_sync(struct check *t)
{
    for (int i = 0; i < 2; i++) {
        struct fault f = {0};
        if (kern_sync(t->k[i], &f) != ST_OK)
            fail_msg("%s", f.text);
    }
}

struct state {
    const struct check_test *test;
    const struct setup *setup;
    struct check t;
};

static void run_pair(void **arg)
{
    struct state *s = *arg;
    const struct setup *u = s->setup;
    s->t = (struct check){.seed = first_seed()};
    s->t.exact = u != &reference && strcmp(u->device[0], u->device[1]) == 0;
    for (int i = 0; i < 2; i++)
        s->t.k[i] = check_open(u->device[i], u->threads[i]);
    s->test->fn(&s->t);
}

static int after_test(void **arg)
{
    struct state *s = *arg;
    check_free(&s->t);
    for (int i = 0; i < 2; i++)
        kern_close(&s->t.k[i]);
    return 0;
}

static void add(struct CMUnitTest *u, struct state *s, const struct check_test *test,
                const struct setup *setup)
{
    size_t size = strlen(test->name) + strlen(setup->label) + 2;
    char *name = malloc(size);
    snprintf(name, size, "%s/%s", test->name, setup->label);
    *s = (struct state){.test = test, .setup = setup};
    *u = (struct CMUnitTest){name, run_pair, NULL, after_test, s};
}

int check_run(const char *group, const struct check_test *tests, size_t count)
{
    struct CMUnitTest *units = calloc(count * PAIRS, sizeof *units);
    struct state *states = calloc(count * PAIRS, sizeof *states);
    size_t n = 0;
    cmocka_set_test_filter(getenv("FILTER"));
    for (size_t i = 0; i < count; i++) {
        if (tests[i].over == CHECK_REF) {
            add(&units[n], &states[n], &tests[i], &reference);
            n++;
            continue;
        }
        for (int p = 0; p < PAIRS; p++, n++)
            add(&units[n], &states[n], &tests[i], &pairs[p]);
    }
    int failed = _cmocka_run_group_tests(group, units, n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)units[i].name);
    free(units);
    free(states);
    return failed;
}

/* ---- time ---------------------------------------------------------------------------------------- */

bool check_benching(void)
{
    return getenv("BENCH") != NULL;
}

double check_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

void check_report(struct check *t, const char *what, double seconds, double bytes, double flops)
{
    print_message("    %-36s %-28s %9.1f us %7.1f GB/s %7.1f GFLOP/s\n", what,
                  kern_info(t->k[1])->tier, seconds * 1e6, bytes / seconds * 1e-9,
                  flops / seconds * 1e-9);
}
