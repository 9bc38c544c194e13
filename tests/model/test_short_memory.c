/* Every allocation on the way to a model fails once: ST_NOMEM, nothing left behind, and the
 * next try works. */
#include "tests/model/fixture.h"

#include "model/merge.h"
#include "tests/data/short_memory.h"

struct tried {
    struct fixture *x;
    kern *k;
    struct adapters *a;
};

/* Runs one until no allocation is left to fail; it cleans up what it made. */
static void each_allocation(enum status (*one)(struct tried *t, struct fault *f), struct tried *t)
{
    if (!short_memory_works)
        skip();
    uint64_t before = kern_memory(t->k).now;
    for (long n = 1; n < 100000; n++) {
        struct fault said = {0};
        short_memory_after(n);
        enum status code = one(t, &said);
        if (!short_memory_end()) {
            assert_int_equal(code, ST_OK);
            return;
        }
        if (code != ST_OK) /* some may do without */
            assert_int_equal(code, ST_NOMEM);
        assert_true(kern_memory(t->k).now <= before + (1 << 22)); /* scratch may have grown */
    }
    fail();
}

static enum status read_config(struct tried *t, struct fault *f)
{
    struct model_config c;
    return model_config_read(&c, &t->x->files, f);
}

static enum status plan(struct tried *t, struct fault *f)
{
    struct adapters *a = NULL;
    struct adapter_spec s = {.rank = 2, .alpha = 4, .target_modules = ".*(q|up)_proj"};
    enum status code = adapters_new(&a, &t->x->c, &s, 1, f);
    assert_true((code == ST_OK) == (a != NULL));
    adapters_free(&a);
    return code;
}

static enum status load(struct tried *t, struct fault *f)
{
    struct adapters *a = NULL;
    enum status code = adapters_load(&a, &t->x->c, "tests/fixtures/model/qwen3/init", f);
    adapters_free(&a);
    return code;
}

static enum status open_model(struct tried *t, struct fault *f)
{
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 40, .keys_max = 40, .backward = true};
    enum status code = model_open_files(&m, t->k, t->x->hf, "hf", &t->x->c, t->a, &shape, f);
    assert_true((code == ST_OK) == (m != NULL));
    model_close(&m);
    return code;
}

static enum status open_random(struct tried *t, struct fault *f)
{
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 40};
    enum status code = model_open_random(&m, t->k, &t->x->c, DT_F32, NULL, &shape, 1, f);
    model_close(&m);
    return code;
}

static void all(void **state)
{
    (void)state;
    struct fixture x;
    struct tried t = {.x = &x};
    if (!short_memory_works)
        skip(); /* before anything is held: skipping does not come back */
    fixture_open(&x, "tests/fixtures/model/qwen3");
    t.k = check_open("cpu", 2);
    t.a = fixture_adapters(&x, "init");
    each_allocation(read_config, &t);
    each_allocation(plan, &t);
    each_allocation(load, &t);
    each_allocation(open_model, &t);
    each_allocation(open_random, &t);
    adapters_free(&t.a);
    kern_close(&t.k);
    fixture_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests_name("short memory", tests, NULL, NULL);
}
