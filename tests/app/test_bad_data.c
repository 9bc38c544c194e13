/* Data, targets, ranks and adapters that cannot be: refused before the first step, with the line,
 * the key or the tensor. */
#include "tests/app/program.h"

#define BASE program_base()

/* train, eval and tokenize refuse these rows; `line` and the words are in the sentence. */
static void no_rows(const char *text, size_t n, const char *sentence)
{
    const char *data = program_file("rows.jsonl"), *run = program_file("run");
    scratch_write(data, text, n);
    WICK("train", "--model", BASE, "--data", data, "--output", run, "--mask-prompt", "--quiet");
    program_refused(1, sentence, "");
    assert_false(program_there(run));
    WICK("eval", BASE, "--data", data, "--mask-prompt", "--quiet");
    program_refused(1, sentence, "");
    program_no_temps();
}

#define ROWS(text, sentence) no_rows(text, sizeof text - 1, sentence)
#define GOOD                 "{\"text\": \"A lamp.\"}\n"

static void test_rows(void **state)
{
    (void)state;
    ROWS("", "rows.jsonl holds no rows");
    ROWS("\n\n  \n", "rows.jsonl holds no rows");
    ROWS(GOOD "{\"text\": \"A lamp.\"\n", "rows.jsonl: line 2");
    ROWS(GOOD "\n" GOOD "A lamp.\n", "rows.jsonl: line 4");
    ROWS(GOOD "{\"text\": \"\xff\xfe\"}\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"text\": \"\xed\xa0\x80\"}\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"text\": \"a\\u0000b\"}\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"text\": \"a\0b\"}\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"text\": \"a\\ud800b\"}\n", "half of a surrogate pair");
    ROWS(GOOD "{\"text\": \"a\\udc00b\"}\n", "half of a surrogate pair");
    ROWS(GOOD "{\"text\": \"a\", \"text\": \"b\"}\n", "stands twice");
    ROWS(GOOD "{\"text\": \"a\"} {}\n", "rows.jsonl: line 2");
    ROWS(GOOD "[\"text\"]\n", "rows.jsonl: line 2");
    ROWS(GOOD "null\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"text\": 7}\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"txet\": \"a\"}\n", "rows.jsonl: line 2");
    ROWS(GOOD "{\"prompt\": \"a\", \"completion\": \"b\"}\n", "rows.jsonl: line 2");
    ROWS("{\"prompt\": \"a\"}\n", "rows.jsonl: line 1");
    ROWS("{\"messages\": {}}\n", "rows.jsonl: line 1");
    ROWS("{\"messages\": [{\"role\": \"user\"}]}\n", "rows.jsonl: line 1");
    ROWS("{\"messages\": [{\"content\": \"a\"}]}\n", "rows.jsonl: line 1");
    ROWS("{\"messages\": [7]}\n", "rows.jsonl: line 1");
}

/* What BOS, EOS or a template would add is no target. */
static void test_rows_without_targets(void **state)
{
    (void)state;
    ROWS(GOOD "{\"text\": \"\"}\n", "rows.jsonl: line 2 has an empty text and so no target");
    ROWS("{\"prompt\": \"a\", \"completion\": \"\"}\n",
         "line 1 has an empty completion and so no target");
    ROWS("{\"messages\": []}\n", "rows.jsonl: line 1 has no");
    ROWS("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
         "line 1 has no assistant message that says anything");
    ROWS("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
         "\"content\": \"\"}]}\n",
         "line 1 has no assistant message that says anything");
    program_text(program_file("long.jsonl"),
                 "{\"messages\": [{\"role\": \"user\", \"content\": \"a long "
                 "question about many lamps\"}, {\"role\": \"assistant\", "
                 "\"content\": \"b\"}]}\n");
    WICK("train", "--model", BASE, "--data", program_file("long.jsonl"), "--output",
         program_file("run"), "--mask-prompt", "--max-seq-length", "8", "--quiet");
    program_refused(1, "long.jsonl: line 1 has no target to train on once it is cut",
                    "raise --max-seq-length");
    assert_false(program_there(program_file("run")));
}

