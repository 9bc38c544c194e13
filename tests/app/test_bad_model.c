/* Checkpoints and base files that are spoilt: one sentence, a remedy, nothing left behind. */
#include "data/base.h"
#include "tests/app/program.h"

static const char *const task = "configs/wickling-task/test.jsonl";

/* import must refuse the folder, and leave a base that already had that name as it is. */
static void no_import(const char *folder, const char *sentence, const char *remedy)
{
    const char *out = program_file("refused.h5");
    unlink(out);
    WICK("import", folder, "-o", out, "--quiet");
    program_refused(1, sentence, remedy);
    assert_false(program_there(out));
    program_text(out, "what was there");
    WICK("import", folder, "-o", out, "--quiet");
    program_refused(1, sentence, remedy);
    size_t n;
    free(scratch_read(out, &n));
    assert_int_equal(n, 14);
    program_no_temps();
}

/* ---- config.json ----------------------------------------------------------------------------- */

static void test_config(void **state)
{
    static const struct {
        const char *key, *value, *sentence;
    } bad[] = {
        {"hidden_size", "0", "hidden_size"},
        {"hidden_size", "-192", "hidden_size"},
        {"hidden_size", "1e18", "hidden_size"},
        {"hidden_size", "9007199254740993", "hidden_size"},
        {"hidden_size", "\"192\"", "hidden_size"},
        {"hidden_size", "null", "hidden_size"},
        {"hidden_size", "191.5", "hidden_size"},
        {"hidden_size", "[192]", "hidden_size"},
        {"num_hidden_layers", "0", "num_hidden_layers"},
        {"num_hidden_layers", "1000000", "num_hidden_layers"},
        {"num_attention_heads", "0", "num_attention_heads"},
        {"num_key_value_heads", "4", "num_attention_heads"},
        {"head_dim", "7", "head_dim"},
        {"vocab_size", "-1", "vocab_size"},
        {"vocab_size", "4000000000", "vocab_size"},
        {"intermediate_size", "true", "intermediate_size"},
        {"max_position_embeddings", "0", "max_position_embeddings"},
        {"rms_norm_eps", "-1", "rms_norm_eps"},
        {"rms_norm_eps", "\"small\"", "rms_norm_eps"},
        {"tie_word_embeddings", "1", "tie_word_embeddings"},
        {"hidden_act", "\"sin\"", "hidden_act"},
        {"model_type", "\"mamba\"", "mamba"},
        {"model_type", "7", "model_type"},
        {"eos_token_id", "1000000", "eos_token_id"},
        {"eos_token_id", "\"</s>\"", "eos_token_id"},
        {"quantization_config", "{\"quant_method\": \"gptq\", \"bits\": 4}", "gptq"},
        {"quantization_config", "{\"quant_method\": \"awq\"}", "awq"},
        {"quantization_config", "{\"quant_method\": \"fp8\"}", "fp8"},
        {"quantization_config", "{\"load_in_4bit\": true, \"quant_method\": \"bitsandbytes\"}",
         "bitsandbytes"},
        {"quantization_config", "[]", "quantization_config"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *folder = program_checkpoint("config");
        program_edit(folder, "config.json", bad[i].key, bad[i].value);
        if (strcmp(bad[i].key, "eos_token_id") == 0) /* it would be asked first */
            program_replace(folder, "generation_config.json", "{}", 2);
        no_import(folder, bad[i].sentence, "");
    }
}

static void test_config_text(void **state)
{
    struct text deep = {0};
    struct fault f = {0};
    (void)state;
    const char *folder = program_checkpoint("text");
    for (int i = 0; i < 100000; i++)
        assert_int_equal(text_adds(&deep, "[", &f), 0);
    program_replace(folder, "config.json", deep.p, deep.n);
    no_import(folder, "config.json is not valid JSON", "");
    text_free(&deep);
    program_replace(folder, "config.json", "", 0);
    no_import(folder, "config.json is not valid JSON", "");
    program_replace(folder, "config.json", "{\"model_type\": \"llama\"}", 23);
    no_import(folder, "config.json: the key", "");
    program_replace(folder, "config.json", "{\"a\": \"\xff\"}", 10);
    no_import(folder, "config.json", "");
    unlink(program_file("text/config.json"));
    no_import(folder, "holds no config.json", "Hugging Face");
}

/* ---- tokenizers ------------------------------------------------------------------------------ */

static void test_tokenizer(void **state)
{
    size_t n;
    (void)state;
    const char *folder = program_checkpoint("tokenizer");
    unsigned char *small = scratch_read("tests/fixtures/tokenizer/gpt2/tokenizer.json", &n);
    program_replace(folder, "tokenizer.json", small, n);
    program_replace(folder, "generation_config.json", "{\"eos_token_id\": 1500}", 22);
    free(small);
    no_import(folder, "the tokenizer has no token 1500, the model's eos_token_id", "own tokenizer");
    program_replace(folder, "tokenizer.json", "{\"model\": {\"type\": \"BPE\"", 24);
    no_import(folder, "tokenizer.json is not valid JSON", "");
    program_replace(folder, "tokenizer.json", "{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}",
                    43);
    no_import(folder, "tokenizer.json", "");
    unlink(program_file("tokenizer/tokenizer.json"));
    no_import(folder, "tokenizer", "");
}

/* ---- safetensors ----------------------------------------------------------------------------- */

/* A safetensors file of this header and so many bytes of data. */
static void put_safetensors(const char *folder, const char *name, const char *header,
                            uint64_t length, size_t data)
{
    size_t n = strlen(header);
    unsigned char *p = calloc(1, 8 + n + data);
    assert_non_null(p);
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(length >> 8 * i);
    memcpy(p + 8, header, n);
    program_replace(folder, name, p, 8 + n + data);
    free(p);
}

static void test_safetensors(void **state)
{
    static const struct {
        const char *header;
        uint64_t length; /* 0: the header's own */
        size_t data;
        const char *sentence;
    } bad[] = {
        {"{}", UINT64_MAX, 0, "not a readable safetensors file"},
        {"{}", 3, 0, "not a readable safetensors file"},
        {"{}", 1ull << 40, 0, "not a readable safetensors file"},
        {"{", 0, 0, "safetensors"},
        {"[]", 0, 0, "safetensors"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         0, 12, "tensor b"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         0, "tensor a"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 0, 4, "tensor a"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 0, 4, "tensor a"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 0, 8, "tensor a"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 0, 8, "F33"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 0, 8, "tensor a"},
        {"{\"a\":7}", 0, 0, "a"},
    };
    (void)state;
    const char *folder = program_checkpoint("tensors");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t length = bad[i].length ? bad[i].length : strlen(bad[i].header);
        put_safetensors(folder, "model.safetensors", bad[i].header, length, bad[i].data);
        no_import(folder, bad[i].sentence, "");
        WICK("inspect", folder);
        program_refused(1, bad[i].sentence, "");
    }
    program_replace(folder, "model.safetensors", "short", 5);
    no_import(folder, "not a readable safetensors file", "");
}

