/* A value that is not finite stops the step, and the replay names where it came from. */
#include "tests/model/fixture.h"

#include "tests/data/scratch.h"

static void nonfinite_adapter(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    struct fault said = {0};
    open_named(&x, &k, "llama3");
    struct adapters *a = fixture_adapters(&x, "init");
    size_t n = a->values;
    float *p = malloc(2 * n * sizeof *p);
    const struct adapter_entry *e = &a->p[3];
    a->data[e->b + 5] = NAN;
    struct model *m =
        fixture_model(&x, k, a, (struct model_shape){.rows_max = 100, .backward = true});
    struct rows r;
    struct train_result result;
    rows_of(&r, &x, 0, 2);
    OK(model_train_begin(m, 9, &f));
    rows_step(m, &r, 1);
    OK(model_train_result(m, &result, &f));
    assert_false(result.finite);
    OK(model_state_read(m, p, p + n, NULL, &f));
    assert_memory_equal(p, a->data, n * sizeof *p); /* nothing was updated */
    for (size_t i = 0; i < n; i++)
        assert_true(p[n + i] == 0.0f);
    assert_int_equal(model_find_nonfinite(m, &r.b, r.b.labelled, 1, 0, &said), ST_NUMERIC);
    char key[ADAPTER_KEY_MAX];
    adapter_key(key, e, 'B');
    assert_non_null(strstr(said.text, key));
    assert_non_null(strstr(said.text, "element 5"));
    /* repaired, the same model trains again */
    a->data[e->b + 5] = 0.0f;
    OK(model_state_write(m, a->data, NULL, NULL, &f));
    OK(model_find_nonfinite(m, &r.b, r.b.labelled, 1, 0, &f));
    rows_step(m, &r, 2);
    OK(model_train_result(m, &result, &f));
    assert_true(result.finite);
    free(p);
    model_close(&m);
    adapters_free(&a);
    close_named(&x, &k);
}

static void spoil(void *ctx, const struct tensor *t, void *bytes)
{
    float *p = bytes;
    (void)ctx;
    if (strcmp(t->name, "model.layers.1.self_attn.k_proj.weight") == 0)
        p[7] = NAN;
}

/* A weight of the file that is not a number: its matrix, row and line are named. */
static void nonfinite_weight(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    struct fault said = {0};
    const char *path = scratch_path("nonfinite.safetensors");
    open_named(&x, &k, "llama3");
    struct safetensors *st = fixture_changed(&x, path, NULL, spoil, NULL);
    struct adapters *a = fixture_adapters(&x, "init");
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 100, .backward = true};
    OK(model_open_files(&m, k, st, path, &x.c, a, &shape, &f));
    struct rows r;
    rows_of(&r, &x, 0, 2);
    OK(model_train_begin(m, 9, &f));
    assert_int_equal(model_find_nonfinite(m, &r.b, r.b.labelled, 1, 0, &said), ST_NUMERIC);
    assert_non_null(strstr(said.text, "model.layers.1.self_attn.k_proj"));
    assert_non_null(strstr(said.text, "row 0"));
    assert_non_null(strstr(said.text, "line 100"));
    model_close(&m);
    adapters_free(&a);
    safetensors_close(&st);
    close_named(&x, &k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonfinite_adapter),
        cmocka_unit_test_setup_teardown(nonfinite_weight, scratch_make, scratch_remove)};
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