static void test_no_data(void **state)
{
    const char *folder = program_file("data"), *run = program_file("run");
    (void)state;
    WICK("train", "--model", BASE, "--data", program_file("absent"), "--output", run, "--quiet");
    program_refused(1, "absent: there is no such file or folder", "");
    mkdir(folder, 0777);
    WICK("train", "--model", BASE, "--data", folder, "--output", run, "--quiet");
    program_refused(1, "data holds no train.jsonl or train.txt", "name the training file");
    program_text(program_file("data/train.txt"), "\xff\xfe");
    WICK("train", "--model", BASE, "--data", folder, "--output", run, "--quiet");
    program_refused(1, "train.txt is not a text in UTF-8", "");
    program_text(program_file("data/train.txt"), "A lamp stood by the door.");
    program_text(program_file("data/valid.jsonl"), "{]\n");
    WICK("train", "--model", BASE, "--data", folder, "--output", run, "--quiet");
    program_refused(1, "valid.jsonl: line 1", "");
    WICK("eval", BASE, "--data", program_file("data/train.txt"), "--mode", "llamacpp", "--quiet");
    program_refused(1, "", "");
    WICK("eval", BASE, "--data", program_file("data/train.txt"), "--mode", "rows", "--quiet");
    program_refused(1, "--mode rows needs a .jsonl file", "--mode blocks");
    program_text(program_file("data/empty.txt"), "");
    WICK("eval", BASE, "--data", program_file("data/empty.txt"), "--quiet");
    program_refused(1, "empty.txt", "");
    assert_false(program_there(run));
}

static void no_adapters(const char *flag, const char *value, const char *sentence,
                        const char *remedy)
{
    const char *data = program_file("good.jsonl"), *run = program_file("run");
    program_text(data, GOOD);
    WICK("train", "--model", BASE, "--data", data, "--output", run, "--quiet", flag, value);
    program_refused(1, sentence, remedy);
    assert_false(program_there(run));
}

static void test_adapter_flags(void **state)
{
    (void)state;
    no_adapters("--rank", "0", "--rank 0 is not between 1 and", "");
    no_adapters("--rank", "5000", "rank 5000 is above the smaller side of", "");
    no_adapters("--target-modules", "q_proj,z_proj",
                "no linear layer of a llama model is called \"z_proj\"",
                "known are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj");
    no_adapters("--target-modules", "", "target", "");
    no_adapters("--target-modules", "lm_head", "lm_head", "");
    no_adapters("--target-modules", "model\\.(layers", "is not a regular expression", "");
    no_adapters("--target-modules", ".*nothing.*", "target_modules", "");
    no_adapters("--num-layers", "1000", "num_layers 1000: the model has", "");
    no_adapters("--adapter-init", program_file("nowhere"), "nowhere", "");
    no_adapters("--adapter-init", "tests/fixtures/model/llama2/final",
                "tests/fixtures/model/llama2/final", "");
}

/* ---- adapters -------------------------------------------------------------------------------- */

static const char *spoilt(const char *key, const char *value)
{
    const char *folder = program_file("spoilt");
    size_t n;
    program_remove(folder);
    mkdir(folder, 0777);
    unsigned char *bytes = scratch_read(program_file("adapter/adapter_model.safetensors"), &n);
    program_replace(folder, "adapter_model.safetensors", bytes, n);
    free(bytes);
    bytes = scratch_read(program_file("adapter/adapter_config.json"), &n);
    program_replace(folder, "adapter_config.json", bytes, n);
    free(bytes);
    if (key)
        program_edit(folder, "adapter_config.json", key, value);
    return folder;
}

/* eval, generate and merge refuse the adapter. */
static void no_adapter(const char *folder, const char *sentence)
{
    const char *out = program_file("merged"), *data = program_file("good.jsonl");
    program_text(data, GOOD);
    WICK("eval", BASE, "--adapter", folder, "--data", data, "--quiet");
    program_refused(1, sentence, "");
    WICK("generate", BASE, "--adapter", folder, "--prompt", "a", "--quiet");
    program_refused(1, sentence, "");
    WICK("merge", BASE, "--adapter", folder, "-o", out, "--quiet");
    program_refused(1, sentence, "");
    assert_false(program_there(out));
}

