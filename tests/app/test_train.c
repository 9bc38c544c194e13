/* What training means: windows, schedules, choices of matrices, run folders. */
#include "tests/app/metrics.h"

#define BASE program_base()
#define RUN(name, ...)                                                             \
    (program_remove(program_file(name)),                                           \
     WICK("train", "--model", BASE, "--output", program_file(name), "--data",      \
          program_file("rows.jsonl"), "--rank", "4", "--device", "cpu", "--quiet", \
          "--learning-rate", "5e-3", "--steps-per-report", "1", __VA_ARGS__),      \
     program_done(), program_file(name))

enum { ROWS = 10 };

/* Ten rows of different lengths, and a folder with them as train and some as valid. */
static int prepare(void **state)
{
    static const char *const words[] = {"a lamp", "two boats", "the old door",
                                        "a wick", "some rain", "the quiet harbour"};
    struct text t = {0}, v = {0};
    struct fault f = {0};
    if (program_begin(state) != 0)
        return -1;
    for (int i = 0; i < ROWS; i++) {
        struct text *to = &t;
        assert_int_equal(text_addf(to, &f, "{\"text\": \"Row %d is about", i), 0);
        for (int j = 0; j <= i % 4 + i / 5; j++)
            assert_int_equal(text_addf(to, &f, " %s,", words[(i * 3 + j) % 6]), 0);
        assert_int_equal(text_adds(to, " and no more.\"}\n", &f), 0);
    }
    scratch_write(program_file("rows.jsonl"), t.p, t.n);
    mkdir(program_file("data"), 0777);
    scratch_write(program_file("data/train.jsonl"), t.p, t.n);
    assert_int_equal(text_adds(&v,
                               "{\"text\": \"Row 3 is about nothing.\"}\n{\"text\": \"A lamp.\"}\n"
                               "{\"text\": \"The harbour and the rain.\"}\n",
                               &f),
                     0);
    scratch_write(program_file("data/valid.jsonl"), v.p, v.n);
    text_free(&t);
    text_free(&v);
    return 0;
}

static const char *adapter_of(const char *run)
{
    static char path[2][256];
    static int turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof path[0], "%s/adapter_model.safetensors", run);
    return p;
}

static bool same_adapter(const char *a, const char *b)
{
    return program_same(adapter_of(a), adapter_of(b));
}

/* ---- windows --------------------------------------------------------------------------------- */

static void test_accumulation(void **state)
{
    (void)state;
    RUN("b8", "--batch-size", "8", "--iters", "6");
    struct metrics whole = *metrics_read(program_file("b8"));
    RUN("b2x4", "--batch-size", "2", "--grad-accumulation-steps", "4", "--iters", "6");
    double worst = metrics_differ(metrics_read(program_file("b2x4")), &whole);
    print_message("batch 2 x accumulate 4 against batch 8: %.1e\n", worst);
    assert_true(worst <= 1e-5);
    RUN("b1x8", "--batch-size", "1", "--grad-accumulation-steps", "8", "--iters", "6");
    worst = metrics_differ(metrics_read(program_file("b1x8")), &whole);
    print_message("batch 1 x accumulate 8 against batch 8: %.1e\n", worst);
    assert_true(worst <= 1e-5);
}

/* All ten rows fit into one packed row. */
static void test_packing(void **state)
{
    (void)state;
    RUN("unpacked", "--batch-size", "10", "--epochs", "4", "--shuffle", "false");
    struct metrics plain = *metrics_read(program_file("unpacked"));
    RUN("packed", "--batch-size", "1", "--epochs", "4", "--shuffle", "false", "--packing");
    double worst = metrics_differ(metrics_read(program_file("packed")), &plain);
    print_message("packed against unpacked: %.1e\n", worst);
    assert_true(worst <= 1e-5);
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
    assert_true(metrics_differ(metrics_read(program_file("again")), &kept) <= 1e-6);
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

/* ---- evaluation ------------------------------------------------------------------------------ */

static void test_best_and_early_stop(void **state)
{
    const char *run = program_file("early");
    (void)state;
    program_remove(run);
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("data"), "--rank", "4",
         "--learning-rate", "0.05", "--batch-size", "10", "--iters", "60", "--steps-per-eval", "1",
         "--early-stop", "3", "--json");
    struct json_doc *doc = program_json();
    double steps = program_number(doc, "steps"), best = program_number(doc, "best_step");
    json_close(&doc);
    assert_true(steps < 60 && best == steps - 3);
    program_notes("no improvement in 3 evaluations: stopping");
    const struct metrics *m = metrics_read(run);
    assert_int_equal(m->evals, (int)steps);
    double least = m->eval[(int)best - 1].loss;
    for (int i = 0; i < m->evals; i++)
        assert_true(m->eval[i].loss >= least);
    WICK("eval", BASE, "--adapter", program_file("early/best"), "--data",
         program_file("data/valid.jsonl"), "--json");
    doc = program_json();
    assert_float_equal(program_number(doc, "nll"), least, 1e-5);
    assert_float_equal(program_number(doc, "perplexity"), m->eval[(int)best - 1].perplexity, 1e-3);
    assert_true(program_number(doc, "tokens") == m->eval[0].tokens);
    json_close(&doc);
    WICK("train", "--resume", run);
    program_done();
    program_notes("is finished: nothing to do");
}

