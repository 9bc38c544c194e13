/* Which bytes are a value that is not finite, of each type that can hold one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/tensor.h"

static void values(void **state)
{
    static const struct {
        enum dtype dtype;
        uint64_t large, bad, worse; /* the largest finite, infinity, NaN with its sign set */
    } cases[] = {
        {DT_F64, 0x7fefffffffffffff, 0x7ff0000000000000, 0xfff8000000000000},
        {DT_F32, 0x7f7fffff, 0x7f800000, 0xffc00000},
        {DT_F16, 0x7bff, 0x7c00, 0xfe00},
        {DT_BF16, 0x7f7f, 0x7f80, 0xffc0},
        {DT_F8E5M2, 0x7b, 0x7c, 0xff},
        {DT_F8E4M3, 0x7e, 0x7f, 0xff}, /* has no infinity */
        {DT_I8, 0x7f, 0, 0},
        {DT_U64, UINT64_MAX, 0, 0},
    };
    enum { COUNT = 5 };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t wide = dtype_size(cases[i].dtype);
        unsigned char space[COUNT * 8 + 1] = {0}, *p = space + 1; /* need not be aligned */
        struct tensor t = {.dtype = cases[i].dtype, .bytes = COUNT * wide};
        memcpy(p, &cases[i].large, wide);
        assert_int_equal(tensor_first_not_finite(&t, p), COUNT);
        if (cases[i].bad == 0)
            continue;
        memcpy(p + 4 * wide, &cases[i].worse, wide);
        assert_int_equal(tensor_first_not_finite(&t, p), 4);
        memcpy(p + 2 * wide, &cases[i].bad, wide);
        assert_int_equal(tensor_first_not_finite(&t, p), 2);
    }
    assert_int_equal(tensor_first_not_finite(&(struct tensor){.dtype = DT_F32}, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values)};
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
