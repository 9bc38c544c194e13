/* What must hold of any model, whatever its numbers: tried on tiny fixtures and random weights. */
#include "model/model_impl.h"
#include "tests/model/fixture.h"

/* The gradients of one window of micro-batches; the caller frees. */
static float *gradients(struct model *m, struct rows *micro, int count, int step)
{
    size_t n = adapters_values(m->a);
    int64_t targets = 0;
    float *g = malloc(n * sizeof *g);
    assert_non_null(g);
    OK(model_train_begin(m, 5, &f));
    for (int i = 0; i < count; i++)
        targets += micro[i].b.labelled;
    for (int i = 0; i < count; i++)
        OK(model_train_micro(m, &micro[i].b, targets, step, i, &f));
    OK(model_grads_read(m, g, &f));
    return g;
}

/* ---- adapters and gradients ---------------------------------------------------------------- */

/* B = 0: the logits of the base, to the bit. */
static void new_adapter_is_identity(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    open_named(&x, &k, "qwen3");
    struct adapters *a = new_adapters(&x, &(struct adapter_spec){.rank = 4, .alpha = 8});
    struct rows r;
    rows_of(&r, &x, 0, 1);
    const int32_t last = r.b.rows - 1;
    float *got[2];
    for (int i = 0; i < 2; i++) {
        struct model *m = fixture_model(&x, k, i ? a : NULL, (struct model_shape){.rows_max = 64});
        got[i] = malloc((size_t)x.c.vocab * sizeof(float));
        OK(model_logits(m, &r.b, &last, 1, got[i], &f));
        model_close(&m);
    }
    assert_true(worst_difference(got[1], got[0], (size_t)x.c.vocab) < 1e-6);
    free(got[0]);
    free(got[1]);
    adapters_free(&a);
    close_named(&x, &k);
}

/* Four rows packed in one batch, as 2 x 2, and one by one. */
static void accumulation_and_packing(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    open_named(&x, &k, "mistral"); /* windows must not reach over documents */
    struct adapters *a = fixture_adapters(&x, "init");
    struct model *m =
        fixture_model(&x, k, a, (struct model_shape){.rows_max = 160, .backward = true});
    static struct rows whole, half[2], single[4];
    rows_of(&whole, &x, 0, 4);
    for (int i = 0; i < 2; i++)
        rows_of(&half[i], &x, 2 * i, 2);
    for (int i = 0; i < 4; i++)
        rows_of(&single[i], &x, i, 1);
    float *g1 = gradients(m, &whole, 1, 1), *g2 = gradients(m, half, 2, 1);
    float *g4 = gradients(m, single, 4, 1);
    assert_true(frobenius(g2, g1, a->values) < 1e-5);
    assert_true(frobenius(g4, g1, a->values) < 1e-5);
    double packed, sum = 0, one;
    OK(model_forward(m, &whole.b, NULL, &packed, &f));
    for (int i = 0; i < 4; i++) {
        OK(model_forward(m, &single[i].b, NULL, &one, &f));
        sum += one;
    }
    assert_true(fabs(packed - sum) < 1e-5 * sum);
    free(g1);
    free(g2);
    free(g4);
    model_close(&m);
    adapters_free(&a);
    close_named(&x, &k);
}

static void checkpointing(void **state)
{
    (void)state;
    static const char *const names[] = {"llama_bias", "qwen3", "llama_linear4",
                                        "gemma3",     "phi3",  "gpt2"};
    for (int n = 0; n < 6; n++) {
        struct fixture x;
        kern *k;
        float *g[2];
        open_named(&x, &k, names[n]);
        struct adapters *a = fixture_adapters(&x, "init");
        a->dropout = 0.25;
        struct rows r;
        rows_of(&r, &x, 0, 2);
        for (int i = 0; i < 2; i++) {
            struct model_shape shape = {.rows_max = 100, .backward = true};
            shape.grad_checkpoint = i == 1;
            struct model *m = fixture_model(&x, k, a, shape);
            g[i] = gradients(m, &r, 1, 3);
            model_close(&m);
        }
        assert_memory_equal(g[0], g[1], a->values * sizeof(float));
        free(g[0]);
        free(g[1]);
        adapters_free(&a);
        close_named(&x, &k);
    }
}

/* Adapters on some sites of the upper layers alone: their gradients are those that the same
 * adapters have among all others (which are zero in B). */