static void test_val_batches(void **state)
{
    const char *run = program_file("val");
    (void)state;
    program_remove(run);
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("data"), "--batch-size",
         "1", "--iters", "4", "--steps-per-eval", "2", "--val-batches", "2", "--quiet");
    program_done();
    double some = metrics_read(run)->eval[0].tokens;
    assert_int_equal(metrics_read(run)->evals, 2);
    program_remove(run);
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("data"), "--batch-size",
         "1", "--iters", "4", "--steps-per-eval", "3", "--val-batches", "-1", "--quiet");
    program_done();
    assert_int_equal(metrics_read(run)->evals, 2); /* at 3 and at the end */
    assert_true(metrics_read(run)->eval[0].tokens > some);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static void test_result_and_folder(void **state)
{
    static const char *const files[] = {"adapter_config.json",
                                        "adapter_model.safetensors",
                                        "best",
                                        "checkpoints",
                                        "metrics.jsonl",
                                        "report.html",
                                        "train.json"};
    static const char *const numbers[] = {
        "steps",  "loss",    "eval_loss",         "best_step",
        "tokens", "seconds", "tokens_per_second", "peak_memory_bytes"};
    const char *run = program_file("folder");
    size_t n;
    (void)state;
    WICK("train", "--model", BASE, "--adapter-path", run, "--data", program_file("data"), "--iters",
         "7", "--batch-size", "2", "--save-every", "3", "--steps-per-report", "3", "--json",
         "--quiet");
    struct json_doc *doc = program_json();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        program_number(doc, numbers[i]);
    assert_string_equal(json_string(json_get(json_root(doc), "adapter")), run);
    assert_string_equal(json_string(json_get(json_root(doc), "device")), "cpu");
    json_close(&doc);
    DIR *d = opendir(run);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    assert_int_equal(count, (int)(sizeof files / sizeof *files));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "folder/%s", files[i]);
        assert_true(program_there(program_file(path)));
    }
    assert_true(program_there(program_file("folder/checkpoints/00000006.h5")));
    assert_true(program_there(program_file("folder/checkpoints/00000007.h5")));
    assert_false(program_there(program_file("folder/checkpoints/00000003.h5")));
    const struct metrics *m = metrics_read(run);
    assert_int_equal(m->steps, 3); /* 3, 6 and the last */
    assert_int_equal(m->step[2].step, 7);
    char *page = (char *)scratch_read(program_file("folder/report.html"), &n);
    page[n] = '\0';
    assert_non_null(strstr(page, "<svg"));
    assert_null(strstr(page, "http"));
    assert_null(strstr(page, "<script"));
    free(page);
}

static void test_existing_run(void **state)
{
    const char *run = program_file("existing");
    (void)state;
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("data"), "--iters", "2",
         "--quiet");
    program_done();
    size_t n;
    unsigned char *before = scratch_read(adapter_of(run), &n);
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("rows.jsonl"), "--iters",
         "1", "--rank", "4", "--quiet");
    program_refused(1, "existing already holds a run", "--overwrite true");
    unsigned char *after = scratch_read(adapter_of(run), &n);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("rows.jsonl"), "--iters",
         "1", "--rank", "4", "--quiet", "--overwrite", "true");
    program_done();
    /* Nothing of the old run is left: this one has no validation, so no best/. */
    assert_false(program_there(program_file("existing/best/adapter_model.safetensors")));
    assert_int_equal(metrics_read(run)->evals, 0);
    /* A folder without a whole checkpoint starts afresh. */
    program_text(program_file("existing/checkpoints/00000001.h5"), "cut");
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("rows.jsonl"), "--iters",
         "1", "--rank", "4", "--quiet");
    program_done();
}

