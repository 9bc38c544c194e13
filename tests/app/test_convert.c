/* import, merge and inspect: every way in, every way out, and the same tensors after both. */
#include "data/safetensors.h"
#include "tests/app/program.h"

#define BASE program_base()

/* ---- comparing checkpoints ------------------------------------------------------------------- */

/* The tensors of two folders have the same names, types, shapes and bytes. */
static void check_same_tensors(const char *a, const char *b)
{
    struct safetensors *x = NULL, *y = NULL;
    struct fault f = {0};
    assert_int_equal(safetensors_open(&x, a, &f), 0);
    assert_int_equal(safetensors_open(&y, b, &f), 0);
    assert_int_equal(safetensors_count(x), safetensors_count(y));
    assert_true(safetensors_count(x) > 0);
    for (size_t i = 0; i < safetensors_count(x); i++) {
        const struct tensor *t = safetensors_tensor(x, i), *u = safetensors_tensor(y, i);
        assert_string_equal(t->name, u->name);
        assert_true(t->dtype == u->dtype && t->ndim == u->ndim && t->bytes == u->bytes);
        assert_memory_equal(t->shape, u->shape, (size_t)t->ndim * sizeof *t->shape);
        assert_memory_equal(safetensors_data(x, t), safetensors_data(y, u), t->bytes);
    }
    safetensors_close(&x);
    safetensors_close(&y);
}

static void check_dtype(const char *folder, enum dtype dtype)
{
    struct safetensors *x = NULL;
    struct fault f = {0};
    assert_int_equal(safetensors_open(&x, folder, &f), 0);
    for (size_t i = 0; i < safetensors_count(x); i++)
        assert_int_equal(safetensors_tensor(x, i)->dtype, dtype);
    safetensors_close(&x);
}

static void merge(const char *base, const char *adapter, const char *to, const char *format)
{
    program_remove(to);
    WICK("merge", base, "-o", to, "--format", format, "--quiet", adapter ? "--adapter" : NULL,
         adapter);
    program_done();
    program_no_temps();
}

/* ---- ways in --------------------------------------------------------------------------------- */

/* The files that a model is made of come back byte for byte. */
static void test_round_trip(void **state)
{
    static const char *const files[] = {"config.json", "generation_config.json", "tokenizer.json",
                                        "tokenizer_config.json"};
    const char *out = program_file("round");
    (void)state;
    merge(BASE, NULL, out, "hf");
    check_same_tensors("configs/wickling", out);
    for (size_t i = 0; i < 4; i++) {
        char a[128], b[256];
        snprintf(a, sizeof a, "configs/wickling/%s", files[i]);
        snprintf(b, sizeof b, "%s/%s", out, files[i]);
        assert_true(program_same(a, b));
    }
    WICK("import", out, "-o", program_file("again.h5"), "--name", "configs/wickling", "--quiet");
    program_done();
    assert_true(program_same(BASE, program_file("again.h5")));
    merge(BASE, NULL, program_file("copy.h5"), "h5");
    assert_true(program_same(BASE, program_file("copy.h5")));
}

/* Chat templates beside the default one live in a folder: they come along, "tool_use" renders where
 * a row has tools, and merge writes them back, and what a checkpoint with pictures has. */
