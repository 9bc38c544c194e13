#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "data/safetensors.h"
#include "tests/data/scratch.h"
#include "tests/data/short_memory.h"

/* Writes a file with this header and `data` zero bytes behind it; length 0 means the true one. */
static const char *raw(const char *header, size_t data, uint64_t length)
{
    static unsigned char bytes[4096];
    size_t n = strlen(header);
    const char *path = scratch_path("raw.safetensors");
    if (length == 0)
        length = n;
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> 8 * i);
    memcpy(bytes + 8, header, n);
    memset(bytes + 8 + n, 0, data);
    scratch_write(path, bytes, 8 + n + data);
    return path;
}

static void assert_opens(const char *path)
{
    struct fault f = {0};
    struct safetensors *st = NULL;
    if (safetensors_open(&st, path, &f) != ST_OK)
        fail_msg("%s", f.text);
    safetensors_close(&st);
    assert_null(st);
}

static void assert_refused(const char *path, enum status want, const char *part)
{
    struct fault f = {0};
    struct safetensors *st = NULL;
    enum status got = safetensors_open(&st, path, &f);
    if (got != want || !strstr(f.text, part))
        fail_msg("status %d: %s (wanted: %s)", got, f.text, part);
    assert_null(st);
    assert_true(strncmp(f.text, "/tmp", 4) == 0 || strstr(f.text, "/tmp"));
}

static const struct {
    const char *header;
    size_t data;
    const char *says;
} hostile[] = {
    {"[]", 0, "no JSON header"},
    {" {}", 0, "no JSON header"},
    {"{", 0, "not valid JSON"},
    {"{} x", 0, "not valid JSON"},
    {"{}", 1, "bytes follow the last tensor"},
    {"{\"a\":1}", 0, "tensor a has no dtype"},
    {"{\"a\":{\"dtype\":\"F32\"}}", 0, "tensor a has no shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no valid data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.5]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, "past the end"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9007199254740991]}}", 4,
     "past the end"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "do not fit"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "not a size"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "not a size"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "too large"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740991,2049],\"data_offsets\":[0,4]}}", 4,
     "too large"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
     "8 dimensions"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
     6, "tensor b overlaps"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
     4, "overlaps"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
     5, "tensor b follows a hole"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
     4, "stands twice"},
    {"{\"__metadata__\":1}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "not a string"},
};

static void test_hostile_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        assert_refused(raw(hostile[i].header, hostile[i].data, 0), ST_FORMAT, hostile[i].says);
    assert_refused(raw("{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, 0),
                   ST_UNSUPPORTED, "unknown dtype F4");
    assert_refused(raw("{}", 0, 3), ST_FORMAT, "longer than the file");
    assert_refused(raw("{}", 0, UINT64_MAX), ST_FORMAT, "longer than the file");
    scratch_write(scratch_path("short"), "1234567", 7);
    assert_refused(scratch_path("short"), ST_FORMAT, "shorter than eight");
    assert_refused(scratch_path("none"), ST_ABSENT, "none");
    assert_refused(scratch_folder, ST_ABSENT, "no model.safetensors");
    assert_opens(raw("{}", 0, 0));
    assert_opens(raw("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                     "\"z\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[4,4]}}   ",
                     4, 0));
}

static void test_header_above_100_mb(void **state)
{
    (void)state;
    const char *path = scratch_path("big");
    unsigned char head[9] = {0, 0, 0, 6, 0, 0, 0, 0, '{'};
    scratch_write(path, head, sizeof head);
    assert_int_equal(truncate(path, 0x6000000 + 100), 0);
    assert_refused(path, ST_FORMAT, "longer than 100 MB");
}

struct sample {
    struct tensor t;
    unsigned char bytes[64];
};

static size_t make_samples(struct sample *s)
{
    static const struct tensor shapes[] = {
        {.name = "c.u8", .dtype = DT_U8, .ndim = 1, .shape = {3}},
        {.name = "a.weight", .dtype = DT_F32, .ndim = 2, .shape = {2, 3}},
        {.name = "b.scalar", .dtype = DT_F64, .ndim = 0},
        {.name = "d.empty", .dtype = DT_BF16, .ndim = 2, .shape = {0, 5}},
        {.name = "e.half", .dtype = DT_F16, .ndim = 3, .shape = {1, 5, 1}},
        {.name = "\xc3\xa9 \"quoted\"", .dtype = DT_BF16, .ndim = 1, .shape = {1}},
        {.name = "f8", .dtype = DT_F8E4M3, .ndim = 1, .shape = {7}},
    };
    struct fault f = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        s[i].t = shapes[i];
        assert_int_equal(tensor_measure(&s[i].t, "t", &f), ST_OK);
        for (size_t k = 0; k < sizeof s[i].bytes; k++)
            s[i].bytes[k] = (unsigned char)(37 * i + 11 * k + 1);
    }
    return sizeof shapes / sizeof *shapes;
}

