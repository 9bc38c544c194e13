/* What a training run leaves: evaluations, best/, its folder, and what it does not overwrite. */
#include "tests/app/training.h"

/* ---- evaluation ------------------------------------------------------------------------------ */

static void test_best_and_early_stop(void **state)
{
    const char *run = program_file("early");
    (void)state;
    program_remove(run);
    WICK("train", "--model", BASE, "--output", run, "--data", program_file("data"), "--rank", "4",
         "--learning-rate", "0.05", "--batch-size", "10", "--iters", "60", "--steps-per-eval", "1",
         "--early-stop", "3", "--threads", "1", "--json");
    struct json_doc *doc = program_json();
    double steps = program_number(doc, "steps"), best = program_number(doc, "best_step");
    double last = program_number(doc, "eval_loss");
    json_close(&doc);
    assert_true(steps < 60 && best == steps - 3);
    program_notes("no improvement in 3 evaluations: stopping");
    program_notes(", 1 thread; ");
    const struct metrics *m = metrics_read(run);
    assert_int_equal(m->evals, (int)steps);
    double least = m->eval[(int)best - 1].loss;
    for (int i = 0; i < m->evals; i++)
        assert_true(m->eval[i].loss >= least);
    assert_float_equal(last, m->eval[m->evals - 1].loss, 1e-9);
    assert_true(last > least);
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

/* Of the report's first curve. */
static int points_of(const char *page)
{
    static const char begin[] = "<polyline class=\"line\" points=\"";
    const char *at = strstr(page, begin);
    int points = 0;
    for (at = at ? at + strlen(begin) : ""; *at && *at != '"'; at++)
        points += *at == ',';
    return points;
}

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
    assert_true(points_of(page) >= 3);
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
    char both[512];
    (void)state;
    make_nan_base(base);
    program_text(data,
                 "{\"text\": \"a red lamp\"}\n{\"text\": \"my aunt\"}\n{\"text\": \"at 7 May\"}\n");
    WICK("train", "--model", base, "--data", data, "--output", run, "--shuffle", "false",
         "--batch-size", "1", "--iters", "6", "--rank", "2", "--save-every", "1",
         "--max-seq-length", "32", "--quiet");
    program_refused(1, "step 3: ", "");
    assert_non_null(strstr(program_said.err.p, "embed"));
    assert_non_null(strstr(program_said.err.p, "nan.jsonl line 3"));
    assert_true(program_there(program_file("nan-run/checkpoints/00000002.h5")));
    assert_false(program_there(program_file("nan-run/checkpoints/00000003.h5")));
    program_text(program_file("first.jsonl"), "{\"text\": \"a red lamp\"}\n");
    program_text(program_file("second.jsonl"), "\n{\"text\": \"at 7 May\"}\n");
    snprintf(both, sizeof both, "%s,%s", program_file("first.jsonl"), program_file("second.jsonl"));
    WICK("train", "--model", base, "--data", both, "--output", program_file("nan-both"), "--rank",
         "2", "--max-seq-length", "32", "--quiet");
    program_refused(1, "second.jsonl line 2", "");
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
        cmocka_unit_test(test_best_and_early_stop), cmocka_unit_test(test_val_batches),
        cmocka_unit_test(test_result_and_folder),   cmocka_unit_test(test_existing_run),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests_name("train_run", tests, training_begin, program_end);
}
