#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

#include "data/base.h"
#include "data/file.h"
#include "tests/data/scratch.h"
#include "tests/data/short_memory.h"

/* RLIMIT_FSIZE keeps libhdf5 from ever writing what it holds, so it never lets go of it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

/* One tensor of every dtype, with odd shapes, an empty one and one larger than a page. */
enum { SAMPLES = DT_COUNT + 3 };

struct sample {
    struct tensor t;
    char name[64];
    unsigned char *bytes;
};

static struct sample samples[SAMPLES];

static int make_samples(void **state)
{
    struct fault f = {0};
    for (int i = 0; i < SAMPLES; i++) {
        struct sample *s = &samples[i];
        s->t = (struct tensor){.dtype = i < DT_COUNT ? (enum dtype)i : DT_BF16,
                               .ndim = 1 + i % 3,
                               .shape = {1 + i, 3, 2}};
        if (i == DT_COUNT)
            s->t.ndim = 0;
        if (i == DT_COUNT + 1)
            s->t.shape[0] = 0;
        if (i == DT_COUNT + 2)
            s->t.shape[0] = 5003;
        snprintf(s->name, sizeof s->name, "model.layers.%d.%s.weight", i, dtype_name(s->t.dtype));
        s->t.name = s->name;
        if (tensor_measure(&s->t, "t", &f) != ST_OK)
            return -1;
        s->bytes = malloc(s->t.bytes + 1);
        for (size_t k = 0; k < s->t.bytes; k++)
            s->bytes[k] = (unsigned char)(s->t.dtype == DT_BOOL ? k % 2 : 13 * k + 7 * (size_t)i);
    }
    return scratch_make(state);
}

static int drop_samples(void **state)
{
    for (int i = 0; i < SAMPLES; i++)
        free(samples[i].bytes);
    return scratch_remove(state);
}

static enum status write_base(const char *path, struct fault *f)
{
    struct base_out *w = NULL;
    enum status s = base_create(&w, path, "llama", "Org/Name-\xc3\xa9", f);
    for (int i = 0; i < SAMPLES && s == ST_OK; i++) {
        size_t half = samples[i].t.bytes / 3;
        if (i % 2) {
            s = base_add_tensor(w, &samples[i].t, samples[i].bytes, f);
            continue;
        }
        s = base_begin(w, &samples[i].t, f);
        if (s == ST_OK)
            s = base_append(w, samples[i].bytes, half, f);
        if (s == ST_OK)
            s = base_append(w, samples[i].bytes + half, samples[i].t.bytes - half, f);
    }
    if (s == ST_OK)
        s = base_add_file(w, "config.json", "{\"a\": 1}\n", 9, f);
    if (s == ST_OK)
        s = base_add_file(w, "empty", NULL, 0, f);
    if (s == ST_OK)
        s = base_commit(w, f);
    base_out_close(&w);
    return s;
}

static void assert_written(const char *path)
{
    struct fault f = {0};
    if (write_base(path, &f) != ST_OK)
        fail_msg("%s", f.text);
}

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
    assert_int_equal(base_files(b)->n, 2);
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

static void assert_refused(const char *path, enum status want, const char *says)
{
    struct fault f = {0};
    struct base *b = NULL;
    enum status s = base_open(&b, path, &f);
    if (s != want || !strstr(f.text, says))
        fail_msg("status %d: %s (wanted: %s)", s, f.text, says);
    assert_null(b);
    assert_non_null(strstr(f.text, path));
    assert_true(strlen(f.remedy) > 0);
}

static void test_not_a_base(void **state)
{
    (void)state;
    const char *path = scratch_path("x.h5");
    assert_refused(path, ST_ABSENT, "no such file");
    scratch_write(path, "", 0);
    assert_refused(path, ST_FORMAT, "it is empty");
    scratch_write(path, "not HDF5 at all", 15);
    assert_refused(path, ST_FORMAT, "not an HDF5 file");
    scratch_write(path, "\211HDF\r\n\032\n", 8);
    assert_refused(path, ST_FORMAT, "not a readable base file");
    assert_refused(scratch_folder, ST_IO, "a folder");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    assert_refused(path, ST_FORMAT, "some other HDF5 file");
}

