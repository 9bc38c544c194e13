#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "data/crc32c.h"

/* One bit at a time: the definition. */
static uint32_t slow(const unsigned char *p, size_t n)
{
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0x82F63B78u : 0);
    }
    return ~c;
}

static void test_known(void **state)
{
    (void)state;
    unsigned char p[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283u);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(p, 0, 32); /* RFC 3720, appendix B.4 */
    assert_int_equal(crc32c(0, p, 32), 0x8A9136AAu);
    memset(p, 0xFF, 32);
    assert_int_equal(crc32c(0, p, 32), 0x62A8AB43u);
    for (int i = 0; i < 32; i++)
        p[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, p, 32), 0x46DD794Eu);
}

static void test_variants_agree(void **state)
{
    (void)state;
    size_t n = 40000;
    unsigned char *p = malloc(n + 8);
    uint32_t x = 1;
    assert_non_null(p);
    for (size_t i = 0; i < n + 8; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (unsigned char)(x >> 24);
    }
    static const size_t sizes[] = {0,     1,     7,     8,     9,     63,    4095,  4096, 4097,
                                   12287, 12288, 12289, 12295, 24575, 24576, 39999, 40000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (size_t shift = 0; shift < 8; shift += 3) {
            uint32_t want = slow(p + shift, sizes[k]);
            assert_int_equal(crc32c(0, p + shift, sizes[k]), want);
            assert_int_equal(crc32c_table(0, p + shift, sizes[k]), want);
        }
    }
    for (size_t cut = 0; cut <= n; cut += 3331)
        assert_int_equal(crc32c(crc32c(0, p, cut), p + cut, n - cut), slow(p, n));
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_variants_agree),
    };
    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
