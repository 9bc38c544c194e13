/* A run with all that has state, to be disturbed and resumed; on the CPU, or where `resuming` says.
 *
 *     resuming_data();                             // once: rows to train on
 *     resuming_whole();                            // the run that nobody disturbs
 *     WICK(ARGUMENTS(run)); … WICK(RESUME(run));   // the same, disturbed, and resumed
 *     resuming_check(run);                         // the bytes of the one that nobody disturbed
 *
 * KILLS=n other random instants than the few that every check tries; SEED=n other ones. */
#ifndef TESTS_APP_RESUMING_H
#define TESTS_APP_RESUMING_H

#include "tests/app/metrics.h"

#define BASE program_base()

/* Where, how long, and at how many instants it is killed. */
static struct {
    const char *device, *iters;
    int steps, kills;
} resuming = {"cpu", "24", 24, 4};

/* Dropout, accumulation, shuffling, a schedule, evaluations. */
#define ARGUMENTS(run)                                                                            \
    "train", "--model", BASE, "--data", program_file("data"), "--output", run, "--iters",         \
        resuming.iters, "--rank", "4", "--dropout", "0.1", "--batch-size", "2",                   \
        "--grad-accumulation-steps", "2", "--learning-rate", "5e-3", "--lr-schedule", "cosine",   \
        "--warmup", "3", "--save-every", "3", "--steps-per-eval", "4", "--steps-per-report", "1", \
        "--seed", "7", "--device", resuming.device
#define RESUME(run) "train", "--resume", run, "--device", resuming.device

static inline void resuming_data(void)
{
    struct text t = {0};
    struct fault f = {0};
    mkdir(program_file("data"), 0777);
    for (int i = 0; i < 13; i++)
        assert_int_equal(text_addf(&t, &f, "{\"text\": \"Row %d tells of %d lamps%s.\"}\n", i,
                                   i * i, i % 3 ? " and of the rain over the harbour" : ""),
                         0);
    scratch_write(program_file("data/train.jsonl"), t.p, t.n);
    char *third = strchr(strchr(strchr(t.p, '\n') + 1, '\n') + 1, '\n') + 1;
    scratch_write(program_file("data/valid.jsonl"), t.p, (size_t)(third - t.p));
    text_free(&t);
}

static inline void resuming_whole(void)
{
    static bool made;
    if (made)
        return;
    WICK(ARGUMENTS(program_file("whole")), "--quiet");
    program_done();
    made = true;
}

/* ---- comparing with the run that nobody disturbed -------------------------------------------- */

static inline void resuming_check_metrics(const char *run)
{
    struct metrics whole = *metrics_read(program_file("whole"));
    const struct metrics *m = metrics_read(run);
    assert_int_equal(m->steps, resuming.steps);
    assert_int_equal(m->steps, whole.steps);
    assert_int_equal(m->evals, whole.evals);
    assert_memory_equal(m->step, whole.step, sizeof m->step);
    assert_memory_equal(m->eval, whole.eval, sizeof m->eval);
}

static inline void resuming_check(const char *run)
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
    resuming_check_metrics(run);
    program_no_temps();
}

/* ---- signals, kill -9 ------------------------------------------------------------------------ */

static inline void resuming_stop_and_go_on(int signal, const char *run)
{
    program_remove(run);
    program_next.signal = signal;
    program_next.after = "step 8: validation loss";
    WICK(ARGUMENTS(run));
    program_failed(130, "interrupted after step ", "go on with wick train --resume ");
    program_no_temps();
    WICK(RESUME(run), "--json");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "steps") == resuming.steps);
    assert_true(program_number(doc, "seconds") > 0);
    json_close(&doc);
    program_notes("going on after step ");
    resuming_check(run);
}

static uint64_t resuming_lot;
static inline int resuming_draw(int n)
{
    resuming_lot = resuming_lot * 6364136223846793005ull + 1442695040888963407ull;
    return (int)((resuming_lot >> 33) % (uint64_t)n);
}

static inline void resuming_seed(void)
{
    const char *seed = getenv("SEED");
    resuming_lot = seed ? strtoull(seed, NULL, 10) : 1;
}

static inline int resuming_kills(void)
{
    const char *kills = getenv("KILLS");
    return kills ? (int)strtol(kills, NULL, 10) : resuming.kills;
}

/* Kills the run, and what resumes it, at random instants within `most_ms`; then lets it end. */
static inline void resuming_kill_once(const char *run, const char *settings, int most_ms)
{
    program_remove(run);
    program_next.signal = SIGKILL;
    program_next.delay_ms = 1 + resuming_draw(most_ms);
    WICK(ARGUMENTS(run), "--quiet");
    for (int i = 0; i < 2 && program_there(settings); i++) {
        program_next.signal = SIGKILL;
        program_next.delay_ms = 1 + resuming_draw(most_ms);
        WICK(RESUME(run), "--quiet");
        assert_true(program_said.code == 0 || program_said.code == 128 + SIGKILL);
    }
    if (program_there(settings))
        WICK(RESUME(run), "--quiet");
    else
        WICK(ARGUMENTS(run), "--quiet");
    program_done();
    resuming_check(run);
}

/* A second run that nobody disturbs tells how long one takes, and has the same bytes. */
static inline void resuming_kill(void)
{
    const char *timed = program_file("timed");
    int n = resuming_kills();
    double began = program_clock();
    WICK(ARGUMENTS(timed), "--quiet");
    program_done();
    int most_ms = (int)(1e3 * (program_clock() - began));
    resuming_check(timed);
    resuming_seed();
    for (int i = 0; i < n; i++)
        resuming_kill_once(program_file("killed"), program_file("killed/train.json"), most_ms);
    print_message("kill -9 at %d random instants, and up to twice more while resuming\n", n);
}

#endif
