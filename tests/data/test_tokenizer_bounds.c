#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "data/tokenizer/vocab.h"
#include "tests/data/short_memory.h"
#include "tests/data/tokenizer_sample.h"

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
    static const char *const styles[] = {"llama2",   "qwen",   "gemma",       "added",
                                         "deepseek", "falcon", "deepseek_llm"};
    static const char *const units[] = {"st", "\xCC\x81\xCC\xA3", " ", "\n", "\xE1\x84\x80", "1"};
    enum { SIZE = 1 << 20 };
    char *s = malloc(SIZE + 1), path[200];
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
            s[SIZE / n * n] = 'x'; /* so that what looks for the end looks in vain */
            double took = seconds(t, s, SIZE / n * n + 1, ST_OK);
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

/* Tokens that take the white space after them, once for each of a megabyte of spaces; cuts and
 * prefixes in turn, of which each makes five bytes of one. */
static void test_hostile_spaces(void **state)
{
    enum { SIZE = 1 << 20 };
    char *s = malloc(SIZE);
    struct text json = {0};
    (void)state;
    assert_non_null(s);
    memset(s, ' ', SIZE);
    struct tokenizer *t = opened_json(
        "{\"added_tokens\":[{\"id\":5,\"content\":\" \",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":true,\"normalized\":false,\"special\":false}]," MODEL "}");
    assert_true(seconds(t, s, SIZE, ST_OK) < 20);
    tokenizer_close(&t);
    assert_int_equal(
        text_adds(&json, "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[", &fault),
        ST_OK);
    for (int i = 0; i < 8; i++)
        text_addf(&json, &fault,
                  "%s{\"type\":\"Split\",\"pattern\":{\"Regex\":\".\"},\"behavior\":\"Isolated\","
                  "\"invert\":false},{\"type\":\"Metaspace\",\"replacement\":\"\xF0\x90\x80%c\"}",
                  i ? "," : "", 0x80 + i);
    text_adds(&json, "]}," MODEL "}", &fault);
    t = opened_json(json.p);
    memset(s, 'a', SIZE);
    assert_true(seconds(t, s, 40000, ST_RANGE) < 20);
    assert_non_null(strstr(fault.text, "steps"));
    tokenizer_close(&t);
    text_free(&json);
    free(s);
}

/* One step of vocab_hash. */
static uint64_t hash_step(uint64_t h, const char *eight)
{
    uint64_t w;
    memcpy(&w, eight, 8);
    h = (h ^ w) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

/* The next piece of 16 letters and signs that has the hash of abcdefghABCDEFGH. */
static void colliding(char piece[17], uint64_t *seed)
{
    static const char first[] = "abcdefghABCDEFGH";
    uint64_t begin = 16 * 0x9E3779B97F4A7C15u, second;
    memcpy(&second, first + 8, 8);
    uint64_t met = hash_step(begin, first) ^ second;
    for (bool good = false; !good;) {
        for (int i = 0; i < 8; i++) {
            *seed = *seed * 6364136223846793005u + 1442695040888963407u;
            piece[i] = (char)('A' + (*seed >> 33) % 58);
        }
        second = hash_step(begin, piece) ^ met;
        memcpy(piece + 8, &second, 8);
        good = true;
        for (int i = 0; i < 16; i++)
            good = good && piece[i] > ' ' && piece[i] < 127 && piece[i] != '"' && piece[i] != '\\';
    }
    piece[16] = '\0';
    assert_true(vocab_hash(piece, 16) == vocab_hash(first, 16));
}

/* Pieces with one hash, so many that each look-up would pass over all of them. */
static void test_hostile_hash(void **state)
{
    struct text json = {0};
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    char piece[17];
    uint64_t seed = 1;
    (void)state;
    text_adds(&json, "{\"model\":{\"merges\":[],\"vocab\":{\"a\":0", &fault);
    for (int i = 1; i < 2000; i++) {
        colliding(piece, &seed);
        assert_int_equal(text_addf(&json, &fault, ",\"%s\":%d", piece, i), ST_OK);
    }
    text_adds(&json, "}}}", &fault);
    text_as(&files, "tokenizer.json", json.p);
    assert_int_equal(tokenizer_open(&t, &files, &fault), ST_RANGE);
    assert_non_null(strstr(fault.text, "tokenizer.json: the vocabulary is made to collide"));
    blobs_free(&files);
    text_free(&json);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_utf8),       cmocka_unit_test(test_decode_halves),
        cmocka_unit_test(test_long),           cmocka_unit_test(test_hostile_pattern),
        cmocka_unit_test(test_hostile_spaces), cmocka_unit_test(test_hostile_hash),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
