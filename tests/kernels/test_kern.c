#include "tests/check.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/device.h"

/* Devices with a handle each; state is the name. */
static kern *open_state(void **state)
{
    return check_open(*state, 0);
}

static kbuf *buffer(kern *k, enum dtype dtype, size_t count)
{
    kbuf *b = NULL;
    struct fault f = {0};
    if (kbuf_new(&b, k, dtype, count, "a test", &f) != ST_OK)
        fail_msg("%s", f.text);
    return b;
}

static void every_row_is_filled(void **state)
{
    kern *k = open_state(state);
#define OP(name) assert_non_null(k->op.name);
#include "kernels/ops.def"
#undef OP
    const struct kern_info *info = kern_info(k);
    assert_true(info->id[0] && info->name[0] && info->backend[0] && info->tier[0]);
    assert_true(info->memory_bytes > 0 && info->threads > 0);
    assert_int_equal(info->activation, info->precision == KERN_BF16 ? DT_BF16 : DT_F32);
    kern_close(&k);
    assert_null(k);
    kern_close(&k);
}

static void buffers_start_zeroed(void **state)
{
    kern *k = open_state(state);
    kbuf *b = buffer(k, DT_F32, 1000);
    float got[1000], sent[3] = {1, 2, 3};
    struct fault f = {0};
    memset(got, 1, sizeof got);
    kern_write(k, kref(b, 997, 0), sent, 3);
    kern_read(k, got, kref(b, 0, 0), 1000);
    assert_int_equal(kern_sync(k, &f), ST_OK);
    for (int i = 0; i < 997; i++)
        assert_true(got[i] == 0);
    assert_memory_equal(got + 997, sent, sizeof sent);
    assert_int_equal(kbuf_dtype(b), DT_F32);
    assert_int_equal(kbuf_count(b), 1000);
    kbuf_free(&b);
    assert_null(b);
    kern_close(&k);
}