static void lowest_site(void **state)
{
    (void)state;
    static const char *const targets[] = {"q_proj", "o_proj", "up_proj", "down_proj"};
    struct fixture x;
    kern *k;
    open_named(&x, &k, "llama3");
    struct adapters *all = new_adapters(&x, &(struct adapter_spec){.rank = 2, .alpha = 4});
    struct rows r;
    rows_of(&r, &x, 0, 1);
    struct model *m =
        fixture_model(&x, k, all, (struct model_shape){.rows_max = 64, .backward = true});
    float *want = gradients(m, &r, 1, 1);
    model_close(&m);
    for (int t = 0; t < 4; t++) {
        for (int layers = 1; layers <= 2; layers++) {
            struct adapter_spec spec = {.rank = 2, .alpha = 4, .target_modules = targets[t]};
            spec.num_layers = layers;
            struct adapters *a = new_adapters(&x, &spec);
            struct model_shape shape = {.rows_max = 64, .backward = true};
            shape.grad_checkpoint = layers == 2;
            m = fixture_model(&x, k, a, shape);
            float *got = gradients(m, &r, 1, 1);
            assert_int_equal(a->count, layers);
            for (int i = 0; i < a->count; i++) {
                const struct adapter_entry *e = &a->p[i];
                int j = adapters_at(all, e->mod.layer, (int)e->mod.slot);
                size_t n = (size_t)e->mod.out * (size_t)e->rank;
                assert_true(frobenius(got + e->b, want + all->p[j].b, n) < 1e-5);
            }
            free(got);
            model_close(&m);
            adapters_free(&a);
        }
    }
    free(want);
    adapters_free(&all);
    close_named(&x, &k);
}

/* ---- training ------------------------------------------------------------------------------ */

/* Two steps, then a state that is written back, give the bits of three steps in a row; results
 * may be read one step late. */
static void state_round_trip(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    open_named(&x, &k, "qwen2");
    struct adapters *a = fixture_adapters(&x, "init");
    a->dropout = 0.1;
    size_t n = a->values;
    float *p = malloc(4 * n * sizeof *p), *m1 = p + n, *m2 = m1 + n, *end = m2 + n;
    struct model_shape shape = {.rows_max = 100, .backward = true};
    struct train_result late[3];
    struct rows r;
    rows_of(&r, &x, 0, 2);
    struct model *m = fixture_model(&x, k, a, shape);
    OK(model_train_begin(m, 9, &f));
    rows_step(m, &r, 1);
    rows_step(m, &r, 2);
    OK(model_train_result(m, &late[0], &f));
    OK(model_state_read(m, p, m1, m2, &f));
    rows_step(m, &r, 3);
    OK(model_train_result(m, &late[1], &f));
    OK(model_train_result(m, &late[2], &f));
    assert_true(late[2].loss < late[0].loss && late[1].finite);
    OK(model_state_read(m, end, NULL, NULL, &f));
    model_close(&m);
    m = fixture_model(&x, k, a, shape);
    OK(model_train_begin(m, 9, &f));
    OK(model_state_write(m, p, m1, m2, &f));
    rows_step(m, &r, 3);
    OK(model_train_result(m, &late[0], &f));
    OK(model_state_read(m, p, NULL, NULL, &f));
    assert_memory_equal(p, end, n * sizeof *p);
    assert_true(late[0].loss == late[2].loss && late[0].grad_norm == late[2].grad_norm);
    free(p);
    model_close(&m);
    adapters_free(&a);
    close_named(&x, &k);
}

/* Device memory does not move after open, whatever runs. */
static void no_allocation(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    open_named(&x, &k, "qwen3");
    struct adapters *a = fixture_adapters(&x, "init");
    struct model_shape shape = {.rows_max = 100, .keys_max = 60, .backward = true};
    struct model *m = fixture_model(&x, k, a, shape);
    struct kern_memory before = kern_memory(k);
    struct rows r;
    struct train_result result;
    double loss;
    float *logits = malloc((size_t)x.c.vocab * sizeof *logits);
    rows_of(&r, &x, 0, 2);
    OK(model_train_begin(m, 9, &f));
    rows_step(m, &r, 1);
    OK(model_train_result(m, &result, &f));
    OK(model_forward(m, &r.b, NULL, &loss, &f));
    OK(model_decode(m, r.ids, 10, 0, logits, &f));
    struct kern_memory after = kern_memory(k);
    assert_true(after.now == before.now && after.peak == before.peak);
    free(logits);
    model_close(&m);
    adapters_free(&a);
    close_named(&x, &k);
}

/* ---- what is refused ----------------------------------------------------------------------- */

/* The token that is only predicted counts where a rope goes by length, as in transformers, which
 * computes a row for it too. */