/* Tensors that are whole, but not those of the configuration. */
static void test_wrong_tensors(void **state)
{
    size_t n;
    (void)state;
    const char *folder = program_checkpoint("wrong");
    unsigned char *bytes = scratch_read("configs/wickling/model.safetensors", &n);
    char *header = (char *)bytes + 8;
    char *shape = strstr(header, "model.norm.weight");
    assert_non_null(shape);
    memcpy(shape, "model.form.weight", 17);
    program_replace(folder, "model.safetensors", bytes, n);
    no_import(folder, "tensor model.norm.weight is missing", "");
    memcpy(shape, "model.norm.weight", 17);
    shape = strstr(shape, "BF16");
    memcpy(shape, "I16\"", 4); /* one byte shorter: the quote moves, a space fills the gap */
    shape[4] = ' ';
    program_replace(folder, "model.safetensors", bytes, n);
    no_import(folder, "tensor model.norm.weight has type I16", "");
    free(bytes);
    folder = program_checkpoint("wrong");
    program_edit(folder, "config.json", "intermediate_size", "511");
    no_import(folder, "by config.json it is [", "");
    size_t cut;
    bytes = scratch_read("configs/wickling/model.safetensors", &cut);
    folder = program_checkpoint("wrong");
    program_replace(folder, "model.safetensors", bytes, cut / 2);
    free(bytes);
    no_import(folder, "model.safetensors", "");
}

