/* Where OpenCL cannot be had: "auto" takes the CPU and one line says why; a device that was named
 * is refused in a sentence with a remedy, at once. */
#include "tests/app/metrics.h"
#include "tests/app/shim.h"

/* A GPU that "auto" takes, with the groups of a CPU: PoCL compiles the same kernels for both. */
#define GPU "gpu group=16"

/* What is wrong; what is said of it; the remedy for who named the device. */
static const struct trouble {
    const char *words, *why, *remedy;
} troubles[] = {
    {"no-platform", "there is no OpenCL platform on this machine", "install the OpenCL driver"},
    {"no-device", "the OpenCL drivers of this machine list no device", "check that the device"},
    {GPU " break=kernels/softmax/softmax.cl",
     "kernels/softmax/softmax.cl does not compile on opencl:0: ", "--device cpu works"},
    {GPU " break=kernels/attention/attention.cl",
     "kernels/attention/attention.cl does not compile on opencl:0: ", "--device cpu works"},
    {GPU " wrong", "computes wrongly", "--device cpu"},
    {GPU " lose=clEnqueueNDRangeKernel:1:-5", "CL_OUT_OF_RESOURCES", "--device cpu always works"},
    {GPU " says=3000000", "the model needs ", "take a smaller model"},
    {GPU " says=6000000", "the model needs ", "lower --batch-size or --max-seq-length"},
    {GPU " piece=400000", "model.embed_tokens needs 590080 bytes in one piece", "--device cpu"},
    {GPU " memory=3000000", "out of memory: ", "use a smaller batch"},
    {GPU " memory=6000000", "out of memory: ", "use a smaller batch"},
};
enum { TROUBLES = sizeof troubles / sizeof *troubles };

/* Two rows; the second is long enough for buffers that are of the weights' size, 5 MB. */
static int prepare(void **state)
{
    struct text t = {0};
    struct fault f = {0};
    if (program_begin(state) != 0)
        return -1;
    assert_int_equal(text_adds(&t, "{\"text\": \"A lamp.\"}\n{\"text\": \"", &f), 0);
    for (int i = 0; i < 24; i++)
        assert_int_equal(text_adds(&t, "A lamp burned at the lighthouse. ", &f), 0);
    assert_int_equal(text_adds(&t, "\"}\n", &f), 0);
    scratch_write(program_file("rows.jsonl"), t.p, t.n);
    text_free(&t);
    return 0;
}

/* Compiled programs of other tests would never reach the compiler. */
static void no_cache(void)
{
    program_next.env[3] = "WICK_CACHE=/dev/null/none";
}

static int lines_with(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *hit = strstr(p, part);
        n += hit && hit < p + strcspn(p, "\n");
    }
    return n;
}

/* One line says why, and that it is the CPU's turn. */
static void check_told(const struct trouble *t)
{
    const char *turn =
        strstr(program_said.err.p, "no GPU: ") ? "no GPU: " : "the CPU is used instead";
    program_done();
    program_notes(t->why);
    if (lines_with(program_said.err.p, turn) != 1 || lines_with(program_said.err.p, t->why) != 1)
        program_fail("not one line tells of", t->words);
}

static double perplexity(const char *device)
{
    struct json_doc *doc = program_json();
    const char *got = json_string(json_get(json_root(doc), "device"));
    double p = program_number(doc, "perplexity");
    if (!got || strcmp(got, device) != 0)
        program_fail("it was not computed on", device);
    json_close(&doc);
    return p;
}

#define EVAL(device) \
    WICK("eval", program_base(), "--data", program_file("rows.jsonl"), "--json", "--device", device)

/* Each trouble, with "auto": the CPU's number, from the CPU. */
static void test_auto(void **state)
{
    (void)state;
    opencl_needed();
    EVAL("cpu");
    double want = perplexity("cpu");
    for (int i = 0; i < TROUBLES; i++) {
        shim(troubles[i].words);
        no_cache();
        EVAL("auto");
        check_told(&troubles[i]);
        assert_true(perplexity("cpu") == want);
    }
}

/* Each trouble, with the device named: exit code 1, and soon. */
static void test_named(void **state)
{
    static const char *const names[] = {"opencl", "opencl:0"};
    (void)state;
    opencl_needed();
    for (int i = 0; i < TROUBLES; i++) {
        double began = program_clock();
        shim(troubles[i].words);
        no_cache();
        EVAL(names[i % 2]);
        program_failed(1, troubles[i].why, troubles[i].remedy);
        assert_int_equal(lines_with(program_said.err.p, "the CPU is used instead"), 0);
        assert_true(program_clock() - began < 60);
    }
}

/* Without trouble the same device is taken as a GPU: else the tests above would show nothing. */
static void test_taken(void **state)
{
    (void)state;
    opencl_needed();
    EVAL("cpu");
    double want = perplexity("cpu");
    shim(GPU);
    EVAL("auto");
    assert_true(fabs(perplexity("opencl:0") - want) < 1e-4 * want);
    assert_int_equal(lines_with(program_said.err.p, "PU"), 0);
    EVAL("auto"); /* PoCL is a CPU, which "auto" never takes */
    perplexity("cpu");
    program_notes("no GPU: no OpenCL device of this machine is a GPU that can be used");
}

