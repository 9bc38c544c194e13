/* How much there is to compute, against counts by hand; and a model of its first layers alone, which
 * is what gets timed. */
#include "tests/model/fixture.h"

#include "model/effort.h"

/* Two layers of width 8: q and o 8 x 8, k and v 4 x 8, three of the MLP 16 x 8; 10 tokens. */
static struct model_config small(void)
{
    struct model_config c = {.family = "llama",
                             .hidden = 8,
                             .inter = 16,
                             .layers = 2,
                             .heads = 2,
                             .kv_heads = 1,
                             .head_dim = 4,
                             .vocab = 10,
                             .max_positions = 64};
    return c;
}

enum { MATRICES = 2 * (8 * 8 + 8 * 8 + 2 * 4 * 8 + 3 * 16 * 8), HEAD = 2 * 10 * 8 };

static void forward_by_hand(void **state)
{
    struct model_config c = small();
    (void)state;
    assert_true(effort_forward(&c, NULL, 1, 0) == 2 * (MATRICES + 4 * 8));
    assert_true(effort_forward(&c, NULL, 1, 1) == 2 * (MATRICES + 4 * 8) + HEAD);
    assert_true(effort_forward(&c, NULL, 10, 3) == 2 * (10 * MATRICES + 4 * 8 * 55) + 3 * HEAD);
    c.layer[1].window = 4; /* 1 + 2 + 3 + 4, and six times 4 */
    assert_true(effort_forward(&c, NULL, 10, 0) == 2 * 10 * MATRICES + 4 * 8 * (55 + 34));
    c.layer[1].window = 400;
    assert_true(effort_forward(&c, NULL, 10, 0) == 2 * (10 * MATRICES + 4 * 8 * 55));
}

static void training_by_hand(void **state)
{
    struct model_config c = small();
    struct adapter_spec spec = {.rank = 2, .alpha = 4, .target_modules = "q_proj"};
    struct adapters *a = NULL;
    const double lora = 2 * 2 * (8 + 8), attention = 4 * 8;
    (void)state;
    OK(adapters_new(&a, &c, &spec, 0, &f));
    double forward = 2 * (MATRICES + attention + lora) + HEAD;
    double back = 2 * (MATRICES + 2.5 * attention + 2 * lora) + HEAD;
    assert_true(effort_forward(&c, a, 1, 1) == forward);
    assert_true(effort_training(&c, a, false, 1, 1) == forward + back);
    assert_true(effort_training(&c, a, true, 1, 1) == 2 * forward - HEAD + back);
    adapters_free(&a);
    spec.num_layers = 1; /* backward goes through the last layer alone */
    OK(adapters_new(&a, &c, &spec, 0, &f));
    forward = 2 * (MATRICES + attention) + lora + HEAD;
    back = MATRICES + 2.5 * attention + 2 * lora + HEAD;
    assert_true(effort_training(&c, a, false, 1, 1) == forward + back);
    adapters_free(&a);
    assert_true(effort_training(&c, NULL, false, 1, 1) == 2 * (MATRICES + attention) + 2 * HEAD);
}

static void the_first_layers_alone(void **state)
{
    struct fixture x;
    kern *k;
    struct adapters *a = NULL;
    struct model *whole, *part;
    struct rows r;
    struct train_result result;
    double sum[2];
    (void)state;
    open_named(&x, &k, "llama3");
    struct model_config c = x.c;
    struct model_shape shape = {.rows_max = 100, .backward = true};
    struct adapter_spec spec = {.rank = 2, .alpha = 4, .target_modules = "all-linear"};
    whole = fixture_model(&x, k, NULL, shape);
    assert_true(c.layers > 1);
    c.layers = shape.layers = 1;
    OK(adapters_new(&a, &c, &spec, 0, &f));
    part = fixture_model(&x, k, a, shape);
    assert_int_equal(model_config_of(part)->layers, 1);
    assert_true(model_weight_bytes(part) < model_weight_bytes(whole));
    rows_of(&r, &x, 0, 2);
    OK(model_forward(whole, &r.b, NULL, &sum[0], &f));
    OK(model_forward(part, &r.b, NULL, &sum[1], &f));
    assert_true(isfinite(sum[1]) && fabs(sum[1] - sum[0]) > 1e-3);
    OK(model_train_begin(part, 0, &f));
    OK(model_train_micro(part, &r.b, r.b.labelled, 1, 0, &f));
    OK(model_train_update(part, &(struct train_hyper){1e-3, 0.9, 0.999, 1e-8, 0, 1, 1}, &f));
    OK(model_train_result(part, &result, &f));
    assert_true(result.finite && result.grad_norm > 0);
    model_close(&part);
    model_close(&whole);
    adapters_free(&a);
    close_named(&x, &k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_by_hand),
        cmocka_unit_test(training_by_hand),
        cmocka_unit_test(the_first_layers_alone),
    };
    return cmocka_run_group_tests_name("effort", tests, NULL, NULL);
}
