/* Command lines: help, wrong words and numbers, the two streams. */
#include "tests/app/program.h"

#define BASE program_base()

static const char *const commands[] = {"import",   "train",    "eval",    "generate",
                                       "merge",    "tokenize", "inspect", "devices",
                                       "selftest", "bench",    "audit"};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void test_help(void **state)
{
    (void)state;
    WICK("--help");
    program_done();
    program_silent();
    for (size_t i = 0; i < COMMANDS; i++)
        program_says(commands[i]);
    WICK("--version");
    program_done();
    program_says("wick 0.");
    WICK("");
    program_failed(2, "unknown command", "wick --help");
    for (size_t i = 0; i < COMMANDS; i++) {
        WICK(commands[i], "--help");
        program_done();
        program_silent();
        program_says("usage: wick ");
        program_says(commands[i]);
        program_says("--json");
        program_says("--quiet");
    }
}

static void test_no_command(void **state)
{
    (void)state;
    program_go((const char *const[]){NULL});
    program_code(2);
    program_notes("usage: wick COMMAND");
    assert_int_equal(program_said.out.n, 0);
}

/* Every train flag and its default is in --help: a flag nobody can find does not exist. */
static void test_train_help(void **state)
{
    static const char *const flags[] = {"--model",
                                        "--data",
                                        "--output",
                                        "--resume",
                                        "--adapter-init",
                                        "--rank",
                                        "--alpha",
                                        "--dropout",
                                        "--use-rslora",
                                        "--target-modules",
                                        "--num-layers",
                                        "--batch-size",
                                        "--iters",
                                        "--epochs",
                                        "--max-seq-length",
                                        "--packing",
                                        "--mask-prompt",
                                        "--shuffle",
                                        "--seed",
                                        "--learning-rate",
                                        "--lr-schedule",
                                        "--warmup",
                                        "--weight-decay",
                                        "--max-grad-norm",
                                        "--steps-per-report",
                                        "--val-batches",
                                        "--save-every",
                                        "--early-stop",
                                        "--grad-checkpoint",
                                        "--steps-per-eval",
                                        "--overwrite",
                                        "--grad-accumulation-steps"};
    (void)state;
    WICK("train", "--help");
    program_done();
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        program_says(flags[i]);
    program_says("rank of the adapters (16)");
}

struct wrong {
    const char *args[6];
    int code;
    const char *sentence, *remedy;
};

