/* More data than memory: tokens in a temporary file, plain text in windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <zlib.h>

#include "tests/data/dataset_sample.h"

static void tokens_beyond_the_limit_go_to_a_file(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct text content = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    for (int i = 0; i < 300; i++)
        text_addf(&content, &f, "{\"text\":\"%.*s%d\"}\n", i % 31,
                  "abcdefghijklmnopqrstuvwxyzabcde", i);
    struct dataset *whole = open_text(&s, "t.jsonl", content.p), *d;
    s.o.memory_max = 100;
    s.o.temp_folder = scratch_folder;
    int files = scratch_count();
    d = open_text(&s, "t.jsonl", content.p);
    assert_int_equal(scratch_count(), files); /* it has no name */
    assert_int_equal(dataset_rows(d), 300);
    for (size_t i = 0; i < 300; i++) {
        struct row a = dataset_row(whole, i), b = dataset_row(d, i);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.ids, b.ids, (size_t)a.n * sizeof *a.ids);
        assert_memory_equal(a.target, b.target, (size_t)a.n);
    }
    dataset_close(&d);
    s.o.temp_folder = scratch_path("nowhere");
    assert_int_equal(dataset_open(&d, scratch_path("t.jsonl"), &s.o, &f), ST_ABSENT);
    dataset_close(&whole);
    text_free(&content);
    tear_down(&s);
}

/* The descriptor of the temporary file, which has no name. */
static int tokens_file(void)
{
    char path[64], to[256];
    for (int fd = 3; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, to, sizeof to - 1);
        to[n > 0 ? n : 0] = '\0';
        if (strstr(to, "wick-tokens-"))
            return fd;
    }
    return -1;
}

/* A disk that loses what was written: the windows that need it are refused, and nothing is read
 * where nothing is. */
