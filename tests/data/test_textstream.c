/* A text in windows gives the tokens of the text as a whole, whatever its tokenizer and wherever the
 * windows fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/textstream.h"
#include "tests/data/scratch.h"

#define FIXTURES "tests/fixtures/tokenizer/"
static const char *const names[] = {"added",         "deepseek", "gemma",   "gpt2",
                                    "llama2",        "llama3",   "o200k",   "metaspace",
                                    "metaspace_unk", "qwen",     "smollm2", "tekken"};
enum { NAMES = sizeof names / sizeof *names };

static struct fault fault;

static struct tokenizer *open_fixture(const char *name)
{
    char path[128];
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    size_t n;
    snprintf(path, sizeof path, FIXTURES "%s/tokenizer.json", name);
    unsigned char *bytes = scratch_read(path, &n);
    assert_int_equal(blobs_add(&files, "tokenizer.json", bytes, n, &fault), ST_OK);
    free(bytes);
    if (tokenizer_open(&t, &files, &fault) != ST_OK)
        fail_msg("%s: %s", name, fault.text);
    blobs_free(&files);
    return t;
}

static uint64_t seed;

static size_t draw(size_t n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (size_t)(seed >> 33) % n;
}

/* Text of everything that tokenizers mind: words, digits, runs of spaces, line ends, planes of
 * Unicode, marks that combine, and special tokens inside words. */
static void write_text(struct text *to, size_t bytes, uint64_t from)
{
    static const char *const parts[] = {
        "the",  " lamp",   "'ll",    " 1984",  "  ",    "\n",         "\n\n", "\t",
        " \n ", "e\u0301", "日本語", "漢字。", "ру",    "\U0001F600", "...",  " -- ",
        "<s>",  "</s>",    "<|end",  "▁",      "ﬁ",     "한국",       " a",   "Zürich",
        "0",    "\r\n",    "((",     "_x_=1;", "=====", "don't "};
    seed = from;
    while (to->n < bytes) {
        const char *part = parts[draw(sizeof parts / sizeof *parts)];
        for (size_t times = draw(40) == 0 ? draw(200) : 1; times > 0; times--)
            assert_int_equal(text_adds(to, part, &fault), ST_OK);
    }
}

/* How many pieces it came in. */
static int stream(struct ids *ids, const struct tokenizer *t, const struct text *text,
                  size_t window)
{
    struct lines *l = NULL;
    struct textstream *s = NULL;
    bool more = true;
    int pieces = 0;
    ids->n = 0;
    assert_int_equal(lines_open_memory(&l, "a.txt", text->p, text->n, &fault), ST_OK);
    assert_int_equal(textstream_open(&s, l, t, "a.txt", window, &fault), ST_OK);
    while (more) {
        size_t before = ids->n;
        if (textstream_next(s, ids, &more, &fault) != ST_OK)
            fail_msg("%s", fault.text);
        pieces += ids->n > before + 1; /* one may be BOS */
    }
    textstream_close(&s);
    lines_close(&l);
    return pieces;
}

static void assert_same(const char *name, const struct text *text, size_t window, int pieces)
{
    struct tokenizer *t = open_fixture(name);
    struct ids ids = {0}, want = {0};
    assert_int_equal(tokenizer_encode(t, &want, text->p, text->n, TOKENIZER_ADD_SPECIAL, &fault),
                     ST_OK);
    int got = stream(&ids, t, text, window);
    if (got < pieces)
        fail_msg("%s: %d pieces, not %d", name, got, pieces);
    for (size_t i = 0; i < want.n && i < ids.n; i++)
        if (ids.p[i] != want.p[i])
            fail_msg("%s, windows of %zu: token %zu is %d, not %d", name, window, i, ids.p[i],
                     want.p[i]);
    assert_int_equal(ids.n, want.n);
    ids_free(&ids);
    ids_free(&want);
    tokenizer_close(&t);
}

static void windows_give_the_tokens_of_the_whole(void **state)
{
    struct text text = {0};
    (void)state;
    write_text(&text, 300000, 1);
    for (size_t i = 0; i < NAMES; i++) {
        assert_same(names[i], &text, 1 << 14, 10);
        assert_same(names[i], &text, (1 << 16) + 13, 3);
    }
    text_free(&text);
}

