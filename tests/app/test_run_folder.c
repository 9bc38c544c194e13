/* The folder of a run: what in it is the run's, what stays, and whose it is. */
#include "tests/app/training.h"

#define INTO(run, ...)                                                                 \
    WICK("train", "--output", run, "--rank", "2", "--iters", "6", "--save-every", "2", \
         "--max-seq-length", "32", "--batch-size", "2", "--device", "cpu", "--quiet", __VA_ARGS__)
#define USUAL "--model", BASE, "--data", program_file("rows.jsonl")

static void copy(const char *from, const char *to)
{
    size_t n;
    unsigned char *bytes = scratch_read(from, &n);
    scratch_write(to, bytes, n);
    free(bytes);
}

/* ---- what a run may not take ----------------------------------------------------------------- */

static void test_base_in_checkpoints(void **state)
{
    const char *run = program_file("proj"), *own = program_file("proj/checkpoints/base.h5");
    const char *named = program_file("proj/checkpoints/00000003.h5");
    (void)state;
    mkdir(run, 0777);
    mkdir(program_file("proj/checkpoints"), 0777);
    copy(BASE, own);
    copy(BASE, named);
    INTO(run, "--model", named, "--data", program_file("rows.jsonl"), "--overwrite", "true");
    program_refused(1, "--model reads ", "choose another --output");
    INTO(run, "--model", own, "--data", program_file("rows.jsonl"));
    program_refused(1, "00000003.h5 is in the way", "move that file away");
    assert_true(program_same(named, BASE));
    unlink(named);
    INTO(run, "--model", own, "--data", program_file("rows.jsonl"));
    program_done();
    INTO(run, "--model", own, "--data", program_file("rows.jsonl"), "--overwrite", "true");
    program_done();
    assert_true(program_same(own, BASE));
}

static void test_data_in_the_folder(void **state)
{
    const char *run = program_file("d"), *data = program_file("d/train.json");
    (void)state;
    mkdir(run, 0777);
    copy(program_file("rows.jsonl"), data);
    INTO(run, "--model", BASE, "--data", data);
    program_refused(1, "--data reads ", "choose another --output");
    INTO(run, "--model", BASE, "--data", run, "--overwrite", "true");
    program_refused(1, "--data reads ", "choose another --output");
    INTO(run, USUAL, "--overwrite", "true");
    program_refused(1, "train.json is in the way", "move that file away");
    assert_true(program_same(data, program_file("rows.jsonl")));
    unlink(data);
    copy(program_file("rows.jsonl"), program_file("d/train.jsonl"));
    INTO(run, "--model", BASE, "--data", run);
    program_done();
    assert_true(program_same(program_file("d/train.jsonl"), program_file("rows.jsonl")));
}

static void test_adapters_of_others(void **state)
{
    const char *run = RUN("made", "--iters", "1"), *peft = program_file("peft");
    const char *weights = program_file("peft/adapter_model.safetensors");
    (void)state;
    mkdir(peft, 0777);
    copy(adapter_of(run), weights);
    copy(program_file("made/adapter_config.json"), program_file("peft/adapter_config.json"));
    INTO(peft, USUAL);
    program_refused(1, "adapter_model.safetensors is in the way", "move that file away");
    INTO(peft, USUAL, "--overwrite", "true");
    program_refused(1, "adapter_model.safetensors is in the way", "move that file away");
    INTO(peft, USUAL, "--rank", "4", "--adapter-init", peft);
    program_refused(1, "--adapter-init reads ", "choose another --output");
    assert_true(program_same(weights, adapter_of(run)));
    INTO(run, USUAL, "--rank", "4", "--adapter-init", run, "--overwrite", "true");
    program_refused(1, "--adapter-init reads ", "choose another --output");
    assert_true(program_same(weights, adapter_of(run)));
}

/* ---- what stays ------------------------------------------------------------------------------ */