static enum status write_samples(const char *path, size_t shard_bytes, struct fault *f)
{
    struct sample s[16];
    size_t n = make_samples(s);
    struct safetensors_out *w = NULL;
    enum status st = safetensors_create(&w, path, shard_bytes, f);
    for (size_t i = 0; i < n && st == ST_OK; i++)
        st = safetensors_declare(w, &s[i].t, f);
    for (const struct tensor *t; st == ST_OK && (t = safetensors_next(w)) != NULL;) {
        size_t i = 0;
        while (strcmp(s[i].t.name, t->name) != 0)
            i++;
        size_t half = t->bytes / 2;
        if (half > 0)
            st = safetensors_write(w, s[i].bytes, half, f);
        if (st == ST_OK)
            st = safetensors_write(w, s[i].bytes + half, t->bytes - half, f);
    }
    if (st == ST_OK)
        st = safetensors_commit(w, f);
    safetensors_out_close(&w);
    return st;
}

static void assert_samples(const char *path)
{
    struct sample s[16];
    size_t n = make_samples(s);
    struct fault f = {0};
    struct safetensors *st = NULL;
    if (safetensors_open(&st, path, &f) != ST_OK)
        fail_msg("%s", f.text);
    assert_int_equal(safetensors_count(st), n);
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = safetensors_find(st, s[i].t.name);
        assert_non_null(t);
        assert_int_equal(t->dtype, s[i].t.dtype);
        assert_int_equal(t->ndim, s[i].t.ndim);
        assert_memory_equal(t->shape, s[i].t.shape, sizeof t->shape);
        assert_memory_equal(safetensors_data(st, t), s[i].bytes, t->bytes);
        assert_true((uintptr_t)safetensors_data(st, t) % dtype_size(t->dtype) == 0);
        safetensors_release(st, t);
        if (i > 0)
            assert_true(
                strcmp(safetensors_tensor(st, i - 1)->name, safetensors_tensor(st, i)->name) < 0);
    }
    assert_null(safetensors_find(st, "a"));
    safetensors_close(&st);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct fault f = {0};
    const char *path = scratch_path("model.safetensors");
    assert_int_equal(write_samples(path, 0, &f), ST_OK);
    assert_samples(path);
    assert_samples(scratch_folder);
    assert_int_equal(scratch_count(), 1);
    size_t n;
    unsigned char *p = scratch_read(path, &n);
    assert_int_equal((p[0] | p[1] << 8) % 8, 0);
    static const char metadata[] = "\"__metadata__\": {\"format\": \"pt\"}";
    assert_non_null(memmem(p, n, metadata, sizeof metadata - 1));
    free(p);
    struct safetensors_out *w = NULL;
    assert_int_equal(safetensors_create(&w, path, 0, &f), ST_OK);
    assert_int_equal(safetensors_commit(w, &f), ST_OK);
    safetensors_out_close(&w);
    assert_opens(path);
}

static void test_shards(void **state)
{
    (void)state;
    struct fault f = {0};
    const char *path = scratch_path("model.safetensors");
    assert_int_equal(write_samples(path, 1000, &f), ST_OK);
    assert_samples(path);
    assert_int_equal(scratch_count(), 1);
    remove(path);
    assert_int_equal(write_samples(path, 20, &f), ST_OK);
    assert_int_equal(scratch_count(), 5);
    assert_samples(scratch_folder);
    assert_samples(scratch_path("model.safetensors.index.json"));
    assert_int_equal(remove(scratch_path("model-00002-of-00004.safetensors")), 0);
    assert_refused(scratch_folder, ST_ABSENT, "names the shard model-00002-of-00004.safetensors");
}

static void test_bad_indexes(void **state)
{
    (void)state;
    struct fault f = {0};
    static const struct {
        const char *text;
        enum status code;
        const char *says;
    } cases[] = {
        {"{}", ST_FORMAT, "weight_map"},
        {"{\"weight_map\":{\"a.weight\":1}}", ST_FORMAT, "a.weight is not a string"},
        {"{\"weight_map\":{\"a.weight\":\"../x\"}}", ST_FORMAT, "not a file in"},
        {"{\"weight_map\":{\"a.weight\":\"/etc/x\"}}", ST_FORMAT, "not a file in"},
        {"{\"weight_map\":{\"a.weight\":\"..\"}}", ST_FORMAT, "not a file in"},
        {"{\"weight_map\":{\"a.weight\":\"w/../../x\"}}", ST_FORMAT, "not a file in"},
        {"{\"weight_map\":{\"a.weight\":\"./\"}}", ST_FORMAT, "not a file in"},
        {"{\"weight_map\":{\"a.weight\":\"\"}}", ST_FORMAT, "not a file in"},
        {"{\"weight_map\":{\"a.weight\":\"no.safetensors\"}}", ST_ABSENT, "no.safetensors"},
        {"{\"weight_map\":{\"zz\":\"s.safetensors\"}}", ST_FORMAT, "zz is not in the shard s"},
        {"{\"weight_map\":{\"a.weight\":\"s.safetensors\",\"f8\":\"t.safetensors\"}}", ST_FORMAT,
         "stands in two shards"},
        {"[", ST_FORMAT, "not valid JSON"},
    };
    assert_int_equal(write_samples(scratch_path("s.safetensors"), 0, &f), ST_OK);
    assert_int_equal(write_samples(scratch_path("t.safetensors"), 0, &f), ST_OK);
    const char *index = scratch_path("model.safetensors.index.json");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_write(index, cases[i].text, strlen(cases[i].text));
        assert_refused(scratch_folder, cases[i].code, cases[i].says);
    }
}

