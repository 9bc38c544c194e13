/* Generation with the key/value cache gives what the whole forward pass gives. */
#include "tests/model/fixture.h"

#include "model/generate.h"

/* Token by token, in pieces and at once: the cache gives the logits of the whole. */
static void decode_equals_forward(void **state)
{
    (void)state;
    static const char *const names[] = {"mistral", "qwen3", "llama3", "gemma2", "gpt2", "smollm3"};
    for (int n = 0; n < 6; n++) {
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

/* The greedy text of ref.json, prompt cut to pieces of rows_max. */
static void greedy(void **state)
{
    (void)state;
    static const char *const names[] = {"llama2",       "llama3", "mistral", "qwen2",
                                        "qwen3_untied", "gemma2", "gemma3",  "gpt2"};
    for (int n = 0; n < 8; n++) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decode_equals_forward),
                                       cmocka_unit_test(greedy)};
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
