#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/json.h"
#include "data/tokenizer.h"
#include "tests/data/scratch.h"
#include "tests/data/short_memory.h"

#define FIXTURES "tests/fixtures/tokenizer/"
#define SHARED   "../shared/data/tokenizers/"
#define VECTORS  "../shared/data/vectors/llama.cpp/ggml-vocab-"

static struct fault fault;

/* ---- helpers ---------------------------------------------------------------------------------- */

static bool file_there(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in)
        fclose(in);
    return in != NULL;
}

/* Adds path's bytes under a name. */
static void file_add(struct blobs *files, const char *path, const char *name)
{
    size_t n;
    unsigned char *p = scratch_read(path, &n);
    assert_int_equal(blobs_add(files, name, p, n, &fault), ST_OK);
    free(p);
}

static void text_as(struct blobs *files, const char *name, const char *text)
{
    assert_int_equal(blobs_add(files, name, text, strlen(text), &fault), ST_OK);
}

static struct tokenizer *opened(struct blobs *files)
{
    struct tokenizer *t = NULL;
    if (tokenizer_open(&t, files, &fault) != ST_OK)
        fail_msg("%s", fault.text);
    blobs_free(files);
    return t;
}

static struct tokenizer *opened_json(const char *json)
{
    struct blobs files = {0};
    text_as(&files, "tokenizer.json", json);
    return opened(&files);
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

/* Encodes to a printable list. */
static const char *encoded(const struct tokenizer *t, const char *s, unsigned flags)
{
    static char out[400];
    struct ids ids = {0};
    size_t at = 0;
    out[0] = '\0';
    assert_int_equal(tokenizer_encode(t, &ids, s, strlen(s), flags, &fault), ST_OK);
    for (size_t i = 0; i < ids.n && at < sizeof out - 12; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%d", i ? " " : "", (int)ids.p[i]);
    ids_free(&ids);
    return out;
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

/* ---- roles and pieces ------------------------------------------------------------------------- */

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<e>\":3,\"\xC4\xA0\":4},\"merges\":[\"a b\"]"
#define MODEL "\"model\":{\"type\":\"BPE\"," VOCAB "}"
#define ADDED(id, content)                                                                \
    "{\"id\":" #id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false," \
    "\"rstrip\":false,\"normalized\":false,\"special\":true}"

static void test_roles(void **state)
{
    struct blobs files = {0};
    (void)state;
    text_as(&files, "tokenizer.json",
            "{\"added_tokens\":[" ADDED(
                5, "<s>") "]," MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\","
                          "\"single\":[{\"SpecialToken\":"
                          "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":"
                          "0}}],\"pair\":"
                          "[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[5],\"tokens\":["
                          "\"<s>\"]}}}}");
    text_as(&files, "tokenizer_config.json",
            "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"<e>\"},\"pad_token\":\"[PAD]\"}");
    text_as(&files, "config.json", "{\"eos_token_id\":[1,0],\"pad_token_id\":0}");
    struct tokenizer *t = opened(&files);
    assert_int_equal(tokenizer_bos(t), 5);
    assert_int_equal(tokenizer_eos(t), 3);
    assert_int_equal(tokenizer_pad(t), -1);
    assert_true(tokenizer_adds_bos(t));
    assert_int_equal(tokenizer_size(t), 6);
    assert_int_equal(tokenizer_id(t, "ab"), 2);
    assert_int_equal(tokenizer_id(t, "abc"), -1);
    assert_string_equal(tokenizer_piece(t, 5), "<s>");
    assert_null(tokenizer_piece(t, 6));
    assert_null(tokenizer_piece(t, -1));
    assert_true(tokenizer_is_special(t, 5) && tokenizer_is_special(t, 3));
    assert_false(tokenizer_is_special(t, 2) || tokenizer_is_special(t, 99));
    assert_string_equal(encoded(t, "ab<e>a", TOKENIZER_ADD_SPECIAL), "5 2 3 0");
    assert_string_equal(encoded(t, "ab<e>a", TOKENIZER_NO_ADDED), "2 0");
    tokenizer_close(&t);
}

static void test_roles_from_config(void **state)
{
    struct blobs files = {0};
    (void)state;
    text_as(&files, "tokenizer.json", "{" MODEL "}");
    text_as(&files, "config.json", "{\"eos_token_id\":[1,0],\"bos_token_id\":77}");
    struct tokenizer *t = opened(&files);
    assert_int_equal(tokenizer_eos(t), 1);
    assert_int_equal(tokenizer_bos(t), -1);
    assert_false(tokenizer_adds_bos(t));
    tokenizer_close(&t);
}

static void test_vocab_files(void **state)
{
    struct blobs files = {0};
    (void)state;
    text_as(&files, "vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"1\":3,\"\xC4\xA0\":4,\"11\":5}");
    text_as(&files, "merges.txt", "#version: 0.2\na b\r\n1 1\n");
    text_as(
        &files, "tokenizer_config.json",
        "{\"tokenizer_class\":\"GPT2TokenizerFast\",\"add_bos_token\":true,\"bos_token\":\"<y>\","
        "\"added_tokens_decoder\":{\"7\":{\"content\":\"<y>\",\"special\":true},"
        "\"6\":{\"content\":\"<x>\",\"lstrip\":true}}}");
    struct tokenizer *t = opened(&files);
    assert_string_equal(encoded(t, "ab 11 <x><y>", TOKENIZER_ADD_SPECIAL), "7 2 4 5 6 7");
    assert_true(tokenizer_adds_bos(t));
    tokenizer_close(&t);
}

/* A text of unknown form must give an error with the offset, and leave the ids alone. */
static void test_not_utf8(void **state)
{
    struct ids ids = {0};
    (void)state;
    struct tokenizer *t = opened_json("{" MODEL "}");
    assert_int_equal(ids_add(&ids, 42, &fault), ST_OK);
    assert_int_equal(tokenizer_encode(t, &ids, "ab\xFF", 3, 0, &fault), ST_FORMAT);
    assert_non_null(strstr(fault.text, "byte 2"));
    assert_int_equal(ids.n, 1);
    ids_free(&ids);
    tokenizer_close(&t);
}

/* Half of a character decodes to U+FFFD, once for each longest start of a valid sequence. */
static void test_decode_halves(void **state)
{
    static const int32_t ids[] = {0, 1, 2, 0, 1, 3, 99, -5};
    struct text out = {0};
    (void)state;
    /* the bytes F0, 9F, 41 and FF as the byte-level alphabet writes them */
    struct tokenizer *t = opened_json(
        "{\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true},"
        "\"model\":{\"vocab\":{\"\xC3\xB0\":0,\"\xC5\x81\":1,\"A\":2,\"\xC3\xBF\":3},"
        "\"merges\":[]}}");
    assert_int_equal(tokenizer_decode(t, &out, ids, 8, false, &fault), ST_OK);
    assert_string_equal(out.p, "\xEF\xBF\xBD"
                               "A"
                               "\xEF\xBF\xBD\xEF\xBF\xBD");
    text_free(&out);
    tokenizer_close(&t);
}

/* ---- bad input -------------------------------------------------------------------------------- */

struct bad {
    const char *json;
    enum status code;
    const char *says;
};

static const struct bad bads[] = {
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}", ST_FORMAT, "tokenizer.json"},
    {"[]", ST_FORMAT, "not an object"},
    {"{}", ST_FORMAT, "model is not an object"},
    {"{\"version\":\"2.0\"," MODEL "}", ST_UNSUPPORTED, "version \"2.0\""},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", ST_UNSUPPORTED, "Unigram"},
    {"{\"model\":{\"vocab\":[\"a\"],\"merges\":[]}}", ST_FORMAT, "vocabulary is not an object"},
    {"{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":0.5},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":2147483646},\"merges\":[]}}", ST_RANGE, "2147483646"},
    {"{\"model\":{\"vocab\":{\"a\":9007199254740991},\"merges\":[]}}", ST_FORMAT, "token a"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}}", ST_FORMAT, "same id 1"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":2},\"merges\":[\"a b\"]}}", ST_FORMAT, "ab"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":2},\"merges\":[\"a c\"]}}", ST_FORMAT, "names c"},
    {"{\"model\":{\"vocab\":{\"a\":1},\"merges\":[\"a b c\"]}}", ST_FORMAT, "merge 0"},
    {"{\"model\":{\"vocab\":{\"a\":1},\"merges\":[[\"a\"]]}}", ST_FORMAT, "merge 0"},
    {"{\"model\":{\"vocab\":{\"a\":1},\"merges\":[7]}}", ST_FORMAT, "merge 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1}}}", ST_FORMAT, "merges"},
    {"{\"model\":{\"dropout\":0.1," VOCAB "}}", ST_UNSUPPORTED, "dropout"},
    {"{\"model\":{\"end_of_word_suffix\":\"</w>\"," VOCAB "}}", ST_UNSUPPORTED, "</w>"},
    {"{\"model\":{\"byte_fallback\":1," VOCAB "}}", ST_FORMAT, "byte_fallback"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"}," MODEL "}", ST_UNSUPPORTED, "Lowercase"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},\"content\":\"\"}," MODEL
     "}",
     ST_UNSUPPORTED, "regex  +"},
    {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":3}," MODEL "}", ST_FORMAT, "Sequence"},
    {"{\"normalizer\":{\"type\":7}," MODEL "}", ST_FORMAT, "no type"},
    {"{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," MODEL "}", ST_UNSUPPORTED, "BertPre"},
    {"{\"pre_tokenizer\":{\"type\":\"Digits\"}," MODEL "}", ST_FORMAT, "individual_digits"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+\"},\"behavior\":"
     "\"Isolated\",\"invert\":false}," MODEL "}",
     ST_UNSUPPORTED, "\\w+"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a*\"},\"behavior\":"
     "\"Isolated\",\"invert\":false}," MODEL "}",
     ST_UNSUPPORTED, "matching nothing"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":"
     "\"Isolated\",\"invert\":false}," MODEL "}",
     ST_UNSUPPORTED, "empty pattern"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":"
     "\"Odd\",\"invert\":false}," MODEL "}",
     ST_UNSUPPORTED, "Odd"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false}"
     "," MODEL "}",
     ST_FORMAT, "contradict"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}," MODEL "}", ST_FORMAT,
     "one character"},
    {"{\"post_processor\":{\"type\":\"BertProcessing\"}," MODEL "}", ST_UNSUPPORTED, "BertProc"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
     "\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{}}," MODEL "}",
     ST_FORMAT, "\"x\""},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
     "\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"x\":{\"ids\":[88]}}}," MODEL "}",
     ST_FORMAT, "id 88"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\"}"
     "}"
     "],\"special_tokens\":{}}," MODEL "}",
     ST_UNSUPPORTED, "single"},
    {"{\"decoder\":{\"type\":\"CTC\"}," MODEL "}", ST_UNSUPPORTED, "CTC"},
    {"{\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}," MODEL "}",
     ST_FORMAT, "start"},
    {"{\"added_tokens\":{}," MODEL "}", ST_FORMAT, "added_tokens"},
    {"{\"added_tokens\":[7]," MODEL "}", ST_FORMAT, "id"},
    {"{\"added_tokens\":[" ADDED(99, "<s>") "]," MODEL "}", ST_FORMAT, "<s>"},
    {"{\"added_tokens\":[" ADDED(1, "a") "]," MODEL "}", ST_FORMAT, "token a"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct blobs files = {0};
        struct tokenizer *t = NULL;
        struct fault f = {0};
        text_as(&files, "tokenizer.json", bads[i].json);
        enum status st = tokenizer_open(&t, &files, &f);
        /* json.h calls a number out of range ST_RANGE. */
        if ((st != bads[i].code && !(st == ST_RANGE && bads[i].code == ST_FORMAT)) ||
            !strstr(f.text, bads[i].says) || !strstr(f.text, "tokenizer.json") || !f.remedy[0])
            fail_msg("%s\ngives: %s %s", bads[i].json, status_text(st), f.text);
        assert_null(t);
        blobs_free(&files);
    }
}

