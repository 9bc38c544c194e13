/* wick audit as a user runs it, its short form in train, and runs over several weighted files with
 * rows held out. */
#include <pty.h>

#include "tests/app/program.h"

#define BASE program_base()

static const char good[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"A lamp?\"}, {\"role\": "
    "\"assistant\", \"content\": \"A lantern.\"}]}\n";

static void rows(const char *path, int n, const char *tail)
{
    struct text t = {0};
    struct fault f = {0};
    for (int i = 0; i < n; i++)
        text_addf(&t, &f, "{\"text\": \"Row %d tells of %d lamps.\"}\n", i, i * i);
    assert_int_equal(text_adds(&t, tail, &f), 0);
    scratch_write(path, t.p, t.n);
    text_free(&t);
}

static const struct json *finding(const struct json_doc *doc, const char *name)
{
    const struct json *g = json_first(json_get(json_root(doc), "findings"));
    while (g && strcmp(json_string(json_get(g, "name")), name) != 0)
        g = json_next(g);
    return g;
}

static void test_for_people(void **state)
{
    (void)state;
    WICK("audit", BASE, "--data", "configs/wickling-task", "--mask-prompt", "--tokens-per-second",
         "1000");
    program_done();
    program_silent();
    program_says("train: 360 messages rows, ");
    program_says("valid: 48 messages rows, ");
    program_says("tokens a row\n");
    program_says("wick pads nothing");
    program_says("90 steps: 1.00 passes");
    program_says("about 58 s, at 1000 tokens/s as given"); /* 57825 tokens */
    program_says("<|im_start|>assistant\n«who: ");
    program_says("nothing to complain about");
    assert_null(strchr(program_said.out.p, '\033')); /* no terminal, no colours */
}

static void test_what_trains_wrongly(void **state)
{
    const char *data = program_file("bad.jsonl");
    struct text t = {0};
    struct fault f = {0};
    (void)state;
    text_addf(&t, &f, "%s{\"messages\": []}\n\nnonsense \033[2J\n%s", good, good);
    program_text(data, t.p);
    text_free(&t);
    WICK("audit", BASE, "--data", data);
    program_code(1);
    program_says("error: ");
    program_says("bad.jsonl: line 2 has no list of messages, and so no target");
    program_says("line 4");
    program_says("warning: 1 row of train is there already");
    program_notes("bad.jsonl would train wrongly");
    assert_null(strchr(program_said.out.p, '\033'));
    WICK("audit", BASE, "--data", data, "--json", "--quiet");
    program_code(1);
    program_said.code = 0; /* for the helper: the value is there all the same */
    struct json_doc *doc = program_json();
    assert_false(json_bool(json_get(json_root(doc), "ok"), true));
    const struct json *g = finding(doc, "no_targets");
    assert_string_equal(json_string(json_get(g, "severity")), "error");
    assert_true(json_number(json_get(json_first(json_get(g, "lines")), "line"), 0) == 2);
    assert_non_null(finding(doc, "bad_lines"));
    assert_non_null(finding(doc, "duplicates"));
    json_close(&doc);
    WICK("audit", BASE, "--data", program_file("nowhere"), "--quiet");
    program_refused(1, "nowhere: there is no such file or folder", "");
    WICK("audit", BASE, "--data", "configs/wickling-task", "--iters", "5", "--epochs", "3");
    program_refused(1, "--iters and --epochs were both given", "");
    WICK("audit", BASE, "--quiet");
    program_refused(2, "--data is missing", "usage");
}

static void test_for_machines(void **state)
{
    const char *a = program_file("a.jsonl"), *b = program_file("b.jsonl");
    char both[512];
    (void)state;
    rows(a, 10, "");
    program_text(b, good);
    snprintf(both, sizeof both, "%s,%s", a, b);
    WICK("audit", BASE, "--data", both, "--data-weights", "1,6", "--batch-size", "2", "--json");
    struct json_doc *doc = program_json();
    assert_true(json_bool(json_get(json_root(doc), "ok"), false));
    assert_true(program_number(doc, "steps") == 8);
    assert_true(program_number(doc, "passes") == 1);
    assert_true(program_number(doc, "padding_waste") > 0);
    const struct json *train = json_get(json_root(doc), "train");
    assert_string_equal(json_string(json_get(train, "kind")), "text and messages");
    assert_int_equal(json_count(json_get(train, "files")), 2);
    assert_non_null(json_get(json_get(json_root(doc), "first_row"), "targets"));
    json_close(&doc);
}

/* The embedding of <|im_start|> is zeros in a copy of the checkpoint. */
static void test_untrained_embedding(void **state)
{
    const char *folder = program_checkpoint("zeroed"), *base = program_file("zeroed.h5");
    struct json_doc *doc = NULL;
    struct fault f = {0};
    size_t n;
    (void)state;
    unsigned char *bytes = scratch_read("configs/wickling/model.safetensors", &n);
    uint64_t header;
    memcpy(&header, bytes, 8);
    assert_int_equal(json_parse(&doc, (char *)bytes + 8, header, "header", &f), ST_OK);
    const struct json *t = json_get(json_root(doc), "model.embed_tokens.weight");
    double from = json_number(json_first(json_get(t, "data_offsets")), -1);
    double to = json_number(json_next(json_first(json_get(t, "data_offsets"))), -1);
    size_t row = (size_t)(to - from) / 1536;
    memset(bytes + 8 + header + (size_t)from + row, 0, row);
    json_close(&doc);
    program_replace(folder, "model.safetensors", bytes, n);
    free(bytes);
    WICK("import", folder, "-o", base, "--quiet");
    program_done();
    program_text(program_file("one.jsonl"), good);
    WICK("audit", base, "--data", program_file("one.jsonl"));
    program_code(1);
    program_says("error: 1 token of the data has an embedding that was never trained: 1 "
                 "\"<|im_start|>\"");
    WICK("audit", BASE, "--data", program_file("one.jsonl"));
    program_done();
}

/* ---- in train -------------------------------------------------------------------------------- */

static void test_train_warns(void **state)
{
    const char *data = program_file("twice.jsonl"), *run = program_file("short");
    (void)state;
    rows(data, 4, "{\"text\": \"Row 0 tells of 0 lamps.\"}\n{\"text\": \"<|im_start|> lamp\"}\n");
    WICK("train", "--model", BASE, "--data", data, "--output", run, "--iters", "1", "--device",
         "cpu");
    program_done();
    program_notes("twice.jsonl: 6 text rows");
    program_notes("warning: 1 row of train is there already: ");
    program_notes("warning: 1 line spells special tokens in the text, such as <|im_start|>");
}

/* A base whose template never emits what the model stops at: train says so and goes on, unless it
 * is to be strict; audit exits 1. */
/* A mask that masks nothing is told. */
static void test_nothing_to_mask(void **state)
{
    const char *data = program_file("unmasked.jsonl");
    (void)state;
    program_text(data, "{\"text\": \"A lamp.\"}\n{\"text\": \"Two lamps.\"}\n");
    for (int mask = 0; mask < 2; mask++) {
        WICK("audit", BASE, "--data", data, "--tokens-per-second", "9", "--json", "--mask-prompt",
             mask ? "true" : "false");
        struct json_doc *doc = program_json();
        const struct json *g = finding(doc, "unmasked");
        assert_true(json_number(json_get(g, "count"), 0) == 2 * mask);
        json_close(&doc);
    }
    WICK("train", "--model", BASE, "--data", data, "--output", program_file("unmasked"), "--iters",
         "1", "--mask-prompt", "--device", "cpu");
    program_done();
    program_notes("--mask-prompt does nothing for 2 rows");
}

static void test_strict(void **state)
{
    const char *folder = program_checkpoint("endless"), *base = program_file("endless.h5");
    const char *data = program_file("one.jsonl"), *run = program_file("strict");
    (void)state;
    program_text(data, good);
    program_replace(folder, "generation_config.json", "{\"eos_token_id\": 5}", 19);
    program_edit(folder, "config.json", "eos_token_id", "5");
    WICK("import", folder, "-o", base, "--quiet");
    program_done();
    WICK("audit", base, "--data", data, "--tokens-per-second", "1");
    program_code(1);
    program_says("error: the chat template never emits ");
    WICK("train", "--model", base, "--data", data, "--output", run, "--strict", "--quiet");
    program_refused(1, "one.jsonl would train wrongly: the chat template never emits ",
                    "set eos_token_id");
    assert_false(program_there(run));
    WICK("train", "--model", base, "--data", data, "--output", run, "--iters", "1", "--device",
         "cpu");
    program_done();
    program_notes("warning: the chat template never emits ");
    program_notes("an error to wick audit, and to train with --strict: template_eos\n");
    WICK("train", "--model", BASE, "--data", data, "--output", run, "--iters", "1", "--device",
         "cpu", "--strict", "--overwrite", "--quiet");
    program_done();
}

/* ---- on a terminal --------------------------------------------------------------------------- */

/* What wick audit writes to a terminal. */
static void on_terminal(struct text *said, const char *data, const char *no_color, const char *term)
{
    int fd;
    char buf[4096];
    struct fault f = {0};
    pid_t pid = forkpty(&fd, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        unsetenv("NO_COLOR");
        if (no_color)
            setenv("NO_COLOR", no_color, 1);
        setenv("TERM", term, 1);
        execl(program_path(), program_path(), "audit", BASE, "--data", data, "--mask-prompt",
              "--tokens-per-second", "1", NULL);
        _exit(127);
    }
    said->n = 0;
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;) /* EIO at the end */
        assert_int_equal(text_add(said, buf, (size_t)n, &f), 0);
    close(fd);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
}

