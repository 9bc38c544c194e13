/* `wick bench ops` opens a device with empty driver folders, in a process of its own: nothing of that
 * stays, and what the user has told the driver holds for the rest. */
#include "tests/app/shim.h"

#include <dirent.h>

static int entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* A GPU that "auto" tries, whose second program does not compile: the one before it, built once cold,
 * once warm and once for the ops, is what reaches the folders. */
static void test_folders(void **state)
{
    char temporary[PATH_MAX], own[PATH_MAX];
    (void)state;
    opencl_needed();
    snprintf(temporary, sizeof temporary, "%s", program_file("temporary"));
    snprintf(own, sizeof own, "%s", program_file("own"));
    assert_true(mkdir(temporary, 0777) == 0 && mkdir(own, 0777) == 0);
    setenv("TMPDIR", temporary, 1);
    setenv("POCL_CACHE_DIR", own, 1);
    shim("gpu group=16 break=kernels/embedding/embedding.cl");
    program_next.env[3] = "WICK_CACHE=/dev/null/none";
    WICK("bench", "ops", "--only", "open", "--device", "auto", "--json", "--quiet");
    unsetenv("POCL_CACHE_DIR");
    unsetenv("TMPDIR");
    struct json_doc *doc = program_json();
    assert_true(program_number(doc, "cold_open_seconds") > 0);
    json_close(&doc);
    assert_int_equal(entries(temporary), 0);
    assert_true(entries(own) > 0);
}

/* What went wrong in the other process is told by this one. */
static void test_failure(void **state)
{
    (void)state;
    opencl_needed();
    shim("break=kernels/adamw/adamw.cl");
    program_next.env[3] = "WICK_CACHE=/dev/null/none";
    WICK("bench", "ops", "--only", "open", "--device", "opencl", "--quiet");
    program_failed(1, "kernels/adamw/adamw.cl does not compile on opencl:0: ",
                   "--device cpu works"); /* beside what the compiler says itself */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests_name("bench_ocl", tests, program_begin, program_end);
}