static void test_templates(void **state)
{
    static const char *const names[] = {"chat_template.jinja",
                                        "additional_chat_templates/rag.jinja",
                                        "additional_chat_templates/tool_use.jinja",
                                        "preprocessor_config.json", "processor_config.json"};
    enum { NAMES = sizeof names / sizeof *names };
    char folder[256], a[320], b[320];
    const char *out = program_file("templates-out"), *base = program_file("templates.h5");
    (void)state;
    snprintf(folder, sizeof folder, "%s", program_checkpoint("templates"));
    snprintf(a, sizeof a, "%s/additional_chat_templates", folder);
    assert_int_equal(mkdir(a, 0777), 0);
    for (int i = 0; i < NAMES; i++) {
        snprintf(a, sizeof a, "%s/%s", folder, names[i]);
        snprintf(b, sizeof b, "%d{%% for m in messages %%}{{ m.content }}{%% endfor %%}", i);
        program_text(a, b);
    }
    snprintf(a, sizeof a, "%s/additional_chat_templates/readme.txt", folder);
    program_text(a, "not a template");
    WICK("import", folder, "-o", base, "--quiet");
    program_done();
    for (int tools = 0; tools < 2; tools++) {
        program_text(program_file("rows.jsonl"),
                     tools ? "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
                             "{\"role\": \"assistant\", \"content\": \"b\"}], \"tools\": []}"
                           : "{\"prompt\": \"a\", \"completion\": \"b\"}");
        WICK("tokenize", base, "--data", program_file("rows.jsonl"), "--mask-prompt");
        program_done();
        program_says(tools ? "  2\n" : "  0\n");
    }
    merge(base, NULL, out, "hf");
    for (int i = 0; i < NAMES; i++) {
        snprintf(a, sizeof a, "%s/%s", folder, names[i]);
        snprintf(b, sizeof b, "%s/%s", out, names[i]);
        assert_true(program_same(a, b));
    }
    snprintf(a, sizeof a, "%s/additional_chat_templates/readme.txt", out);
    assert_false(program_there(a));
}

static void test_result(void **state)
{
    (void)state;
    WICK("import", "configs/wickling", "-o", program_file("r.h5"), "--name", "Org/Name", "--json",
         "--quiet");
    struct json_doc *doc = program_json();
    assert_string_equal(json_string(json_get(json_root(doc), "output")), program_file("r.h5"));
    assert_string_equal(json_string(json_get(json_root(doc), "family")), "llama");
    assert_true(program_number(doc, "tensors") > 10 && program_number(doc, "bytes") > 1e6);
    json_close(&doc);
    WICK("inspect", program_file("r.h5"), "--json");
    doc = program_json();
    assert_string_equal(json_string(json_get(json_root(doc), "source")), "Org/Name");
    json_close(&doc);
}

static void test_shards(void **state)
{
    struct safetensors *x = NULL;
    struct safetensors_out *w = NULL;
    struct fault f = {0};
    (void)state;
    const char *folder = program_checkpoint("sharded");
    unlink(program_file("sharded/model.safetensors"));
    assert_int_equal(safetensors_open(&x, "configs/wickling", &f), 0);
    assert_int_equal(safetensors_create(&w, program_file("sharded/model.safetensors"), 1 << 20, &f),
                     0);
    for (size_t i = 0; i < safetensors_count(x); i++)
        assert_int_equal(safetensors_declare(w, safetensors_tensor(x, i), &f), 0);
    for (const struct tensor *t; (t = safetensors_next(w)) != NULL;) {
        const struct tensor *from = safetensors_find(x, t->name);
        assert_int_equal(safetensors_write(w, safetensors_data(x, from), from->bytes, &f), 0);
    }
    assert_int_equal(safetensors_commit(w, &f), 0);
    safetensors_out_close(&w);
    safetensors_close(&x);
    assert_false(program_there(program_file("sharded/model.safetensors")));
    assert_true(program_there(program_file("sharded/model.safetensors.index.json")));
    WICK("import", folder, "-o", program_file("sharded.h5"), "--name", "configs/wickling",
         "--quiet");
    program_done();
    assert_true(program_same(BASE, program_file("sharded.h5")));
    WICK("inspect", folder);
    program_done();
    program_says("model.norm.weight");
}

