/* What is the OpenCL device's own: its table, its queue and its compiler (test_cache_ocl has the cache). */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/ocl.h"

static kern *open_ocl(void)
{
    return check_open("opencl", 0);
}

static void sync_ok(kern *k)
{
    struct fault f = {0};
    if (kern_sync(k, &f) != ST_OK)
        fail_msg("%s", f.text);
}

static kbuf *buffer(kern *k, enum dtype dtype, size_t count)
{
    kbuf *b = NULL;
    struct fault f = {0};
    if (kbuf_new(&b, k, dtype, count, "a test", &f) != ST_OK)
        fail_msg("%s", f.text);
    return b;
}

/* ---- the table and the list ---------------------------------------------------------------------- */

static void no_row_is_the_hosts(void **state)
{
    kern *k = open_ocl();
    (void)state;
    for (int i = -1; i <= CPU_AVX512 + 1; i++) { /* the reference, each set, and with OpenBLAS */
        struct kern_ops cpu;
        bool blas = i > CPU_AVX512;
        cpu_table_fill(&cpu, i < 0, i < 0 || blas ? CPU_BASE : (enum cpu_isa)i, blas);
#define OP(name)                 \
    assert_non_null(k->op.name); \
    assert_true(k->op.name != cpu.name);
#define BLOCK(name) assert_non_null(k->op.name); /* written with the rows of its own table */
#include "kernels/ops.def"
#undef OP
    }
    kern_close(&k);
}

static void devices_open_by_their_name(void **state)
{
    kern *k = open_ocl();
    struct kern_info *list = NULL;
    struct ocl_device *dev = NULL;
    struct fault f = {0};
    size_t n = 0, devices = 0;
    bool gpu = false;
    (void)state;
    kern_close(&k);
    assert_int_equal(kern_list(&list, &n, &f), ST_OK);
    assert_int_equal(ocl_devices(&dev, &devices, &f), ST_OK);
    assert_int_equal(n, devices + 1);
    for (size_t i = 0; i < devices; i++) {
        char id[32];
        snprintf(id, sizeof id, "opencl:%zu", i);
        assert_string_equal(list[i + 1].id, id);
        assert_string_equal(list[i + 1].backend, "opencl");
        assert_true(list[i + 1].limits[0] && list[i + 1].name[0] && list[i + 1].memory_bytes > 0 &&
                    list[i + 1].threads > 0);
        gpu = gpu || (dev[i].usable && !ocl_is_cpu(&dev[i]));
        if (!dev[i].usable)
            continue;
        assert_int_equal(kern_open(&k, id, &(struct kern_options){0}, &f), ST_OK);
        assert_string_equal(kern_info(k)->id, id);
        kern_close(&k);
    }
    /* "auto" takes a GPU where there is one, and never a device of type CPU. */
    assert_int_equal(kern_open(&k, "auto", &(struct kern_options){0}, &f), ST_OK);
    assert_string_equal(kern_info(k)->backend, gpu ? "opencl" : "cpu");
    assert_true(gpu || strstr(kern_info(k)->note, "GPU"));
    kern_close(&k);
    free(list);
    free(dev);
}

static void the_best_device_is_taken(void **state)
{
    const struct ocl_device cpu = {.type = CL_DEVICE_TYPE_CPU, .units = 64, .usable = true},
                            built_in = {.type = CL_DEVICE_TYPE_GPU,
                                        .units = 96,
                                        .unified = true,
                                        .usable = true},
                            card = {.type = CL_DEVICE_TYPE_GPU, .units = 24, .usable = true},
                            large = {.type = CL_DEVICE_TYPE_GPU, .units = 56, .usable = true};
    struct ocl_device d[4] = {cpu, built_in, card, large};
    (void)state;
    assert_int_equal(ocl_best(d, 0, true), -1);
    assert_int_equal(ocl_best(d, 1, true), 0);
    assert_int_equal(ocl_best(d, 1, false), -1);
    assert_int_equal(ocl_best(d, 2, true), 1);
    assert_int_equal(ocl_best(d, 3, false), 2);
    assert_int_equal(ocl_best(d, 4, false), 3);
    d[3].usable = false;
    assert_int_equal(ocl_best(d, 4, true), 2);
    d[1].unified = false;
    assert_int_equal(ocl_best(d, 4, true), 1);
}

