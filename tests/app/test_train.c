/* What training means: windows, equal runs, schedules, choices of matrices. */
#include "tests/app/training.h"

static bool same_adapter(const char *a, const char *b)
{
    return program_same(adapter_of(a), adapter_of(b));
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Windows of eight rows in micro-batches of every size, held against one batch of eight. */
static void accumulate(const char *rate, const char *init, double loss_bound, double norm_bound)
{
    static const char *const sizes[][2] = {{"4", "2"}, {"2", "4"}, {"1", "8"}};
    const char *flag = init ? "--adapter-init" : NULL;
    RUN("b8", "--iters", "6", "--learning-rate", rate, "--batch-size", "8", flag, init);
    struct metrics whole = *metrics_read(program_file("b8"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        RUN("parts", "--iters", "6", "--learning-rate", rate, "--batch-size", sizes[i][0],
            "--grad-accumulation-steps", sizes[i][1], flag, init);
        struct metrics_gap gap = metrics_differ(metrics_read(program_file("parts")), &whole);
        print_message("rate %s, %s x %s against 8: loss %.1e, norm %.1e\n", rate, sizes[i][0],
                      sizes[i][1], gap.loss, gap.norm);
        assert_true(gap.loss <= loss_bound && gap.norm <= norm_bound);
    }
}

/* Rows grouped in another way are summed in another order, so gradients differ by the rounding of
 * f32, about 1e-7 of the norm: that is all there is while the adapter stands still (rate 0).
 *
 * AdamW divides each gradient by its own size. One whose terms all but cancel is mostly rounding,
 * and still moves its value by up to the whole rate: after the first step some values differ by
 * 5e-4 of the rate, and every step's gradients carry that on. So the distance grows with the rate;
 * at 5e-3 six steps bring norms to 1e-5 or 3e-5 apart on any device, the scalar one at 1e-6. */
static void test_accumulation(void **state)
{
    (void)state;
    const char *begun = RUN("begun", "--batch-size", "8", "--iters", "6");
    accumulate("0", begun, 1e-6, 1e-6);
    accumulate("5e-4", NULL, 1e-5, 1e-5);
    accumulate("5e-3", NULL, 1e-5, 1e-4);
}

/* All ten rows fit into one packed row. */
static void test_packing(void **state)
{
    (void)state;
    RUN("unpacked", "--batch-size", "10", "--epochs", "4", "--shuffle", "false");
    struct metrics plain = *metrics_read(program_file("unpacked"));
    RUN("packed", "--batch-size", "1", "--epochs", "4", "--shuffle", "false", "--packing");
    struct metrics_gap gap = metrics_differ(metrics_read(program_file("packed")), &plain);
    print_message("packed against unpacked: loss %.1e, norm %.1e\n", gap.loss, gap.norm);
    assert_true(gap.loss <= 1e-5 && gap.norm <= 1e-5);
    assert_int_equal(plain.steps, 4);
    assert_true(plain.step[3].loss < plain.step[0].loss);
}

static void test_partial_window(void **state)
{
    (void)state;
    RUN("epochs", "--batch-size", "4", "--epochs", "1");
    const struct metrics *m = metrics_read(program_file("epochs"));
    assert_int_equal(m->steps, 3); /* 4 + 4 + 2 rows */
    assert_true(m->step[2].epoch == 1 && m->step[2].tokens < m->step[0].tokens);
    double all = m->step[2].total_tokens;
    RUN("twice", "--batch-size", "2", "--grad-accumulation-steps", "2", "--epochs", "2");
    m = metrics_read(program_file("twice"));
    assert_true(m->step[m->steps - 1].total_tokens == 2 * all);
    assert_true(m->step[m->steps - 1].epoch == 2);
    RUN("large", "--batch-size", "64", "--epochs", "1");
    m = metrics_read(program_file("large"));
    assert_int_equal(m->steps, 1);
    assert_true(m->step[0].total_tokens == all);
}

static void test_grad_checkpoint(void **state)
{
    (void)state;
    RUN("kept", "--batch-size", "4", "--iters", "4", "--dropout", "0.1");
    struct metrics kept = *metrics_read(program_file("kept"));
    RUN("again", "--batch-size", "4", "--iters", "4", "--dropout", "0.1", "--grad-checkpoint");
    struct metrics_gap gap = metrics_differ(metrics_read(program_file("again")), &kept);
    assert_true(gap.loss <= 1e-6 && gap.norm <= 1e-6);
}

/* ---- the same and not the same --------------------------------------------------------------- */

static void test_reproducible(void **state)
{
    (void)state;
    RUN("one", "--batch-size", "2", "--iters", "5", "--dropout", "0.2", "--threads", "1");
    RUN("two", "--batch-size", "2", "--iters", "5", "--dropout", "0.2", "--threads", "2");
    RUN("seven", "--batch-size", "2", "--iters", "5", "--dropout", "0.2", "--threads", "7");
    RUN("seed", "--batch-size", "2", "--iters", "5", "--dropout", "0.2", "--seed", "1");
    RUN("none", "--batch-size", "2", "--iters", "5");
    assert_true(same_adapter(program_file("one"), program_file("two")));
    assert_true(same_adapter(program_file("one"), program_file("seven")));
    assert_false(same_adapter(program_file("one"), program_file("seed")));
    assert_false(same_adapter(program_file("one"), program_file("none")));
}

static void test_base_untouched(void **state)
{
    size_t n, m;
    (void)state;
    unsigned char *before = scratch_read(BASE, &n);
    RUN("touch", "--batch-size", "2", "--iters", "2");
    unsigned char *after = scratch_read(BASE, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
}

/* ---- schedules ------------------------------------------------------------------------------- */

/* transformers' get_*_schedule at step - 1, written once more from its documentation. */
static double expected(const char *kind, int step, int total, int warmup, int decay)
{
    double s = step - 1, lr = 5e-3;
    if (s < warmup)
        return lr * s / warmup;
    if (strcmp(kind, "linear") == 0)
        return lr * (total - s) / (total - warmup);
    if (strcmp(kind, "cosine") == 0)
        return lr * 0.5 * (1 + cos(M_PI * (s - warmup) / (total - warmup)));
    if (strcmp(kind, "wsd") == 0 && s >= total - decay)
        return lr * 0.5 * (1 + cos(M_PI * (s - (total - decay)) / decay));
    return lr;
}

static void test_schedules(void **state)
{
    static const char *const kinds[] = {"constant", "linear", "cosine", "wsd"};
    (void)state;
    for (int k = 0; k < 4; k++) {
        RUN("lr", "--batch-size", "1", "--iters", "12", "--warmup", "3", "--decay", "4",
            "--lr-schedule", kinds[k]);
        const struct metrics *m = metrics_read(program_file("lr"));
        assert_int_equal(m->steps, 12);
        for (int i = 0; i < 12; i++)
            assert_float_equal(m->step[i].lr, expected(kinds[k], i + 1, 12, 3, 4), 1e-9);
    }
    RUN("lr", "--batch-size", "1", "--iters", "20", "--lr-schedule",
        "wsd"); /* the last tenth decays */
    const struct metrics *m = metrics_read(program_file("lr"));
    assert_float_equal(m->step[17].lr, 5e-3, 1e-9);
    assert_float_equal(m->step[18].lr, 5e-3, 1e-9); /* half_cosine(0) */
    assert_float_equal(m->step[19].lr, 2.5e-3, 1e-9);
}

/* ---- which matrices -------------------------------------------------------------------------- */

static int modules(const char *run, const char *must)
{
    WICK("inspect", run, "--json");
    struct json_doc *doc = program_json();
    const struct json *list = json_get(json_root(doc), "modules");
    int n = (int)json_count(list);
    for (const struct json *v = json_first(list); v; v = json_next(v)) {
        const char *name = json_string(json_get(v, "name"));
        if (!strstr(name, must))
            program_fail("an adapter's name lacks", must);
    }
    json_close(&doc);
    return n;
}

static int layers(void)
{
    WICK("inspect", BASE, "--json");
    struct json_doc *doc = program_json();
    int n = (int)program_number(doc, "layers");
    json_close(&doc);
    return n;
}

static void test_targets(void **state)
{
    int all = layers();
    char last[64], regex[64];
    (void)state;
    assert_int_equal(modules(RUN("all", "--iters", "1"), "model.layers."), 7 * all);
    assert_int_equal(
        modules(RUN("names", "--iters", "1", "--target-modules", "q_proj,down_proj"), "_proj"),
        2 * all);
    assert_int_equal(modules(RUN("last", "--iters", "1", "--num-layers", "1"),
                             (snprintf(last, sizeof last, "model.layers.%d.", all - 1), last)),
                     7);
    assert_int_equal(modules(RUN("minus", "--iters", "1", "--num-layers", "-1"), "model."),
                     7 * all);
    snprintf(regex, sizeof regex, ".*\\.(0|%d)\\.self_attn\\.(q|v)_proj", all - 1);
    assert_int_equal(modules(RUN("regex", "--iters", "1", "--target-modules", regex), "self_attn."),
                     4);
}

static void test_scale(void **state)
{
    (void)state;
    program_remove(program_file("rs"));
    WICK("train", "--model", BASE, "--data", program_file("rows.jsonl"), "--output",
         program_file("rs"), "--iters", "1", "--rank", "4", "--alpha", "6", "--use-rslora");
    program_done();
    program_notes("scale 3");
    WICK("inspect", program_file("rs"), "--json");
    struct json_doc *doc = program_json();
    assert_true(json_bool(json_get(json_root(doc), "use_rslora"), false));
    const struct json *first = json_first(json_get(json_root(doc), "modules"));
    assert_true(json_number(json_get(first, "scale"), 0) == 3); /* 6 / sqrt(4) */
    json_close(&doc);
}

static double rows_nll(const char *adapter)
{
    WICK("eval", BASE, "--adapter", adapter, "--data", program_file("rows.jsonl"), "--json",
         "--quiet");
    struct json_doc *doc = program_json();
    double v = program_number(doc, "nll");
    json_close(&doc);
    return v;
}

/* A run that starts from an adapter has its loss at step 1, and with a rate of 0 keeps its
 * values. */
static void test_adapter_init(void **state)
{
    (void)state;
    RUN("first", "--batch-size", "10", "--iters", "5");
    double nll = rows_nll(program_file("first"));
    RUN("second", "--batch-size", "10", "--iters", "1", "--adapter-init", program_file("first"),
        "--learning-rate", "0");
    const struct metrics *m = metrics_read(program_file("second"));
    assert_float_equal(m->step[0].loss, nll, 1e-5);
    assert_true(same_adapter(program_file("first"), program_file("second")));
    program_remove(program_file("third"));
    WICK("train", "--model", BASE, "--output", program_file("third"), "--data",
         program_file("rows.jsonl"), "--rank", "2", "--adapter-init", program_file("first"),
         "--quiet");
    program_refused(1, "rank", "");
    assert_false(program_there(program_file("third")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accumulation),   cmocka_unit_test(test_packing),
        cmocka_unit_test(test_partial_window), cmocka_unit_test(test_grad_checkpoint),
        cmocka_unit_test(test_reproducible),   cmocka_unit_test(test_base_untouched),
        cmocka_unit_test(test_schedules),      cmocka_unit_test(test_targets),
        cmocka_unit_test(test_scale),          cmocka_unit_test(test_adapter_init),
    };
    return cmocka_run_group_tests_name("train", tests, training_begin, program_end);
}