/* A good base file with one object that libhdf5 reads but that cannot be mapped. */
static void spoil(const char *path, int how)
{
    hsize_t dims[1] = {16}, chunk[1] = {4};
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    hid_t type = H5T_IEEE_F32LE, vlen = H5Tvlen_create(H5T_NATIVE_INT), id = -1;
    switch (how) {
    case 0: H5Pset_chunk(plist, 1, chunk); break;
    case 1: H5Pset_layout(plist, H5D_COMPACT); break;
    case 2: H5Pset_external(plist, "/etc/passwd", 0, 64); break;
    case 3: type = H5T_IEEE_F32BE; break;
    case 4: type = vlen; break;
    case 5: H5Lcreate_soft("/weights", file, "/weights/z", H5P_DEFAULT, H5P_DEFAULT); break;
    case 6:
        H5Lcreate_external("/etc/passwd", "/", file, "/weights/z", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 7: H5Lcreate_hard(file, "/", file, "/weights/z", H5P_DEFAULT, H5P_DEFAULT); break;
    case 8: break; /* plain, but without a checksum and without room in the file */
    }
    if (how < 5 || how == 8) {
        id = H5Dcreate2(file, "/weights/z", type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        H5Dclose(id);
    }
    H5Tclose(vlen);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
}

static void test_spoilt(void **state)
{
    (void)state;
    for (int how = 0; how <= 8; how++) {
        const char *path = scratch_path("s.h5");
        assert_written(path);
        spoil(path, how);
        assert_refused(path, ST_FORMAT, "z");
    }
}

static void test_wrong_version(void **state)
{
    (void)state;
    const char *path = scratch_path("v.h5");
    assert_written(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t a = H5Aopen(file, "version", H5P_DEFAULT), type = H5Aget_type(a);
    H5Awrite(a, type, "2");
    H5Tclose(type);
    H5Aclose(a);
    H5Fclose(file);
    assert_refused(path, ST_UNSUPPORTED, "version 2");
}

static void test_truncated(void **state)
{
    (void)state;
    const char *path = scratch_path("t.h5");
    size_t n;
    assert_written(path);
    unsigned char *p = scratch_read(path, &n);
    for (size_t keep = 0; keep < n; keep += 1 + n / 25) {
        struct fault f = {0};
        struct base *b = NULL;
        scratch_write(path, p, keep);
        assert_int_equal(base_open(&b, path, &f), ST_FORMAT);
        assert_non_null(strstr(f.text, path));
    }
    free(p);
}

/* Every byte of data is guarded: the damaged tensor is named. */
static void test_damaged_tensor(void **state)
{
    (void)state;
    struct fault f = {0};
    struct base *b = NULL;
    const char *path = scratch_path("d.h5");
    assert_written(path);
    assert_int_equal(base_open(&b, path, &f), ST_OK);
    const struct tensor *t = base_find(b, samples[DT_COUNT + 2].name);
    uint64_t at = (uint64_t)((const char *)base_data(b, t) -
                             (const char *)base_data(b, base_find(b, samples[DT_COUNT + 1].name)));
    base_close(&b);
    int fd = open(path, O_RDWR);
    unsigned char c;
    assert_int_equal(pread(fd, &c, 1, (off_t)(at + 9999)), 1);
    c ^= 0x10;
    assert_int_equal(pwrite(fd, &c, 1, (off_t)(at + 9999)), 1);
    close(fd);
    assert_int_equal(base_open(&b, path, &f), ST_OK);
    assert_int_equal(base_check_all(b, NULL, NULL, &f), ST_FORMAT);
    assert_non_null(strstr(f.text, samples[DT_COUNT + 2].name));
    assert_int_equal(base_check(b, base_find(b, samples[DT_COUNT + 2].name), &f), ST_FORMAT);
    assert_int_equal(base_check(b, base_find(b, samples[1].name), &f), ST_OK);
    base_close(&b);
}

/* Where p holds something that is not a tensor's data: the metadata, without the gaps. */
static size_t *metadata_of(const struct base *b, const unsigned char *p, size_t n, size_t *count)
{
    size_t *at = malloc(n * sizeof *at);
    unsigned char *data = calloc(n, 1);
    const unsigned char *start = NULL;
    for (size_t i = 0; i < base_count(b); i++)
        if (base_tensor(b, i)->bytes == 0) /* an empty tensor stands at 0 */
            start = base_data(b, base_tensor(b, i));
    for (size_t i = 0; start && i < base_count(b); i++) {
        const struct tensor *t = base_tensor(b, i);
        memset(data + ((const unsigned char *)base_data(b, t) - start), 1, t->bytes);
    }
    *count = 0;
    for (size_t i = 0; i < n; i++)
        if (!data[i] && p[i])
            at[(*count)++] = i;
    free(data);
    return at;
}

/* Whatever byte is changed: refused in one sentence, or the same contents, or a tensor's checksum
 * says so. Never other contents without a word. */
static void test_mutated(void **state)
{
    (void)state;
    const char *path = scratch_path("x.h5");
    size_t n, count, opened = 0, silent = 0;
    struct fault f = {0};
    struct base *b = NULL;
    uint32_t seed = 1;
    assert_written(path);
    unsigned char *p = scratch_read(path, &n);
    assert_int_equal(base_open(&b, path, &f), ST_OK);
    uint32_t identity = base_identity(b);
    size_t *places = metadata_of(b, p, n, &count);
    base_close(&b);
    for (int i = 0; i < 400; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t at = i % 4 ? places[(seed >> 4) % count] : (seed >> 4) % n;
        unsigned char old = p[at];
        p[at] ^= (unsigned char)(i % 3 ? 1 << i % 8 : 0xFF);
        scratch_write(path, p, n);
        p[at] = old;
        if (base_open(&b, path, &f) != ST_OK) {
            assert_non_null(strstr(f.text, path));
            continue;
        }
        opened++;
        if (base_check_all(b, NULL, NULL, &f) == ST_OK && base_identity(b) != identity)
            silent++;
        base_close(&b);
    }
    free(places);
    free(p);
    print_message("%zu of 400 mutations opened, %zu bytes of metadata\n", opened, count);
    assert_int_equal(silent, 0);
    assert_in_range(opened, 1, 250);
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

static void test_short_of_memory(void **state)
{
    (void)state;
    struct fault f = {0};
    bool reached = true;
    const char *path = scratch_path("m.h5");
    if (!short_memory_works)
        skip();
    assert_written(path);
    for (long n = 1; reached; n++) {
        struct base *b = NULL;
        short_memory_after(n);
        enum status s = base_open(&b, path, &f);
        reached = short_memory_end();
        if (s == ST_OK)
            base_close(&b);
        else /* the child, which has the same shortage, can only say that it could not read */
            assert_true(s == ST_NOMEM || s == ST_FORMAT);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_samples, drop_samples)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),
        T(test_equal_bytes_and_identity),
        T(test_hdf5_tools_can_read),
        T(test_not_a_base),
        T(test_spoilt),
        T(test_wrong_version),
        T(test_truncated),
        T(test_damaged_tensor),
        T(test_mutated),
        T(test_writer_misused),
        T(test_places_that_refuse),
        T(test_full_disk),
        T(test_short_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
