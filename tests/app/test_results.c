/* What eval, generate, tokenize, devices, selftest and bench say: names, numbers, the same each
 * time. */
#include "tests/app/program.h"

#define BASE program_base()

static const char *const task = "configs/wickling-task/test.jsonl";

static void has_numbers(const struct json_doc *doc, const char *const *names)
{
    for (; *names; names++)
        program_number(doc, *names);
}

static void has_texts(const struct json *o, const char *const *names)
{
    for (; *names; names++)
        if (!json_string(json_get(o, *names)))
            program_fail("the result has no text", *names);
}

static int64_t integer(const struct json *v)
{
    int64_t n = -1;
    assert_true(json_int(v, &n));
    return n;
}

/* ---- eval ------------------------------------------------------------------------------------ */

/* The lines of a --token-nll file: how many, their mean, and with `error` what stderr is to be: the
 * standard error of the mean, by the perplexity. */
static double losses_of(const char *path, int *count, double *error)
{
    size_t n;
    double sum = 0, apart = 0, v;
    char *text = (char *)scratch_read(path, &n), *end;
    text[n] = '\0';
    *count = 0;
    for (char *p = text; *p; p = end + 1, ++*count) {
        sum += strtod(p, &end);
        assert_true(end > p && *end == '\n');
    }
    double mean = sum / *count;
    for (char *p = text; *p; p = end + 1) {
        v = strtod(p, &end) - mean;
        apart += v * v;
    }
    *error = exp(mean) * sqrt(apart / (*count - 1.0) / *count);
    free(text);
    return mean;
}

static struct json_doc *evaluate(const char *data, const char *mode, const char *ctx,
                                 const char *stride)
{
    const char *nll = program_file("nll.txt");
    unlink(nll);
    WICK("eval", BASE, "--data", data, "--mode", mode, "--ctx", ctx, "--token-nll", nll, "--json",
         "--quiet", stride ? "--stride" : NULL, stride);
    struct json_doc *doc = program_json();
    int count;
    double error, mean = losses_of(nll, &count, &error);
    has_numbers(doc, (const char *const[]){"nll", "perplexity", "stderr", "tokens", "ctx", NULL});
    has_texts(json_root(doc), (const char *const[]){"mode", "device", NULL});
    assert_string_equal(json_string(json_get(json_root(doc), "mode")), mode);
    assert_true(program_number(doc, "tokens") == count);
    assert_float_equal(program_number(doc, "nll"), mean, 1e-6);
    assert_float_equal(program_number(doc, "perplexity"), exp(mean), 1e-3);
    assert_true(error > 0);
    assert_true(fabs(program_number(doc, "stderr") / error - 1) < 1e-4);
    return doc;
}

static int tokens_of(const char *file)
{
    WICK("tokenize", BASE, "--file", file, "--json");
    struct json_doc *doc = program_json();
    int n = (int)json_count(json_get(json_root(doc), "ids"));
    json_close(&doc);
    return n;
}

static void test_eval_modes(void **state)
{
    const char *text = program_file("text.txt");
    (void)state;
    FILE *out = fopen(text, "w");
    for (int i = 0; i < 60; i++)
        fprintf(out, "%d boats lay in the harbour, and the lamp was lit.\n", i);
    fclose(out);
    int n = tokens_of(text);
    assert_true(n > 600);
    struct json_doc *doc = evaluate(text, "blocks", "48", NULL);
    assert_true(program_number(doc, "tokens") == n - 1); /* every token but the first, once */
    assert_true(program_number(doc, "ctx") == 48);
    double blocks = program_number(doc, "nll");
    json_close(&doc);
    doc = evaluate(text, "stride", "48", "12");
    assert_true(program_number(doc, "tokens") == n - 1);
    assert_true(program_number(doc, "nll") != blocks); /* another context for each */
    json_close(&doc);
    doc = evaluate(text, "llamacpp", "64", NULL);
    assert_true(program_number(doc, "tokens") == (n / 64) * (64 - 32 - 1));
    json_close(&doc);
    doc = evaluate(task, "rows", "64", NULL);
    double all = program_number(doc, "tokens");
    json_close(&doc);
    WICK("eval", BASE, "--data", task, "--mask-prompt", "--json", "--quiet");
    doc = program_json();
    assert_string_equal(json_string(json_get(json_root(doc), "mode")),
                        "rows"); /* the default for JSONL */
    assert_true(program_number(doc, "tokens") > 0 && all > 0);
    assert_true(program_number(doc, "cut_rows") == 0 && program_number(doc, "cut_tokens") == 0);
    json_close(&doc);
    WICK("eval", BASE, "--data", task, "--max-seq-length", "20", "--json");
    doc = program_json();
    assert_true(program_number(doc, "cut_rows") > 10);
    assert_true(program_number(doc, "cut_tokens") > 10 * program_number(doc, "cut_rows"));
    json_close(&doc);
    program_notes("rows are longer than 20 tokens and cut: ");
    WICK("eval", BASE, "--data", text);
    program_done();
    program_says("mode blocks"); /* the default for text */
    program_says("perplexity ");
}