static void what_it_cannot_do_is_refused(void **state)
{
    kern *k = open_ocl();
    struct fault f = {0};
    kbuf *b = NULL;
    (void)state;
    assert_int_equal(kbuf_new(&b, k, DT_F32, (size_t)1 << 50, "all the world", &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "all the world"));
    assert_non_null(strstr(f.text, "at most"));
    assert_null(b);
    b = buffer(k, DT_F64, 4);
    k->op.scale(k, kref(b, 0, 4), kref(b, 0, 4), 1, 4, 2.0f);
    assert_int_equal(kern_sync(k, &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "scale on opencl"));
    ocl_run(k, "no_such_kernel", ocl_flat(k, 1, 1, 1), NULL, 0);
    assert_int_equal(kern_sync(k, &f), ST_RANGE);
    assert_non_null(strstr(f.text, "no_such_kernel"));
    int surplus = 1;
    OCL_RUN(k, "clip_coef", ocl_flat(k, 1, 1, 1), VEC(KREF_NONE), VEC(KREF_NONE), VEC(KREF_NONE),
            ARG(surplus), ARG(surplus));
    assert_int_equal(kern_sync(k, &f), ST_DEVICE);
    assert_non_null(strstr(f.text, "clip_coef"));
    assert_non_null(strstr(f.text, "CL_INVALID_ARG"));
    kbuf_free(&b);
    kern_close(&k);
    const struct kern_options half = {.precision = KERN_BF16};
    assert_int_equal(kern_open(&k, "opencl", &half, &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "bf16"));
}

/* ---- the queue ----------------------------------------------------------------------------------- */

/* A step as training makes it: data in, work, two numbers out, one wait. */
static void a_step_waits_once(void **state)
{
    enum { N = 5000 };
    kern *k = open_ocl();
    const struct ocl_counts *c = ocl_counts(k);
    kbuf *b = buffer(k, DT_F32, N);
    float *host = malloc(N * sizeof *host), got[2] = {0};
    struct fault f = {0};
    (void)state;
    sync_ok(k);
    struct ocl_counts before = *c;
    for (int step = 0; step < 10; step++) {
        for (int i = 0; i < N; i++)
            host[i] = (float)(i + step);
        kern_write(k, kref(b, 0, N), host, N);
        memset(host, 0, N * sizeof *host); /* src may be reused at once */
        for (int i = 0; i < 100; i++)
            k->op.scale(k, kref(b, 0, N), kref(b, 0, N), 1, N, i % 2 ? 0.5f : 2.0f);
        kern_read(k, &got[0], kref(b, 7, 1), 1);
        kern_read(k, &got[1], kref(b, N - 1, 1), 1);
        uint64_t mark = kern_mark(k);
        assert_int_equal(c->waits, before.waits + (uint64_t)step);
        assert_int_equal(kern_wait(k, mark, &f), ST_OK);
        assert_true(got[0] == (float)(7 + step) && got[1] == (float)(N - 1 + step));
    }
    assert_int_equal(c->waits - before.waits, 10);
    assert_int_equal(c->launches - before.launches, 1000);
    assert_int_equal(c->writes - before.writes, 10);
    assert_int_equal(c->write_bytes - before.write_bytes, 10 * N * 4);
    assert_int_equal(c->reads - before.reads, 20);
    assert_int_equal(c->read_bytes - before.read_bytes, 80);
    free(host);
    kbuf_free(&b);
    kern_close(&k);
}

/* More than the staging ring holds, both ways, and more pieces than it counts. */
static void transfers_of_any_size(void **state)
{
    enum { N = 13 * 1000 * 1000, SMALL = 1000 };
    kern *k = open_ocl();
    kbuf *b = buffer(k, DT_I32, N);
    int32_t *host = malloc(N * sizeof *host), *back = calloc(N, sizeof *back);
    (void)state;
    for (int i = 0; i < N; i++)
        host[i] = i * 7 + 1;
    kern_write(k, kref(b, 0, 0), host, N);
    kern_read(k, back, kref(b, 0, 0), N);
    sync_ok(k);
    assert_memory_equal(back, host, N * sizeof *host);
    for (int i = 0; i < SMALL; i++) {
        int32_t v = -i;
        kern_write(k, kref(b, (size_t)i * 3, 0), &v, 1);
        kern_read(k, &back[i], kref(b, (size_t)i * 3, 0), 1);
    }
    sync_ok(k);
    for (int i = 0; i < SMALL; i++)
        assert_int_equal(back[i], -i);
    free(host);
    free(back);
    kbuf_free(&b);
    kern_close(&k);
}

