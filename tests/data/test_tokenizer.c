#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/json.h"
#include "tests/data/tokenizer_sample.h"

#define SHARED  "../shared/data/tokenizers/"
#define VECTORS "../shared/data/vectors/llama.cpp/ggml-vocab-"

static bool file_there(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in)
        fclose(in);
    return in != NULL;
}

static void ids_are(const struct ids *got, const struct json *want, const char *text)
{
    size_t i = 0;
    for (const struct json *m = json_first(want); m; m = json_next(m), i++) {
        int64_t id;
        if (!json_int(m, &id) || i >= got->n || got->p[i] != id)
            fail_msg("\"%s\": id %zu is %d, not %d", text, i, i < got->n ? (int)got->p[i] : -1,
                     (int)id);
    }
    if (i != got->n)
        fail_msg("\"%s\": %zu ids, not %zu", text, got->n, i);
}

/* ---- what the library says -------------------------------------------------------------------- */

static void case_check(const struct tokenizer *t, const struct json *c)
{
    struct ids ids = {0};
    struct text out = {0};
    const char *text = json_string(json_get(c, "text")), *shown = text;
    const struct json *want = json_get(c, "ids"), *plain = json_get(c, "plain");
    assert_int_equal(tokenizer_encode(t, &ids, text, strlen(text), 0, &fault), ST_OK);
    ids_are(&ids, plain ? plain : want, text);
    ids.n = 0;
    assert_int_equal(tokenizer_encode(t, &ids, text, strlen(text), TOKENIZER_ADD_SPECIAL, &fault),
                     ST_OK);
    ids_are(&ids, want, text);
    for (int skip = 0; skip < 2; skip++) {
        const struct json *other = json_get(c, skip ? "skipped" : "decoded");
        shown = other ? json_string(other) : shown;
        out.n = 0;
        assert_int_equal(tokenizer_decode(t, &out, ids.p, ids.n, skip, &fault), ST_OK);
        assert_string_equal(out.n ? out.p : "", shown);
    }
    ids_free(&ids);
    text_free(&out);
}

static void test_style(void **state)
{
    struct blobs files = {0};
    struct json_doc *cases = NULL;
    char path[200];
    size_t n;
    snprintf(path, sizeof path, FIXTURES "%s/tokenizer.json", (const char *)*state);
    file_add(&files, path, "tokenizer.json");
    struct tokenizer *t = opened(&files);
    snprintf(path, sizeof path, FIXTURES "%s/cases.json", (const char *)*state);
    unsigned char *p = scratch_read(path, &n);
    assert_int_equal(json_parse(&cases, (char *)p, n, path, &fault), ST_OK);
    assert_true(json_count(json_root(cases)) > 30);
    for (const struct json *c = json_first(json_root(cases)); c; c = json_next(c))
        case_check(t, c);
    json_close(&cases);
    free(p);
    tokenizer_close(&t);
}

/* ---- llama.cpp's vectors ---------------------------------------------------------------------- */

/* The inputs stand each before a mark, each answer is a line of ids. */
static void vectors_check(const struct tokenizer *t, const char *name)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char path[200];
    size_t in_n, out_n;
    snprintf(path, sizeof path, VECTORS "%s.gguf.inp", name);
    char *in = (char *)scratch_read(path, &in_n);
    snprintf(path, sizeof path, VECTORS "%s.gguf.out", name);
    char *out = (char *)scratch_read(path, &out_n), *line = out;
    in[in_n] = out[out_n] = '\0';
    int cases = 0;
    for (char *s = in; s && *line; cases++) {
        char *end = strstr(s, mark), *line_end = strchr(line, '\n');
        struct ids ids = {0};
        size_t n = end ? (size_t)(end - s) : strlen(s), i = 0;
        assert_non_null(line_end);
        assert_int_equal(tokenizer_encode(t, &ids, s, n, 0, &fault), ST_OK);
        for (char *p = line; p < line_end && strspn(p, " ") < (size_t)(line_end - p); i++) {
            long want = strtol(p, &p, 10);
            if (i >= ids.n || ids.p[i] != want)
                fail_msg("%s, case %d: id %zu is not %ld", name, cases, i, want);
        }
        assert_int_equal(ids.n, i);
        ids_free(&ids);
        line = line_end + 1;
        s = end ? end + strlen(mark) : NULL;
    }
    assert_true(cases > 40);
    free(in);
    free(out);
}

