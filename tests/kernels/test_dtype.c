#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "kernels/dtype.h"
#include "kernels/rng.h"

static void f16_all(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = f16_to_f32((uint16_t)h);
        int e = (int)(h >> 10 & 31), m = (int)(h & 1023);
        if (e == 31 && m) {
            assert_true(isnan(x) && isnan(f16_to_f32(f32_to_f16(x))));
            continue;
        }
        double want = e == 31 ? INFINITY : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
        assert_true((double)x == (h & 0x8000 ? -want : want));
        assert_int_equal(f32_to_f16(x), h);
    }
}

/* Halfway between two neighbours goes to the even one; a little off goes to the nearer. */
static void f16_rounds_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double lo = (double)f16_to_f32((uint16_t)h), hi = (double)f16_to_f32((uint16_t)(h + 1));
        float mid = (float)((lo + hi) / 2);
        assert_int_equal(f32_to_f16(mid), h & 1 ? h + 1 : h);
        assert_int_equal(f32_to_f16(nextafterf(mid, 0)), h);
        assert_int_equal(f32_to_f16(nextafterf(mid, INFINITY)), h + 1);
    }
    assert_int_equal(f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(f32_to_f16(-INFINITY), 0xfc00);
}

static void bf16_all(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = bf16_to_f32((uint16_t)h);
        if (isnan(x))
            assert_true(isnan(bf16_to_f32(f32_to_bf16(x))));
        else
            assert_int_equal(f32_to_bf16(x), h);
    }
    assert_int_equal(f32_to_bf16(1.00390625f), 0x3f80); /* halfway, down to even */
    assert_int_equal(f32_to_bf16(1.01171875f), 0x3f82); /* halfway, up to even */
    assert_int_equal(f32_to_bf16(3.4e38f), 0x7f80);
}

static void names(void **state)
{
    enum dtype t;
    (void)state;
    for (int i = 0; i < DT_COUNT; i++) {
        assert_true(dtype_parse(&t, dtype_name((enum dtype)i)));
        assert_int_equal(t, i);
    }
    assert_false(dtype_parse(&t, "F17"));
    assert_int_equal(dtype_size(DT_BF16), 2);
    assert_int_equal(dtype_size(DT_F64), 8);
}

/* The known answers that the authors of Philox publish (Random123, kat_vectors). */
static void philox_known(void **state)
{
    uint32_t r[4];
    (void)state;
    rng_philox(r, 0, 0, 0);
    assert_int_equal(r[0], 0x6627e8d5u);
    assert_int_equal(r[1], 0xe169c58du);
    assert_int_equal(r[2], 0xbc57ac4cu);
    assert_int_equal(r[3], 0x9b00dbd8u);
    rng_philox(r, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    assert_int_equal(r[0], 0x408f276du);
    assert_int_equal(r[3], 0x6d5451fdu);
    rng_philox(r, 0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u);
    assert_int_equal(r[0], 0xd16cfe09u);
    assert_int_equal(r[1], 0x94fdccebu);
    assert_int_equal(r[2], 0x5001e420u);
    assert_int_equal(r[3], 0x24126ea1u);
    assert_true(rng_uniform(UINT32_MAX) < 1.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_all), cmocka_unit_test(f16_rounds_to_even), cmocka_unit_test(bf16_all),
        cmocka_unit_test(names),   cmocka_unit_test(philox_known),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
