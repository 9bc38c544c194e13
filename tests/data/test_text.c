#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "data/text.h"
#include "tests/data/short_memory.h"

static void test_appending(void **state)
{
    (void)state;
    struct text t = {0};
    struct fault f = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(text_addf(&t, &f, "%d,", i % 10), ST_OK);
    assert_int_equal(t.n, 2000);
    assert_int_equal(strlen(t.p), 2000);
    assert_memory_equal(t.p + 1990, "5,6,7,8,9,", 10);
    assert_int_equal(text_add(&t, "\0x", 2, &f), ST_OK);
    assert_int_equal(t.n, 2002);
    assert_int_equal(t.p[t.n], 0);
    text_free(&t);
    assert_null(t.p);
    assert_int_equal(text_add(&t, NULL, 0, &f), ST_OK);
    assert_string_equal(t.p, "");
    text_free(&t);

    char big[2000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(text_addf(&t, &f, "<%s>", big), ST_OK);
    assert_int_equal(t.n, sizeof big + 1);
    assert_int_equal(t.p[t.n - 1], '>');
    text_free(&t);
    assert_int_equal(text_add(&t, big, SIZE_MAX, &f), ST_NOMEM);
    assert_null(t.p);
}

static void test_ids(void **state)
{
    (void)state;
    struct ids a = {0};
    struct fault f = {0};
    for (int32_t i = 0; i < 1000; i++)
        assert_int_equal(ids_add(&a, -i, &f), ST_OK);
    int32_t more[3] = {7, 8, 9};
    assert_int_equal(ids_adds(&a, more, 3, &f), ST_OK);
    assert_int_equal(a.n, 1003);
    assert_int_equal(a.p[999], -999);
    assert_int_equal(a.p[1002], 9);
    ids_free(&a);
    assert_null(a.p);
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(text_ends("a.json", ".json") && text_ends(".json", ".json") && text_ends("a", ""));
    assert_false(text_ends("json", ".json") || text_ends("a.json.gz", ".json") ||
                 text_ends("", "a"));
    int sum = 0;
    for (int c = -128; c < 128; c++)
        sum += text_hex_digit((char)c) + 1;
    assert_int_equal(sum, 10 * 11 / 2 + 2 * (11 + 12 + 13 + 14 + 15 + 16));
    assert_int_equal(text_hex_digit('0'), 0);
    assert_int_equal(text_hex_digit('f'), 15);
    assert_int_equal(text_hex_digit('A'), 10);
}

/* Every code point there and back; every surrogate and what lies above refused. */
static void test_utf8_all(void **state)
{
    (void)state;
    struct fault f = {0};
    for (uint32_t c = 0; c < 0x110400; c++) {
        struct text t = {0};
        size_t i = 0;
        if (c % 7 != 0 && c > 0x11000 && c < 0x10ff00)
            continue;
        assert_int_equal(text_addc(&t, c, &f), ST_OK);
        bool good = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
        uint32_t got = utf8_next(t.p, t.n, &i);
        assert_int_equal(got, good ? c : 0xFFFFFFFFu);
        assert_int_equal(i, good ? t.n : 1);
        assert_int_equal(utf8_valid(t.p, t.n, NULL), good);
        if (t.n > 1) {
            i = 0;
            assert_int_equal(utf8_next(t.p, t.n - 1, &i), 0xFFFFFFFFu);
            assert_int_equal(i, 1);
        }
        text_free(&t);
    }
}

static void test_utf8_bad(void **state)
{
    (void)state;
    static const char *const texts[] = {"\x80",
                                        "\xbf",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xe0\x80\x80",
                                        "\xe0\x9f\xbf",
                                        "\xf5\x80\x80\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xff",
                                        "\xfe",
                                        "\xc3(",
                                        "\xe2\x82("};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        size_t i = 0, bad = 99;
        char s[16] = "ok";
        strncat(s, texts[k], 8);
        assert_int_equal(utf8_next(texts[k], strlen(texts[k]), &i), 0xFFFFFFFFu);
        assert_int_equal(i, 1);
        assert_int_equal(utf8_valid(s, strlen(s), &bad), 0);
        assert_int_equal(bad, 2);
    }
}

static void test_blobs(void **state)
{
    (void)state;
    struct blobs b = {0};
    struct fault f = {0};
    assert_int_equal(blobs_add(&b, "a", "x\0y", 3, &f), ST_OK);
    assert_int_equal(blobs_add(&b, "empty", NULL, 0, &f), ST_OK);
    assert_int_equal(blobs_find(&b, "a")->size, 3);
    assert_memory_equal(blobs_find(&b, "a")->data, "x\0y", 4);
    assert_int_equal(blobs_find(&b, "empty")->size, 0);
    assert_null(blobs_find(&b, "A"));
    blobs_free(&b);
    assert_null(blobs_find(&b, "a"));
}

static enum status all_at_once(struct text *t, struct ids *a, struct blobs *b, struct fault *f)
{
    char big[600];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    if (text_adds(t, "x", f) != ST_OK || text_addf(t, f, "%s", big) != ST_OK)
        return f->code;
    if (text_addc(t, 0x20AC, f) != ST_OK || ids_add(a, 1, f) != ST_OK)
        return f->code;
    return blobs_add(b, "name", "data", 4, f);
}

static void test_short_of_memory(void **state)
{
    (void)state;
    bool reached = true;
    if (!short_memory_works)
        skip();
    for (long n = 1; reached; n++) {
        struct text t = {0};
        struct ids a = {0};
        struct blobs b = {0};
        struct fault f = {0};
        short_memory_after(n);
        enum status s = all_at_once(&t, &a, &b, &f);
        reached = short_memory_end();
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
        assert_true(!t.p || strlen(t.p) == t.n);
        assert_true(b.n == (reached ? 0 : 1));
        assert_true(n > 5 || reached);
        text_free(&t);
        ids_free(&a);
        blobs_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appending),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_utf8_all),
        cmocka_unit_test(test_utf8_bad),
        cmocka_unit_test(test_blobs),
        cmocka_unit_test(test_short_of_memory),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