static void folder_add(struct blobs *files, const char *folder, const char *const *names)
{
    char path[200];
    for (; *names; names++) {
        snprintf(path, sizeof path, SHARED "%s/%s", folder, *names);
        file_add(files, path, *names);
    }
}

static void folder_check(const char *folder, const char *const *names, const char *vectors)
{
    struct blobs files = {0};
    if (!file_there(SHARED "gpt2/config.json"))
        skip();
    folder_add(&files, folder, names);
    struct tokenizer *t = opened(&files);
    vectors_check(t, vectors);
    tokenizer_close(&t);
}

static void test_vectors_gpt2(void **state)
{
    (void)state;
    folder_check("gpt2", (const char *const[]){"tokenizer.json", "config.json", NULL}, "gpt-2");
    folder_check("gpt2", (const char *const[]){"vocab.json", "merges.txt", "config.json", NULL},
                 "gpt-2");
}

static void test_vectors_qwen2(void **state)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json", NULL};
    (void)state;
    folder_check("qwen2", names, "qwen2");
    folder_check("qwen2", names, "deepseek-r1-qwen");
}

static void test_vectors_llama2(void **state)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", NULL};
    (void)state;
    folder_check("llama2", names, "llama-spm");
    folder_check("phi-3-mini", names, "phi-3");
}

/* A tokenizer.json around the vocabulary and merges of tiktoken's file. */
static void test_vectors_llama3(void **state)
{
    struct text json = {0};
    size_t vocab_n, merges_n;
    (void)state;
    if (!file_there(SHARED "llama3/encoder.json"))
        skip();
    char *vocab = (char *)scratch_read(SHARED "llama3/encoder.json", &vocab_n);
    char *merges = (char *)scratch_read(SHARED "llama3/vocab.bpe", &merges_n);
    static const char head[] =
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
        "\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"
        "\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|"
        "\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]},"
        "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,\"vocab\":";
    assert_int_equal(text_adds(&json, head, &fault), ST_OK);
    assert_int_equal(text_add(&json, vocab, vocab_n, &fault), ST_OK);
    assert_int_equal(text_adds(&json, ",\"merges\":[\"", &fault), ST_OK);
    for (size_t i = 0; i < merges_n; i++) {
        bool escape = merges[i] == '"' || merges[i] == '\\', line = merges[i] == '\n';
        const char *more = line && i + 1 == merges_n ? "" : line ? "\",\"" : escape ? "\\" : "";
        assert_int_equal(text_adds(&json, more, &fault), ST_OK);
        if (!line)
            assert_int_equal(text_add(&json, merges + i, 1, &fault), ST_OK);
    }
    assert_int_equal(text_adds(&json, "\"]}}", &fault), ST_OK);
    struct tokenizer *t = opened_json(json.p);
    vectors_check(t, "llama-bpe");
    tokenizer_close(&t);
    text_free(&json);
    free(vocab);
    free(merges);
}

#define STYLE(name)                                          \
    {                                                        \
        "test_style/" name, test_style, NULL, NULL, (char[]) \
        {                                                    \
            name                                             \
        }                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        STYLE("gpt2"),
        STYLE("llama3"),
        STYLE("qwen"),
        STYLE("smollm2"),
        STYLE("tekken"),
        STYLE("o200k"),
        STYLE("cl100k"),
        STYLE("deepseek"),
        STYLE("deepseek_llm"),
        STYLE("falcon"),
        STYLE("llama2"),
        STYLE("metaspace"),
        STYLE("metaspace_unk"),
        STYLE("gemma"),
        STYLE("added"),
        cmocka_unit_test(test_vectors_gpt2),
        cmocka_unit_test(test_vectors_qwen2),
        cmocka_unit_test(test_vectors_llama2),
        cmocka_unit_test(test_vectors_llama3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
