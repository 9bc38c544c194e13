/* Generation with the key/value cache gives what the whole forward pass gives. */
#include "tests/model/fixture.h"

#include "model/generate.h"

/* Token by token, in pieces and at once: the cache gives the logits of the whole. */
static void decode_equals_forward(void **state)
{
    (void)state;
    static const char *const names[] = {"mistral", "qwen3",        "llama3",
                                        "gemma2",  "gemma3_parts", "gpt2",
                                        "smollm3", "phi3",         "qwen3_window"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct fixture x;
        kern *k;
        open_named(&x, &k, names[n]);
        struct adapters *a = fixture_adapters(&x, "init");
        struct model_shape shape = {.rows_max = 64, .keys_max = 64};
        struct model *m = fixture_model(&x, k, a, shape);
        struct rows r;
        rows_of(&r, &x, 0, 1);
        size_t vocab = (size_t)x.c.vocab;
        int count = r.b.rows, at = 0;
        float *want = malloc(2 * vocab * sizeof *want), *got = want + vocab;
        const int piece[] = {7, 1, 1, 12, 1};
        for (int i = 0; i < 5; i++) {
            OK(model_decode(m, r.ids + at, piece[i], at, got, &f));
            at += piece[i];
            const int32_t last = at - 1;
            OK(model_logits(m, &r.b, &last, 1, want, &f));
            assert_true(worst_difference(got, want, vocab) < 1e-5);
        }
        assert_true(at < count);
        struct fault said = {0};
        assert_int_equal(model_decode(m, r.ids, 10, 60, got, &said), ST_RANGE);
        free(want);
        model_close(&m);
        adapters_free(&a);
        close_named(&x, &k);
    }
}

struct told {
    int32_t ids[64];
    int n;
};

static enum status tell(void *ctx, int32_t id, struct fault *f)
{
    struct told *t = ctx;
    (void)f;
    t->ids[t->n++] = id;
    return ST_OK;
}

/* The greedy text of ref.json, prompt cut to pieces of rows_max. That of phi4 outgrows the
 * original context on the way. */
static void greedy(void **state)
{
    (void)state;
    static const char *const names[] = {
        "llama2",       "llama3", "mistral", "qwen2", "qwen3_untied", "gemma2",       "gemma3",
        "gemma3_parts", "gpt2",   "phi3",    "phi4",  "smollm3",      "qwen3_window", "llama_yarn"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct fixture x;
        kern *k;
        open_named(&x, &k, names[n]);
        struct adapters *a = fixture_adapters(&x, "final");
        struct model *m =
            fixture_model(&x, k, a, (struct model_shape){.rows_max = 8, .keys_max = 64});
        int32_t prompt[FIXTURE_ROWS], want[FIXTURE_ROWS];
        int length = fixture_ids(prompt, json_get(x.json, "prompt_ids"));
        int count = fixture_ids(want, json_get(x.json, "greedy"));
        struct told told = {0};
        struct generate_result result;
        struct generate_options o = {.max_tokens = 16, .stop = x.c.eos};
        o.stop_count = x.c.eos_count;
        OK(generate(m, prompt, length, &o, tell, &told, &result, &f));
        if (fixture_number(x.json, "greedy_gap") > 1e-3) {
            assert_int_equal(result.count, count);
            assert_memory_equal(told.ids, want, (size_t)count * sizeof *want);
        }
        model_close(&m);
        adapters_free(&a);
        close_named(&x, &k);
    }
}

/* A prompt beyond the original context, in pieces that begin before it. */
static void long_prompt(void **state)
{
    (void)state;
    static const char *const names[] = {"phi4", "llama_dynamic"};
    for (int n = 0; n < 2; n++) {
        struct fixture x;
        kern *k;
        open_named(&x, &k, names[n]);
        struct model *m =
            fixture_model(&x, k, NULL, (struct model_shape){.rows_max = 40, .keys_max = 40});
        struct model *pieces =
            fixture_model(&x, k, NULL, (struct model_shape){.rows_max = 9, .keys_max = 40});
        struct rows r;
        rows_of(&r, &x, 3, 1);
        size_t vocab = (size_t)x.c.vocab;
        const int32_t last = r.b.rows - 1;
        float *want = malloc(2 * vocab * sizeof *want), *got = want + vocab;
        assert_true(r.b.rows == 40 && x.c.rope[0].original_max == 24);
        OK(model_logits(m, &r.b, &last, 1, want, &f));
        OK(model_decode(pieces, r.ids, r.b.rows, 0, got, &f));
        assert_true(worst_difference(got, want, vocab) < 1e-5);
        free(want);
        model_close(&m);
        model_close(&pieces);
        close_named(&x, &k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decode_equals_forward),
                                       cmocka_unit_test(greedy), cmocka_unit_test(long_prompt)};
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
