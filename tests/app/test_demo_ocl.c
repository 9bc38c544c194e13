/* The embedded demo (scripts/demo) on OpenCL and on the CPU: ten steps from the same start,
 * perplexity before and after in every mode, the same text, the same merge; and the self-test. */
#include "tests/app/metrics.h"
#include "tests/app/shim.h"

#define FOLDER "configs/wickling-task"
#define VALID  program_file("valid.jsonl")

enum { DEVICES = 2, STEPS = 10, VALID_ROWS = 8 };
static const char *const device[DEVICES] = {"cpu", "opencl"};

/* A run of each device. */
static const char *run_of(int i)
{
    return program_file(device[i]);
}

/* The demo's held-out rows, the first of them: PoCL has time for no more. */
static int prepare(void **state)
{
    size_t n;
    if (program_begin(state) != 0)
        return -1;
    char *text = (char *)scratch_read(FOLDER "/valid.jsonl", &n), *end = text;
    for (int i = 0; i < VALID_ROWS; i++)
        end = (char *)memchr(end, '\n', (size_t)(text + n - end)) + 1;
    mkdir(program_file("data"), 0777);
    scratch_write(VALID, text, (size_t)(end - text));
    scratch_write(program_file("data/valid.jsonl"), text, (size_t)(end - text));
    free(text);
    text = (char *)scratch_read(FOLDER "/train.jsonl", &n);
    scratch_write(program_file("data/train.jsonl"), text, n);
    free(text);
    return 0;
}

static void train(int i)
{
    if (program_there(run_of(i)))
        return;
    WICK("train", "configs/demo.json", "--model", program_base(), "--data", program_file("data"),
         "--output", run_of(i), "--device", device[i], "--iters", "10", "--quiet");
    program_done();
}

static void needs_runs(void)
{
    opencl_needed();
    for (int i = 0; i < DEVICES; i++)
        train(i);
}

/* Each loss within 1e-3: f32 sums in another order differ by 1e-6, which AdamW's steps spread. */
static void test_train(void **state)
{
    (void)state;
    needs_runs();
    struct metrics cpu = *metrics_read(run_of(0));
    const struct metrics *ocl = metrics_read(run_of(1));
    struct metrics_gap gap = metrics_differ(ocl, &cpu);
    assert_int_equal(ocl->steps, STEPS);
    assert_int_equal(ocl->evals, cpu.evals);
    print_message("losses differ by %.1e at most, gradient norms by %.1e of theirs\n", gap.loss,
                  gap.norm);
    assert_true(gap.loss < 1e-3);
    assert_true(cpu.step[STEPS - 1].loss < cpu.step[0].loss - 1);
    assert_true(fabs(ocl->eval[0].loss - cpu.eval[0].loss) < 1e-3);
}

/* ---- perplexity ------------------------------------------------------------------------------ */

static double number_of(const char *key)
{
    struct json_doc *doc = program_json();
    double v = program_number(doc, key);
    json_close(&doc);
    return v;
}

#define EVAL(i, ...)                                                                        \
    (WICK("eval", program_base(), "--device", device[i], "--json", "--quiet", __VA_ARGS__), \
     number_of("perplexity"))

static void same(const char *what, double ocl, double cpu)
{
    print_message("%s: %.6g on OpenCL, %.6g on the CPU\n", what, ocl, cpu);
    assert_true(fabs(ocl - cpu) < 1e-4 * cpu);
}

static void test_perplexity(void **state)
{
    double before, after, p[DEVICES];
    (void)state;
    needs_runs();
    before = EVAL(0, "--data", VALID, "--mask-prompt");
    same("before", EVAL(1, "--data", VALID, "--mask-prompt"), before);
    after = EVAL(0, "--data", VALID, "--mask-prompt", "--adapter", run_of(0));
    same("after, each its own adapter",
         EVAL(1, "--data", VALID, "--mask-prompt", "--adapter", run_of(1)), after);
    assert_true(after < before / 10);
    for (int i = 0; i < DEVICES; i++)
        p[i] = EVAL(i, "--data", VALID, "--mask-prompt", "--adapter", run_of(1));
    same("after, OpenCL's adapter", p[1], p[0]);
}

