/* Which files of a model's folder are read, and what an index may call its shards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/safetensors.h"
#include "tests/data/scratch.h"

static const char index_name[] = "model.safetensors.index.json";

/* A file of one tensor of one byte. */
static void write_one(const char *file, const char *tensor)
{
    unsigned char bytes[200] = {0};
    int n = snprintf((char *)bytes + 8, sizeof bytes - 8,
                     "{\"%s\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", tensor);
    bytes[0] = (unsigned char)n;
    scratch_write(scratch_path(file), bytes, 8 + (size_t)n + 1);
}

static void write_index(const char *a, const char *b)
{
    char text[200];
    int n = snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\",\"b\":\"%s\"}}", a, b);
    scratch_write(scratch_path(index_name), text, (size_t)n);
}

static void holds(size_t count, const char *tensor)
{
    struct safetensors *st = NULL;
    struct fault f = {0};
    if (safetensors_open(&st, scratch_folder, &f) != ST_OK)
        fail_msg("%s", f.text);
    assert_int_equal(safetensors_count(st), count);
    assert_non_null(safetensors_find(st, tensor));
    safetensors_close(&st);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path("w"), 0700), 0);
    write_one("w/a.safetensors", "a");
    write_one("a..b.safetensors", "b");
    write_index("w/a.safetensors", "a..b.safetensors");
    holds(2, "a");
    write_index(".//w/./a.safetensors", "./a..b.safetensors");
    holds(2, "b");
    write_one("w/a.safetensors", "a\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]},\"b");
    write_index("w/a.safetensors", "./w//a.safetensors"); /* one file, by two names */
    holds(2, "b");
    write_index("a..b.safetensors", "w/a.safetensors");
    struct safetensors *st = NULL;
    struct fault f = {0};
    assert_int_equal(safetensors_open(&st, scratch_folder, &f), ST_FORMAT);
    assert_non_null(strstr(f.text, "stands in two shards"));
    remove(scratch_path("w/a.safetensors"));
    assert_int_equal(rmdir(scratch_path("w")), 0);
}

/* As in transformers, which does not look at the index then. */
static void test_both(void **state)
{
    (void)state;
    write_one("model-1.safetensors", "a");
    write_one("model-2.safetensors", "b");
    write_index("model-1.safetensors", "model-2.safetensors");
    holds(2, "a");
    write_one("model.safetensors", "c");
    holds(1, "c");
}

static enum status write_two(size_t shard_bytes, struct fault *f)
{
    struct safetensors_out *w = NULL;
    enum status s = safetensors_create(&w, scratch_path("model.safetensors"), shard_bytes, f);
    for (int i = 0; s == ST_OK && i < 2; i++)
        s = safetensors_declare(
            w, &(struct tensor){.name = i ? "b" : "a", .dtype = DT_I8, .ndim = 1, .shape = {1}}, f);
    while (s == ST_OK && safetensors_next(w))
        s = safetensors_write(w, "1", 1, f);
    if (s == ST_OK)
        s = safetensors_commit(w, f);
    safetensors_out_close(&w);
    return s;
}

/* A commit that fails takes back all shards, and leaves what it was to replace. */
static void test_taken_back(void **state)
{
    (void)state;
    struct fault f = {0};
    const char *index = scratch_path(index_name);
    assert_int_equal(mkdir(index, 0777), 0);
    assert_int_equal(write_two(0, &f), ST_IO); /* an index that cannot be removed */
    assert_non_null(strstr(f.text, index_name));
    assert_int_equal(scratch_count(), 1);
    assert_int_equal(write_two(1, &f), ST_IO); /* nor be replaced */
    assert_int_equal(scratch_count(), 1);
    assert_int_equal(rmdir(index), 0);
    assert_int_equal(write_two(0, &f), ST_OK);
    assert_int_equal(mkdir(scratch_path("model-00002-of-00002.safetensors"), 0777), 0);
    assert_int_equal(write_two(1, &f), ST_IO);
    assert_int_equal(scratch_count(), 2);
    holds(2, "a");
    assert_int_equal(rmdir(scratch_path("model-00002-of-00002.safetensors")), 0);
    assert_int_equal(write_two(1, &f), ST_OK);
    assert_int_equal(scratch_count(), 3);
    holds(2, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_both, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_taken_back, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
