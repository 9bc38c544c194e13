/* Runs that end before their end: signals, kill -9 at any instant, resuming in the same bytes.
 *
 * KILLS=n other random instants than the few that every check tries; SEED=n other ones. */
#include <utime.h>

#include "tests/app/metrics.h"

#define BASE program_base()

/* A run with all that has state: dropout, accumulation, shuffling, a schedule, evaluations. */
#define ARGUMENTS(run)                                                                            \
    "train", "--model", BASE, "--data", program_file("data"), "--output", run, "--iters", "24",   \
        "--rank", "4", "--dropout", "0.1", "--batch-size", "2", "--grad-accumulation-steps", "2", \
        "--learning-rate", "5e-3", "--lr-schedule", "cosine", "--warmup", "3", "--save-every",    \
        "3", "--steps-per-eval", "4", "--steps-per-report", "1", "--seed", "7", "--device", "cpu"

enum { STEPS = 24 };

static int prepare(void **state)
{
    struct text t = {0};
    struct fault f = {0};
    if (program_begin(state) != 0)
        return -1;
    mkdir(program_file("data"), 0777);
    for (int i = 0; i < 13; i++)
        assert_int_equal(text_addf(&t, &f, "{\"text\": \"Row %d tells of %d lamps%s.\"}\n", i,
                                   i * i, i % 3 ? " and of the rain over the harbour" : ""),
                         0);
    scratch_write(program_file("data/train.jsonl"), t.p, t.n);
    char *third = strchr(strchr(strchr(t.p, '\n') + 1, '\n') + 1, '\n') + 1;
    scratch_write(program_file("data/valid.jsonl"), t.p, (size_t)(third - t.p));
    text_free(&t);
    WICK(ARGUMENTS(program_file("whole")), "--quiet");
    program_done();
    return 0;
}

/* ---- comparing with the run that nobody disturbed -------------------------------------------- */

static void check_metrics(const char *run)
{
    struct metrics whole = *metrics_read(program_file("whole"));
    const struct metrics *m = metrics_read(run);
    assert_int_equal(m->steps, whole.steps);
    assert_int_equal(m->evals, whole.evals);
    assert_memory_equal(m->step, whole.step, sizeof m->step);
    assert_memory_equal(m->eval, whole.eval, sizeof m->eval);
}

static void check_equal(const char *run)
{
    static const char *const files[] = {"adapter_model.safetensors", "adapter_config.json",
                                        "best/adapter_model.safetensors"};
    char a[256], b[256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(a, sizeof a, "%s/%s", run, files[i]);
        snprintf(b, sizeof b, "%s/%s", program_file("whole"), files[i]);
        if (!program_same(a, b))
            program_fail("the resumed run differs in", files[i]);
    }
    check_metrics(run);
    program_no_temps();
}

/* ---- signals --------------------------------------------------------------------------------- */

static void stop_and_go_on(int signal, const char *run)
{
    program_remove(run);
    program_next.signal = signal;
    program_next.after = "step 8: validation loss";
    WICK(ARGUMENTS(run));
    program_failed(130, "interrupted after step ", "go on with wick train --resume ");
    program_no_temps();
    WICK("train", "--resume", run, "--json");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "steps") == STEPS);
    assert_true(program_number(doc, "seconds") > 0);
    json_close(&doc);
    program_notes("going on after step ");
    check_equal(run);
}

