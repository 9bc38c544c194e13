/* Runs that end before their end: signals, kill -9 at any instant, resuming in the same bytes. */
#include <utime.h>

#include "tests/app/resuming.h"

static int prepare(void **state)
{
    if (program_begin(state) != 0)
        return -1;
    resuming_data();
    resuming_whole();
    return 0;
}

/* ---- signals --------------------------------------------------------------------------------- */

static void test_signals(void **state)
{
    (void)state;
    resuming_stop_and_go_on(SIGINT, program_file("int"));
    resuming_stop_and_go_on(SIGTERM, program_file("term"));
}

/* Long steps, so that a signal comes inside one. */
#define LONG_ARGUMENTS(run)                                                                \
    "train", "--model", BASE, "--data", program_file("data/train.jsonl"), "--output", run, \
        "--iters", "4", "--batch-size", "13", "--grad-accumulation-steps", "40", "--device", "cpu"

static void test_second_signal(void **state)
{
    const char *run = program_file("second");
    (void)state;
    program_next.signal = SIGINT;
    program_next.after = "trainable numbers";
    program_next.again = 30;
    double began = program_clock();
    WICK(LONG_ARGUMENTS(run));
    double took = program_clock() - began;
    program_code(130);
    assert_false(program_there(program_file("second/checkpoints/00000001.h5")));
    program_remove(run);
    WICK(LONG_ARGUMENTS(run), "--iters", "1", "--quiet");
    program_done();
    assert_true(program_clock() - began - took >
                took); /* else the step was over before the signals */
}

/* Before the first step, while the base is opened and the model is loaded. */
static void test_signal_before_the_first_step(void **state)
{
    const char *run = program_file("before");
    (void)state;
    for (int ms = 0; ms < 30; ms += 6) {
        program_remove(run);
        program_next.signal = ms % 4 ? SIGINT : SIGTERM;
        program_next.delay_ms = ms + 1;
        WICK(LONG_ARGUMENTS(run), "--quiet");
        if (program_said.code == 128 + SIGINT || program_said.code == 128 + SIGTERM)
            continue; /* before main began, which we cannot see */
        program_code(130);
        program_no_temps();
    }
}

static void test_kill(void **state)
{
    (void)state;
    resuming_kill();
}

/* ---- resuming -------------------------------------------------------------------------------- */

static int newest_change;
static int note_change(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)path;
    (void)kind;
    (void)at;
    newest_change += st->st_mtime > 1000000000;
    return 0;
}

static int make_old(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return utime(path, &(struct utimbuf){900000000, 900000000});
}

static void test_finished(void **state)
{
    const char *run = program_file("whole");
    (void)state;
    nftw(run, make_old, 16, FTW_PHYS | FTW_DEPTH);
    WICK(RESUME(run), "--json");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "steps") == resuming.steps &&
                program_number(doc, "seconds") > 0);
    assert_true(program_number(doc, "tokens_per_second") > 0);
    json_close(&doc);
    program_notes("is finished: nothing to do");
    newest_change = 0;
    nftw(run, note_change, 16, FTW_PHYS);
    assert_int_equal(newest_change, 0);
}

/* A run that was stopped at step 3; `name` is its folder. */
static const char *stopped(const char *name)
{
    char when[64];
    program_remove(program_file(name));
    snprintf(when, sizeof when, "%s/checkpoints/00000003.h5", name);
    program_next.signal = SIGKILL;
    program_next.when = scratch_path(when);
    WICK(ARGUMENTS(program_file(name)), "--quiet");
    program_code(128 + SIGKILL);
    return program_file(name);
}

static void test_what_changed(void **state)
{
    const char *run = stopped("changed");
    size_t n, m;
    (void)state;
    unsigned char *data = scratch_read(program_file("data/train.jsonl"), &n);
    unsigned char *valid = scratch_read(program_file("data/valid.jsonl"), &m);
    data[n - 5] ^= 1;
    scratch_write(program_file("data/train.jsonl"), data, n);
    WICK(RESUME(run), "--quiet");
    program_refused(1, "train.jsonl is not what run", "put the file back");
    data[n - 5] ^= 1;
    scratch_write(program_file("data/train.jsonl"), data, n);
    valid[m - 5] ^= 1;
    scratch_write(program_file("data/valid.jsonl"), valid, m);
    WICK(RESUME(run), "--quiet");
    program_refused(1, "valid.jsonl is not what run", "put the file back");
    unlink(program_file("data/valid.jsonl"));
    WICK(RESUME(run), "--quiet");
    program_refused(1, "the validation data is not what run", "put the file back");
    valid[m - 5] ^= 1;
    scratch_write(program_file("data/valid.jsonl"), valid, m);
    free(data);
    free(valid);
    rename(BASE, program_file("kept.h5"));
    WICK(RESUME(run), "--quiet");
    program_refused(1, "base.h5", "");
    WICK("import", "configs/wickling", "--dtype", "f32", "-o", BASE, "--quiet");
    WICK(RESUME(run), "--quiet");
    program_refused(1, "base.h5 is not what run", "put the file back");
    rename(program_file("kept.h5"), BASE);
    WICK(RESUME(run), "--quiet");
    program_done();
    resuming_check(run);
}