static void test_writer_misused(void **state)
{
    (void)state;
    struct fault f = {0};
    struct sample s[16];
    make_samples(s);
    struct safetensors_out *w = NULL;
    assert_int_equal(safetensors_create(&w, scratch_path("m.safetensors"), 0, &f), ST_OK);
    assert_int_equal(safetensors_declare(w, &s[0].t, &f), ST_OK);
    assert_int_equal(safetensors_declare(w, &s[1].t, &f), ST_OK);
    assert_int_equal(safetensors_declare(w, &s[0].t, &f), ST_FORMAT);
    assert_int_equal(safetensors_write(w, s[0].bytes, 60, &f), ST_USAGE);
    assert_string_equal(safetensors_next(w)->name, "a.weight");
    assert_int_equal(safetensors_write(w, s[1].bytes, 24, &f), ST_OK);
    assert_int_equal(safetensors_declare(w, &s[2].t, &f), ST_USAGE);
    assert_int_equal(safetensors_commit(w, &f), ST_USAGE);
    assert_int_equal(scratch_count(), 1);
    safetensors_out_close(&w);
    safetensors_out_close(&w);
    assert_int_equal(scratch_count(), 0);
}

static void test_no_room(void **state)
{
    (void)state;
    struct fault f = {0};
    struct rlimit old, small = {.rlim_cur = 400};
    assert_int_equal(write_samples("/dev/full", 0, &f), ST_IO);
    assert_non_null(strstr(f.text, "/dev/full"));
    assert_int_not_equal(write_samples(scratch_path("no/m.safetensors"), 0, &f), ST_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    enum status one = write_samples(scratch_path("m.safetensors"), 0, &f);
    small.rlim_cur = 300; /* the shards fit, the index does not */
    setrlimit(RLIMIT_FSIZE, &small);
    enum status many = write_samples(scratch_path("m.safetensors"), 20, &f);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(one, ST_IO);
    assert_int_equal(many, ST_IO);
    assert_int_equal(scratch_count(), 0);
}

static void test_short_of_memory(void **state)
{
    (void)state;
    struct fault f = {0};
    bool reached = true;
    if (!short_memory_works)
        skip();
    for (long n = 1; reached; n++) {
        short_memory_after(n);
        enum status s = write_samples(scratch_path("m.safetensors"), 20, &f);
        reached = short_memory_end();
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
        assert_int_equal(scratch_count(), reached ? 0 : 5);
    }
    const char *path = scratch_path("m.safetensors.index.json");
    reached = true;
    for (long n = 1; reached; n++) {
        struct safetensors *st = NULL;
        short_memory_after(n);
        enum status s = safetensors_open(&st, path, &f);
        reached = short_memory_end();
        if (reached && s == ST_OK) /* qsort does without */
            s = ST_NOMEM;
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
        safetensors_close(&st);
    }
}

static void test_real_files(void **state)
{
    (void)state;
    static const char *const names[] = {
        "vectors/safetensors/fixtures.safetensors",
        "vectors/safetensors/safetensors_fixtures.safetensors",
        "vectors/safetensors/tensor-1d-int32.safetensors",
        "vectors/safetensors/tensor-2d-float64.safetensors",
        "vectors/safetensors/tensor-3d-float32.safetensors",
        "vectors/safetensors/tensor-4d-float32.safetensors",
        "vectors/safetensors/vandermonde.safetensors",
        "weights/stories260K-hf/model.safetensors",
    };
    if (access("../shared/data/vectors/safetensors", R_OK) != 0)
        skip();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "../shared/data/%s", names[i]);
        struct fault f = {0};
        struct safetensors *st = NULL;
        if (safetensors_open(&st, path, &f) != ST_OK)
            fail_msg("%s", f.text);
        assert_true(safetensors_count(st) > 0);
        safetensors_close(&st);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_hostile_headers), T(test_header_above_100_mb), T(test_round_trip),
        T(test_shards),          T(test_bad_indexes),         T(test_writer_misused),
        T(test_no_room),         T(test_short_of_memory),     T(test_real_files),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