static void test_signals(void **state)
{
    (void)state;
    stop_and_go_on(SIGINT, program_file("int"));
    stop_and_go_on(SIGTERM, program_file("term"));
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

/* ---- kill -9 --------------------------------------------------------------------------------- */

static uint64_t lot;
static int draw(int n)
{
    lot = lot * 6364136223846793005ull + 1442695040888963407ull;
    return (int)((lot >> 33) % (uint64_t)n);
}

static double whole_seconds(void)
{
    static double seconds;
    if (seconds == 0) {
        double began = program_clock();
        program_remove(program_file("timed"));
        WICK(ARGUMENTS(program_file("timed")), "--quiet");
        program_done();
        seconds = program_clock() - began;
    }
    return seconds;
}

/* Kills the run, and what resumes it, at random instants; then lets it end. */
static void kill_and_resume(const char *run)
{
    int most = (int)(1e3 * whole_seconds());
    program_remove(run);
    program_next.signal = SIGKILL;
    program_next.delay_ms = 1 + draw(most);
    WICK(ARGUMENTS(run), "--quiet");
    for (int i = 0; i < 2 && program_there(program_file("killed/train.json")); i++) {
        program_next.signal = SIGKILL;
        program_next.delay_ms = 1 + draw(most);
        WICK("train", "--resume", run, "--quiet");
        assert_true(program_said.code == 0 || program_said.code == 128 + SIGKILL);
    }
    if (program_there(program_file("killed/train.json")))
        WICK("train", "--resume", run, "--quiet");
    else
        WICK(ARGUMENTS(run), "--quiet");
    program_done();
    check_equal(run);
}

static void test_kill(void **state)
{
    const char *kills = getenv("KILLS"), *seed = getenv("SEED");
    int n = kills ? (int)strtol(kills, NULL, 10) : 4;
    (void)state;
    lot = seed ? strtoull(seed, NULL, 10) : 1;
    for (int i = 0; i < n; i++)
        kill_and_resume(program_file("killed"));
    print_message("kill -9 at %d random instants, and up to twice more while resuming\n", n);
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
    WICK("train", "--resume", run, "--json");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "steps") == STEPS && program_number(doc, "seconds") > 0);
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
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "train.jsonl is not what run", "put the file back");
    data[n - 5] ^= 1;
    scratch_write(program_file("data/train.jsonl"), data, n);
    valid[m - 5] ^= 1;
    scratch_write(program_file("data/valid.jsonl"), valid, m);
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "valid.jsonl is not what run", "put the file back");
    unlink(program_file("data/valid.jsonl"));
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "the validation data is not what run", "put the file back");
    valid[m - 5] ^= 1;
    scratch_write(program_file("data/valid.jsonl"), valid, m);
    free(data);
    free(valid);
    rename(BASE, program_file("kept.h5"));
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "base.h5", "");
    WICK("import", "configs/wickling", "--dtype", "f32", "-o", BASE, "--quiet");
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "base.h5 is not what run", "put the file back");
    rename(program_file("kept.h5"), BASE);
    WICK("train", "--resume", run, "--quiet");
    program_done();
    check_equal(run);
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
    WICK("train", "--resume", run, "--threads", "1", "--quiet");
    program_done();
    check_equal(run);
}

/* A damaged checkpoint is passed over for the one before it. */
static void test_damaged_checkpoint(void **state)
{
    const char *run = stopped("damaged");
    size_t n;
    (void)state;
    unsigned char *bytes = scratch_read(program_file("damaged/checkpoints/00000003.h5"), &n);
    scratch_write(program_file("damaged/checkpoints/00000006.h5"), bytes, n / 2);
    WICK("train", "--resume", run);
    program_done();
    program_notes("warning: ");
    program_notes("going back to the checkpoint before it");
    check_equal(run);
    run = stopped("damaged");
    bytes[n / 2] ^= 8;
    program_remove(program_file("damaged/checkpoints"));
    mkdir(program_file("damaged/checkpoints"), 0777);
    scratch_write(program_file("damaged/checkpoints/00000003.h5"), bytes, n);
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "00000003.h5", "");
    free(bytes);
    /* Without any, it begins at step 1. */
    program_remove(program_file("damaged/checkpoints"));
    WICK("train", "--resume", run, "--quiet");
    program_done();
    check_equal(run);
}

static void test_other_bits_are_told(void **state)
{
    const char *run = stopped("elsewhere");
    (void)state;
    WICK("train", "--resume", run, "--device", "cpu:base");
    program_done();
    program_notes("its last bits will differ");
    assert_int_equal(metrics_read(run)->steps, STEPS);
}

static void test_not_a_run(void **state)
{
    (void)state;
    WICK("train", "--resume", program_file("data"), "--quiet");
    program_refused(1, "data is not a run: it has no train.json", "--resume takes a folder");
    const char *run = stopped("spoilt");
    program_text(program_file("spoilt/train.json"), "{\"rank\": 4");
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "train.json is not valid JSON", "");
    program_text(program_file("spoilt/train.json"), "{\"rnk\": 4}");
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "train.json: unknown key rnk", "");
    program_text(program_file("spoilt/train.json"), "{}");
    WICK("train", "--resume", run, "--quiet");
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
        cmocka_unit_test(test_not_a_run),
    };
    return cmocka_run_group_tests_name("resume", tests, prepare, program_end);
}