/* The first failure stays, names its op, makes later calls do nothing, and is gone after a sync. */
static void failures_stick(void **state)
{
    kern *k = open_state(state);
    kbuf *b = buffer(k, DT_F32, 8);
    float got[8], sent[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct fault f = {0};
    kern_write(k, kref(b, 4, 0), sent, 5);
    kern_read(k, got, kref(b, SIZE_MAX, 0), 1); /* a second failure: dropped */
    kern_write(k, kref(b, 0, 0), sent, 8);      /* correct, but after a failure */
    k->op.fill(k, kref(b, 0, 8), 8, 7.0f);
    uint64_t mark = kern_mark(k);
    assert_int_equal(kern_wait(k, mark, &f), ST_RANGE);
    assert_int_equal(f.code, ST_RANGE);
    assert_non_null(strstr(f.text, "kern_write"));
    assert_non_null(strstr(f.text, "4 to 9 of a buffer of 8"));
    kern_read(k, got, kref(b, 0, 0), 8);
    assert_int_equal(kern_sync(k, &f), ST_OK);
    for (int i = 0; i < 8; i++)
        assert_true(got[i] == 0);
    kern_stick(k, ST_NUMERIC, "adamw", "the first");
    kern_stick(k, ST_DEVICE, "copy", "the second");
    assert_int_equal(kern_sync(k, &f), ST_NUMERIC);
    assert_non_null(strstr(f.text, "adamw"));
    kbuf_free(&b);
    kern_close(&k);
}

static void ranges_are_checked(void **state)
{
    kern *k = open_state(state), *other = open_state(state);
    kbuf *b = buffer(k, DT_BF16, 8), *foreign = buffer(other, DT_BF16, 8);
    uint16_t v[16] = {0};
    struct fault f = {0};
    const struct {
        struct kref at;
        size_t count;
        enum status want;
    } cases[] = {
        {kref(b, 0, 0), 8, ST_OK},           {kref(b, 8, 0), 0, ST_OK},
        {kref(b, 0, 0), 9, ST_RANGE},        {kref(b, 8, 0), 1, ST_RANGE},
        {kref(b, 9, 0), 0, ST_RANGE},        {kref(b, 1, 0), SIZE_MAX, ST_RANGE},
        {kref(b, SIZE_MAX, 0), 2, ST_RANGE}, {KREF_NONE, 1, ST_RANGE},
        {kref(foreign, 0, 0), 1, ST_RANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kern_write(k, cases[i].at, v, cases[i].count);
        assert_int_equal(kern_sync(k, &f), cases[i].want);
        kern_read(k, v, cases[i].at, cases[i].count);
        assert_int_equal(kern_sync(k, &f), cases[i].want);
    }
    kbuf *none = NULL;
    assert_int_equal(kbuf_new(&none, k, DT_F32, 0, "nothing", &f), ST_RANGE);
    assert_int_equal(kbuf_new(&none, k, DT_F32, SIZE_MAX / 2, "all", &f), ST_RANGE);
    assert_null(none);
    kbuf_free(&b);
    kbuf_free(&foreign);
    kern_close(&k);
    kern_close(&other);
}

/* Buffers, weights and scratch are accounted for, and what goes is taken off again. */
static void memory_is_accounted(void **state)
{
    kern *k = open_state(state);
    struct kern_specs specs = {.rows = 64, .width = 256, .rank = 16, .backward = true};
    struct fault f = {0};
    uint64_t before = kern_memory(k).now;
    kbuf *a = buffer(k, DT_F32, 1000), *b = buffer(k, DT_BF16, 1000);
    assert_true(kern_memory(k).now == before + 6000);
    kbuf_free(&a);
    assert_true(kern_memory(k).now == before + 2000 && kern_memory(k).peak >= before + 6000);
    assert_int_equal(kern_prepare(k, &specs, &f), ST_OK);
    uint64_t prepared = kern_memory(k).now;
    assert_true(prepared > before + 2000);
    specs.rows = 10; /* smaller: nothing to do */
    assert_int_equal(kern_prepare(k, &specs, &f), ST_OK);
    assert_true(kern_memory(k).now == prepared);
    specs.rows = 200;
    assert_int_equal(kern_prepare(k, &specs, &f), ST_OK);
    assert_true(kern_memory(k).now > prepared && kern_memory(k).peak >= kern_memory(k).now);
    specs.rows = -1;
    assert_int_equal(kern_prepare(k, &specs, &f), ST_RANGE);
    kbuf_free(&b);
    kern_close(&k);
}

/* After kern_prepare ops allocate nothing: neither by the account nor by the C library's. */
static void ops_do_not_allocate(struct check *t)
{
    enum { ROWS = 64, COLS = 96, RANK = 8, VOCAB = 300 };
    struct check_mat x = check_mat(t, "x", ROWS, COLS), y = check_mat(t, "y", ROWS, COLS);
    struct check_mat p = check_mat(t, "params", 1, 2 * RANK * COLS),
                     g = check_mat(t, "g", 1, 2 * RANK * COLS);
    struct check_mat h = check_mat(t, "h", ROWS, RANK), loss = check_mat(t, "loss", 1, 1);
    struct check_mat ids = check_mat_of(t, "ids", DT_I32, 1, ROWS, ROWS);
    struct check_weight w = check_weight(t, COLS, COLS, DT_F32),
                        head = check_weight(t, VOCAB, COLS, DT_F32);
    int32_t id[ROWS];
    for (int i = 0; i < ROWS; i++)
        id[i] = i;
    check_set_i32(t, &ids, id);
    EACH(t, fill, AT(x), ROWS * COLS, 0.5f);
    EACH(t, fill, AT(p), 2 * RANK * COLS, 0.1f);
    check_prepare(t, &(struct kern_specs){.rows = ROWS,
                                          .width = COLS,
                                          .rank = RANK,
                                          .vocab = VOCAB,
                                          .hidden = COLS,
                                          .backward = true});
    uint64_t account = kern_memory(t->k[1]).now;
    size_t heap = 0;
    for (int n = 0; n < 3; n++) { /* the first call may still fill caches of libraries */
        struct klinear lin = {.w = w.w[1],
                              .in = COLS,
                              .out = COLS,
                              .nlora = 1,
                              .lora = {{.cols = COLS, .rank = RANK, .scale = 1, .b = RANK * COLS}}};
        struct cross_entropy_dims d = {ROWS, ROWS, COLS, VOCAB, 1, 0};
        const int which = 1;
        kern *k = t->k[1];
        if (n == 1)
            heap = mallinfo2().uordblks;
        k->op.lora_linear_fwd(k, AT(y), AT(h), AT(x), KREF_NONE, AT(p), &lin, ROWS, NULL);
        k->op.lora_linear_bwd(k, AT(y), AT(g), AT(x), AT(x), AT(h), AT(p), &lin, ROWS, NULL, K_SET);
        k->op.linear_cross_entropy(k, AT(loss), KREF_NONE, AT(y), AT(x), AT(ids), AT(ids),
                                   head.w[1], &d);
        check_sync(t);
    }
    /* What a driver does for its queue is its own affair. */
    assert_true(mallinfo2().uordblks == heap || strcmp(kern_info(t->k[1])->backend, "cpu") != 0);
    assert_true(kern_memory(t->k[1]).now == account && kern_memory(t->k[1]).peak == account);
    check_weight_values_free(&w);
    check_weight_values_free(&head);
}

static enum status read_fails(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    (void)ctx, (void)part, (void)row, (void)rows, (void)dst;
    return fault_set(f, ST_IO, "the file ended");
}

static void weights_are_checked(void **state)
{
    kern *k = open_state(state);
    struct fault f = {0};
    struct kweight *w = NULL;
    uint64_t before = kern_memory(k).now;
    const struct kweight_spec good = {.rows = 4,
                                      .cols = 3,
                                      .dtype = DT_BF16,
                                      .parts = 2,
                                      .part_rows = {1, 3},
                                      .read = read_fails,
                                      .name = "W"};
    struct kweight_spec bad[5] = {good, good, good, good, good};
    bad[0].parts = 0;
    bad[1].parts = KWEIGHT_PARTS + 1;
    bad[2].part_rows[1] = 4;
    bad[3].part_rows[0] = -1;
    bad[4].cols = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(kweight_load(&w, k, &bad[i], &f), ST_RANGE);
    bad[0] = good;
    bad[0].dtype = DT_I8;
    assert_int_equal(kweight_load(&w, k, &bad[0], &f), ST_UNSUPPORTED);
    assert_non_null(strstr(f.text, "I8"));
    assert_int_equal(kweight_load(&w, k, &good, &f), ST_IO);
    assert_string_equal(f.text, "the file ended");
    assert_null(w);
    assert_true(kern_memory(k).now == before);
    assert_true(kweight_bytes(k, &good) >= 4 * 3 * 2);
    kern_close(&k);
}

static void names_of_devices(void **state)
{
    static const char *const wrong[] = {"",          "gpu",       "cpu:sse9", "opencl:", "opencl:x",
                                        "opencl:1x", "opencl:-1", "cpux",     "CPU"};
    struct kern_options o = {0};
    struct fault f = {0};
    kern *k = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(kern_open(&k, wrong[i], &o, &f), ST_USAGE);
        assert_true(f.text[0] && f.remedy[0]);
        assert_null(k);
    }
    assert_int_equal(kern_open(&k, "opencl:9999", &o, &f), ST_NODEVICE);
    o.threads = 3;
    assert_int_equal(kern_open(&k, "auto", &o, &f), ST_OK);
    if (strcmp(kern_info(k)->backend, "cpu") == 0) {
        assert_int_equal(kern_info(k)->threads, 3);
        assert_true(kern_info(k)->note[0]); /* why there is no GPU */
    }
    kern_close(&k);
    o.precision = KERN_BF16;
    assert_int_equal(kern_open(&k, "cpu:base", &o, &f), ST_UNSUPPORTED);
    assert_int_equal(kern_open(&k, "cpu:ref", &o, &f), ST_OK);
    assert_int_equal(kern_info(k)->activation, DT_BF16);
    kern_close(&k);
}

static void list_begins_with_the_cpu(void **state)
{
    struct kern_info *list = NULL;
    struct fault f = {0};
    size_t n = 0;
    (void)state;
    assert_int_equal(kern_list(&list, &n, &f), ST_OK);
    assert_true(n >= 1);
    assert_string_equal(list[0].id, "cpu");
    for (size_t i = 1; i < n; i++)
        assert_int_equal(strncmp(list[i].id, "opencl:", 7), 0);
    free(list);
}

static const char *const devices[] = {"cpu:ref",  "cpu:base", "cpu:avx2", "cpu:avx512",
                                      "cpu:blas", "cpu",      "opencl"};
enum { DEVICES = sizeof devices / sizeof *devices };

static int over_devices(void)
{
    static const struct CMUnitTest each[] = {
        cmocka_unit_test(every_row_is_filled), cmocka_unit_test(buffers_start_zeroed),
        cmocka_unit_test(failures_stick),      cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(memory_is_accounted), cmocka_unit_test(weights_are_checked),
    };
    enum { EACH_COUNT = sizeof each / sizeof *each };
    struct CMUnitTest tests[DEVICES * EACH_COUNT + 2] = {
        cmocka_unit_test(names_of_devices), cmocka_unit_test(list_begins_with_the_cpu)};
    char names[DEVICES * EACH_COUNT][64];
    for (int i = 0; i < DEVICES * EACH_COUNT; i++) {
        struct CMUnitTest *u = &tests[i + 2];
        *u = each[i % EACH_COUNT];
        snprintf(names[i], sizeof names[i], "%s/%s", u->name, devices[i / EACH_COUNT]);
        u->name = names[i];
        u->initial_state = (void *)(uintptr_t)devices[i / EACH_COUNT];
    }
    return cmocka_run_group_tests_name("kern", tests, NULL, NULL);
}

int main(void)
{
    static const struct check_test pairs[] = {
        {"ops_do_not_allocate", ops_do_not_allocate, CHECK_PAIRS}};
    return over_devices() + check_run("kern", pairs, 1);
}