static const struct wrong wrongs[] = {
    {{"evla"}, 2, "unknown command evla", "wick eval"},
    {{"xyzzyxyzzy"}, 2, "unknown command", "--help"},
    {{"train", "--lerning-rate", "1"}, 2, "unknown flag --lerning-rate", "--learning-rate"},
    {{"train", "--rnk", "1"}, 2, "unknown flag --rnk", "did you mean --rank?"},
    {{"train", "--batch_size", "1"}, 2, "unknown flag --batch_size", "did you mean --batch-size?"},
    {{"train", "--qqqqqqqqqqqqq"}, 2, "unknown flag --qqqqqqqqqqqqq", "--help"},
    {{"train", "--rank", "8x"}, 2, "--rank: \"8x\" is not a whole number", ""},
    {{"train", "--rank", ""}, 2, "--rank: \"\" is not a whole number", ""},
    {{"train", "--rank", "1.5"}, 2, "--rank: \"1.5\"", ""},
    {{"train", "--rank", "99999999999999999999"}, 2, "--rank", ""},
    {{"train", "--alpha", "NaN"}, 2, "--alpha: \"NaN\" is not a number", ""},
    {{"train", "--learning-rate=inf"}, 2, "--learning-rate: \"inf\"", ""},
    {{"train", "--learning-rate", "1e-4e"}, 2, "--learning-rate", ""},
    {{"train", "--shuffle=maybe"}, 2, "--shuffle: \"maybe\" is not true or false", ""},
    {{"train", "--lr-schedule", "cubic"}, 2, "constant|linear|cosine|wsd", ""},
    {{"train", "--rank"}, 2, "--rank needs a value", ""},
    {{"train", "--rank", "0"}, 1, "--rank 0 is not between 1 and", "rank"},
    {{"train", "--rank", "-3"}, 1, "--rank -3 is not between", ""},
    {{"train", "--dropout", "1"}, 1, "--dropout 1 is not between 0 and 0.99", ""},
    {{"train", "--batch-size", "0"}, 1, "--batch-size 0", ""},
    {{"train", "--learning-rate", "-1"}, 1, "--learning-rate -1", ""},
    {{"train"}, 2, "--model is missing", "usage: wick train"},
    {{"train", "--model", "x.h5"}, 2, "--data is missing", "usage: wick train"},
    {{"train", "--resume", "r", "--rank", "4"},
     1,
     "--rank cannot be changed by --resume",
     "--device"},
    {{"import"}, 2, "SRC is missing", "usage: wick import"},
    {{"import", "x"}, 2, "-o BASE.h5 is missing", "usage: wick import"},
    {{"import", "x", "-o", "y", "--dtype", "int3"}, 2, "--dtype: \"int3\"", ""},
    {{"import", "x", "y", "-o", "z"}, 2, "unexpected argument \"y\"", "usage: wick import"},
    {{"eval"}, 2, "BASE.h5 is missing", "usage: wick eval"},
    {{"eval", "x.h5"}, 2, "--data is missing", "usage: wick eval"},
    {{"eval", "x.h5", "--data", "y", "--mode", "row"}, 2, "rows|blocks|stride|llamacpp", ""},
    {{"generate", "x.h5"}, 2, "--prompt or --chat is missing", "usage: wick generate"},
    {{"generate", "x.h5", "--temperature", "nan"}, 2, "--temperature: \"nan\"", ""},
    {{"generate", "x.h5", "--temperature", "-1"}, 1, "--temperature -1", ""},
    {{"generate", "x.h5", "--top-p", "1.5"}, 1, "--top-p 1.5 is not between 0 and 1", ""},
    {{"merge"}, 2, "BASE.h5 is missing", "usage: wick merge"},
    {{"merge", "x.h5"}, 2, "-o OUT is missing", "usage: wick merge"},
    {{"tokenize", "x.h5"}, 2, "one of --text, --file and --data", "usage: wick tokenize"},
    {{"tokenize", "x.h5", "--text", "a", "--file", "b"}, 2, "one of", "usage: wick tokenize"},
    {{"inspect"}, 2, "PATH is missing", "usage: wick inspect"},
    {{"inspect", "a", "b"}, 2, "unexpected argument", ""},
    {{"bench"}, 2, "train|ops is missing", "usage: wick bench"},
    {{"bench", "tran"}, 2, "unknown benchmark tran", ""},
    {{"bench", "train", "--shape", "gpt9"}, 1, "gpt9 is neither a known shape nor", "smollm2-135m"},
    {{"bench", "train", "--iters", "0"}, 1, "--iters 0", ""},
    {{"devices", "--threads", "0"}, 1, "--threads 0", ""},
    {{"devices", "--precision", "f64"}, 2, "--precision: \"f64\"", ""},
    {{"selftest", "--device", "abacus"}, 1, "abacus", "wick devices"},
    {{"selftest", "--device", "opencl:99"}, 1, "opencl:99", "wick devices"},
    {{"eval", "no/such.h5", "--data", "x"}, 1, "no/such.h5", ""},
    {{"inspect", "no/such"}, 1, "no/such", ""},
    {{"import", "no/such/dir", "-o", "y"}, 1, "no/such/dir", "folder"},
    {{"train", "no-such.json"}, 1, "no-such.json", ""},
    {{"train", "--resume", "no-such-run"}, 1, "no-such-run is not a run", "--resume"},
};

static void test_wrong_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const char *args[8] = {0};
        memcpy(args, wrongs[i].args, sizeof wrongs[i].args);
        program_go(args);
        program_refused(wrongs[i].code, wrongs[i].sentence, wrongs[i].remedy);
    }
    assert_false(program_there("y"));
    assert_false(program_there("z"));
}

static void config(const char *text, int code, const char *sentence, const char *remedy)
{
    const char *path = program_file("train.json");
    program_text(path, text);
    WICK("train", path, "--model", BASE, "--data", "configs/wickling-task", "--output",
         program_file("none"));
    program_refused(code, sentence, remedy);
    assert_false(program_there(program_file("none")));
}

static void test_config_file(void **state)
{
    (void)state;
    config("{\"bacth_size\": 4}", 2, "unknown key bacth_size", "did you mean batch_size?");
    config("{\"batch-size\": 4}", 2, "unknown key batch-size", "did you mean batch_size?");
    config("{\"rank\": \"8\"}", 2, "rank must be a whole number", "");
    config("{\"rank\": 8.5}", 2, "rank must be a whole number", "");
    config("{\"rank\": 0}", 1, "rank 0 is not between", "");
    config("{\"shuffle\": 1}", 2, "shuffle must be true or false", "");
    config("{\"lr_schedule\": \"cubic\"}", 2, "constant|linear|cosine|wsd", "");
    config("{\"learning_rate\": NaN}", 1, "train.json", "");
    config("{\"rank\": 8", 1, "train.json", "");
    config("[1]", 2, "not a JSON object", "");
    config("{\"iters\": 1, \"epochs\": 1}", 1, "--iters and --epochs", "");
}