/* --token-nll to standard output, where the result goes too; and the file is whole or not there. */
static void test_token_nll(void **state)
{
    (void)state;
    program_text(program_file("one.jsonl"), "{\"text\": \"A lamp stood by the door.\"}\n");
    WICK("eval", BASE, "--data", program_file("one.jsonl"), "--token-nll", program_file("n1"),
         "--quiet", "--json");
    program_done();
    WICK("eval", BASE, "--data", program_file("one.jsonl"), "--token-nll", "/dev/stdout",
         "--quiet");
    program_done();
    size_t n;
    char *lines = (char *)scratch_read(program_file("n1"), &n);
    assert_true(program_said.out.n > n);
    assert_memory_equal(program_said.out.p, lines, n);
    assert_memory_equal(program_said.out.p + n, "perplexity ", 11);
    free(lines);
    program_next.output = program_file("redirected");
    WICK("eval", BASE, "--data", program_file("one.jsonl"), "--token-nll", "/dev/stdout",
         "--quiet");
    program_done();
    char *file = (char *)scratch_read(program_file("redirected"), &n);
    file[n] = '\0';
    assert_non_null(strstr(file, "perplexity "));
    free(file);
    program_next.closed_output = true; /* its number must not become the file's */
    WICK("eval", BASE, "--data", program_file("one.jsonl"), "--token-nll", program_file("n2"),
         "--quiet");
    program_failed(1, "standard output could not be written", "");
    assert_true(program_same(program_file("n1"), program_file("n2")));
}

/* The same numbers from one thread and from three, from f32 and the plain instructions. */
static void test_eval_repeats(void **state)
{
    static const char *const threads[] = {"1", "2", "3"};
    const char *data = program_file("few.jsonl");
    (void)state;
    program_text(
        data,
        "{\"text\": \"A lamp stood by the door.\"}\n{\"text\": \"Two boats lay in the harbour, "
        "and nobody had lit the lamp.\"}\n");
    for (int i = 0; i < 3; i++) {
        WICK("eval", BASE, "--data", data, "--threads", threads[i], "--device", "cpu",
             "--token-nll", program_file(threads[i]), "--quiet");
        program_done();
        assert_true(program_same(program_file("1"), program_file(threads[i])));
    }
    int n, m;
    WICK("eval", BASE, "--data", data, "--device", "cpu:ref", "--token-nll", program_file("ref"),
         "--quiet");
    program_done();
    double error, fast = losses_of(program_file("1"), &n, &error);
    assert_float_equal(fast, losses_of(program_file("ref"), &m, &error), 1e-5);
    assert_int_equal(n, m);
}

/* ---- generate -------------------------------------------------------------------------------- */

static struct json_doc *generate(const char *temperature, const char *seed)
{
    WICK("generate", BASE, "--prompt", "The lamp", "--max-tokens", "24", "--temperature",
         temperature, "--seed", seed, "--json", "--quiet");
    struct json_doc *doc = program_json();
    has_numbers(doc, (const char *const[]){"prompt_tokens", "tokens_per_second", NULL});
    has_texts(json_root(doc), (const char *const[]){"text", NULL});
    return doc;
}