static void test_no_weights(void **state)
{
    (void)state;
    const char *folder = program_checkpoint("none");
    unlink(program_file("none/model.safetensors"));
    no_import(folder, "holds no model.safetensors", "");
    program_text(program_file("none/pytorch_model.bin"), "PK\3\4");
    no_import(folder, "holds no model.safetensors", "pickled .bin files are not read");
    program_text(program_file("none/model.safetensors.index.json"),
                 "{\"weight_map\": {\"model.norm.weight\": \"part-1.safetensors\"}}");
    no_import(folder, "part-1.safetensors, which is not there", "shard");
    program_text(program_file("none/model.safetensors.index.json"),
                 "{\"weight_map\": {\"model.norm.weight\": \"../../etc/passwd\"}}");
    no_import(folder, "\"../../etc/passwd\" is not a file in the same folder",
              "relative to the folder");
    no_import("README-is-no-folder", "README-is-no-folder", "folder");
    no_import("Makefile", "Makefile is not a folder", "folder");
    program_next.env[0] = "HF_HUB_CACHE=/nonexistent";
    WICK("import", "Org/Name", "-o", program_file("x.h5"));
    program_refused(1, "Org/Name is neither a folder nor in the local Hugging Face cache",
                    "download");
}

/* ---- base files ------------------------------------------------------------------------------ */

/* Every command that reads weights refuses `base` with this sentence, and leaves nothing. */
static void no_use(const char *base, const char *sentence, const char *remedy)
{
    const char *run = program_file("run"), *merged = program_file("merged");
    const char *h5 = program_file("merged.h5"), *nll = program_file("nll.txt");
    WICK("eval", base, "--data", task, "--max-seq-length", "32", "--token-nll", nll, "--quiet");
    program_refused(1, sentence, remedy);
    WICK("train", "--model", base, "--data", task, "--iters", "1", "--batch-size", "1", "--output",
         run, "--max-seq-length", "32", "--quiet");
    program_refused(1, sentence, remedy);
    WICK("merge", base, "-o", merged, "--quiet");
    program_refused(1, sentence, remedy);
    WICK("merge", base, "-o", h5, "--format", "h5", "--quiet");
    program_refused(1, sentence, remedy);
    WICK("generate", base, "--prompt", "a", "--max-tokens", "1", "--quiet");
    program_refused(1, sentence, remedy);
    assert_false(program_there(run) || program_there(merged) || program_there(h5) ||
                 program_there(nll));
    program_no_temps();
}

static void test_not_a_base(void **state)
{
    const char *path = program_file("bad.h5");
    size_t n;
    (void)state;
    no_use(program_file("absent.h5"), "absent.h5: no such file", "");
    no_use(scratch_folder, "is a folder", "");
    no_use("/dev/zero", "/dev/zero", "");
    program_text(path, "");
    no_use(path, "bad.h5 is not a readable base file", "import");
    program_text(path, "not HDF5 at all, just a line of text\n");
    no_use(path, "bad.h5 is not a readable base file", "import");
    no_use("configs/wickling/model.safetensors", "is not a readable base file", "import");
    unsigned char *bytes = scratch_read(program_base(), &n);
    for (size_t cut = 1; cut < n; cut += n / 7) {
        scratch_write(path, bytes, cut);
        WICK("inspect", path);
        program_refused(1, "bad.h5 is not a readable base file", "");
        WICK("eval", path, "--data", task);
        program_refused(1, "bad.h5 is not a readable base file", "");
    }
    scratch_write(path, bytes, n - 1);
    no_use(path, "bad.h5 is not a readable base file", "");
    free(bytes);
    assert_int_equal(mkfifo(program_file("fifo"), 0666), 0);
    no_use(program_file("fifo"), "fifo", "");
}