/* A flag wins over the file, the file over the default. */
static void test_precedence(void **state)
{
    const char *path = program_file("c.json");
    (void)state;
    program_text(path, "{\"rank\": 3, \"alpha\": 5, \"iters\": 1, \"batch_size\": 1, "
                       "\"max_seq_length\": 16, \"seed\": null}");
    WICK("train", path, "--model", BASE, "--data", "configs/wickling-task/train.jsonl", "--rank",
         "2", "--output", program_file("p"), "--json");
    json_close(&(struct json_doc *){program_json()});
    size_t n;
    char *settings = (char *)scratch_read(program_file("p/train.json"), &n);
    settings[n] = '\0';
    assert_non_null(strstr(settings, "\"rank\": 2"));
    assert_non_null(strstr(settings, "\"alpha\": 5"));
    assert_non_null(strstr(settings, "\"weight_decay\": 0.01"));
    assert_non_null(strstr(settings, "\"model\": \"/"));
    free(settings);
}

/* A run's own train.json is a config too; a flag for the one length wins over the other there. */
static void test_config_of_a_run(void **state)
{
    const char *data = program_file("three.jsonl"), *first = program_file("one/train.json");
    (void)state;
    program_text(data, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n");
    WICK("train", "--model", BASE, "--data", data, "--rank", "3", "--iters", "1", "--batch-size",
         "1", "--output", program_file("one"), "--json");
    json_close(&(struct json_doc *){program_json()});
    WICK("train", first, "--json");
    program_failed(1, "one", "--resume");
    WICK("train", first, "--output", program_file("two"), "--epochs", "2", "--json");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "steps") == 6);
    json_close(&doc);
    size_t n;
    char *settings = (char *)scratch_read(program_file("two/train.json"), &n);
    settings[n] = '\0';
    assert_non_null(strstr(settings, "\"rank\": 3"));
    free(settings);
}

/* What looks like a flag is a value after a flag that takes one. */
static void test_values_like_flags(void **state)
{
    (void)state;
    WICK("tokenize", BASE, "--text", "-h", "--json");
    struct json_doc *doc = program_json();
    assert_string_equal(json_string(json_get(json_root(doc), "text")), "-h");
    json_close(&doc);
    WICK("tokenize", "--chat", "-h");
    program_done();
    program_says("usage: wick tokenize");
}

/* Results to standard output, all else to standard error; --quiet leaves the results. */
static void test_streams(void **state)
{
    (void)state;
    WICK("generate", BASE, "--prompt", "Once", "--max-tokens", "3", "--temperature", "0");
    program_done();
    program_notes("tokens/s");
    assert_null(strstr(program_said.out.p, "tokens/s"));
    WICK("generate", BASE, "--prompt", "Once", "--max-tokens", "3", "--temperature", "0",
         "--quiet");
    program_done();
    program_silent();
    assert_true(program_said.out.n > 1);
    WICK("train", "--model", BASE, "--data", "configs/wickling-task", "--iters", "2",
         "--batch-size", "1", "--max-seq-length", "32", "--val-batches", "1", "--output",
         program_file("q"), "--quiet");
    program_done();
    program_silent();
    assert_int_equal(program_said.out.n, 0);
}

static void unwritable(const char *const *args)
{
    program_next.output = "/dev/full";
    program_go(args);
    program_failed(1, "standard output could not be written", "room");
    program_next.broken_output = true;
    program_go(args);
    program_failed(1, "what reads standard output ended", "read to the end");
    program_next.closed_output = true;
    program_go(args);
    program_failed(1, "standard output could not be written", "");
}

/* A result that cannot be written is a failure, also where the pipe's reader has gone. */
static void test_output_that_fails(void **state)
{
    (void)state;
    unwritable((const char *const[]){"--help", NULL});
    unwritable((const char *const[]){"devices", "--json", "--quiet", NULL});
    unwritable((const char *const[]){"inspect", BASE, NULL});
    unwritable((const char *const[]){"tokenize", BASE, "--text", "a lamp", NULL});
    unwritable((const char *const[]){"tokenize", BASE, "--data", "configs/wickling-task/test.jsonl",
                                     NULL});
    unwritable(
        (const char *const[]){"generate", BASE, "--prompt", "Once", "--max-tokens", "3", NULL});
    unwritable((const char *const[]){"eval", BASE, "--data", "configs/wickling-task/test.jsonl",
                                     "--max-seq-length", "16", "--json", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_no_command),
        cmocka_unit_test(test_train_help),
        cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_config_file),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_config_of_a_run),
        cmocka_unit_test(test_values_like_flags),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_output_that_fails),
    };
    return program_run("usage", tests);
}