static void test_colors(void **state)
{
    struct text said = {0}, rows = {0};
    struct fault f = {0};
    const char *data = program_file("colors.jsonl");
    (void)state;
    assert_int_equal(text_addf(&rows, &f, "%s%snonsense\n", good, good), 0);
    program_text(data, rows.p);
    text_free(&rows);
    on_terminal(&said, data, NULL, "xterm");
    assert_non_null(strstr(said.p, "targets in green:"));
    assert_non_null(strstr(said.p, "assistant\r\n\033[32mA lantern.<|im_end|>"));
    assert_non_null(strstr(said.p, "\033[31merror:\033[0m "));
    assert_non_null(strstr(said.p, "\033[33mwarning:\033[0m "));
    on_terminal(&said, data, "", "xterm"); /* empty is as good as unset */
    assert_non_null(strstr(said.p, "\033[32m"));
    on_terminal(&said, data, "1", "xterm");
    assert_null(strstr(said.p, "m\033["));
    assert_null(strstr(said.p, "[32m"));
    assert_null(strstr(said.p, "[31m"));
    assert_non_null(strstr(said.p, "targets between « and »:"));
    on_terminal(&said, data, NULL, "dumb");
    assert_null(strstr(said.p, "[32m"));
    text_free(&said);
}

/* The first line that train prints names the kind, whatever told it. */
static void test_kinds(void **state)
{
    static const struct {
        const char *name, *row, *kind;
    } kinds[] = {
        {"k.jsonl", "{\"text\": \"A lamp.\", \"id\": 7}\n", "text"},
        {"k.jsonl", "{\"prompt\": \"A lamp?\", \"completion\": \"Two.\"}\n", "prompt/completion"},
        {"k.jsonl", good, "messages"},
        {"k.jsonl",
         "{\"conversations\": [{\"from\": \"human\", \"value\": \"A lamp?\"}, {\"from\": \"gpt\", "
         "\"value\": \"Two.\"}]}\n",
         "ShareGPT"},
        {"k.json", "[{\"instruction\": \"Light it.\", \"input\": \"\", \"output\": \"Done.\"}]",
         "Alpaca"},
        {"k.txt", "A lamp by the door.\n", "plain text"},
    };
    char want[400];
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *data = program_file(kinds[i].name);
        program_text(data, kinds[i].row);
        WICK("train", "--model", BASE, "--data", data, "--output", program_file("kinds"),
             "--overwrite", "--iters", "1", "--rank", "2", "--device", "cpu");
        program_done();
        snprintf(want, sizeof want, "%s: 1 %s row, ", data, kinds[i].kind);
        assert_memory_equal(program_said.err.p, want, strlen(want));
    }
}

