/* Runs on OpenCL that end before their end: a signal, kill -9 at any instant, a device lost.
 * They go on in the same bytes, and on the CPU with other last bits. */
#include "tests/app/resuming.h"
#include "tests/app/shim.h"

static int prepare(void **state)
{
    resuming.device = "opencl";
    resuming.iters = "12";
    resuming.steps = 12;
    resuming.kills = 2;
    if (program_begin(state) != 0)
        return -1;
    resuming_data();
    return 0;
}

static void test_signal(void **state)
{
    (void)state;
    opencl_needed();
    resuming_whole();
    resuming_stop_and_go_on(SIGTERM, program_file("term"));
}

static void test_kill(void **state)
{
    (void)state;
    opencl_needed();
    resuming_whole();
    resuming_kill();
}

/* ---- a device that is lost ------------------------------------------------------------------- */

/* Kernels that this run launches. Counting them changes nothing. */
static int launches(void)
{
    static long n;
    char words[300];
    size_t size;
    if (n > 0)
        return (int)n;
    snprintf(words, sizeof words, "launches=%s", program_file("launches"));
    shim(words);
    WICK(ARGUMENTS(program_file("counted")), "--quiet");
    program_done();
    resuming_check(program_file("counted"));
    char *text = (char *)scratch_read(program_file("launches"), &size);
    text[size] = '\0';
    n = strtol(text, NULL, 10);
    free(text);
    assert_true(n > 100 * resuming.steps);
    return (int)n;
}

static int newest_checkpoint(const char *run)
{
    char path[300];
    int newest = 0;
    for (int step = 1; step <= resuming.steps; step++) {
        snprintf(path, sizeof path, "%s/checkpoints/%08d.h5", run, step);
        newest = program_there(path) ? step : newest;
    }
    return newest;
}

/* The run fails within a minute, in a sentence of the device, and tells what is saved. */
static const char *lose(const char *name, const char *words, const char *sentence)
{
    const char *run = program_file(name);
    char remedy[128];
    double began = program_clock();
    program_remove(run);
    shim(words);
    WICK(ARGUMENTS(run), "--quiet");
    assert_true(program_clock() - began < 60);
    int saved = newest_checkpoint(run);
    snprintf(remedy, sizeof remedy,
             saved ? "step %d is saved: go on with wick train --resume " : "no step is saved yet",
             saved);
    program_refused(1, sentence, remedy);
    program_refused(1, "opencl:0", "here or with --device cpu");
    program_no_temps();
    return run;
}

static void lose_and_go_on(const char *words, const char *sentence)
{
    const char *run = lose("lost", words, sentence);
    WICK(RESUME(run), "--quiet");
    program_done();
    resuming_check(run);
}

/* At any launch, which fails, or is accepted and never done. The first ones open the device. */
static void test_lost(void **state)
{
    enum { OPENING = 10 };
    char words[64];
    (void)state;
    opencl_needed();
    resuming_whole();
    resuming_seed();
    for (int i = 0; i < resuming_kills(); i++) {
        int at = OPENING + resuming_draw(launches() - OPENING);
        snprintf(words, sizeof words, i % 2 ? "drop=%d:-5" : "lose=clEnqueueNDRangeKernel:%d:-2",
                 at);
        lose_and_go_on(words, i % 2 ? "the device failed or was lost while computing"
                                    : "CL_DEVICE_NOT_AVAILABLE");
    }
}

static void test_lost_at_once(void **state)
{
    (void)state;
    opencl_needed();
    lose("early", "lose=clEnqueueNDRangeKernel:3:-5", "CL_OUT_OF_RESOURCES");
    lose("early", "lose=clWaitForEvents:2:-36", "CL_INVALID_COMMAND_QUEUE");
}

/* What was begun on a device goes on on the CPU, which says that bits will differ. */
static void test_lost_and_on_the_cpu(void **state)
{
    (void)state;
    opencl_needed();
    resuming_whole();
    const char *run = lose("moved", "lose=clFinish:12:-36", "CL_INVALID_COMMAND_QUEUE");
    int saved = newest_checkpoint(run);
    assert_true(saved > 0 && saved < resuming.steps);
    WICK("train", "--resume", run, "--device", "cpu");
    program_done();
    program_notes("its last bits will differ");
    struct metrics whole = *metrics_read(program_file("whole"));
    struct metrics_gap gap = metrics_differ(metrics_read(run), &whole);
    print_message("OpenCL's run ended on the CPU: losses differ by %.1e at most\n", gap.loss);
    assert_true(gap.loss < 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_lost_at_once),
        cmocka_unit_test(test_lost_and_on_the_cpu),
    };
    return cmocka_run_group_tests_name("resume_ocl", tests, prepare, program_end);
}