static void test_modes(void **state)
{
    static const char *const modes[] = {"blocks", "stride", "llamacpp"};
    (void)state;
    needs_runs();
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        double p[DEVICES];
        for (int i = 0; i < DEVICES; i++)
            p[i] = EVAL(i, "--data", FOLDER "/question.txt", "--adapter", run_of(1), "--mode",
                        modes[m], "--ctx", "40");
        same(modes[m], p[1], p[0]);
    }
}

/* ---- text ------------------------------------------------------------------------------------ */

#define GENERATE(i, run, ...)                                                                 \
    WICK("generate", program_base(), "--adapter", run, "--device", device[i], "--max-tokens", \
         "12", "--quiet", __VA_ARGS__)

static void same_text(const char *run, const char *temperature, const char *seed)
{
    char said[DEVICES][1024];
    for (int i = 0; i < DEVICES; i++) {
        GENERATE(i, run, "--chat", "--prompt", "Please write the card. Martin lost a lamp.",
                 "--temperature", temperature, "--seed", seed);
        program_done();
        snprintf(said[i], sizeof said[i], "%s", program_said.out.p);
        assert_true(program_said.out.n > 10);
    }
    assert_string_equal(said[1], said[0]);
}

/* Greedy, and drawn: equal logits, to rounding, and equal seeds give equal text. */
static void test_text(void **state)
{
    (void)state;
    needs_runs();
    same_text(run_of(1), "0", "0");
    same_text(run_of(1), "0.9", "3");
    same_text(run_of(1), "0.9", "4");
    GENERATE(0, run_of(0), "--prompt", "A lamp", "--temperature", "0");
    char *said = strdup(program_said.out.p);
    GENERATE(1, run_of(1), "--prompt", "A lamp", "--temperature", "0");
    assert_string_equal(program_said.out.p, said);
    free(said);
}

/* ---- merge ----------------------------------------------------------------------------------- */

/* The weights are the host's work; the proof is the device's. */
static void test_merge(void **state)
{
    static const char *const formats[] = {"hf", "h5"};
    (void)state;
    needs_runs();
    for (size_t n = 0; n < 2; n++) {
        double diff[DEVICES];
        for (int i = 0; i < DEVICES; i++) {
            const char *to =
                program_file(i ? (n ? "ocl.h5" : "ocl-hf") : (n ? "cpu.h5" : "cpu-hf"));
            WICK("merge", program_base(), "--adapter", run_of(1), "-o", to, "--format", formats[n],
                 "--device", device[i], "--json", "--quiet");
            diff[i] = number_of("max_logit_diff");
        }
        /* Logits reach 25 here, and devices compute them alike to 1e-5 of that: the difference of
         * two of them is as near, however small it is. */
        print_message("max_logit_diff: %.6g on OpenCL, %.6g on the CPU\n", diff[1], diff[0]);
        assert_true(fabs(diff[1] - diff[0]) < 1e-4);
        assert_true(diff[0] > 1e-3);
    }
    assert_true(program_same(program_file("ocl-hf/model.safetensors"),
                             program_file("cpu-hf/model.safetensors")));
}

/* ---- the self-test --------------------------------------------------------------------------- */

static void test_selftest(void **state)
{
    (void)state;
    opencl_needed();
    WICK("selftest", "--device", "opencl", "--json");
    struct json_doc *doc = program_json();
    const struct json *root = json_root(doc);
    assert_true(json_bool(json_get(root, "ok"), false));
    assert_true(program_number(doc, "bound") == 1e-5);
    assert_true(program_number(doc, "worst") <= 1e-5);
    assert_true(program_number(doc, "worst") > 0);
    assert_string_equal(json_string(json_get(root, "device")), "opencl:0");
    json_close(&doc);
    WICK("selftest", "--device", "opencl");
    program_done();
    program_says("ok   linear_cross_entropy");
    program_says("ok   model ");
    assert_null(strstr(program_said.out.p, "FAIL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train), cmocka_unit_test(test_perplexity),
        cmocka_unit_test(test_modes), cmocka_unit_test(test_text),
        cmocka_unit_test(test_merge), cmocka_unit_test(test_selftest),
    };
    return cmocka_run_group_tests_name("demo_ocl", tests, prepare, program_end);
}
