#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "data/base.h"
#include "data/checkpoint.h"
#include "tests/data/scratch.h"

/* RLIMIT_FSIZE keeps libhdf5 from ever writing what it holds, so it never lets go of it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static const float params[5] = {1, -2.5f, 1e-40f, 0, 3e38f};
static const int64_t cursor[2] = {INT64_MIN, 1LL << 60};
static const char state_json[] = "{\"step\": 12, \"text\": \"\xe2\x82\xac\"}";

static enum status write_one(const char *path, int step, struct fault *f)
{
    struct checkpoint_out *w = NULL;
    int32_t steps[1] = {step};
    enum status s = checkpoint_create(&w, path, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "adapter", DT_F32, params, 5, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "cursor", DT_I64, cursor, 2, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "step", DT_I32, steps, 1, f);
    if (s == ST_OK)
        s = checkpoint_add(w, "none", DT_U8, NULL, 0, f);
    if (s == ST_OK)
        s = checkpoint_add_text(w, "state", state_json, f);
    if (s == ST_OK)
        s = checkpoint_add_text(w, "empty", "", f);
    if (s == ST_OK)
        s = checkpoint_commit(w, f);
    checkpoint_out_close(&w);
    return s;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct fault f = {0};
    struct checkpoint *c = NULL;
    const char *path = scratch_path("c.h5");
    assert_int_equal(write_one(path, 12, &f), ST_OK);
    assert_int_equal(scratch_count(), 1);
    assert_int_equal(checkpoint_open(&c, path, &f), ST_OK);
    assert_memory_equal(checkpoint_get(c, "adapter", DT_F32, 5), params, sizeof params);
    assert_memory_equal(checkpoint_get(c, "cursor", DT_I64, 2), cursor, sizeof cursor);
    assert_int_equal(*(const int32_t *)checkpoint_get(c, "step", DT_I32, 1), 12);
    assert_null(checkpoint_get(c, "adapter", DT_F32, 4));
    assert_null(checkpoint_get(c, "adapter", DT_I32, 5));
    assert_null(checkpoint_get(c, "state", DT_U8, strlen(state_json)));
    assert_null(checkpoint_get(c, "absent", DT_F32, 5));
    assert_int_equal(checkpoint_size(c, "adapter"), 5);
    assert_int_equal(checkpoint_size(c, "absent"), 0);
    assert_non_null(checkpoint_get(c, "none", DT_U8, 0));
    assert_string_equal(checkpoint_text(c, "state"), state_json);
    assert_string_equal(checkpoint_text(c, "empty"), "");
    assert_null(checkpoint_text(c, "adapter"));
    checkpoint_close(&c);
    checkpoint_close(&c);
    struct base *b = NULL;
    assert_int_equal(base_open(&b, path, &f), ST_FORMAT);
    assert_non_null(strstr(f.text, "some other HDF5 file"));
}

/* Whatever is cut or changed, the file is refused or holds what was written. */
static void test_damaged(void **state)
{
    (void)state;
    struct fault f = {0};
    const char *path = scratch_path("c.h5");
    size_t n, refused = 0;
    assert_int_equal(write_one(path, 12, &f), ST_OK);
    unsigned char *p = scratch_read(path, &n);
    for (size_t keep = 0; keep < n; keep += 1 + n / 20) {
        struct checkpoint *c = NULL;
        scratch_write(path, p, keep);
        assert_int_equal(checkpoint_open(&c, path, &f), ST_FORMAT);
        assert_non_null(strstr(f.text, path));
    }
    for (size_t at = 0; at < n; at++) {
        struct checkpoint *c = NULL;
        if (!p[at] || at % 3)
            continue;
        p[at] ^= 0x44;
        scratch_write(path, p, n);
        p[at] ^= 0x44;
        if (checkpoint_open(&c, path, &f) != ST_OK) {
            assert_non_null(strstr(f.text, path));
            refused++;
            continue;
        }
        const void *a = checkpoint_get(c, "adapter", DT_F32, 5);
        const char *t = checkpoint_text(c, "state");
        assert_true(!a || memcmp(a, params, sizeof params) == 0);
        assert_true(!t || strcmp(t, state_json) == 0);
        checkpoint_close(&c);
    }
    assert_true(refused > 100);
    free(p);
}

static void test_full_disk_keeps_the_old(void **state)
{
    (void)state;
    struct fault f = {0};
    struct checkpoint *c = NULL;
    struct rlimit old, small;
    const char *path = scratch_path("c.h5");
    assert_int_equal(write_one(path, 1, &f), ST_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    for (size_t room = 0; room < 16384; room += 2048) {
        small.rlim_cur = room;
        setrlimit(RLIMIT_FSIZE, &small);
        enum status s = write_one(path, 2, &f);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(s, ST_IO);
        assert_int_equal(scratch_count(), 1);
    }
    assert_int_equal(checkpoint_open(&c, path, &f), ST_OK);
    assert_int_equal(*(const int32_t *)checkpoint_get(c, "step", DT_I32, 1), 1);
    checkpoint_close(&c);
    assert_int_equal(write_one(path, 3, &f), ST_OK);
    assert_int_equal(checkpoint_open(&c, path, &f), ST_OK);
    assert_int_equal(*(const int32_t *)checkpoint_get(c, "step", DT_I32, 1), 3);
    checkpoint_close(&c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),
        T(test_damaged),
        T(test_full_disk_keeps_the_old),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