static bool same_ids(const struct json_doc *a, const struct json_doc *b)
{
    const struct json *x = json_first(json_get(json_root(a), "ids"));
    const struct json *y = json_first(json_get(json_root(b), "ids"));
    assert_non_null(x);
    for (; x && y; x = json_next(x), y = json_next(y))
        if (integer(x) != integer(y))
            return false;
    return !x && !y;
}

static void test_generate(void **state)
{
    (void)state;
    struct json_doc *greedy = generate("0", "1"), *again = generate("0", "2");
    struct json_doc *hot = generate("1.5", "1"), *same = generate("1.5", "1"),
                    *other = generate("1.5", "2");
    assert_true(same_ids(greedy, again));
    assert_true(same_ids(hot, same));
    assert_false(same_ids(hot, other));
    assert_true(program_number(greedy, "prompt_tokens") >= 2);
    json_close(&greedy);
    json_close(&again);
    json_close(&hot);
    json_close(&same);
    json_close(&other);
    WICK("generate", BASE, "--prompt", "", "--max-tokens", "2", "--json",
         "--quiet"); /* BOS alone */
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "prompt_tokens") == 1);
    json_close(&doc);
    WICK("generate", BASE, "--chat", "--prompt", "Who are you?", "--max-tokens", "4", "--json",
         "--quiet");
    doc = program_json();
    assert_true(program_number(doc, "prompt_tokens") > 5);
    json_close(&doc);
    program_next.input = "Who are you?\nAnd who am I?\n\n";
    WICK("generate", BASE, "--chat", "--max-tokens", "4", "--quiet");
    program_done();
    struct text lamps = {0};
    struct fault f = {0};
    for (int i = 0; i < 2000; i++)
        assert_int_equal(text_adds(&lamps, "lamp ", &f), 0);
    WICK("generate", BASE, "--prompt", lamps.p, "--quiet");
    program_refused(1, "the prompt has", "shorter prompt");
    text_free(&lamps);
}

/* ---- tokenize -------------------------------------------------------------------------------- */

static void test_tokenize(void **state)
{
    (void)state;
    WICK("tokenize", BASE, "--text", "A lamp, 42 boats.", "--json");
    struct json_doc *doc = program_json();
    size_t n = json_count(json_get(json_root(doc), "ids"));
    assert_int_equal(json_count(json_get(json_root(doc), "pieces")), n);
    assert_string_equal(json_string(json_get(json_root(doc), "text")), "A lamp, 42 boats.");
    json_close(&doc);
    WICK("tokenize", BASE, "--text", "A lamp", "--chat", "--add-generation-prompt", "--json");
    doc = program_json();
    assert_non_null(strstr(json_string(json_get(json_root(doc), "text")), "<|im_start|>assistant"));
    json_close(&doc);
    WICK("tokenize", BASE, "--text", "A lamp");
    program_done();
    program_says("A");
}

