/* The OpenBLAS core trap: a release older than the processor falls back to a kernel of 2004 unless it
 * is told better before it loads. That "cpu:blas" computes rightly is for the tests of its ops. */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu_probe.h"

static const char *self;

static const struct cpu_blas *blas_of(kern **k)
{
    *k = check_open("cpu:blas", 0);
    assert_non_null(cpu_blas(*k));
    return cpu_blas(*k);
}

static void core_is_not_ancient(void **state)
{
    static const char *const ancient[] = {"Prescott", "Core2",       "Katmai",
                                          "Nehalem",  "Sandybridge", "Unknown"};
    kern *k;
    const struct cpu_blas *blas = blas_of(&k);
    (void)state;
    for (size_t i = 0; i < sizeof ancient / sizeof *ancient && cpu_isa_best() >= CPU_AVX2; i++)
        assert_string_not_equal(blas->core, ancient[i]);
    assert_non_null(strstr(kern_info(k)->tier, blas->core));
    assert_non_null(strstr(kern_info(k)->version, blas->core));
    assert_int_equal(strncmp(kern_info(k)->version, "OpenBLAS 0.", 11), 0);
    kern_close(&k);
}

/* `wick devices` shows the core even where the library is not used, and says so. */
static void the_list_names_the_core(void **state)
{
    struct kern_info *list = NULL;
    struct fault f = {0};
    size_t n;
    kern *k;
    const struct cpu_blas *blas = blas_of(&k);
    (void)state;
    assert_int_equal(kern_list(&list, &n, &f), ST_OK);
    assert_non_null(strstr(list[0].version, blas->core));
    assert_int_equal(strstr(list[0].tier, "OpenBLAS") != NULL, cpu_blas_leads());
    free(list);
    kern_close(&k);
}

static void own_kernels_alone(void **state)
{
    static const char *const devices[] = {"cpu:ref", "cpu:base", "cpu"};
    (void)state;
    for (int i = 0; i < 3 - cpu_blas_leads(); i++) {
        kern *k = check_open(devices[i], 1);
        assert_null(cpu_blas(k));
        assert_null(strstr(kern_info(k)->tier, "OpenBLAS"));
        kern_close(&k);
    }
}

static void multiplies(void **state)
{
    const float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 2, 3, 1, 1};
    const float want[4] = {7, 8, 16, 23}; /* a [2,3] b^T, b [2,3] */
    float c[4] = {9, 9, 9, 9};
    kern *k;
    const struct cpu_blas *blas = blas_of(&k);
    (void)state;
    blas->sgemm(BLAS_ROW_MAJOR, BLAS_N, BLAS_T, 2, 2, 3, 1, a, 3, b, 3, 0, c, 2);
    assert_memory_equal(c, want, sizeof c);
    kern_close(&k);
}

/* A user who sets the variable gets what it says: seen from a process of its own, as the library
 * reads it once. */
static void a_users_choice_stands(void **state)
{
    char command[512], core[64] = "";
    kern *k;
    blas_of(&k);
    kern_close(&k);
    (void)state;
    snprintf(command, sizeof command, "OPENBLAS_CORETYPE=Nehalem '%s' core", self);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    char *line = fgets(core, sizeof core, in);
    assert_int_equal(pclose(in), 0);
    assert_non_null(line);
    assert_string_equal(core, "Nehalem\n");
}

static int print_core(void)
{
    kern *k;
    struct fault f = {0};
    if (kern_open(&k, "cpu:blas", &(struct kern_options){.threads = 1}, &f) != ST_OK)
        return 1;
    printf("%s\n", cpu_blas(k)->core);
    kern_close(&k);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_is_not_ancient),   cmocka_unit_test(the_list_names_the_core),
        cmocka_unit_test(own_kernels_alone),     cmocka_unit_test(multiplies),
        cmocka_unit_test(a_users_choice_stands),
    };
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "core") == 0)
        return print_core();
    return cmocka_run_group_tests_name("blas", tests, NULL, NULL);
}
