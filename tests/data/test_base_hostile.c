#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <hdf5.h>

#include "tests/data/base_sample.h"
#include "tests/data/short_memory.h"

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

/* Names are places where merge writes. */
static void test_file_names(void **state)
{
    static const char *const names[] = {"additional_chat_templates:.jinja",
                                        "additional_chat_templates:..jinja",
                                        "additional_chat_templates:x"};
    static const char *const refused[] = {"../x", "additional_chat_templates/../x.jinja",
                                          "additional_chat_templates/x", "folder/x.jinja"};
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct base_out *w = NULL;
        struct base *b = NULL;
        assert_int_equal(base_create(&w, scratch_path("m.h5"), "llama", "s", &f), ST_OK);
        assert_int_equal(base_add_file(w, names[i], "x", 1, &f), ST_OK);
        assert_int_equal(base_commit(w, &f), ST_OK);
        base_out_close(&w);
        assert_int_equal(base_open(&b, scratch_path("m.h5"), &f), ST_FORMAT);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct base_out *w = NULL;
        assert_int_equal(base_create(&w, scratch_path("m.h5"), "llama", "s", &f), ST_OK);
        assert_int_equal(base_add_file(w, refused[i], "x", 1, &f), ST_FORMAT);
        base_out_close(&w);
    }
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
        T(test_not_a_base), T(test_spoilt),         T(test_wrong_version), T(test_file_names),
        T(test_truncated),  T(test_damaged_tensor), T(test_mutated),       T(test_short_of_memory),
    };
    return cmocka_run_group_tests_name("base_hostile", tests, NULL, NULL);
}