static void test_adapters(void **state)
{
    (void)state;
    WICK("train", "--model", BASE, "--data", "configs/wickling-task/train.jsonl", "--iters", "1",
         "--batch-size", "1", "--max-seq-length", "16", "--rank", "2", "--output",
         program_file("adapter"), "--quiet");
    program_done();
    WICK("eval", BASE, "--adapter", spoilt("r", "2"), "--data", "configs/wickling-task/test.jsonl",
         "--max-seq-length", "16", "--quiet");
    program_done();
    no_adapter("tests/fixtures/model/llama2/final", "the adapter of");
    no_adapter(program_file("nowhere"), "nowhere");
    no_adapter("configs/wickling", "configs/wickling holds no adapter_config.json");
    no_adapter(spoilt("use_dora", "true"), "use_dora is not supported");
    no_adapter(spoilt("modules_to_save", "[\"lm_head\"]"), "modules_to_save is not supported");
    no_adapter(spoilt("bias", "\"lora_only\""), "bias is lora_only; only \"none\" is supported");
    no_adapter(spoilt("bias", "\"all\""), "bias is all");
    no_adapter(spoilt("lora_bias", "true"), "lora_bias is not supported");
    no_adapter(spoilt("peft_type", "\"IA3\""), "peft_type IA3 is not supported");
    no_adapter(spoilt("init_lora_weights", "\"pissa\""), "init_lora_weights is pissa");
    no_adapter(spoilt("r", "3"), "has rank 2, but adapter_config.json says 3");
    no_adapter(spoilt("r", "0"), "\"r\"");
    no_adapter(spoilt("lora_alpha", "\"x\""), "\"lora_alpha\"");
    program_replace(spoilt(NULL, NULL), "adapter_config.json", "{", 1);
    no_adapter(program_file("spoilt"), "adapter_config.json is not valid JSON");
    unlink(program_file("spoilt/adapter_model.safetensors"));
    spoilt(NULL, NULL);
    unlink(program_file("spoilt/adapter_model.safetensors"));
    no_adapter(program_file("spoilt"), "holds no adapter_model.safetensors");
    program_text(program_file("spoilt/adapter_model.safetensors"), "short");
    no_adapter(program_file("spoilt"), "not a readable safetensors file");
}

/* An adapter whose tensors say more than its config: named by the tensor. */
static void test_adapter_tensors(void **state)
{
    size_t n;
    (void)state;
    const char *folder = spoilt(NULL, NULL);
    unsigned char *bytes = scratch_read(program_file("spoilt/adapter_model.safetensors"), &n);
    char *header = (char *)bytes + 8, *name = strstr(header, "k_proj.lora_A.weight");
    assert_non_null(name);
    memcpy(name, "k_proj.lora_m.weight", 20);
    program_replace(folder, "adapter_model.safetensors", bytes, n);
    no_adapter(folder, "k_proj.lora_m.weight is");
    memcpy(name, "k_proj.lora_A.weight", 20);
    memset(bytes + n - 4, 0xff, 4); /* a NaN */
    program_replace(folder, "adapter_model.safetensors", bytes, n);
    no_adapter(folder, "holds a value that is not finite");
    free(bytes);
}

/* A NUL is text to tokens, but not to a message or to JSON. */
static void test_nul(void **state)
{
    const char *path = program_file("nul.txt");
    (void)state;
    scratch_write(path, "ab\0cd", 5);
    WICK("tokenize", program_base(), "--file", path);
    program_done();
    WICK("tokenize", program_base(), "--file", path, "--json");
    program_refused(1, "nul.txt has a NUL at byte 2, which no JSON string can hold", "--json");
    WICK("tokenize", program_base(), "--file", path, "--chat");
    program_refused(1, "nul.txt has a NUL at byte 2, which no message can hold", "--chat");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_rows_without_targets),
        cmocka_unit_test(test_no_data),  cmocka_unit_test(test_adapter_flags),
        cmocka_unit_test(test_adapters), cmocka_unit_test(test_adapter_tensors),
        cmocka_unit_test(test_nul),
    };
    return program_run("bad_data", tests);
}