static void tokens_that_are_lost_are_a_fault(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct sampler *sampler = NULL;
    struct window w = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    s.o.memory_max = 4;
    s.o.temp_folder = scratch_folder;
    struct dataset *d = open_text(&s, "t.jsonl", "{\"text\":\"abcd\"}\n{\"text\":\"efgh\"}\n");
    struct sampler_options o = {.batch = 1, .accumulate = 1, .epochs = 1, .seq_max = 64};
    assert_int_equal(sampler_new(&sampler, d, &o, &f), ST_OK);
    assert_int_equal(ftruncate(tokens_file(), 30), 0);
    assert_int_equal(sampler_next(sampler, &w, &f), ST_OK);
    assert_true(w.targets == 4);
    assert_int_equal(sampler_next(sampler, &w, &f), ST_IO);
    assert_non_null(strstr(f.text, "temporary file"));
    assert_int_equal(dataset_row(d, 1).ids[2], 0);
    assert_int_equal(dataset_check(d, &f), ST_IO);
    window_free(&w);
    sampler_free(&sampler);
    dataset_close(&d);
    tear_down(&s);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* Lets private memory grow by so many bytes alone. */
static struct rlimit limit_memory(size_t more)
{
    struct rlimit old, low;
    long used = 0;
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmData: %ld", &used);
    if (status)
        fclose(status);
    assert_true(used > 0);
    getrlimit(RLIMIT_DATA, &old);
    low = old;
    low.rlim_cur = (rlim_t)used * 1024 + more;
    assert_int_equal(setrlimit(RLIMIT_DATA, &low), 0);
    return old;
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SKIP_LIMITS skip() /* limits on memory mean nothing there */
#else
#define SKIP_LIMITS (void)0
#endif

/* 24 MiB of tokens from a file of 5 MB, where private memory may grow by 16 MiB. */
static void rows_may_be_larger_than_memory(void **state)
{
    struct setup s = {0};
    struct fault f = {0};
    struct dataset *d = NULL;
    (void)state;
    SKIP_LIMITS;
    make_tokenizer(&s, NULL);
    FILE *out = fopen(scratch_path("big.jsonl"), "w");
    assert_non_null(out);
    for (int i = 0; i < 5000; i++)
        fprintf(out, "{\"text\":\"%01000d\"}\n", i);
    assert_int_equal(fclose(out), 0);
    s.o.seq_max = 2000;
    struct rlimit old = limit_memory(16 << 20);
    enum status in_memory = dataset_open(&d, scratch_path("big.jsonl"), &s.o, &f);
    dataset_close(&d);
    s.o.memory_max = 1 << 20;
    enum status in_file = dataset_open(&d, scratch_path("big.jsonl"), &s.o, &f);
    setrlimit(RLIMIT_DATA, &old);
    assert_int_equal(in_memory, ST_NOMEM);
    assert_int_equal(in_file, ST_OK);
    assert_int_equal(dataset_rows(d), 5000);
    assert_true(dataset_row(d, 4999).ids[999] == '9');
    dataset_close(&d);
    tear_down(&s);
}

/* A text of 40 MB where private memory may grow by 32 MiB, as it is and gzip'd: 200 MB of
 * tokens. */
static void texts_may_be_larger_than_memory(void **state)
{
    enum { LINES = 400000 };
    struct setup s = {0};
    struct fault f = {0};
    struct dataset *plain = NULL, *zipped = NULL;
    (void)state;
    SKIP_LIMITS;
    make_tokenizer(&s, NULL);
    FILE *out = fopen(scratch_path("big.txt"), "w");
    gzFile gz = gzopen(scratch_path("big.txt.gz"), "wb1");
    assert_true(out && gz);
    for (int i = 0; i < LINES; i++) {
        fprintf(out, "%08d%090d\n", i, i);
        assert_int_equal(gzprintf(gz, "%08d%090d\n", i, i), 99);
    }
    assert_int_equal(fclose(out) | gzclose(gz), 0);
    s.o.seq_max = 990; /* ten lines */
    s.o.memory_max = 1 << 20;
    struct rlimit old = limit_memory(32 << 20);
    enum status one = dataset_open(&plain, scratch_path("big.txt"), &s.o, &f);
    enum status two =
        one == ST_OK ? dataset_open(&zipped, scratch_path("big.txt.gz"), &s.o, &f) : one;
    setrlimit(RLIMIT_DATA, &old);
    if (two != ST_OK)
        fail_msg("%s", f.text);
    struct dataset *both[] = {plain, zipped};
    for (int k = 0; k < 2; k++) {
        assert_int_equal(dataset_rows(both[k]), LINES / 10);
        for (int i = 0; i < LINES / 10; i += 777) {
            char want[16];
            struct row r = dataset_row(both[k], (size_t)i);
            snprintf(want, sizeof want, "%08d", 10 * i);
            for (int c = 0; c < 8; c++)
                assert_int_equal(r.ids[c], want[c]);
            assert_int_equal(r.line, 10 * i + 1);
            assert_int_equal(r.n, 990);
        }
    }
    dataset_close(&plain);
    dataset_close(&zipped);
    tear_down(&s);
}

/* ---- progress -------------------------------------------------------------------------------- */

struct heard {
    int calls;
    uint64_t done, total;
};

static void hear(void *ctx, const char *path, uint64_t done, uint64_t total)
{
    struct heard *h = ctx;
    assert_non_null(strstr(path, "p."));
    assert_true(done > h->done && done <= total);
    *h = (struct heard){h->calls + 1, done, total};
}

static void reading_tells_how_far_it_is(void **state)
{
    struct setup s = {0};
    struct text content = {0};
    struct fault f = {0};
    (void)state;
    make_tokenizer(&s, NULL);
    for (int i = 0; i < 3000; i++)
        text_addf(&content, &f, "{\"text\":\"%01000d\"}\n", i);
    for (int k = 0; k < 2; k++) {
        struct heard h = {0};
        struct dataset_progress p = {hear, &h};
        s.o.progress = &p;
        struct dataset *d = open_text(&s, k ? "p.txt" : "p.jsonl", content.p);
        assert_int_equal(h.calls, 3);
        assert_true(h.done == content.n && h.total == content.n);
        dataset_close(&d);
    }
    text_free(&content);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_beyond_the_limit_go_to_a_file), TEST(tokens_that_are_lost_are_a_fault),
        TEST(rows_may_be_larger_than_memory),       TEST(texts_may_be_larger_than_memory),
        TEST(reading_tells_how_far_it_is),
    };
    return cmocka_run_group_tests_name("dataset_large", tests, NULL, NULL);
}
