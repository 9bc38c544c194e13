/* A model that others trained, and data that others wrote: skipped, visibly, where ../shared is
 * not. */
#include "tests/app/metrics.h"

#define STORIES "../shared/data/weights/stories260K-hf"
#define WIKISQL "../shared/data/datasets/wikisql-mlx"

static struct json_doc *reference(void)
{
    struct json_doc *doc = NULL;
    struct fault f = {0};
    size_t n;
    unsigned char *bytes = scratch_read(STORIES "/reference.json", &n);
    assert_int_equal(json_parse(&doc, (char *)bytes, n, "reference.json", &f), 0);
    free(bytes);
    return doc;
}

static const char *stories(void)
{
    const char *base = program_file("stories.h5");
    if (!program_there(STORIES))
        skip();
    if (!program_there(base)) {
        WICK("import", STORIES, "-o", base, "--quiet");
        program_done();
    }
    return base;
}

static void check_ids(const struct json *got, const struct json *want)
{
    const struct json *g = json_first(got), *w = json_first(want);
    assert_non_null(w);
    for (; g && w; g = json_next(g), w = json_next(w)) {
        int64_t x = -1, y = -2;
        json_int(g, &x);
        json_int(w, &y);
        assert_int_equal(x, y);
    }
    assert_true(!g && !w);
}

/* Its greedy sample from BOS, id for id. */
static void test_greedy(void **state)
{
    const char *base = stories();
    (void)state;
    struct json_doc *ref = reference();
    WICK("generate", base, "--prompt", "", "--temperature", "0", "--max-tokens", "64", "--json",
         "--quiet");
    struct json_doc *doc = program_json();
    check_ids(json_get(json_root(doc), "ids"), json_get(json_root(ref), "greedy_from_bos_64"));
    json_close(&doc);
    json_close(&ref);
}

static void test_encode(void **state)
{
    const char *base = stories();
    int n = 0;
    (void)state;
    struct json_doc *ref = reference();
    const struct json *cases = json_get(json_root(ref), "encode_cases");
    for (const struct json *c = json_first(cases); c; c = json_next(c), n++) {
        WICK("tokenize", base, "--text", json_string(json_get(c, "text")), "--json", "--quiet");
        struct json_doc *doc = program_json();
        check_ids(json_get(json_root(doc), "ids"), json_get(c, "ids_with_bos"));
        json_close(&doc);
    }
    json_close(&ref);
    assert_true(n > 0);
}

static double perplexity(const char *base, const char *adapter)
{
    WICK("eval", base, "--data", WIKISQL "/valid.jsonl", "--max-seq-length", "256", "--json",
         "--quiet", adapter ? "--adapter" : NULL, adapter);
    struct json_doc *doc = program_json();
    double v = program_number(doc, "perplexity");
    json_close(&doc);
    return v;
}

/* 60 steps of rank 8 turn a storyteller into one that writes queries. */
static void test_wikisql(void **state)
{
    const char *base = stories(), *run = program_file("run");
    (void)state;
    if (!program_there(WIKISQL))
        skip();
    double before = perplexity(base, NULL);
    WICK("train", "--model", base, "--data", WIKISQL, "--output", run, "--iters", "60", "--rank",
         "8", "--alpha", "16", "--batch-size", "8", "--learning-rate", "5e-3", "--max-seq-length",
         "256", "--quiet", "--json");
    struct json_doc *doc = program_json();
    double last = program_number(doc, "eval_loss");
    json_close(&doc);
    double after = perplexity(base, run);
    print_message("wikisql: validation perplexity %.1f -> %.2f\n", before, after);
    assert_true(before > 250 && before < 400);
    assert_true(after < 20);
    assert_float_equal(log(after), last, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_wikisql),
    };
    return program_run("real", tests);
}