/* ---- numbers that are not finite ------------------------------------------------------------- */

/* A model with its own embedding matrix, one row of which is NaN: the row of a token that comes
 * first in the third row of the data. */
static void make_nan_base(const char *base)
{
    size_t n;
    const char *from = "tests/fixtures/model/qwen3_untied/hf", *to = program_file("nan");
    static const char *const files[] = {"config.json", "generation_config.json", "tokenizer.json",
                                        "tokenizer_config.json", "model.safetensors"};
    char path[256];
    mkdir(to, 0777);
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", from, files[i]);
        unsigned char *bytes = scratch_read(path, &n);
        program_replace(to, files[i], bytes, n);
        free(bytes);
    }
    WICK("import", to, "-o", base, "--dtype", "f32", "--quiet");
    program_done();
    WICK("tokenize", base, "--text", "7", "--no-special", "--json");
    struct json_doc *doc = program_json();
    const struct json *ids = json_get(json_root(doc), "ids");
    int64_t id = 0;
    assert_int_equal(json_count(ids), 1);
    assert_true(json_int(json_first(ids), &id));
    json_close(&doc);
    unsigned char *bytes = scratch_read(program_file("nan/model.safetensors"), &n);
    uint64_t header;
    memcpy(&header, bytes, 8);
    char *entry = memmem(bytes, header, "model.embed_tokens.weight", 25);
    assert_non_null(entry);
    long long begin, rows, cols;
    assert_int_equal(sscanf(strstr(entry, "\"shape\":[") + 9, "%lld,%lld", &rows, &cols), 2);
    assert_int_equal(sscanf(strstr(entry, "_offsets\":[") + 11, "%lld", &begin), 1);
    bool wide = strncmp(strstr(entry, "\"dtype\":\"") + 9, "F32", 3) == 0;
    size_t size = wide ? 4 : 2;
    memset(bytes + 8 + header + (size_t)begin + (size_t)(id * cols) * size, 0xff, size);
    program_replace(to, "model.safetensors", bytes, n);
    free(bytes);
    WICK("import", to, "-o", base, "--quiet");
    program_done();
}

static void test_not_finite(void **state)
{
    const char *base = program_file("nan.h5"), *run = program_file("nan-run");
    const char *data = program_file("nan.jsonl");
    (void)state;
    make_nan_base(base);
    program_text(data,
                 "{\"text\": \"a red lamp\"}\n{\"text\": \"my aunt\"}\n{\"text\": \"at 7 May\"}\n");
    WICK("train", "--model", base, "--data", data, "--output", run, "--shuffle", "false",
         "--batch-size", "1", "--iters", "6", "--rank", "2", "--save-every", "1",
         "--max-seq-length", "32", "--quiet");
    program_refused(1, "step 3: ", "");
    assert_non_null(strstr(program_said.err.p, "embed"));
    assert_non_null(strstr(program_said.err.p, "line 3"));
    assert_true(program_there(program_file("nan-run/checkpoints/00000002.h5")));
    assert_false(program_there(program_file("nan-run/checkpoints/00000003.h5")));
    WICK("eval", base, "--adapter", run, "--data", program_file("rows.jsonl"), "--quiet");
    program_refused(1, "is not finite", "");
    program_text(data, "{\"text\": \"a red lamp\"}\n");
    WICK("eval", base, "--adapter", run, "--data", data, "--quiet");
    program_done();
    WICK("generate", base, "--adapter", run, "--prompt", "7", "--quiet", "--max-tokens", "4");
    program_refused(1, "not finite", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_packing),
        cmocka_unit_test(test_partial_window),
        cmocka_unit_test(test_grad_checkpoint),
        cmocka_unit_test(test_reproducible),
        cmocka_unit_test(test_base_untouched),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_adapter_init),
        cmocka_unit_test(test_best_and_early_stop),
        cmocka_unit_test(test_val_batches),
        cmocka_unit_test(test_result_and_folder),
        cmocka_unit_test(test_existing_run),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests_name("train", tests, prepare, program_end);
}
