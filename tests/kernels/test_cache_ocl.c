/* The cache of compiled programs: what it holds is used only while it is whole and ours, by any number of
 * processes. */
#include "tests/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels/ocl.h"
#include "kernels/sha256.h"

/* FIPS 180-4's examples, and one that crosses blocks. */
static void hash(void **state)
{
    static const struct {
        const char *text;
        int times;
        const char *want;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sha256 h = sha256_begin();
        unsigned char digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        for (int n = 0; n < cases[i].times; n++)
            sha256_add(&h, cases[i].text, strlen(cases[i].text));
        sha256_end(&h, digest);
        for (int b = 0; b < SHA256_SIZE; b++)
            snprintf(hex + 2 * b, 3, "%02x", digest[b]);
        assert_string_equal(hex, cases[i].want);
    }
}

/* ---- the cache ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/wick-test-cache-XXXXXX";
static char cache[sizeof folder + 16];

/* Opens with the cache, prepares, computes; how many programs came from where. */
static struct ocl_counts use_cache(const char *dir)
{
    kern *k = NULL;
    struct fault f = {0};
    if (kern_open(&k, "opencl", &(struct kern_options){.cache_dir = dir}, &f) != ST_OK ||
        kern_prepare(k, &(struct kern_specs){0}, &f) != ST_OK)
        fail_msg("%s", f.text);
    kbuf *b = NULL;
    float got[8] = {0};
    assert_int_equal(kbuf_new(&b, k, DT_F32, 8, "a test", &f), ST_OK);
    k->op.fill(k, kref(b, 0, 8), 8, 1.5f);
    k->op.add(k, kref(b, 0, 8), kref(b, 0, 8), kref(b, 0, 8), 1, 8);
    kern_read(k, got, kref(b, 0, 8), 8);
    assert_int_equal(kern_sync(k, &f), ST_OK);
    assert_true(got[0] == 3.0f && got[7] == 3.0f);
    struct ocl_counts c = *ocl_counts(k);
    kbuf_free(&b);
    kern_close(&k);
    return c;
}

/* Calls fn with each file of the cache; their number. */
static int each_file(void (*fn)(const char *path, int n))
{
    DIR *d = opendir(cache);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
        if (fn)
            fn(path, n);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static void damage_byte(const char *path, int n)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    unsigned char c;
    assert_int_equal(fstat(fd, &st), 0);
    off_t at = n % 2 ? st.st_size - 1 : st.st_size / 2; /* all of it is payload */
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x20;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void damage_length(const char *path, int n)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, n == 0 ? 0 : n == 1 ? 50 : st.st_size - n), 0);
}

/* Whole and sound, but another program's. */
static char stranger[512];
static void damage_name(const char *path, int n)
{
    char command[1100];
    if (n == 0) {
        snprintf(stranger, sizeof stranger, "%s", path);
        return;
    }
    snprintf(command, sizeof command, "cp '%s' '%s'", stranger, path);
    assert_int_equal(system(command), 0);
}

static void damage_kind(const char *path, int n)
{
    char command[1100];
    snprintf(command, sizeof command,
             n % 2 ? "rm '%s' && mkdir '%s'" : "rm '%s' && ln -s /etc/passwd '%s'", path, path);
    assert_int_equal(system(command), 0);
}

static void remove_file(const char *path, int n)
{
    (void)n;
    if (remove(path) != 0)
        fail_msg("%s cannot be removed", path);
}

static void no_temporary(const char *path, int n)
{
    (void)n;
    assert_null(strstr(path, ".tmp"));
}

static void cache_is_never_trusted(void **state)
{
    void (*const damage[])(const char *, int) = {damage_byte, damage_length, damage_name,
                                                 remove_file};
    kern *k = check_open("opencl", 0); /* skips where there is no device */
    (void)state;
    kern_close(&k);
    struct ocl_counts c = use_cache(cache);
    uint64_t programs = c.built;
    assert_true(programs > 5 && c.loaded == 0);
    assert_int_equal(each_file(no_temporary), programs);
    struct kern_cache held = kern_cache_state(cache);
    assert_true((uint64_t)held.programs == programs && held.bytes > programs * 100);
    assert_int_equal(kern_cache_state("/nowhere").programs, 0);
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        uint64_t kept = damage[i] == damage_name; /* the stranger itself is sound */
        c = use_cache(cache);
        assert_true(c.built == 0 && c.loaded == programs);
        each_file(damage[i]);
        c = use_cache(cache);
        assert_int_equal(c.built, programs - kept);
        assert_int_equal(c.loaded, kept);
    }
    each_file(damage_kind); /* links are not followed; a folder in the way stays */
    assert_int_equal(use_cache(cache).built, programs);
    assert_int_equal(use_cache("/dev/null/nowhere").built, programs);
    assert_int_equal(use_cache(NULL).built, programs);
}

static void make_file(const char *name, int age)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", cache, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    const struct timespec when[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    assert_int_equal(futimens(fd, when), 0);
    close(fd);
}

static bool is_there(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", cache, name);
    return access(path, F_OK) == 0;
}

/* Of a process that was killed; one that still writes keeps its own, and other files are not ours. */
static void what_was_abandoned_goes(void **state)
{
    static const unsigned char key[OCL_KEY] = {1};
    struct ocl_blob b = {(unsigned char[]){1, 2, 3}, 3};
    (void)state;
    ocl_cache_put(cache, key, &b);
    make_file("00.clbin.1.tmp", 4000);
    make_file("01.clbin.2.tmp", 3000);
    make_file("letter.tmp", 4000);
    make_file("02.clbin", 4000);
    ocl_cache_put(cache, key, &b);
    assert_false(is_there("00.clbin.1.tmp"));
    assert_true(is_there("01.clbin.2.tmp") && is_there("letter.tmp") && is_there("02.clbin"));
    assert_int_equal(kern_cache_state(cache).programs, 2);
}

/* Another program image, so that nothing is shared but the folder. */
static pid_t start_builder(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test_cache_ocl", "build", cache, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int builder(const char *dir)
{
    kern *k = NULL;
    struct fault f = {0};
    bool ok = kern_open(&k, "opencl", &(struct kern_options){.cache_dir = dir}, &f) == ST_OK &&
              kern_prepare(k, &(struct kern_specs){0}, &f) == ST_OK;
    kern_close(&k);
    return ok ? 0 : 1;
}

static void two_processes_at_once(void **state)
{
    enum { BOTH = 2 };
    kern *k = check_open("opencl", 0);
    pid_t pid[BOTH];
    (void)state;
    kern_close(&k);
    for (int i = 0; i < BOTH; i++)
        pid[i] = start_builder();
    for (int i = 0; i < BOTH; i++) {
        int status = -1;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    struct ocl_counts c = use_cache(cache);
    assert_true(c.built == 0 && c.loaded > 5);
    each_file(no_temporary);
}

static int fresh_cache(void **state)
{
    static int number;
    (void)state;
    snprintf(cache, sizeof cache, "%s/deep/%d", folder, number++);
    return 0;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[sizeof folder + 16];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "build") == 0)
        return builder(argv[2]);
    cmocka_set_test_filter(getenv("FILTER"));
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash),
        cmocka_unit_test_setup(cache_is_never_trusted, fresh_cache),
        cmocka_unit_test_setup(what_was_abandoned_goes, fresh_cache),
        cmocka_unit_test_setup(two_processes_at_once, fresh_cache),
    };
    return cmocka_run_group_tests_name("cache_ocl", tests, make_folder, drop_folder);
}
