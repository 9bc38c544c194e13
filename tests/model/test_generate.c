/* Drawing tokens: the limits of temperature, top_k and top_p, and the shares in between. */
#include <math.h>

#include "model/generate.h"
#include "tests/check.h"

enum { VOCAB = 6, DRAWS = 20000 };

static const float logits[VOCAB] = {1.0f, 3.0f, 2.0f, 3.0f, -5.0f, 0.0f};

static void count(int *to, struct generate_options o)
{
    int32_t order[VOCAB];
    for (int i = 0; i < VOCAB; i++)
        to[i] = 0;
    for (int at = 0; at < DRAWS; at++)
        to[generate_sample(logits, order, VOCAB, &o, at)]++;
}

/* Within five deviations of the softmax restricted to `allowed`. */
static void shares(const int *got, const bool *allowed, double temperature)
{
    double total = 0;
    for (int i = 0; i < VOCAB; i++)
        total += allowed[i] ? exp((double)logits[i] / temperature) : 0;
    for (int i = 0; i < VOCAB; i++) {
        double p = allowed[i] ? exp((double)logits[i] / temperature) / total : 0;
        double slack = 5 * sqrt(DRAWS * p * (1 - p));
        if (!(fabs(got[i] - DRAWS * p) <= slack))
            fail_msg("id %d: %d of %d draws, expected %g", i, got[i], DRAWS, DRAWS * p);
    }
}

static void greedy(void **state)
{
    (void)state;
    int got[VOCAB];
    count(got, (struct generate_options){.temperature = 0, .top_k = 3, .top_p = 0.5});
    assert_int_equal(got[1], DRAWS); /* the lower of two equals */
}

static void plain(void **state)
{
    (void)state;
    int got[VOCAB];
    static const bool all[VOCAB] = {true, true, true, true, true, true};
    count(got, (struct generate_options){.temperature = 1, .seed = 3});
    shares(got, all, 1);
    count(got, (struct generate_options){.temperature = 2, .top_p = 1, .top_k = VOCAB});
    shares(got, all, 2);
}

static void top_k(void **state)
{
    (void)state;
    int got[VOCAB];
    count(got, (struct generate_options){.temperature = 1.5, .top_k = 3});
    shares(got, (const bool[VOCAB]){false, true, true, true}, 1.5);
    count(got, (struct generate_options){.temperature = 1.5, .top_k = 1});
    assert_int_equal(got[1], DRAWS);
}

/* Shares at temperature 1: 0.39, 0.39, 0.14, 0.05, 0.02: 0.8 needs three ids, 0.5 two. */
static void top_p(void **state)
{
    (void)state;
    int got[VOCAB];
    count(got, (struct generate_options){.temperature = 1, .top_p = 0.8});
    shares(got, (const bool[VOCAB]){false, true, true, true}, 1);
    count(got, (struct generate_options){.temperature = 1, .top_p = 0.5});
    shares(got, (const bool[VOCAB]){false, true, false, true}, 1);
    count(got, (struct generate_options){.temperature = 1, .top_p = 1e-9});
    assert_int_equal(got[1], DRAWS);
    /* of the three that top_k leaves, two are 84 percent */
    count(got, (struct generate_options){.temperature = 1, .top_p = 0.83, .top_k = 3});
    shares(got, (const bool[VOCAB]){false, true, false, true}, 1);
}

static void seeds(void **state)
{
    (void)state;
    int32_t order[VOCAB];
    struct generate_options a = {.temperature = 3, .seed = 1}, b = a;
    int differ = 0;
    b.seed = 2;
    for (int at = 0; at < 100; at++) {
        int32_t id = generate_sample(logits, order, VOCAB, &a, at);
        assert_int_equal(id, generate_sample(logits, order, VOCAB, &a, at));
        differ += id != generate_sample(logits, order, VOCAB, &b, at);
    }
    assert_true(differ > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(greedy), cmocka_unit_test(plain),
                                       cmocka_unit_test(top_k), cmocka_unit_test(top_p),
                                       cmocka_unit_test(seeds)};
    return cmocka_run_group_tests_name("generate", tests, NULL, NULL);
}