/* A driver's absence as it is in life: the loader finds no vendor. */
static void test_no_vendors(void **state)
{
    const char *folder = program_file("vendors");
    char env[300];
    (void)state;
    opencl_needed();
    mkdir(folder, 0777);
    snprintf(env, sizeof env, "OCL_ICD_VENDORS=%s", folder);
    program_next.env[0] = env;
    EVAL("opencl");
    program_refused(1, "there is no OpenCL platform", "install the OpenCL driver");
    program_next.env[0] = env;
    WICK("devices", "--json");
    struct json_doc *doc = program_json();
    assert_int_equal(json_count(json_root(doc)), 1);
    json_close(&doc);
    program_next.env[0] = env;
    EVAL("auto");
    perplexity("cpu");
}

/* The failing line is named as in the file. */
static void test_build_log(void **state)
{
    (void)state;
    opencl_needed();
    shim("break=kernels/rope/rope.cl");
    no_cache();
    EVAL("opencl");
    program_failed(1, "kernels/rope/rope.cl:", "this is a defect of wick or of the driver ");
    program_failed(1, "this_is_not_declared", "");
}

/* ---- the other commands ---------------------------------------------------------------------- */

#define TRAIN(run, device)                                                                     \
    WICK("train", "--model", program_base(), "--data", program_file("rows.jsonl"), "--output", \
         run, "--iters", "2", "--rank", "2", "--overwrite", "true", "--device", device)
#define GENERATE(device)                                                                     \
    WICK("generate", program_base(), "--adapter", program_file("cpu"), "--prompt", "A lamp", \
         "--max-tokens", "4", "--temperature", "0", "--device", device)
#define MERGE(device)                                                                             \
    WICK("merge", program_base(), "--adapter", program_file("cpu"), "-o", program_file("merged"), \
         "--device", device)

static void check_auto(const struct trouble *t, const char *said)
{
    check_told(t);
    program_says(said);
}

/* Too little memory shows when the model is loaded, in each of them. */
static void test_commands(void **state)
{
    static const struct trouble low = {GPU " memory=3000000", "out of memory: ", ""};
    char said[300];
    (void)state;
    opencl_needed();
    TRAIN(program_file("cpu"), "cpu");
    program_done();
    shim(low.words);
    TRAIN(program_file("auto"), "auto");
    check_told(&low);
    assert_true(program_same(program_file("cpu/adapter_model.safetensors"),
                             program_file("auto/adapter_model.safetensors")));
    shim(low.words);
    TRAIN(program_file("named"), "opencl");
    program_failed(1, low.why, "use a smaller batch");
    assert_false(program_there(program_file("named")));
    GENERATE("cpu");
    snprintf(said, sizeof said, "%s", program_said.out.p);
    shim(low.words);
    GENERATE("auto");
    check_auto(&low, said);
    shim(low.words);
    GENERATE("opencl");
    program_failed(1, low.why, "");
    MERGE("cpu");
    snprintf(said, sizeof said, "%s", program_said.out.p);
    shim(GPU " says=3000000");
    WICK("audit", program_base(), "--data", program_file("rows.jsonl"), "--device", "opencl");
    program_done();
    program_says("how long that takes is not known: training needs ");
    shim(low.words);
    MERGE("auto");
    check_auto(&low, said);
    shim(low.words);
    MERGE("opencl");
    program_failed(1, "merged is written whole, but not proven: out of memory: ", "");
}

/* A device that is lost under a command that saves nothing: nothing half-made is left. */
static void test_lost(void **state)
{
    static const char *const words[] = {"lose=clEnqueueNDRangeKernel:40:-2", "drop=40:-5"};
    (void)state;
    opencl_needed();
    for (int i = 0; i < 2; i++) {
        shim(words[i]);
        WICK("eval", program_base(), "--data", program_file("rows.jsonl"), "--device", "opencl",
             "--token-nll", program_file("nll.txt"));
        program_refused(1, "on opencl:0: ", "--device cpu");
        assert_false(program_there(program_file("nll.txt")));
        shim(words[i]);
        GENERATE("opencl");
        program_refused(1, "on opencl:0: ", "--device cpu");
        shim(words[i]);
        WICK("selftest", "--device", "opencl", "--json");
        program_refused(1, "on opencl:0: ", "--device cpu");
        program_no_temps();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),     cmocka_unit_test(test_auto),
        cmocka_unit_test(test_named),     cmocka_unit_test(test_no_vendors),
        cmocka_unit_test(test_build_log), cmocka_unit_test(test_commands),
        cmocka_unit_test(test_lost),
    };
    return cmocka_run_group_tests_name("fallback_ocl", tests, prepare, program_end);
}