/* Ops that sum over lanes, in place, so often and over so many groups that memory shared by two of
 * them would show: two runs must give the same bytes. */
static void equal_runs_give_equal_bytes(void **state)
{
    enum { ROWS = 1500, COLS = 33, N = ROWS * COLS, OPS = 6, RUNS = 50 };
    kern *k = open_ocl();
    kbuf *x = buffer(k, DT_F32, N), *dy = buffer(k, DT_F32, N), *v = buffer(k, DT_F32, 4 * ROWS);
    float *host = malloc(N * sizeof *host), *got = malloc(N * sizeof *got);
    float *first = malloc(OPS * N * sizeof *first);
    const struct kref at = kref(x, 0, COLS), d = kref(dy, 0, COLS), w = kref(v, 0, 1);
    const struct kref mean = kref(v, ROWS, 1), rstd = kref(v, 2 * ROWS, 1);
    (void)state;
    for (int i = 0; i < N; i++)
        host[i] = (float)(i * 7919 % 1009) / 1009;
    kern_write(k, d, host, N);
    kern_write(k, w, host, 4 * ROWS);
    for (int run = 0; run < RUNS * OPS; run++) {
        kern_write(k, at, host, N);
        switch (run % OPS) {
        case 0: k->op.layernorm_fwd(k, at, KREF_NONE, KREF_NONE, at, w, w, ROWS, COLS, 0.1f); break;
        case 1: k->op.layernorm_bwd(k, at, d, d, mean, rstd, w, ROWS, COLS, K_ADD); break;
        case 2: k->op.rmsnorm_fwd(k, at, KREF_NONE, at, w, ROWS, 1, COLS, 0.1f, 0.0f); break;
        case 3: k->op.rmsnorm_bwd(k, at, d, d, rstd, w, ROWS, 1, COLS, 0.0f, K_ADD); break;
        case 4: k->op.softmax_fwd(k, at, at, ROWS, COLS); break;
        default: k->op.sumsq(k, at, d, N); break;
        }
        kern_read(k, run < OPS ? first + run * N : got, at, N);
        sync_ok(k);
        if (run >= OPS)
            assert_memory_equal(got, first + run % OPS * N, N * sizeof *got);
    }
    free(host);
    free(got);
    free(first);
    kbuf_free(&x);
    kbuf_free(&dy);
    kbuf_free(&v);
    kern_close(&k);
}

/* A mark far behind is still waited for; one that never was is no reason to hang. */
static void old_marks(void **state)
{
    kern *k = open_ocl();
    kbuf *b = buffer(k, DT_F32, 4);
    struct fault f = {0};
    float got = 0;
    (void)state;
    k->op.fill(k, kref(b, 0, 4), 4, 3.0f);
    kern_read(k, &got, kref(b, 0, 4), 1);
    uint64_t first = kern_mark(k);
    for (int i = 0; i < 3 * OCL_MARKS; i++)
        kern_mark(k);
    assert_int_equal(kern_wait(k, first, &f), ST_OK);
    assert_true(got == 3.0f);
    assert_int_equal(kern_wait(k, first + 100000, &f), ST_OK);
    assert_int_equal(kern_wait(k, 0, &f), ST_OK);
    kbuf_free(&b);
    kern_close(&k);
}