/* Org/Name, where huggingface_hub keeps its snapshots. */
static void test_hub_cache(void **state)
{
    char home[256], hub[256];
    (void)state;
    mkdir(program_file("hf"), 0777);
    mkdir(program_file("hf/hub"), 0777);
    mkdir(program_file("hf/hub/models--Org--Small"), 0777);
    mkdir(program_file("hf/hub/models--Org--Small/refs"), 0777);
    mkdir(program_file("hf/hub/models--Org--Small/snapshots"), 0777);
    program_text(program_file("hf/hub/models--Org--Small/refs/main"), "0123abcd");
    rename(program_checkpoint("snapshot"),
           program_file("hf/hub/models--Org--Small/snapshots/0123abcd"));
    snprintf(home, sizeof home, "HF_HOME=%s", program_file("hf"));
    snprintf(hub, sizeof hub, "HF_HUB_CACHE=%s", program_file("hf/hub"));
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    program_next.env[0] = home;
    WICK("import", "Org/Small", "-o", program_file("small.h5"), "--quiet");
    program_done();
    WICK("inspect", program_file("small.h5"));
    program_says("from Org/Small");
    program_next.env[0] = hub;
    WICK("import", "Org/Small", "-o", program_file("small.h5"), "--name", "configs/wickling",
         "--quiet");
    program_done();
    assert_true(program_same(BASE, program_file("small.h5")));
    program_next.env[0] = home;
    WICK("import", "Org/Other", "-o", program_file("other.h5"), "--quiet");
    program_refused(1, "Org/Other is neither a folder nor in the local Hugging Face cache",
                    "download");
    program_text(program_file("hf/hub/models--Org--Small/refs/main"), "../../../x");
    program_next.env[0] = home;
    WICK("import", "Org/Small", "-o", program_file("other.h5"), "--quiet");
    program_refused(1, "does not name a snapshot", "");
}

/* bf16 fits into f32, and comes back as it was. */
static void test_dtypes(void **state)
{
    const char *h5 = program_file("t.h5"), *wide = program_file("wide"),
               *back = program_file("back");
    (void)state;
    WICK("import", "configs/wickling", "-o", h5, "--dtype", "f32", "--quiet");
    program_done();
    merge(h5, NULL, wide, "hf");
    check_dtype(wide, DT_F32);
    WICK("import", wide, "-o", h5, "--dtype", "bf16", "--quiet");
    program_done();
    merge(h5, NULL, back, "hf");
    check_same_tensors("configs/wickling", back);
    WICK("import", wide, "-o", h5, "--dtype", "f16", "--quiet");
    program_done();
    merge(h5, NULL, back, "hf");
    check_dtype(back, DT_F16);
    WICK("eval", h5, "--data", "configs/wickling-task/test.jsonl", "--max-seq-length", "24",
         "--quiet");
    program_done();
}

/* ---- merging --------------------------------------------------------------------------------- */

static const char *adapter(void)
{
    const char *run = program_file("adapter");
    if (!program_there(run)) {
        WICK("train", "--model", BASE, "--data", "configs/wickling-task/train.jsonl", "--iters",
             "8", "--batch-size", "2", "--max-seq-length", "48", "--rank", "4", "--learning-rate",
             "1e-2", "--output", run, "--quiet");
        program_done();
    }
    return run;
}

static double nll(const char *base, const char *with)
{
    WICK("eval", base, "--data", "configs/wickling-task/test.jsonl", "--max-seq-length", "48",
         "--json", "--quiet", with ? "--adapter" : NULL, with);
    struct json_doc *doc = program_json();
    double v = program_number(doc, "nll");
    json_close(&doc);
    return v;
}

