/* Full disks, folders that cannot be written, too little memory: a sentence, and what was there
 * stays. */
#include <sys/mount.h>

#include "tests/app/program.h"

#define BASE program_base()
#define TRAIN(run, ...)                                                                           \
    WICK("train", "--model", BASE, "--data", "configs/wickling-task/train.jsonl", "--batch-size", \
         "1", "--max-seq-length", "16", "--rank", "2", "--save-every", "2", "--device", "cpu",    \
         "--quiet", "--output", run, __VA_ARGS__)

enum { CHECKPOINT_LIMIT = 300 << 10 }; /* above an adapter of rank 2, below its checkpoint */

/* A run of 40 steps that was killed after its first checkpoint. */
static const char *killed_run(void)
{
    const char *run = program_file("run");
    program_remove(run);
    program_next.when = program_file("run/checkpoints/00000002.h5");
    program_next.signal = SIGKILL;
    TRAIN(run, "--iters", "400");
    program_code(128 + SIGKILL);
    return run;
}

static const char *newest(void)
{
    static char path[256];
    path[0] = '\0';
    for (int step = 2; step <= 400; step += 2) {
        char name[64];
        snprintf(name, sizeof name, "run/checkpoints/%08d.h5", step);
        if (program_there(scratch_path(name)))
            snprintf(path, sizeof path, "%s", scratch_path(name));
    }
    return path;
}

/* The checkpoint before stays, and the run goes on from it. */
static void test_full_disk_in_checkpoint(void **state)
{
    (void)state;
    const char *run = killed_run();
    char before[256];
    size_t n, m;
    snprintf(before, sizeof before, "%s", newest());
    unsigned char *was = scratch_read(before, &n);
    program_next.file_limit = CHECKPOINT_LIMIT;
    assert_true(n > CHECKPOINT_LIMIT);
    WICK("train", "--resume", run, "--quiet");
    program_refused(1, "cannot write", "free some space");
    unsigned char *is = scratch_read(before, &m);
    assert_int_equal(n, m);
    assert_memory_equal(was, is, n);
    free(was);
    free(is);
    program_no_temps();
    WICK("inspect", before, "--json");
    json_close(&(struct json_doc *){program_json()});
    program_next.when = scratch_path("run/checkpoints/00000010.h5");
    program_next.signal = SIGTERM;
    WICK("train", "--resume", run, "--quiet");
    program_code(130);
}

/* Standing in for a disk: tmpfs, where we may mount one. */
static void test_full_disk(void **state)
{
    const char *disk = program_file("disk");
    (void)state;
    mkdir(disk, 0777);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=600k") != 0)
        skip();
    TRAIN(program_file("disk/run"), "--iters", "6", "--rank", "1");
    int code = program_said.code;
    WICK("import", "configs/wickling", "-o", program_file("disk/b.h5"), "--quiet");
    bool refused = program_said.code == 1, left = program_there(program_file("disk/b.h5"));
    WICK("merge", BASE, "-o", program_file("disk/merged"), "--quiet");
    refused = refused && program_said.code == 1;
    left = left || program_there(program_file("disk/merged"));
    int temps = program_count_temps();
    umount2(disk, MNT_DETACH);
    assert_int_equal(temps, 0);
    assert_true(code == 1 && refused && !left);
    program_refused(1, "No space left", "free some space");
}

static void test_full_disk_elsewhere(void **state)
{
    const char *h5 = program_file("x.h5"), *hf = program_file("merged"), *nll = program_file("nll");
    (void)state;
    program_next.file_limit = 1 << 20;
    WICK("import", "configs/wickling", "-o", h5, "--quiet");
    program_refused(1, "cannot write", "free some space");
    program_next.file_limit = 1 << 20;
    WICK("import", "configs/wickling", "-o", h5, "--dtype", "f32", "--quiet");
    program_refused(1, "cannot write", "free some space");
    program_next.file_limit = 1 << 20;
    WICK("merge", BASE, "-o", h5, "--format", "h5", "--quiet");
    program_refused(1, "cannot write", "free some space");
    program_next.file_limit = 1 << 20;
    WICK("merge", BASE, "-o", hf, "--quiet");
    program_refused(1, "cannot write", "free some space");
    program_next.file_limit = 1 << 20;
    program_text(program_file("kept"), "what was there");
    WICK("merge", BASE, "-o", program_file("kept"), "--format", "h5", "--quiet");
    program_refused(1, "cannot write", "free some space");
    program_next.file_limit = 100;
    WICK("eval", BASE, "--data", "configs/wickling-task/test.jsonl", "--max-seq-length", "32",
         "--token-nll", nll, "--quiet");
    program_refused(1, "cannot write", "free some space");
    WICK("eval", BASE, "--data", "configs/wickling-task/test.jsonl", "--max-seq-length", "32",
         "--token-nll", "/dev/full", "--quiet");
    program_refused(1, "cannot write /dev/full", "free some space");
    program_next.file_limit = 100;
    TRAIN(program_file("fresh"), "--iters", "2");
    program_refused(1, "cannot write", "free some space");
    assert_false(program_there(h5) || program_there(hf) || program_there(nll) ||
                 program_there(program_file("fresh")));
    program_no_temps();
}