static void test_absent(void **state)
{
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    (void)state;
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_ABSENT);
    text_as(&files, "vocab.json", "{\"a\":0}");
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_ABSENT);
    text_as(&files, "merges.txt", "");
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_UNSUPPORTED);
    text_as(&files, "tokenizer_config.json", "{\"tokenizer_class\":\"BloomTokenizerFast\"}");
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_UNSUPPORTED);
    assert_non_null(strstr(fault.text, "BloomTokenizerFast"));
    assert_non_null(strstr(fault.remedy, "tokenizer.json"));
    blobs_free(&files);
}

/* Sequences as deep as JSON goes must not end the stack. */
static void test_deep(void **state)
{
    struct text json = {0};
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    (void)state;
    assert_int_equal(text_adds(&json, "{" MODEL ",\"normalizer\":", &fault), ST_OK);
    for (int i = 0; i < 5000; i++)
        text_adds(&json, "{\"type\":\"Sequence\",\"normalizers\":[", &fault);
    text_as(&files, "tokenizer.json", json.p);
    assert_int_not_equal(tokenizer_open(&t, &files, &fault), ST_OK);
    blobs_free(&files);
    text_free(&json);
}

/* ---- size and time ---------------------------------------------------------------------------- */

static double seconds(const struct tokenizer *t, const char *s, size_t n, enum status want)
{
    struct ids ids = {0};
    clock_t start = clock();
    assert_int_equal(tokenizer_encode(t, &ids, s, n, 0, &fault), want);
    ids_free(&ids);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* A megabyte that is one word, all marks, or all spaces takes no more than linear time or so. */
static void test_long(void **state)
{
    static const char *const styles[] = {"llama2", "qwen", "gemma", "added", "deepseek"};
    static const char *const units[] = {"st", "\xCC\x81\xCC\xA3", " ", "\n", "\xE1\x84\x80", "1"};
    enum { SIZE = 1 << 20 };
    char *s = malloc(SIZE), path[200];
    (void)state;
    assert_non_null(s);
    for (size_t k = 0; k < sizeof styles / sizeof styles[0]; k++) {
        struct blobs files = {0};
        snprintf(path, sizeof path, FIXTURES "%s/tokenizer.json", styles[k]);
        file_add(&files, path, "tokenizer.json");
        struct tokenizer *t = opened(&files);
        for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
            size_t n = strlen(units[u]);
            for (size_t i = 0; i < SIZE / n; i++)
                memcpy(s + i * n, units[u], n);
            double took = seconds(t, s, SIZE / n * n, ST_OK);
            if (took > 20)
                fail_msg("%s, \"%s\": %.1f s", styles[k], units[u], took);
        }
        tokenizer_close(&t);
    }
    free(s);
}