static void test_merge(void **state)
{
    const char *f32 = program_file("f32.h5");
    (void)state;
    WICK("import", "configs/wickling", "-o", f32, "--dtype", "f32", "--quiet");
    double with = nll(f32, adapter());
    assert_true(fabs(with - nll(f32, NULL)) > 1e-2);
    WICK("merge", f32, "--adapter", adapter(), "-o", program_file("m.h5"), "--format", "h5",
         "--json", "--quiet");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "tensors_merged") == 35);
    assert_true(program_number(doc, "max_logit_diff") < 1e-3);
    assert_true(program_number(doc, "delta_lost_fraction") < 1e-4);
    assert_string_equal(json_string(json_get(json_root(doc), "output")), program_file("m.h5"));
    json_close(&doc);
    assert_float_equal(nll(program_file("m.h5"), NULL), with, 1e-5);
    merge(f32, adapter(), program_file("m"), "hf");
    WICK("import", program_file("m"), "-o", program_file("m2.h5"), "--quiet");
    program_done();
    assert_float_equal(nll(program_file("m2.h5"), NULL), with, 1e-5);
    /* Into bf16 it loses what bf16 cannot hold, and says how much. */
    WICK("merge", BASE, "--adapter", adapter(), "-o", program_file("m16"), "--data",
         "configs/wickling-task/test.jsonl", "--json", "--quiet");
    doc = program_json();
    double lost = program_number(doc, "delta_lost_fraction");
    assert_true(lost > 1e-4 && lost < 0.9);
    assert_true(program_number(doc, "max_logit_diff") > 1e-4);
    assert_true(program_number(doc, "max_logit_diff") < 1);
    json_close(&doc);
    WICK("merge", BASE, "-o", program_file("m0"), "--json", "--quiet");
    doc = program_json();
    assert_true(program_number(doc, "max_logit_diff") == 0);
    assert_true(program_number(doc, "tensors_merged") == 0);
    json_close(&doc);
}

/* A merge over an earlier one replaces it, also where it had been cut into shards. */
static void test_merge_again(void **state)
{
    const char *out = program_file("over");
    (void)state;
    merge(BASE, adapter(), out, "hf");
    WICK("merge", BASE, "-o", out, "--quiet");
    program_done();
    check_same_tensors("configs/wickling", out);
    program_text(program_file("over/model-00001-of-00002.safetensors"), "old");
    program_text(program_file("over/model-00002-of-00002.safetensors"), "old");
    program_text(program_file("over/model.safetensors.index.json"), "{\"weight_map\": {}}");
    WICK("merge", BASE, "-o", out, "--quiet");
    program_done();
    check_same_tensors("configs/wickling", out);
    assert_false(program_there(program_file("over/model.safetensors.index.json")));
    program_next.file_limit = 1 << 20; /* a merge that fails leaves the one before as it was */
    WICK("merge", BASE, "--adapter", adapter(), "-o", out, "--quiet");
    program_refused(1, "cannot write", "");
    check_same_tensors("configs/wickling", out);
    assert_true(program_there(program_file("over/config.json")));
    WICK("merge", BASE, "-o", BASE, "--format", "h5",
         "--quiet"); /* onto its own input: whole or not at all */
    program_done();
    WICK("inspect", BASE, "--verify", "--quiet");
    program_done();
}

/* ---- looking --------------------------------------------------------------------------------- */

static void kind_of(const char *path, const char *kind, const char *words)
{
    WICK("inspect", path, "--json");
    struct json_doc *doc = program_json();
    assert_string_equal(json_string(json_get(json_root(doc), "kind")), kind);
    json_close(&doc);
    WICK("inspect", path);
    program_done();
    program_says(words);
}

static void test_inspect(void **state)
{
    (void)state;
    kind_of(BASE, "base", "a base of family llama from configs/wickling");
    kind_of("configs/wickling", "checkpoint", "model.embed_tokens.weight");
    kind_of("configs/wickling/model.safetensors", "checkpoint", "model.embed_tokens.weight");
    kind_of(adapter(), "adapter", "a LoRA adapter of rank 4");
    kind_of(program_file("adapter/checkpoints/00000008.h5"), "training checkpoint", "\"step\"");
    WICK("inspect", BASE, "--verify");
    program_done();
    program_says("every checksum holds");
    WICK("inspect", BASE, "--verify", "--json", "--quiet");
    struct json_doc *doc = program_json();
    assert_true(json_bool(json_get(json_root(doc), "verified"), false));
    json_close(&doc);
    mkdir(program_file("empty"), 0777);
    WICK("inspect", program_file("empty"));
    program_refused(1, "empty", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_templates),
        cmocka_unit_test(test_result),     cmocka_unit_test(test_shards),
        cmocka_unit_test(test_hub_cache),  cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_merge),      cmocka_unit_test(test_merge_again),
        cmocka_unit_test(test_inspect),
    };
    return program_run("convert", tests);
}
