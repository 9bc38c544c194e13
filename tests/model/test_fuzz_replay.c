/* Every file of every corpus through its fuzzer: no libFuzzer, no network, a moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "tests/data/scratch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_adapter_config.c"
#include "tests/fuzz/fuzz_config.c"
#include "tests/fuzz/fuzz_dataset.c"
#include "tests/fuzz/fuzz_h5table.c"
#include "tests/fuzz/fuzz_jinja.c"
#include "tests/fuzz/fuzz_json.c"
#include "tests/fuzz/fuzz_safetensors.c"
#include "tests/fuzz/fuzz_tokenizer.c"

static void replay(const char *name, int (*fuzz)(const uint8_t *, size_t))
{
    char folder[200], path[600];
    int files = 0;
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
    DIR *d = opendir(folder);
    if (!d)
        fail_msg("%s is not there", folder);
    for (struct dirent *e; (e = readdir(d));) {
        size_t n;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unsigned char *p = scratch_read(path, &n);
        assert_int_equal(fuzz(p, n), 0);
        for (size_t cut = 0; cut < n; cut += 1 + n / 50)
            assert_int_equal(fuzz(p, cut), 0);
        free(p);
        files++;
    }
    closedir(d);
    assert_int_equal(fuzz((const uint8_t *)"", 0), 0);
    assert_true(files > 0);
}

#define X(name)                           \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        alarm(60);                        \
        replay(#name, fuzz_##name);       \
        alarm(0);                         \
    }
FUZZ_MAP(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(test_##name),
        FUZZ_MAP(X)
#undef X
    };
    return cmocka_run_group_tests_name("fuzz_replay", tests, NULL, NULL);
}