/* From another folder, by another path; a torn line and lines past the checkpoint are cut. */
static void test_metrics_cut_back(void **state)
{
    const char *run = stopped("cut");
    (void)state;
    FILE *out = fopen(program_file("cut/metrics.jsonl"), "a");
    assert_non_null(out);
    fputs(
        "{\"step\":22,\"eval_loss\":1,\"eval_perplexity\":2,\"eval_tokens\":3}\n{\"step\":23,\"ep",
        out);
    fclose(out);
    program_text(program_file("cut/checkpoints/00000004.h5.tmp"), "torn");
    program_text(program_file("cut/adapter_model.safetensors.tmp"), "torn");
    WICK(RESUME(run), "--threads", "1", "--quiet");
    program_done();
    resuming_check(run);
}

/* A damaged checkpoint is passed over for the one before it. */
static void test_damaged_checkpoint(void **state)
{
    const char *run = stopped("damaged");
    size_t n;
    (void)state;
    unsigned char *bytes = scratch_read(program_file("damaged/checkpoints/00000003.h5"), &n);
    scratch_write(program_file("damaged/checkpoints/00000006.h5"), bytes, n / 2);
    WICK(RESUME(run));
    program_done();
    program_notes("warning: ");
    program_notes("going back to the checkpoint before it");
    resuming_check(run);
    run = stopped("damaged");
    bytes[n / 2] ^= 8;
    program_remove(program_file("damaged/checkpoints"));
    mkdir(program_file("damaged/checkpoints"), 0777);
    scratch_write(program_file("damaged/checkpoints/00000003.h5"), bytes, n);
    WICK(RESUME(run), "--quiet");
    program_refused(1, "00000003.h5", "");
    free(bytes);
    /* Without any, it begins at step 1. */
    program_remove(program_file("damaged/checkpoints"));
    WICK(RESUME(run), "--quiet");
    program_done();
    resuming_check(run);
}

static void test_other_bits_are_told(void **state)
{
    const char *run = stopped("elsewhere");
    (void)state;
    WICK("train", "--resume", run, "--device", "cpu:base");
    program_done();
    program_notes("its last bits will differ");
    assert_int_equal(metrics_read(run)->steps, resuming.steps);
}

/* Its precision is the run's, not the default. */
static void test_precision(void **state)
{
#define REFERENCE "--device", "cpu:ref", "--threads", "1", "--quiet"
#define BF16(run)                                                                          \
    "train", "--model", BASE, "--data", program_file("data/train.jsonl"), "--output", run, \
        "--iters", "4", "--save-every", "1", "--rank", "2", "--batch-size", "1",           \
        "--max-seq-length", "16", "--precision", "bf16", REFERENCE
    const char *run = program_file("bf16"), *whole = program_file("bf16-whole");
    char a[256], b[256];
    (void)state;
    WICK(BF16(whole));
    program_done();
    program_next.signal = SIGKILL;
    program_next.when = scratch_path("bf16/checkpoints/00000002.h5");
    WICK(BF16(run));
    program_code(128 + SIGKILL);
    WICK("train", "--resume", run, "--device", "cpu", "--quiet");
    program_refused(1, "no bf16 activations", "was begun with --precision bf16");
    WICK("train", "--resume", run, "--precision", "f32", REFERENCE);
    program_refused(1, "--precision cannot be changed by --resume", "");
    WICK("train", "--resume", run, REFERENCE);
    program_done();
    snprintf(a, sizeof a, "%s/adapter_model.safetensors", run);
    snprintf(b, sizeof b, "%s/adapter_model.safetensors", whole);
    assert_true(program_same(a, b));
    /* A train.json of before has none. */
    run = stopped("auto");
    size_t n;
    char *text = (char *)scratch_read(program_file("auto/train.json"), &n), *at;
    text[n] = '\0';
    assert_non_null(at = strstr(text, "  \"precision\": \"auto\",\n"));
    memmove(at, at + 24, strlen(at + 24) + 1);
    program_text(program_file("auto/train.json"), text);
    free(text);
    WICK(RESUME(run), "--quiet");
    program_done();
    resuming_check(run);
}

static void test_not_a_run(void **state)
{
    (void)state;
    WICK("train", "--resume", program_file("data"), "--quiet");
    program_refused(1, "data is not a run: it has no train.json", "--resume takes a folder");
    const char *run = stopped("spoilt");
    program_text(program_file("spoilt/train.json"), "{\"rank\": 4");
    WICK(RESUME(run), "--quiet");
    program_refused(1, "train.json is not valid JSON", "");
    program_text(program_file("spoilt/train.json"), "{\"rnk\": 4}");
    WICK(RESUME(run), "--quiet");
    program_refused(1, "train.json: unknown key rnk", "");
    program_text(program_file("spoilt/train.json"), "{}");
    WICK(RESUME(run), "--quiet");
    program_refused(1, "train.json", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_second_signal),
        cmocka_unit_test(test_signal_before_the_first_step),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_finished),
        cmocka_unit_test(test_what_changed),
        cmocka_unit_test(test_metrics_cut_back),
        cmocka_unit_test(test_damaged_checkpoint),
        cmocka_unit_test(test_other_bits_are_told),
        cmocka_unit_test(test_precision),
        cmocka_unit_test(test_not_a_run),
    };
    return cmocka_run_group_tests_name("resume", tests, prepare, program_end);
}
