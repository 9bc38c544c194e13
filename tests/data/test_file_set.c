/* Files that take their names together: all of them, or what stood there before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/file_set.h"
#include "tests/data/scratch.h"

static struct fault f;

#define OK(call) assert_int_equal(call, ST_OK)

static void holds(const char *name, const char *text)
{
    struct text t = {0};
    if (!text) {
        assert_int_equal(file_kind(scratch_path(name)), FILE_ABSENT);
        return;
    }
    OK(file_read(&t, scratch_path(name), 100, &f));
    assert_string_equal(t.p, text);
    text_free(&t);
}

static void old_files(const char *const *names)
{
    for (; *names; names++)
        OK(file_write(scratch_path(*names), "old", 3, &f));
}

/* weights, config, and an index that goes. */
static void stage(struct file_set *s)
{
    OK(file_set_write(s, scratch_path("weights"), "new", 3, &f));
    OK(file_set_drop(s, scratch_path("index"), &f));
    OK(file_set_write(s, scratch_path("config"), "new", 3, &f));
}

static void all_of_them(void **state)
{
    struct file_set s = {0};
    (void)state;
    for (int pass = 0; pass < 3; pass++) {
        if (pass == 1)
            old_files((const char *const[]){"weights", "index", "config", NULL});
        if (pass == 2) /* what a killed one left */
            old_files((const char *const[]){"config.old.tmp", "weights.tmp", NULL});
        stage(&s);
        if (pass == 1)
            holds("config", "old");
        OK(file_set_commit(&s, &f));
        file_set_abort(&s);
        holds("weights", "new");
        holds("config", "new");
        assert_int_equal(scratch_count(), 2);
    }
}

/* The second file's temporary has gone, so its name cannot be given. */
static void none_of_them(void **state)
{
    static const char *const names[] = {"weights", "config"};
    struct file_set s = {0};
    (void)state;
    for (int old = 0; old < 2; old++)
        for (int lost = 0; lost < 2; lost++) {
            char temp[32];
            if (old)
                old_files((const char *const[]){"weights", "index", "config", NULL});
            stage(&s);
            snprintf(temp, sizeof temp, "%s.tmp", names[lost]);
            assert_int_equal(unlink(scratch_path(temp)), 0);
            assert_int_not_equal(file_set_commit(&s, &f), ST_OK);
            holds("weights", lost == 1 ? "new" : NULL); /* as a process killed here leaves it */
            holds("config", NULL);
            file_set_abort(&s);
            holds("weights", old ? "old" : NULL);
            holds("index", old ? "old" : NULL);
            holds("config", old ? "old" : NULL);
            assert_int_equal(scratch_count(), old ? 3 : 0);
        }
}

/* A folder where the old config would wait: nothing has moved that does not come back. */
static void no_way_aside(void **state)
{
    struct file_set s = {0};
    (void)state;
    old_files((const char *const[]){"weights", "config", NULL});
    for (int i = 0; i < 2; i++) {
        const char *aside = scratch_path(i ? "weights.old.tmp" : "config.old.tmp");
        OK(mkdir(aside, 0777));
        stage(&s);
        assert_int_equal(file_set_commit(&s, &f), ST_IO);
        holds("weights", "old");
        holds("config", i ? NULL : "old"); /* the first to go */
        file_set_abort(&s);
        assert_int_equal(rmdir(aside), 0);
        holds("weights", "old");
        holds("config", "old");
        assert_int_equal(scratch_count(), 2);
    }
}

static void abandoned(void **state)
{
    struct file_set s = {0};
    struct file_out *o = NULL;
    (void)state;
    old_files((const char *const[]){"weights", NULL});
    stage(&s);
    assert_true(file_set_open(&s, &o, scratch_path("no/such"), &f) != ST_OK);
    assert_null(o);
    assert_non_null(file_set_at(&s, 2));
    assert_null(file_set_at(&s, 3));
    file_set_abort(&s);
    file_set_abort(&s);
    holds("weights", "old");
    assert_int_equal(scratch_count(), 1);
}

int main(void)
{
#define IN_SCRATCH(fn) cmocka_unit_test_setup_teardown(fn, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {IN_SCRATCH(all_of_them), IN_SCRATCH(none_of_them),
                                       IN_SCRATCH(no_way_aside), IN_SCRATCH(abandoned)};
    return cmocka_run_group_tests_name("file_set", tests, NULL, NULL);
}