static void last_tokens(void **state)
{
    struct fixture x;
    struct rows r;
    float want[FIXTURE_ROWS], got[FIXTURE_ROWS];
    double sum;
    (void)state;
    fixture_open(&x, "tests/fixtures/model/llama_dynamic");
    kern *k = check_open("cpu", 1);
    struct model *m = fixture_model(&x, k, NULL, (struct model_shape){.rows_max = FIXTURE_ROWS});
    int row = 0, n;
    do
        rows_of(&r, &x, row++, 1);
    while (r.b.rows <= x.c.rope[0].original_max);
    n = r.b.labelled;
    assert_int_equal(r.b.rows, n + 1);
    OK(model_forward(m, &r.b, want, &sum, &f));
    r.b.longest = r.b.rows--;
    OK(model_forward(m, &r.b, got, &sum, &f));
    assert_true(worst_difference(got, want, (size_t)n) < 1e-6);
    r.b.longest = 0;
    OK(model_forward(m, &r.b, got, &sum, &f));
    assert_true(worst_difference(got, want, (size_t)n) > 1e-5);
    model_close(&m);
    kern_close(&k);
    fixture_close(&x);
}

static void bad_batches(void **state)
{
    (void)state;
    struct fixture x;
    kern *k;
    struct fault said = {0};
    double loss;
    open_named(&x, &k, "llama2");
    struct model *m = fixture_model(&x, k, NULL, (struct model_shape){.rows_max = 40});
    struct rows r;
    rows_of(&r, &x, 0, 1);
    r.ids[3] = x.c.vocab;
    assert_int_equal(model_forward(m, &r.b, NULL, &loss, &said), ST_RANGE);
    rows_of(&r, &x, 0, 1);
    r.pos[3] = x.c.max_positions;
    assert_int_equal(model_forward(m, &r.b, NULL, &loss, &said), ST_RANGE);
    rows_of(&r, &x, 0, 1);
    r.start[3] = 4;
    assert_int_equal(model_forward(m, &r.b, NULL, &loss, &said), ST_RANGE);
    rows_of(&r, &x, 0, 1);
    r.labels[0] = -1;
    assert_int_equal(model_forward(m, &r.b, NULL, &loss, &said), ST_RANGE);
    rows_of(&r, &x, 0, 2);
    assert_int_equal(model_forward(m, &r.b, NULL, &loss, &said), ST_RANGE);
    assert_int_equal(model_train_begin(m, 0, &said), ST_USAGE);
    rows_of(&r, &x, 0, 1);
    r.b.labelled = 0;
    OK(model_forward(m, &r.b, NULL, &loss, &f));
    assert_true(loss == 0);
    model_close(&m);
    close_named(&x, &k);
}

/* A checkpoint that does not fit its config names the tensor. */
static void wrong_checkpoints(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    fixture_open(&x, "tests/fixtures/model/llama2");
    OK(model_check_files(x.hf, "hf", &x.c, &f));
    struct model_config c = x.c;
    c.inter++;
    assert_int_equal(model_check_files(x.hf, "hf", &c, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "model.layers.0.mlp.gate_proj.weight"));
    c = x.c;
    c.layers++;
    assert_int_equal(model_check_files(x.hf, "hf", &c, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "model.layers.2."));
    assert_non_null(strstr(said.text, "missing"));
    c = x.c;
    c.o_bias = true;
    assert_int_equal(model_check_files(x.hf, "hf", &c, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "model.layers.0.self_attn.o_proj.bias"));
    fixture_close(&x);
}

static void random_training(const char *name, enum dtype dtype)
{
    struct fixture x;
    kern *k;
    open_named(&x, &k, name);
    struct adapters *a = new_adapters(&x, &(struct adapter_spec){.rank = 4, .alpha = 8});
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 100, .backward = true};
    OK(model_open_random(&m, k, &x.c, dtype, a, &shape, 3, &f));
    struct rows r;
    rows_of(&r, &x, 0, 2);
    struct train_result first, last;
    OK(model_train_begin(m, 1, &f));
    rows_step(m, &r, 1);
    OK(model_train_result(m, &first, &f));
    for (int i = 2; i < 12; i++) {
        rows_step(m, &r, i);
        OK(model_train_result(m, &last, &f));
    }
    assert_true(fabs(first.loss - log(x.c.vocab)) < 0.2);
    assert_true(last.loss < first.loss);
    assert_true(model_weight_bytes(m) > 0);
    model_close(&m);
    adapters_free(&a);
    close_named(&x, &k);
}

/* Random weights of a shape train: the loss begins at the uniform guess and falls. */
static void random_model(void **state)
{
    (void)state;
    random_training("qwen2", DT_BF16);
    random_training("gpt2", DT_F16); /* its file has matrices the other way round */
    random_training("gemma3", DT_F32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(new_adapter_is_identity),
                                       cmocka_unit_test(accumulation_and_packing),
                                       cmocka_unit_test(checkpointing),
                                       cmocka_unit_test(lowest_site),
                                       cmocka_unit_test(state_round_trip),
                                       cmocka_unit_test(no_allocation),
                                       cmocka_unit_test(bad_batches),
                                       cmocka_unit_test(last_tokens),
                                       cmocka_unit_test(wrong_checkpoints),
                                       cmocka_unit_test(random_model)};
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
