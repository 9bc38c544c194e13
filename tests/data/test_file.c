#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "data/file.h"
#include "tests/data/scratch.h"

static void assert_holds(const char *path, const char *want)
{
    size_t n;
    unsigned char *p = scratch_read(path, &n);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(p, want, n);
    free(p);
}

static void test_reading(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text t = {0};
    struct file_map m = {0};
    const char *path = scratch_path("a");
    scratch_write(path, "hello", 5);
    text_adds(&t, "> ", &f);
    assert_int_equal(file_read(&t, path, 5, &f), ST_OK);
    assert_string_equal(t.p, "> hello");
    assert_int_equal(file_read(&t, path, 4, &f), ST_RANGE);
    assert_string_equal(t.p, "> hello");
    text_free(&t);
    assert_int_equal(file_map_open(&m, path, &f), ST_OK);
    assert_int_equal(m.n, 5);
    assert_memory_equal(m.p, "hello", 5);
    file_map_release(&m, 1, 4);
    file_map_release(&m, 1, SIZE_MAX);
    assert_memory_equal(m.p, "hello", 5);
    char four[5] = {0};
    assert_int_equal(file_pread(m.fd, four, 4, 1, path, &f), ST_OK);
    assert_string_equal(four, "ello");
    assert_int_equal(file_pread(m.fd, four, 4, 2, path, &f), ST_FORMAT);
    file_map_close(&m);
    file_map_close(&m);
    scratch_write(path, "", 0);
    assert_int_equal(file_map_open(&m, path, &f), ST_OK);
    assert_true(m.n == 0 && m.p);
    file_map_close(&m);
    struct blobs b = {0};
    assert_int_equal(file_read_blob(&b, path, "empty", 10, &f), ST_OK);
    assert_int_equal(blobs_find(&b, "empty")->size, 0);
    blobs_free(&b);
}

/* A pipe without a writer must not stop us; alarm() turns a hang into a failure. */
static void test_odd_inputs(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text t = {0};
    struct file_map m = {0};
    const char *fifo = scratch_path("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(5);
    assert_int_equal(file_read(&t, fifo, 10, &f), ST_IO);
    assert_non_null(strstr(f.text, "not a regular file"));
    assert_int_equal(file_map_open(&m, fifo, &f), ST_IO);
    assert_int_equal(file_read(&t, scratch_folder, 10, &f), ST_IO);
    assert_non_null(strstr(f.text, "a folder"));
    assert_int_equal(file_read(&t, "/dev/zero", 10, &f), ST_IO);
    assert_int_equal(file_read(&t, scratch_path("none"), 10, &f), ST_ABSENT);
    assert_true(strlen(f.remedy) > 0);
    alarm(0);
    assert_int_equal(file_kind(fifo), FILE_OTHER);
    assert_int_equal(file_kind(scratch_folder), FILE_FOLDER);
    assert_int_equal(file_kind(scratch_path("none")), FILE_ABSENT);
}

static void test_whole_or_not(void **state)
{
    (void)state;
    struct fault f = {0};
    const char *path = scratch_path("a"), *temp = scratch_path("a.tmp");
    assert_int_equal(file_write(path, "one", 3, &f), ST_OK);
    assert_holds(path, "one");
    assert_int_equal(chmod(path, 0640), 0);
    scratch_write(temp, "left by a killed process", 24);

    struct file_out o = {0};
    assert_int_equal(file_out_open(&o, path, &f), ST_OK);
    assert_int_equal(file_out_write(&o, "tw", 2, &f), ST_OK);
    assert_holds(path, "one");
    assert_holds(temp, "tw");
    file_out_abort(&o);
    file_out_abort(&o);
    assert_holds(path, "one");
    assert_int_equal(scratch_count(), 1);

    assert_int_equal(file_out_open(&o, path, &f), ST_OK);
    assert_int_equal(file_out_pwrite(&o, "o", 1, 2, &f), ST_OK);
    assert_int_equal(file_out_pwrite(&o, "tw", 2, 0, &f), ST_OK);
    assert_int_equal(file_out_commit(&o, &f), ST_OK);
    file_out_abort(&o);
    assert_holds(path, "two");
    assert_int_equal(scratch_count(), 1);
    struct stat st;
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
}

/* The second of two writers is told, and the first one's bytes appear whole. */
static void test_two_writers(void **state)
{
    (void)state;
    struct fault f = {0};
    const char *path = scratch_path("a"), *temp = scratch_path("a.tmp");
    struct file_out one = {0}, two = {0};
    assert_int_equal(file_out_open(&one, path, &f), ST_OK);
    assert_int_equal(file_out_write(&one, "whole", 5, &f), ST_OK);
    assert_int_equal(file_out_open(&two, path, &f), ST_IO);
    assert_non_null(strstr(f.text, "another process is writing it"));
    file_out_abort(&two);
    assert_holds(temp, "whole");
    assert_int_equal(file_out_commit(&one, &f), ST_OK);
    assert_holds(path, "whole");
    /* Where there are no locks, one may lose its file to the other; it does not publish that. */
    assert_int_equal(file_out_open(&one, path, &f), ST_OK);
    assert_int_equal(unlink(temp), 0);
    scratch_write(temp, "ha", 2);
    assert_int_equal(file_out_commit(&one, &f), ST_IO);
    file_out_abort(&one);
    assert_holds(temp, "ha");
    assert_holds(path, "whole");
}

/* Many at once: each either writes it whole or is told, and nothing is left. */
static void test_many_writers(void **state)
{
    enum { WRITERS = 4, TURNS = 10 };
    (void)state;
    const char *path = scratch_path("a");
    pid_t child[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        child[w] = fork();
        if (child[w] != 0)
            continue;
        struct fault f = {0};
        char bytes[5000];
        int wrong = 0;
        memset(bytes, 'a' + w, sizeof bytes);
        alarm(60);
        for (int wrote = 0; wrote < TURNS && wrong == 0; usleep(50)) {
            enum status s = file_write(path, bytes, sizeof bytes - (size_t)w, &f);
            wrote += s == ST_OK;
            wrong += s != ST_OK && !strstr(f.text, "another process is writing it");
        }
        _exit(wrong);
    }
    int wrong = 0;
    for (int w = 0; w < WRITERS; w++) {
        int status = -1;
        waitpid(child[w], &status, 0);
        wrong += status != 0;
    }
    assert_int_equal(wrong, 0);
    size_t n;
    unsigned char *got = scratch_read(path, &n);
    assert_int_equal(n, 5000 - (got[0] - 'a'));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], got[0]);
    free(got);
    assert_int_equal(scratch_count(), 1);
}