/* A base whose tokenizer puts a BOS first, and texts that bring their own. */
static void test_two_beginnings(void **state)
{
    const char *base = program_file("bos.h5"), *data = program_file("bos.jsonl");
    (void)state;
    WICK("import", "tests/fixtures/model/llama2/hf", "-o", base, "--quiet");
    program_done();
    program_text(data, "{\"text\": \"a lamp\"}\n{\"text\": \"<s>the lamp\"}\n");
    WICK("audit", base, "--data", data, "--tokens-per-second", "1", "--json");
    struct json_doc *doc = program_json();
    const struct json *g = finding(doc, "double_bos");
    assert_string_equal(json_string(json_get(g, "severity")), "warning");
    assert_true(json_number(json_get(json_first(json_get(g, "lines")), "line"), 0) == 2);
    assert_int_equal(json_count(json_get(g, "lines")), 1);
    json_close(&doc);
}

#define ARGUMENTS(run, data)                                                                    \
    "train", "--model", BASE, "--data", data, "--data-weights", "0.5,2", "--val-split", "0.25", \
        "--output", run, "--iters", "8", "--rank", "4", "--batch-size", "2", "--learning-rate", \
        "5e-3", "--save-every", "2", "--steps-per-eval", "2", "--seed", "7", "--device", "cpu"

