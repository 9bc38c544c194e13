#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/data/base_sample.h"

static void count_progress(void *arg, size_t done, size_t total)
{
    size_t *last = arg;
    assert_true(done >= *last && done <= total);
    *last = done;
}

static void assert_sample(const struct base *b, const struct sample *s)
{
    struct fault f = {0};
    const struct tensor *t = base_find(b, s->name);
    unsigned char part[7];
    uint32_t crc = 0;
    assert_non_null(t);
    assert_int_equal(t->dtype, s->t.dtype);
    assert_int_equal(t->ndim, s->t.ndim);
    for (int d = 0; d < t->ndim; d++)
        assert_int_equal(t->shape[d], s->t.shape[d]);
    assert_int_equal(t->bytes, s->t.bytes);
    assert_memory_equal(base_data(b, t), s->bytes, t->bytes);
    assert_true(t->bytes == 0 || (uintptr_t)base_data(b, t) % 4096 == 0);
    base_release(b, t);
    for (size_t at = 0; at < t->bytes; at += sizeof part) {
        size_t n = t->bytes - at < sizeof part ? t->bytes - at : sizeof part;
        assert_int_equal(base_read(b, t, at, part, n, &crc, &f), ST_OK);
        assert_memory_equal(part, s->bytes + at, n);
    }
    assert_int_equal(base_read(b, t, t->bytes, part, 1, NULL, &f), ST_RANGE);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct fault f = {0};
    struct base *b = NULL;
    const char *path = scratch_path("m.h5");
    assert_written(path);
    assert_int_equal(scratch_count(), 1);
    if (base_open(&b, path, &f) != ST_OK)
        fail_msg("%s", f.text);
    assert_int_equal(base_count(b), SAMPLES);
    for (int i = 0; i < SAMPLES; i++)
        assert_sample(b, &samples[i]);
    for (size_t i = 1; i < base_count(b); i++)
        assert_true(strcmp(base_tensor(b, i - 1)->name, base_tensor(b, i)->name) < 0);
    assert_null(base_find(b, "model"));
    assert_string_equal(base_family(b), "llama");
    assert_string_equal(base_source(b), "Org/Name-\xc3\xa9");
    assert_string_equal(base_path(b), path);
    assert_true(strlen(base_created_by(b)) > 0);
    assert_int_equal(base_files(b)->n, 3);
    assert_int_equal(blobs_find(base_files(b), "additional_chat_templates/tool_use.jinja")->size,
                     7);
    assert_string_equal((const char *)blobs_find(base_files(b), "config.json")->data,
                        "{\"a\": 1}\n");
    assert_int_equal(blobs_find(base_files(b), "empty")->size, 0);
    size_t last = 0;
    assert_int_equal(base_check_all(b, count_progress, &last, &f), ST_OK);
    assert_true(last > 0);
    base_close(&b);
    assert_null(b);
    base_close(&b);
}

static void test_equal_bytes_and_identity(void **state)
{
    (void)state;
    struct fault f = {0};
    size_t n, m;
    assert_written(scratch_path("a.h5"));
    assert_written(scratch_path("b.h5"));
    unsigned char *a = scratch_read(scratch_path("a.h5"), &n);
    unsigned char *b = scratch_read(scratch_path("b.h5"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
    samples[1].bytes[0] ^= 1;
    assert_written(scratch_path("b.h5"));
    struct base *x = NULL, *y = NULL;
    assert_int_equal(base_open(&x, scratch_path("a.h5"), &f), ST_OK);
    assert_int_equal(base_open(&y, scratch_path("b.h5"), &f), ST_OK);
    assert_int_not_equal(base_identity(x), base_identity(y));
    base_close(&x);
    base_close(&y);
}

/* The library's own reader sees numbers, bf16 included: no private encoding. */
static void test_hdf5_tools_can_read(void **state)
{
    (void)state;
    const char *path = scratch_path("m.h5");
    const uint16_t half[3] = {0x3F80, 0xC000, 0x7F80}; /* 1, -2, infinity */
    struct tensor t = {.name = "x", .dtype = DT_BF16, .ndim = 1, .shape = {3}};
    struct base_out *w = NULL;
    struct fault f = {0};
    float got[3];
    assert_int_equal(base_create(&w, path, "llama", "s", &f), ST_OK);
    assert_int_equal(base_add_tensor(w, &t, half, &f), ST_OK);
    assert_int_equal(base_commit(w, &f), ST_OK);
    base_out_close(&w);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "/weights/x", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, got) >= 0);
    assert_true(got[0] == 1.0f && got[1] == -2.0f && got[2] > 1e38f);
    H5Dclose(set);
    H5Fclose(file);
}

static void test_writer_misused(void **state)
{
    (void)state;
    static const char *const names[] = {"", ".", "a/b", "\xff"};
    struct fault f = {0};
    struct base_out *w = NULL;
    const char *path = scratch_path("w.h5");
    assert_int_equal(base_create(&w, path, "llama", "s", &f), ST_OK);
    for (size_t i = 0; i < 4; i++) {
        struct tensor t = samples[0].t;
        t.name = names[i];
        assert_int_equal(base_begin(w, &t, &f), ST_FORMAT);
    }
    assert_int_equal(base_add_tensor(w, &samples[0].t, samples[0].bytes, &f), ST_OK);
    assert_int_equal(base_begin(w, &samples[0].t, &f), ST_FORMAT);
    assert_int_equal(base_append(w, "x", 1, &f), ST_USAGE);
    assert_int_equal(base_begin(w, &samples[1].t, &f), ST_OK);
    assert_int_equal(base_append(w, samples[1].bytes, 1, &f), ST_OK);
    assert_int_equal(base_begin(w, &samples[2].t, &f), ST_USAGE);
    assert_int_equal(base_commit(w, &f), ST_USAGE);
    base_out_close(&w);
    base_out_close(&w);
    assert_int_equal(scratch_count(), 0);
}

static void test_places_that_refuse(void **state)
{
    (void)state;
    struct fault f = {0};
    assert_int_equal(write_base(scratch_path("no/m.h5"), &f), ST_ABSENT);
    assert_int_equal(write_base("/dev/full", &f), ST_IO);
    assert_int_equal(write_base(scratch_folder, &f), ST_IO);
    assert_int_not_equal(write_base("/proc/wick.h5", &f), ST_OK);
    assert_non_null(strstr(f.text, "/proc/wick.h5"));
}

/* A disk that is full at every possible moment; the old file survives, nothing partial stays, and
 * the next write works. */
static void test_full_disk(void **state)
{
    (void)state;
    struct fault f = {0};
    struct rlimit old, small;
    const char *path = scratch_path("m.h5");
    size_t n, failed = 0;
    assert_written(path);
    unsigned char *p = scratch_read(path, &n);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    for (size_t room = 0; room < n; room += 1 + n / 20) {
        small.rlim_cur = room;
        setrlimit(RLIMIT_FSIZE, &small);
        enum status s = write_base(path, &f);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(s, ST_IO);
        assert_non_null(strstr(f.text, path));
        assert_int_equal(scratch_count(), 1);
        size_t m;
        unsigned char *q = scratch_read(path, &m);
        assert_true(m == n && memcmp(p, q, n) == 0);
        free(q);
        failed++;
    }
    assert_true(failed > 10);
    assert_written(path);
    free(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_samples, drop_samples)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),     T(test_equal_bytes_and_identity), T(test_hdf5_tools_can_read),
        T(test_writer_misused), T(test_places_that_refuse),       T(test_full_disk),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
