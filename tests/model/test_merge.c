/* Merged tensors: bytes of others untouched, the share that rounding takes, damage named. (What they
 * compute: test_fixtures.) */
#include "tests/model/merged.h"

/* Without an adapter, and for tensors that none touches, the bytes are the base's. */
static void untouched(void **state)
{
    (void)state;
    struct fixture x;
    struct merge_stats stats;
    fixture_open(&x, "tests/fixtures/model/mistral");
    struct base *b = base_from(&x);
    struct adapters *a = NULL;
    struct adapter_spec s = {.rank = 2, .alpha = 4, .target_modules = "v_proj", .num_layers = 1};
    OK(adapters_new(&a, &x.c, &s, 1, &f));
    for (size_t i = 0; i < a->values; i++)
        a->data[i] += 0.25f;
    for (int pass = 0; pass < 2; pass++) {
        struct safetensors *st = merged(b, &x, pass ? a : NULL, &stats);
        int changed = 0;
        for (size_t i = 0; i < base_count(b); i++) {
            const struct tensor *t = base_tensor(b, i), *u = safetensors_find(st, t->name);
            assert_int_equal(t->bytes, u->bytes);
            changed += memcmp(base_data(b, t), safetensors_data(st, u), t->bytes) != 0;
        }
        assert_int_equal(changed, pass);
        assert_int_equal(stats.tensors_merged, pass);
        safetensors_close(&st);
    }
    adapters_free(&a);
    base_close(&b);
    fixture_close(&x);
}

/* Deltas far below a bf16 weight's last bit are lost, and that is told. */
static void lost_to_rounding(void **state)
{
    (void)state;
    struct fixture x;
    struct merge_stats stats;
    fixture_open(&x, "tests/fixtures/model/qwen2");
    struct base *b = base_from(&x);
    struct adapters *a = NULL;
    OK(adapters_new(&a, &x.c, &(struct adapter_spec){.rank = 2, .alpha = 2}, 1, &f));
    for (size_t i = 0; i < a->values; i++)
        a->data[i] += 1e-5f;
    struct safetensors *st = merged(b, &x, a, &stats);
    assert_true(stats.delta_lost > 0.9 && stats.delta_lost <= 1 && stats.worst_lost <= 1);
    assert_true(stats.worst[0] != '\0');
    safetensors_close(&st);
    adapters_free(&a);
    base_close(&b);
    fixture_close(&x);
}

static void not_finite(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    struct merge *m = NULL;
    struct safetensors_out *w = NULL;
    fixture_open(&x, "tests/fixtures/model/llama2");
    struct base *b = base_from(&x);
    struct adapters *a = fixture_adapters(&x, "final");
    const char *name = "model.layers.0.mlp.down_proj.weight";
    assert_string_equal(a->p[0].mod.name, "model.layers.0.mlp.down_proj");
    a->data[a->p[0].b] = INFINITY;
    OK(merge_open(&m, b, &x.c, a, &f));
    OK(safetensors_create(&w, scratch_path("out.safetensors"), 0, &f));
    OK(safetensors_declare(w, base_find(b, name), &f));
    assert_int_equal(merge_tensor(m, base_find(b, name), append, w, &said), ST_NUMERIC);
    assert_non_null(strstr(said.text, "down_proj"));
    assert_int_equal(merge_check(m, &said), ST_FORMAT); /* none has found its tensor */
    safetensors_out_close(&w);
    merge_close(&m);
    adapters_free(&a);
    base_close(&b);
    fixture_close(&x);
}

/* A finite delta on a finite weight, and a sum that the weight's type cannot hold; what was infinite
 * in the base before is not the merge's to refuse. */