/* Weights and held-out rows come again from train.json, in any working folder. */
static void test_resume(void **state)
{
    char both[512], a[300], b[300];
    (void)state;
    rows(program_file("many.jsonl"), 12, "");
    program_text(program_file("chat.jsonl"), good);
    snprintf(both, sizeof both, "%s,%s", program_file("many.jsonl"), program_file("chat.jsonl"));
    WICK(ARGUMENTS(program_file("whole"), both));
    program_done();
    program_notes("held out for validation: 3 rows");
    program_notes("chat.jsonl: ");
    program_next.signal = SIGTERM;
    program_next.after = "step 4: validation loss";
    WICK(ARGUMENTS(program_file("cut"), both));
    program_code(130);
    WICK("train", "--resume", program_file("cut"));
    program_done();
    program_notes("going on after step ");
    snprintf(a, sizeof a, "%s/adapter_model.safetensors", program_file("whole"));
    snprintf(b, sizeof b, "%s/adapter_model.safetensors", program_file("cut"));
    assert_true(program_same(a, b));
    program_text(program_file("chat.jsonl"), "{\"text\": \"other\"}\n");
    WICK("train", "--resume", program_file("cut"), "--quiet");
    program_refused(1, "is not what run", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for_people),      cmocka_unit_test(test_what_trains_wrongly),
        cmocka_unit_test(test_for_machines),    cmocka_unit_test(test_untrained_embedding),
        cmocka_unit_test(test_train_warns),     cmocka_unit_test(test_resume),
        cmocka_unit_test(test_nothing_to_mask), cmocka_unit_test(test_strict),
        cmocka_unit_test(test_colors),          cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_two_beginnings),
    };
    return program_run("audit_command", tests);
}