static void test_others_stay(void **state)
{
    const char *run = program_file("shared"), *kept = program_file("shared/checkpoints/keep.h5");
    static const char *const names[] = {"shared/notes.txt", "shared/checkpoints/1.h5",
                                        "shared/checkpoints/x.h5.tmp", "shared/best/mine"};
    (void)state;
    mkdir(run, 0777);
    mkdir(program_file("shared/checkpoints"), 0777);
    mkdir(program_file("shared/best"), 0777);
    for (int i = 0; i < 4; i++)
        program_text(program_file(names[i]), "mine");
    INTO(run, USUAL);
    program_done();
    /* A copy of an older checkpoint is no newer one. */
    copy(program_file("shared/checkpoints/00000004.h5"), kept);
    WICK("train", "--resume", run);
    program_done();
    program_notes("is finished: nothing to do");
    INTO(run, USUAL, "--overwrite", "true");
    program_done();
    assert_true(program_there(program_file("shared/checkpoints/00000004.h5")));
    assert_true(program_there(program_file("shared/checkpoints/00000006.h5")));
    assert_false(program_there(program_file("shared/checkpoints/00000002.h5")));
    assert_true(program_there(kept));
    for (int i = 0; i < 4; i++)
        assert_true(program_there(program_file(names[i])));
    program_remove(run);
}

static void test_what_cannot_be_removed(void **state)
{
    const char *run = RUN("stuck", "--iters", "1"), *folder = program_file("empty");
    (void)state;
    mkdir(program_file("stuck/checkpoints/00000009.h5"), 0777);
    INTO(run, USUAL, "--overwrite", "true");
    program_refused(1, "cannot remove ", "");
    assert_non_null(strstr(program_said.err.p, "00000009.h5"));
    mkdir(folder, 0777);
    program_next.file_limit = 100;
    INTO(folder, USUAL);
    program_refused(1, "cannot write", "free some space");
    assert_int_equal(rmdir(folder), 0); /* still there, and empty */
}

/* Too few open files stand in for too little memory: no reason to lose steps. */
static void test_nothing_is_damaged(void **state)
{
    const char *run = program_file("short");
    int refused = 0;
    (void)state;
    program_remove(run);
    program_next.when = program_file("short/checkpoints/00000004.h5");
    program_next.signal = SIGKILL;
    INTO(run, USUAL, "--iters", "100000");
    program_code(128 + SIGKILL);
    for (rlim_t n = 4; n < 24; n++) {
        program_next.open_limit = n;
        program_next.when = program_file("short/report.html");
        program_next.signal = SIGKILL;
        unlink(program_file("short/report.html"));
        WICK("train", "--resume", run, "--device", "cpu");
        refused += program_said.code == 1;
        if (strstr(program_said.err.p, "going back"))
            program_fail("without cause it is", "going back");
    }
    assert_true(refused > 0);
    program_remove(run);
}

/* ---- whose it is ----------------------------------------------------------------------------- */

static pid_t live;

static int end_live(void **state)
{
    (void)state;
    if (live > 0) {
        kill(live, SIGKILL);
        waitpid(live, NULL, 0);
    }
    live = 0;
    return 0;
}

static void test_one_process(void **state)
{
    const char *run = program_file("live");
    live = fork();
    assert_true(live >= 0);
    if (live == 0) {
        execl(program_path(), "wick", "train", USUAL, "--output", run, "--iters", "1000000",
              "--threads", "1", "--save-every", "2", "--device", "cpu", "--quiet", NULL);
        _exit(127);
    }
    double began = program_clock();
    while (!program_there(program_file("live/checkpoints")) && program_clock() - began < 60)
        usleep(1000);
    INTO(run, USUAL);
    program_refused(1, "live is in use by another process", "wait until that run ends");
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "live is in use by another process", "wait until that run ends");
    INTO(run, USUAL, "--overwrite", "true");
    program_refused(1, "live is in use by another process", "wait until that run ends");
    end_live(state);
    INTO(run, USUAL, "--overwrite", "true"); /* nobody has it any more */
    program_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_in_checkpoints),
        cmocka_unit_test(test_data_in_the_folder),
        cmocka_unit_test(test_adapters_of_others),
        cmocka_unit_test(test_others_stay),
        cmocka_unit_test(test_what_cannot_be_removed),
        cmocka_unit_test(test_nothing_is_damaged),
        cmocka_unit_test_teardown(test_one_process, end_live),
    };
    return cmocka_run_group_tests_name("run_folder", tests, training_begin, program_end);
}