static void test_links_and_devices(void **state)
{
    (void)state;
    struct fault f = {0};
    struct stat st;
    scratch_write(scratch_path("real"), "x", 1);
    assert_int_equal(symlink("real", scratch_path("link")), 0);
    assert_int_equal(file_write(scratch_path("link"), "through", 7, &f), ST_OK);
    assert_holds(scratch_path("real"), "through");
    assert_true(lstat(scratch_path("link"), &st) == 0 && S_ISLNK(st.st_mode));

    assert_int_equal(file_write("/dev/null", "x", 1, &f), ST_OK);
    assert_int_equal(file_write("/dev/full", "x", 1, &f), ST_IO);
    assert_non_null(strstr(f.text, "/dev/full"));
    assert_non_null(strstr(f.remedy, "space"));
    assert_int_equal(file_kind("/dev/null.tmp"), FILE_ABSENT);

    const char *fifo = scratch_path("fifo");
    char got[4] = {0};
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int fd = open(fifo, O_RDWR | O_NONBLOCK);
    assert_int_equal(file_write(fifo, "abc", 3, &f), ST_OK);
    assert_int_equal(read(fd, got, 3), 3);
    assert_string_equal(got, "abc");
    close(fd);
    assert_int_equal(file_kind(fifo), FILE_OTHER);
}

static void test_places_that_refuse(void **state)
{
    (void)state;
    struct fault f = {0};
    scratch_write(scratch_path("a"), "x", 1);
    assert_int_equal(file_write(scratch_path("none/a"), "x", 1, &f), ST_ABSENT);
    assert_int_equal(file_write(scratch_path("a/b"), "x", 1, &f), ST_ABSENT);
    assert_int_equal(file_write(scratch_folder, "x", 1, &f), ST_IO);
    assert_int_not_equal(file_write("/proc/wick-test", "x", 1, &f), ST_OK);
    assert_non_null(strstr(f.text, "/proc/wick-test"));
    assert_int_equal(file_mkdirs(scratch_path("d/e/f/"), &f), ST_OK);
    assert_int_equal(file_mkdirs(scratch_path("d/e"), &f), ST_OK);
    assert_int_equal(file_kind(scratch_path("d/e/f")), FILE_FOLDER);
    assert_int_equal(file_mkdirs(scratch_path("a"), &f), ST_IO);
    assert_int_not_equal(file_mkdirs(scratch_path("a/b"), &f), ST_OK);
    struct text t = {0};
    assert_int_equal(file_join(&t, "x/", "y", &f), ST_OK);
    assert_int_equal(file_join(&t, "", "z", &f), ST_OK);
    assert_string_equal(t.p, "x/y/z");
    text_free(&t);
}

/* RLIMIT_FSIZE stands in for a full disk: the write is cut, then refused. */
static void test_full_disk(void **state)
{
    (void)state;
    struct fault f = {0};
    struct rlimit old, small = {.rlim_cur = 10000};
    static char big[20000];
    const char *path = scratch_path("a");
    assert_int_equal(file_write(path, "old", 3, &f), ST_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    enum status s = file_write(path, big, sizeof big, &f);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(s, ST_IO);
    assert_non_null(strstr(f.text, path));
    assert_holds(path, "old");
    assert_int_equal(scratch_count(), 1);
}

/* What stood in a redirected standard output before stays there. */
static void test_stdout_is_ours(void **state)
{
    (void)state;
    const char *path = scratch_path("out");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct fault f = {0};
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (dup2(fd, 1) < 0 || write(1, "a,", 2) != 2)
            _exit(1);
        if (file_write("/dev/stdout", "b,", 2, &f) != ST_OK || write(1, "c", 1) != 1)
            _exit(1);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_holds(path, "a,b,c");
}

#define T(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_reading),
        T(test_odd_inputs),
        T(test_whole_or_not),
        T(test_two_writers),
        T(test_many_writers),
        T(test_links_and_devices),
        T(test_places_that_refuse),
        T(test_full_disk),
        T(test_stdout_is_ours),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