/* Wherever a window ends in a character, and in a text that is no longer than one window. */
static void windows_end_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        struct text text = {0};
        assert_int_equal(text_add(&text, "abc", (size_t)shift, &fault), ST_OK);
        for (int i = 0; i < 12000; i++)
            assert_int_equal(text_adds(&text, i % 3 ? "本。" : "\U0001F600", &fault), ST_OK);
        assert_same("llama3", &text, 1 << 14, 3);
        assert_same("gemma", &text, 1 << 14, 3);
        text_free(&text);
    }
    for (size_t i = 0; i < NAMES; i++) {
        assert_same(names[i], &(struct text){.p = (char[]){"A lamp\n 12"}, .n = 10}, 0, 1);
        assert_same(names[i], &(struct text){.p = (char[]){""}, .n = 0}, 0, 0);
    }
}

/* Where windows agree nowhere they grow: what one letter's tokens are depends on where they
 * begin. */
static void a_run_without_an_end_is_one_window(void **state)
{
    struct text text = {0};
    (void)state;
    write_text(&text, 50000, 2);
    for (int i = 0; i < 70001; i++)
        assert_int_equal(text_adds(&text, "a", &fault), ST_OK);
    write_text(&text, 200000, 3);
    for (size_t i = 0; i < NAMES; i++)
        assert_same(names[i], &text, 1 << 14, 5);
    text_free(&text);
}

/* Short texts with the words of those before them. */
static void words_may_be_remembered(void **state)
{
    struct text text = {0};
    (void)state;
    write_text(&text, 100000, 5);
    for (size_t i = 0; i < NAMES; i++) {
        struct tokenizer *t = open_fixture(names[i]);
        struct tokenizer_memory *m = NULL;
        struct ids want = {0}, got = {0}, want_ends = {0}, got_ends = {0};
        assert_int_equal(tokenizer_memory_open(&m, t, &fault), ST_OK);
        for (size_t at = 0, n; at < text.n; at += n + 1) {
            const char *end = memchr(text.p + at, '\n', text.n - at);
            n = end ? (size_t)(end - text.p) - at : text.n - at;
            unsigned flags = n % 3 ? TOKENIZER_ADD_SPECIAL : 0;
            want.n = got.n = want_ends.n = got_ends.n = 0;
            assert_int_equal(
                tokenizer_encode_ends(t, &want, &want_ends, text.p + at, n, flags, &fault), ST_OK);
            assert_int_equal(
                tokenizer_encode_again(t, m, &got, &got_ends, text.p + at, n, flags, &fault),
                ST_OK);
            assert_int_equal(got.n, want.n);
            assert_int_equal(got_ends.n, want.n);
            if (want.n > 0) {
                assert_memory_equal(got.p, want.p, want.n * sizeof *want.p);
                assert_memory_equal(got_ends.p, want_ends.p, want.n * sizeof *want.p);
            }
        }
        ids_free(&want);
        ids_free(&got);
        ids_free(&want_ends);
        ids_free(&got_ends);
        tokenizer_memory_close(&m);
        tokenizer_close(&t);
    }
    text_free(&text);
}

static void what_is_not_utf8_is_refused(void **state)
{
    struct tokenizer *t = open_fixture("gpt2");
    struct text text = {0};
    struct lines *l = NULL;
    struct textstream *s = NULL;
    struct ids ids = {0};
    enum status st = ST_OK;
    bool more = true;
    (void)state;
    write_text(&text, 100000, 4);
    text.p[77777] = '\xFF';
    assert_int_equal(lines_open_memory(&l, "a.txt", text.p, text.n, &fault), ST_OK);
    assert_int_equal(textstream_open(&s, l, t, "a.txt", 1 << 14, &fault), ST_OK);
    while (more && st == ST_OK)
        st = textstream_next(s, &ids, &more, &fault);
    assert_int_equal(st, ST_FORMAT);
    assert_non_null(strstr(fault.text, "a.txt is not a text in UTF-8: see its byte 7777"));
    assert_true(fault.remedy[0] != '\0');
    textstream_close(&s);
    lines_close(&l);
    ids_free(&ids);
    text_free(&text);
    tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_give_the_tokens_of_the_whole),
        cmocka_unit_test(windows_end_between_characters),
        cmocka_unit_test(a_run_without_an_end_is_one_window),
        cmocka_unit_test(words_may_be_remembered),
        cmocka_unit_test(what_is_not_utf8_is_refused),
    };
    return cmocka_run_group_tests_name("textstream", tests, NULL, NULL);
}