/* A pattern that backtracks without end is stopped. */
static void test_hostile_pattern(void **state)
{
    char s[4001];
    (void)state;
    struct tokenizer *t =
        opened_json("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:a+a+)+b\"},"
                    "\"behavior\":\"Isolated\",\"invert\":false}," MODEL "}");
    memset(s, 'a', sizeof s);
    assert_true(seconds(t, s, sizeof s, ST_RANGE) < 20);
    assert_non_null(strstr(fault.text, "steps"));
    tokenizer_close(&t);
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* Whatever allocation fails, opening and encoding say so and leak nothing (under valgrind). */
static void test_memory(void **state)
{
    struct blobs files = {0};
    (void)state;
    if (!short_memory_works)
        skip();
    file_add(&files, FIXTURES "qwen/tokenizer.json", "tokenizer.json");
    bool reached = true;
    for (long n = 1; reached; n += 1 + n / 7) {
        struct tokenizer *t = NULL;
        struct ids ids = {0};
        struct text out = {0};
        struct fault f = {0};
        short_memory_after(n);
        enum status st = tokenizer_open(&t, &files, &f);
        if (st == ST_OK)
            st = tokenizer_encode(t, &ids, "e\xCC\x81 stka <think>", 13, 0, &f);
        if (st == ST_OK)
            st = tokenizer_decode(t, &out, ids.p, ids.n, false, &f);
        reached = short_memory_end();
        assert_true(st == (reached ? ST_NOMEM : ST_OK));
        tokenizer_close(&t);
        ids_free(&ids);
        text_free(&out);
    }
    blobs_free(&files);
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
        STYLE("deepseek"),
        STYLE("llama2"),
        STYLE("metaspace"),
        STYLE("metaspace_unk"),
        STYLE("gemma"),
        STYLE("added"),
        cmocka_unit_test(test_vectors_gpt2),
        cmocka_unit_test(test_vectors_qwen2),
        cmocka_unit_test(test_vectors_llama2),
        cmocka_unit_test(test_vectors_llama3),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_roles_from_config),
        cmocka_unit_test(test_vocab_files),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_decode_halves),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_hostile_pattern),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