/* ---- folders that cannot be written ---------------------------------------------------------- */

static void test_read_only_folder(void **state)
{
    const char *folder = program_file("closed"), *work = program_file("closed/x");
    (void)state;
    mkdir(folder, 0555);
    chmod(BASE, 0444);
    program_next.as_nobody = true;
    WICK("--version");
    if (program_said.code == 126)
        skip(); /* the program stands where nobody may not go */
    program_next.as_nobody = true;
    TRAIN(work, "--iters", "1");
    program_refused(1, "closed/x", "permission");
    program_next.as_nobody = true;
    TRAIN(folder, "--iters", "1");
    program_refused(1, "closed", "permission");
    program_next.as_nobody = true;
    WICK("import", "configs/wickling", "-o", work, "--quiet");
    program_refused(1, "closed/x", "permission");
    program_next.as_nobody = true;
    WICK("merge", BASE, "-o", work, "--quiet");
    program_refused(1, "closed/x", "permission");
    program_next.as_nobody = true;
    WICK("eval", BASE, "--data", "configs/wickling-task/test.jsonl", "--token-nll", work,
         "--quiet");
    program_refused(1, "closed/x", "permission");
    assert_false(program_there(work));
    assert_int_equal(rmdir(folder), 0);
}

static void test_impossible_outputs(void **state)
{
    (void)state;
    TRAIN("/proc/nothing/run", "--iters", "1");
    program_refused(1, "/proc/nothing", "");
    TRAIN("Makefile", "--iters", "1");
    program_refused(1, "Makefile", "");
    WICK("import", "configs/wickling", "-o", scratch_folder, "--quiet");
    program_refused(1, "is a folder", "");
    WICK("import", "configs/wickling", "-o", "/dev/null", "--quiet");
    program_refused(1, "/dev/null: it is not a regular file", "");
    WICK("merge", BASE, "-o", "Makefile", "--quiet");
    program_refused(1, "Makefile is not a folder", "");
    WICK("merge", BASE, "-o", scratch_folder, "--format", "h5", "--quiet");
    program_refused(1, "is a folder", "");
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* At every size it works or says that memory is short; it never dies of it, and leaves nothing.
 * On the CPU: an OpenCL driver may abort the process when it cannot start its own threads (PoCL
 * does). */
static void short_of_memory(const char *const *args, const char *made)
{
    int refused = 0;
    for (size_t mib = 28; mib < 480; mib += mib / 8) {
        program_next.memory_limit = (rlim_t)mib << 20;
        program_go(args);
        if (program_said.code == 127)
            continue; /* the dynamic linker ran short, before the program began */
        if (program_said.code != 0) {
            program_refused(1, "out of memory", "");
            refused++;
        }
        program_no_temps();
        if (made)
            program_remove(made);
    }
    assert_true(refused > 0);
}

static void test_memory(void **state)
{
    const char *run = program_file("m-run"), *h5 = program_file("m.h5");
    const char *data = "configs/wickling-task/test.jsonl";
    (void)state;
    if (PROGRAM_SANITIZED)
        skip();
    short_of_memory((const char *const[]){"eval", BASE, "--data", data, "--max-seq-length", "32",
                                          "--device", "cpu", "--quiet", NULL},
                    NULL);
    short_of_memory((const char *const[]){"train", "--model", BASE, "--data", data, "--iters", "1",
                                          "--max-seq-length", "32", "--output", run, "--device",
                                          "cpu", "--quiet", NULL},
                    run);
    short_of_memory((const char *const[]){"generate", BASE, "--prompt", "a", "--max-tokens", "4",
                                          "--device", "cpu", "--quiet", NULL},
                    NULL);
    short_of_memory((const char *const[]){"merge", BASE, "--format", "h5", "-o", h5, "--device",
                                          "cpu", "--quiet", NULL},
                    h5);
    short_of_memory((const char *const[]){"bench", "train", "--shape",
                                          "configs/wickling/config.json", "--seq", "32", "--iters",
                                          "1", "--device", "cpu", "--quiet", NULL},
                    NULL);
    WICK("bench", "train", "--shape", "llama-8b", "--batch-size", "65536", "--seq", "8192",
         "--quiet");
    program_refused(1, "65536 × 8192 tokens are too many", "fewer or shorter rows");
    WICK("bench", "train", "--shape", "llama-8b", "--batch-size", "4096", "--seq", "8192",
         "--device", "cpu", "--quiet");
    program_refused(1, "the model needs", "smaller model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk_in_checkpoint), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_disk_elsewhere),     cmocka_unit_test(test_read_only_folder),
        cmocka_unit_test(test_impossible_outputs),      cmocka_unit_test(test_memory),
    };
    return program_run("limits", tests);
}