static void too_large(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    struct merge *m = NULL;
    struct safetensors_out *w = NULL;
    struct base *b = NULL;
    struct base_out *out = NULL;
    fixture_open(&x, "tests/fixtures/model/llama2");
    struct adapters *a = fixture_adapters(&x, "final");
    const struct adapter_entry *e = &a->p[0];
    size_t rows = (size_t)e->mod.out, cols = (size_t)e->mod.in, rank = (size_t)e->rank;
    const char *name = "model.layers.0.mlp.down_proj.weight";
    struct tensor t = {
        .name = name, .dtype = DT_F16, .ndim = 2, .shape = {(int64_t)rows, (int64_t)cols}};
    uint16_t *values = calloc(rows * cols, sizeof *values);
    for (int pass = 0; pass < 2; pass++) {
        values[0] = f32_to_f16(pass ? INFINITY : 65504);
        OK(base_create(&out, scratch_path("half.h5"), x.c.family, "test", &f));
        OK(base_add_tensor(out, &t, values, &f));
        OK(base_commit(out, &f));
        base_out_close(&out);
        OK(base_open(&b, scratch_path("half.h5"), &f));
        memset(a->data + e->a, 0, rank * cols * sizeof *a->data);
        memset(a->data + e->b, 0, rows * rank * sizeof *a->data);
        a->data[e->a] = 1;
        a->data[e->b] = 65504 / e->scale;
        OK(merge_open(&m, b, &x.c, a, &f));
        OK(safetensors_create(&w, scratch_path("out.safetensors"), 0, &f));
        OK(safetensors_declare(w, base_find(b, name), &f));
        enum status s = merge_tensor(m, base_find(b, name), append, w, &said);
        assert_int_equal(s, pass ? ST_OK : ST_NUMERIC);
        if (s != ST_OK) {
            assert_non_null(strstr(said.text, "1 value of tensor model.layers.0.mlp.down_proj"));
            assert_non_null(strstr(said.remedy, "--dtype f32"));
        }
        safetensors_out_close(&w);
        merge_close(&m);
        base_close(&b);
    }
    free(values);
    adapters_free(&a);
    fixture_close(&x);
}

/* A bit flipped in a tensor: loading and merging name it. */
static void damaged(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    fixture_open(&x, "tests/fixtures/model/llama2");
    struct base *b = base_from(&x);
    const char *name = "model.layers.1.mlp.up_proj.weight";
    unsigned char want[16];
    memcpy(want, (const char *)base_data(b, base_find(b, name)) + 8, sizeof want);
    base_close(&b);
    struct text bytes = {0};
    OK(file_read(&bytes, scratch_path("base.h5"), 1 << 26, &f));
    unsigned char *hit = memmem(bytes.p, bytes.n, want, sizeof want);
    assert_non_null(hit);
    hit[3] ^= 4;
    OK(file_write(scratch_path("base.h5"), bytes.p, bytes.n, &f));
    text_free(&bytes);
    OK(base_open(&b, scratch_path("base.h5"), &f));
    kern *k = check_open("cpu", 2);
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 64};
    uint64_t before = kern_memory(k).now;
    assert_int_equal(model_open(&m, k, b, &x.c, NULL, &shape, NULL, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, name));
    assert_true(kern_memory(k).now == before); /* nothing stays behind */
    struct merge *mg = NULL;
    struct safetensors_out *w = NULL;
    OK(merge_open(&mg, b, &x.c, NULL, &f));
    OK(safetensors_create(&w, scratch_path("out.safetensors"), 0, &f));
    OK(safetensors_declare(w, base_find(b, name), &f));
    assert_int_equal(merge_tensor(mg, base_find(b, name), append, w, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, name));
    safetensors_out_close(&w);
    merge_close(&mg);
    kern_close(&k);
    base_close(&b);
    fixture_close(&x);
}

int main(void)
{
#define IN_SCRATCH(fn) cmocka_unit_test_setup_teardown(fn, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {IN_SCRATCH(untouched), IN_SCRATCH(lost_to_rounding),
                                       IN_SCRATCH(not_finite), IN_SCRATCH(too_large),
                                       IN_SCRATCH(damaged)};
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