/* PoCL 3.1 aborts where a command fails, so this begins at what the driver would say at a wait. */
static void a_lost_device_is_told(void **state)
{
    static const cl_int errors[] = {CL_OUT_OF_RESOURCES, CL_DEVICE_NOT_AVAILABLE,
                                    CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, -9999};
    kern *k = open_ocl();
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        ocl_stick_lost(k, errors[i]);
        assert_int_equal(kern_sync(k, &f), ST_DEVICE);
        assert_non_null(strstr(f.text, "failed or was lost"));
        assert_non_null(strstr(f.text, ocl_error(errors[i])));
        assert_true(f.remedy[0]);
    }
    ocl_stick_lost(k, CL_SUCCESS);
    assert_int_equal(kern_sync(k, &f), ST_OK);
    kern_close(&k);
}

/* ---- frozen matrices ----------------------------------------------------------------------------- */

static enum status read_pattern(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    const struct kweight_spec *s = ctx;
    float *out = dst;
    int above = part > 0 ? s->part_rows[0] : 0;
    (void)f;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < s->cols; c++)
            *out++ = (float)((above + row + r) % 1000) + (float)c / 8192;
    }
    return ST_OK;
}

/* Several pieces, rows that are padded, two parts. */
static void a_large_weight(void **state)
{
    enum { ROWS = 5001, COLS = 4001, PICKED = 3 };
    static const int32_t ids[PICKED] = {0, 2500, ROWS - 1};
    kern *k = open_ocl();
    struct kweight_spec s = {.rows = ROWS,
                             .cols = COLS,
                             .dtype = DT_F32,
                             .parts = 2,
                             .part_rows = {ROWS - 700, 700},
                             .read = read_pattern,
                             .name = "W"};
    struct kweight *w = NULL;
    struct fault f = {0};
    kbuf *y = buffer(k, DT_F32, PICKED * COLS), *at = buffer(k, DT_I32, PICKED);
    float *got = malloc(sizeof *got * PICKED * COLS);
    (void)state;
    s.ctx = &s;
    assert_int_equal(kweight_load(&w, k, &s, &f), ST_OK);
    assert_int_equal(ocl_counts(k)->uploads, 1);
    assert_int_equal(ocl_counts(k)->upload_bytes, (size_t)ROWS * COLS * 4);
    assert_int_equal(ocl_weight(w)->ld % OCL_PAD_COLS, 0);
    kern_write(k, kref(at, 0, 0), ids, PICKED);
    k->op.embedding_fwd(k, kref(y, 0, COLS), kref(at, 0, 0), w, PICKED, 1.0f);
    kern_read(k, got, kref(y, 0, 0), PICKED * COLS);
    sync_ok(k);
    for (int r = 0; r < PICKED; r++) {
        for (int c = 0; c < COLS; c++)
            assert_true(got[r * COLS + c] == (float)(ids[r] % 1000) + (float)c / 8192);
    }
    free(got);
    kbuf_free(&y);
    kbuf_free(&at);
    kweight_free(&w);
    kern_close(&k);
}

/* ---- the compiler -------------------------------------------------------------------------------- */

static void a_failed_build_names_the_line(void **state)
{
    static const struct ocl_source planted = {
        "kernels/planted/planted.cl",
        "kernel void fine(global float *x)\n{\n    x[0] = undeclared_name;\n}\n", NULL, NULL};
    kern *k = open_ocl();
    struct fault f = {0};
    cl_program p = NULL;
    (void)state;
    assert_int_equal(ocl_program_build(&p, k, &planted, "-cl-std=CL1.2", &f), ST_DEVICE);
    assert_null(p);
    assert_non_null(strstr(f.text, "kernels/planted/planted.cl:3"));
    assert_non_null(strstr(f.text, "undeclared_name"));
    assert_true(f.remedy[0]);
    kern_close(&k);
}

int main(void)
{
    cmocka_set_test_filter(getenv("FILTER"));
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_row_is_the_hosts),
        cmocka_unit_test(devices_open_by_their_name),
        cmocka_unit_test(the_best_device_is_taken),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(a_step_waits_once),
        cmocka_unit_test(transfers_of_any_size),
        cmocka_unit_test(equal_runs_give_equal_bytes),
        cmocka_unit_test(old_marks),
        cmocka_unit_test(a_lost_device_is_told),
        cmocka_unit_test(a_large_weight),
        cmocka_unit_test(a_failed_build_names_the_line),
    };
    return cmocka_run_group_tests_name("ocl", tests, NULL, NULL);
}