/* JSON lines, one a row: ids, and which of them are targets. */
static void test_tokenize_rows(void **state)
{
    const char *data = program_file("rows.jsonl");
    char both[1024];
    (void)state;
    program_text(data, "{\"prompt\": \"Who?\", \"completion\": \"Ned.\"}\n\n"
                       "{\"prompt\": \"Where?\", \"completion\": \"At the door.\"}\n");
    WICK("tokenize", BASE, "--data", data, "--mask-prompt", "--json", "--quiet");
    program_done();
    int64_t row = 0;
    for (char *p = program_said.out.p, *end; *p; p = end + 1, row++) {
        struct json_doc *doc = NULL;
        struct fault f = {0};
        end = strchr(p, '\n');
        assert_non_null(end);
        assert_int_equal(json_parse(&doc, p, (size_t)(end - p), "row", &f), 0);
        const struct json *ids = json_get(json_root(doc), "ids");
        const struct json *targets = json_get(json_root(doc), "targets");
        assert_int_equal(integer(json_get(json_root(doc), "row")), row);
        assert_int_equal(json_count(ids), json_count(targets));
        assert_int_equal(integer(json_first(targets)), 0);
        int64_t sum = 0;
        for (const struct json *t = json_first(targets); t; t = json_next(t))
            sum += integer(t);
        assert_true(sum > 0 && sum < (int64_t)json_count(targets));
        json_close(&doc);
    }
    assert_int_equal(row, 2);
    WICK("tokenize", BASE, "--data", data, "--mask-prompt");
    program_done();
    program_says("row 1 (line 3): ");
    snprintf(both, sizeof both, "%s,%s", data, data);
    WICK("tokenize", BASE, "--data", both, "--max-seq-length", "4");
    program_done();
    program_says("row 3 (line 3): 4 tokens, ");
    program_says(" tokens more are cut\n");
    program_notes("4 rows are longer than 4 tokens and cut");
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void test_devices(void **state)
{
    (void)state;
    WICK("devices", "--json");
    struct json_doc *doc = program_json();
    bool cpu = false;
    assert_int_equal(json_kind(json_root(doc)), JSON_ARRAY);
    for (const struct json *o = json_first(json_root(doc)); o; o = json_next(o)) {
        has_texts(o, (const char *const[]){"id", "name", "backend", "version", "tier", NULL});
        assert_true(json_number(json_get(o, "memory_bytes"), 0) > 1e6);
        cpu = cpu || strcmp(json_string(json_get(o, "id")), "cpu") == 0;
        if (strcmp(json_string(json_get(o, "backend")), "opencl") != 0)
            continue;
        const struct json *kept = json_get(o, "program_cache");
        has_texts(o, (const char *const[]){"platform", "limits", NULL});
        has_texts(kept, (const char *const[]){"folder", NULL});
        assert_true(json_number(json_get(kept, "programs"), -1) >= 0);
        assert_true(json_number(json_get(kept, "bytes"), -1) >= 0);
    }
    json_close(&doc);
    assert_true(cpu);
    WICK("devices");
    program_done();
    program_says("cpu");
}

static void test_selftest(void **state)
{
    (void)state;
    WICK("selftest", "--device", "cpu", "--json", "--quiet");
    struct json_doc *doc = program_json();
    assert_true(json_bool(json_get(json_root(doc), "ok"), false));
    assert_true(json_count(json_get(json_root(doc), "ops")) > 10);
    assert_true(program_number(doc, "worst") < 1e-5);
    json_close(&doc);
}

static void test_bench(void **state)
{
    (void)state;
    WICK("bench", "train", "--shape", "configs/wickling/config.json", "--batch-size", "2", "--seq",
         "32", "--rank", "4", "--iters", "3", "--device", "cpu", "--json", "--quiet");
    struct json_doc *doc = program_json();
    has_numbers(doc, (const char *const[]){"tokens_per_second", "first_step_seconds",
                                           "step_seconds", "peak_memory_bytes", NULL});
    has_texts(json_root(doc), (const char *const[]){"device", NULL});
    assert_true(program_number(doc, "first_step_seconds") > program_number(doc, "step_seconds"));
    json_close(&doc);
    WICK("bench", "train", "--shape", "configs/wickling/config.json", "--seq", "100000");
    program_refused(1, "--seq 100000 is more than the shape's", "shorter rows");
    WICK("bench", "ops", "--only", "open", "--device", "cpu", "--json", "--quiet");
    doc = program_json();
    assert_true(program_number(doc, "cold_open_seconds") > 0);
    assert_true(program_number(doc, "warm_open_seconds") > 0);
    json_close(&doc);
    WICK("bench", "ops", "--only", "softmax", "--device", "cpu", "--json", "--quiet");
    doc = program_json();
    assert_null(json_get(json_root(doc), "cold_open_seconds"));
    const struct json *first = json_first(json_get(json_root(doc), "results"));
    assert_string_equal(json_string(json_get(first, "op")), "softmax_fwd");
    assert_true(json_number(json_get(first, "seconds"), 0) > 0);
    json_close(&doc);
    WICK("bench", "ops", "--only", "nonesuch", "--device", "cpu");
    program_refused(1, "no op's name has \"nonesuch\" in it", "without --only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval_modes),   cmocka_unit_test(test_token_nll),
        cmocka_unit_test(test_eval_repeats), cmocka_unit_test(test_generate),
        cmocka_unit_test(test_tokenize),     cmocka_unit_test(test_tokenize_rows),
        cmocka_unit_test(test_devices),      cmocka_unit_test(test_selftest),
        cmocka_unit_test(test_bench),
    };
    return program_run("results", tests);
}