static void test_foreign_h5(void **state)
{
    const char *run = program_file("other");
    (void)state;
    WICK("train", "--model", program_base(), "--data", task, "--iters", "1", "--batch-size", "1",
         "--max-seq-length", "16", "--rank", "1", "--output", run, "--quiet");
    program_done();
    no_use(program_file("other/checkpoints/00000001.h5"), "it is some other HDF5 file", "");
    program_remove(run);
}

/* Where a tensor's bytes stand in the base file. */
static size_t offset_of(const char *tensor, const unsigned char *bytes, size_t n)
{
    struct base *b = NULL;
    struct fault f = {0};
    assert_int_equal(base_open(&b, program_base(), &f), 0);
    const struct tensor *t = base_find(b, tensor);
    assert_non_null(t);
    const unsigned char *at = memmem(bytes, n, base_data(b, t), t->bytes);
    assert_non_null(at);
    base_close(&b);
    return (size_t)(at - bytes);
}

static void test_flipped_bit(void **state)
{
    static const char *const names[] = {"model.embed_tokens.weight", "model.norm.weight",
                                        "model.layers.1.mlp.up_proj.weight"};
    const char *path = program_file("flipped.h5");
    size_t n;
    (void)state;
    unsigned char *bytes = scratch_read(program_base(), &n);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char sentence[128];
        size_t at = offset_of(names[i], bytes, n) + 101;
        bytes[at] ^= 4;
        scratch_write(path, bytes, n);
        bytes[at] ^= 4;
        snprintf(sentence, sizeof sentence, "flipped.h5: the tensor %s is damaged", names[i]);
        no_use(path, sentence, "import the model again");
        WICK("inspect", path, "--verify", "--quiet");
        program_refused(1, sentence, "import the model again");
        WICK("inspect", path);
        program_done();
    }
    unsigned char *config = memmem(bytes, n, "rms_norm_eps", 12);
    assert_non_null(config);
    config[0] = 'R';
    scratch_write(path, bytes, n);
    no_use(path, "the file config.json is damaged", "import the model again");
    free(bytes);
}

/* Any byte of the file may be anything: a sentence, or a result, never a crash. */
static void test_any_flip(void **state)
{
    const char *path = program_file("any.h5");
    size_t n, at = 1;
    int refused = 0;
    (void)state;
    unsigned char *bytes = scratch_read(program_base(), &n);
    for (int i = 0; i < 40; i++) {
        at = (at * 2862933555777941757ull + 3037000493ull) % (i % 2 ? n : 6000);
        unsigned char old = bytes[at];
        bytes[at] ^= (unsigned char)(1 + at % 255);
        scratch_write(path, bytes, n);
        bytes[at] = old;
        WICK("inspect", path, "--verify", "--quiet");
        if (program_said.code != 0)
            program_refused(1, "any.h5", "");
        refused += program_said.code != 0;
    }
    free(bytes);
    assert_true(refused > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),        cmocka_unit_test(test_config_text),
        cmocka_unit_test(test_tokenizer),     cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_wrong_tensors), cmocka_unit_test(test_no_weights),
        cmocka_unit_test(test_not_a_base),    cmocka_unit_test(test_foreign_h5),
        cmocka_unit_test(test_flipped_bit),   cmocka_unit_test(test_any_flip),
    };
    return program_run("bad_model", tests);
}
