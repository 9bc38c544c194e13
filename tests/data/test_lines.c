/* Lines and array elements out of plain and gzip'd files, whatever the pieces they are read in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <zlib.h>

#include "data/crc32c.h"
#include "data/lines.h"
#include "tests/data/scratch.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

/* All lines as "NUMBER:LINE|". */
static void assert_lines(const char *name, const void *bytes, size_t n, const char *want)
{
    struct fault f = {0};
    scratch_write(scratch_path(name), bytes, n);
    for (int memory = 0; memory < 2; memory++) {
        struct lines *l = NULL;
        struct line at;
        struct text got = {0};
        enum status s = memory ? lines_open_memory(&l, name, bytes, n, &f)
                               : lines_open(&l, scratch_path(name), &f);
        while (s == ST_OK && (s = lines_next(l, &at, &f)) == ST_OK && at.p)
            assert_int_equal(text_addf(&got, &f, "%d:%.*s|", at.number, (int)at.n, at.p), ST_OK);
        if (s != ST_OK)
            fail_msg("%s", f.text);
        assert_int_equal(lines_next(l, &at, &f), ST_OK);
        assert_null(at.p); /* and stays at the end */
        assert_string_equal(got.p ? got.p : "", want);
        assert_int_equal(lines_crc(l), crc32c(0, bytes, n));
        lines_close(&l);
        text_free(&got);
    }
}

static void assert_bad(const char *name, const void *bytes, size_t n, enum status code,
                       const char *needle)
{
    struct fault f = {0};
    struct lines *l = NULL;
    struct line at = {"", 0, 0};
    enum status s = lines_open_memory(&l, name, bytes, n, &f);
    while (s == ST_OK && at.p)
        s = lines_next(l, &at, &f);
    lines_close(&l);
    assert_int_equal(s, code);
    if (!strstr(f.text, needle))
        fail_msg("\"%s\" does not say \"%s\"", f.text, needle);
    assert_true(f.remedy[0] != '\0');
}

/* Appends bytes as one gzip member. */
static size_t zip(unsigned char *to, size_t cap, const void *bytes, size_t n)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = to;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    n = cap - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void lines_are_cut_at_newlines(void **state)
{
    (void)state;
    assert_lines("a.jsonl", "", 0, "");
    assert_lines("a.jsonl", "\n", 1, "1:|");
    assert_lines("a.jsonl", "ab\n\ncd", 6, "1:ab|2:|3:cd|");
    assert_lines("a.jsonl", "ab\r\ncd\n", 7, "1:ab\r|2:cd|");
    assert_lines("a.jsonl", "\xEF\xBB\xBFx\n", 5, "1:x|");
    assert_lines("a.jsonl", "[1,\n2]", 6, "1:[1,|2:2]|"); /* arrays are for .json */
}

static void long_lines_come_whole(void **state)
{
    enum { LONG = 300000 };
    char *bytes = malloc(2 * LONG + 2), *want = malloc(2 * LONG + 16);
    (void)state;
    assert_true(bytes && want);
    memset(bytes, 'a', LONG);
    bytes[LONG] = '\n';
    memset(bytes + LONG + 1, 'b', LONG);
    snprintf(want, 2 * LONG + 16, "1:%.*s|2:%.*s|", LONG, bytes, LONG, bytes + LONG + 1);
    assert_lines("a.jsonl", bytes, 2 * LONG + 1, want);
    unsigned char *zipped = malloc(1 << 20);
    assert_non_null(zipped);
    assert_lines("a.jsonl", zipped, zip(zipped, 1 << 20, bytes, 2 * LONG + 1), want);
    free(zipped);
    free(bytes);
    free(want);
}

static void an_array_gives_its_elements(void **state)
{
    (void)state;
    const char *a = "\n [{\"a\": \"],\\\"{\"},\n\n  {\"b\":[1,\n2]} ]\n ";
    assert_lines("a.json", a, strlen(a), "2:{\"a\": \"],\\\"{\"}|4:{\"b\":[1,\n2]} |");
    assert_lines("a.json", "[]", 2, "");
    assert_lines("a.json", "{\"a\":1}\n{\"a\":2}", 15, "1:{\"a\":1}|2:{\"a\":2}|");
    assert_bad("a.json", "[{},", 4, ST_FORMAT, "does not end");
    assert_bad("a.json", "[{}", 3, ST_FORMAT, "does not end");
    assert_bad("a.json", "[{}] {}", 7, ST_FORMAT, "not the whole file");
    assert_bad("a.json", "[{},\n,{}]", 9, ST_FORMAT,
               "line 2: the array of rows has an empty element");
    assert_bad("a.json", "[{}, ]", 6, ST_FORMAT, "empty element");
    assert_bad("a.json", "[,{}]", 5, ST_FORMAT, "empty element");
    assert_bad("a.json", "[\"a]", 4, ST_FORMAT, "does not end");
}

static void gzip_is_read_as_what_it_holds(void **state)
{
    unsigned char z[512];
    (void)state;
    size_t n = zip(z, sizeof z, "ab\nc", 4);
    assert_lines("a.jsonl.gz", z, n, "1:ab|2:c|");
    assert_lines("a.jsonl", z, n, "1:ab|2:c|"); /* whatever its name */
    n += zip(z + n, sizeof z - n, "d\ne", 3);   /* several members are one text */
    assert_lines("a.jsonl.gz", z, n, "1:ab|2:cd|3:e|");
    assert_bad("a.jsonl.gz", z, n - 1, ST_FORMAT, "ends too early");
    assert_bad("a.jsonl.gz", z, 12, ST_FORMAT, "ends too early");
    z[n] = 'x';
    assert_bad("a.jsonl.gz", z, n + 1, ST_FORMAT, "not a whole gzip file");
    z[n - 6] ^= 1; /* the checksum */
    assert_bad("a.jsonl.gz", z, n, ST_FORMAT, "not a whole gzip file");
    assert_bad("a.jsonl.gz", "{}", 2, ST_FORMAT, "does not begin as one");
    n = zip(z, sizeof z, "[{},\n{}]", 8);
    assert_lines("a.json.gz", z, n, "1:{}|2:{}|");
}

/* 80 MB of zeros in 80 kB: one line, and a thousand times its file. */
static void a_bomb_is_refused(void **state)
{
    enum { SIZE = 80 << 20 };
    unsigned char *zeros = calloc(1, SIZE), *z = malloc(1 << 20);
    (void)state;
    assert_true(zeros && z);
    size_t n = zip(z, 1 << 20, zeros, SIZE);
    assert_bad("a.jsonl.gz", z, n, ST_RANGE, "expands to more than 200 times");
    free(zeros);
    free(z);
}

static void what_is_no_file_is_refused(void **state)
{
    struct fault f = {0};
    struct lines *l = NULL;
    (void)state;
    assert_int_equal(lines_open(&l, scratch_path("absent"), &f), ST_ABSENT);
    assert_int_equal(lines_open(&l, scratch_folder, &f), ST_IO);
    assert_null(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_cut_at_newlines),   TEST(long_lines_come_whole),
        TEST(an_array_gives_its_elements), TEST(gzip_is_read_as_what_it_holds),
        TEST(a_bomb_is_refused),           TEST(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
