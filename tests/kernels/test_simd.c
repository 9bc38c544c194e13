/* kernels/simd.h: one set of functions an instruction set; what the processor lacks is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/rng.h"
#include "kernels/simd_probe.h"

enum { TAIL = 3 * 16 + 1 }; /* lengths 1 … TAIL meet every tail of every instruction set */

static const struct set {
    const char *name;
    enum cpu_isa isa;
    const struct simd_probe *probe;
} sets[] = {
    {"base", CPU_BASE, &simd_probe_base},
#if defined(__x86_64__)
    {"avx2", CPU_AVX2, &simd_probe_avx2},
    {"avx512", CPU_AVX512, &simd_probe_avx512},
#endif
};
enum { SETS = sizeof sets / sizeof *sets };

static const struct simd_probe *probe_of(void **state)
{
    const struct set *s = *state;
    if (cpu_isa_best() < s->isa) {
        print_message("skipped: this processor has no %s\n", s->name);
        skip();
    }
    return s->probe;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The distance in units of the last place of the right result; 0 where both are NaN or the same
 * infinity. Results that a float cannot tell from an overflow may be either. */
static double ulps(float got, double want)
{
    float near = (float)want;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0.0 : HUGE_VAL;
    if (isinf(near) || isinf(got))
        return got == near || fabs(want) > 0x1.ffffffp127 - 0x1p104 ? 0.0 : HUGE_VAL;
    float next = nextafterf(fabsf(near), INFINITY);
    double unit = isinf(next) ? 0x1p104 : (double)next - (double)fabsf(near);
    return fabs((double)got - want) / unit;
}

typedef void map_fn(float *y, const float *x, int n);

/* Every exponent and sign, with mantissas a prime apart; infinities and NaN among them. */
static void sweep(map_fn *fn, double (*want)(double), double bound)
{
    enum { STEP = 10007, N = 1021 };
    float x[N], y[N];
    for (uint64_t at = 0; at <= UINT32_MAX; at += (uint64_t)STEP * N) {
        for (int i = 0; i < N; i++)
            x[i] = float_of((uint32_t)(at + (uint64_t)i * STEP));
        fn(y, x, N);
        for (int i = 0; i < N; i++) {
            double d = ulps(y[i], want((double)x[i]));
            if (!(d <= bound))
                fail_msg("f(%a) = %a, want %a: %g ulp", (double)x[i], (double)y[i],
                         want((double)x[i]), d);
        }
    }
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static void test_exp(void **state)
{
    sweep(probe_of(state)->exp, exp, 1.0);
}

static void test_tanh(void **state)
{
    sweep(probe_of(state)->tanh, tanh, 1.5);
}

static void test_sigmoid(void **state)
{
    sweep(probe_of(state)->sigmoid, sigmoid, 2.5);
}

static void test_limits(void **state)
{
    const struct simd_probe *p = probe_of(state);
    const float x[] = {-INFINITY, INFINITY, NAN, 0.0f, -0.0f, 88.7228f, 88.73f, -103.97f, -104.0f};
    enum { N = sizeof x / sizeof *x };
    float y[N];
    p->exp(y, x, N);
    assert_true(y[0] == 0.0f && !signbit(y[0]));
    assert_true(isinf(y[1]) && y[1] > 0.0f && isnan(y[2]));
    assert_true(y[3] == 1.0f && y[4] == 1.0f);
    assert_true(isfinite(y[5]) && isinf(y[6]));
    assert_true(bits_of(y[7]) == 1 && y[8] == 0.0f); /* the smallest subnormal, then nothing */
    p->tanh(y, x, N);
    assert_true(y[0] == -1.0f && y[1] == 1.0f && isnan(y[2]) && y[3] == 0.0f && signbit(y[4]));
    p->sigmoid(y, x, N);
    assert_true(y[0] == 0.0f && y[1] == 1.0f && isnan(y[2]) && y[3] == 0.5f);
}

/* Min and max take the second one where either is NaN, so a NaN is kept or dropped by its place. */
static void test_min_max(void **state)
{
    const struct simd_probe *p = probe_of(state);
    float a[TAIL], b[TAIL], y[TAIL];
    for (int i = 0; i < TAIL; i++) {
        a[i] = i % 5 == 0 ? NAN : (float)(i * 7 % 11);
        b[i] = i % 7 == 0 ? NAN : (float)(i * 3 % 11);
    }
    p->min(y, a, b, TAIL);
    for (int i = 0; i < TAIL; i++)
        assert_int_equal(bits_of(y[i]), bits_of(a[i] < b[i] ? a[i] : b[i]));
    p->max(y, a, b, TAIL);
    for (int i = 0; i < TAIL; i++)
        assert_int_equal(bits_of(y[i]), bits_of(a[i] > b[i] ? a[i] : b[i]));
}

/* Lengths with every tail: what is right, and that nothing beyond is written, or added in. */
static void test_tails(void **state)
{
    const struct simd_probe *p = probe_of(state);
    const float canary = -12345.0f;
    float a[2 * TAIL], b[TAIL], y[TAIL + 16];
    uint16_t half[TAIL + 16];
    for (int i = 0; i < 2 * TAIL; i++)
        a[i] = (float)(i % 37 - 40); /* all negative: an empty lane's 0 would be the largest */
    for (int i = 0; i < TAIL; i++)
        b[i] = (float)(i % 13);
    for (int n = 1; n <= TAIL; n++) {
        float sum = 0.0f, top = -INFINITY;
        for (int i = 0; i < TAIL + 16; i++) {
            y[i] = i < n ? 2.0f : canary;
            half[i] = 0xbeef;
        }
        for (int i = 0; i < n; i++) {
            sum += a[i];
            top = fmaxf(top, a[i]);
        }
        p->fma(y, a, b, n);
        p->to_bf16(half, a, n);
        assert_true(p->sum(a, n) == sum && p->top(a, n) == top);
        for (int i = 0; i < TAIL + 16; i++) {
            assert_true(y[i] == (i < n ? a[i] * b[i] + 2.0f : canary));
            assert_int_equal(half[i], i < n ? f32_to_bf16(a[i]) : 0xbeef);
        }
        p->of_bf16(y, half, n);
        p->to_f16(half, a, n);
        for (int i = 0; i < TAIL + 16; i++) {
            assert_true(y[i] == (i < n ? a[i] : canary));
            assert_int_equal(half[i], i < n ? f32_to_f16(a[i]) : 0xbeef);
        }
        p->of_f16(y, half, n);
        for (int i = 0; i < TAIL + 16; i++)
            assert_true(y[i] == (i < n ? a[i] : canary));
    }
}

static bool same(float a, float b)
{
    return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

static void test_decode(void **state)
{
    enum { N = 65536 };
    const struct simd_probe *p = probe_of(state);
    static uint16_t half[N], back[N];
    static float y[N];
    for (int i = 0; i < N; i++)
        half[i] = (uint16_t)i;
    p->of_bf16(y, half, N);
    p->to_bf16(back, y, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(bits_of(y[i]), (uint32_t)i << 16);
        assert_int_equal(back[i], f32_to_bf16(y[i]));
    }
    p->of_f16(y, half, N);
    p->to_f16(back, y, N);
    for (int i = 0; i < N; i++) {
        if (!same(y[i], f16_to_f32(half[i])))
            fail_msg("half %04x: got %a, want %a", i, (double)y[i], (double)f16_to_f32(half[i]));
        assert_int_equal(back[i], f32_to_f16(y[i]));
    }
}

/* Rounding: each half, the float half-way to the next one, and that one's neighbours. */
static void test_encode(void **state)
{
    const struct simd_probe *p = probe_of(state);
    for (uint32_t h = 0; h < 65536; h++) {
        uint32_t wide = h << 16, narrow = bits_of(f16_to_f32((uint16_t)h));
        float x[12];
        uint16_t y[12];
        for (uint32_t i = 0; i < 6; i++) {
            x[i] = float_of(wide + (i < 3 ? 0x7fffu : 0xfffdu) + i);
            x[6 + i] = float_of(narrow + (i < 3 ? 0xfffu : 0x1ffdu) + i);
        }
        p->to_bf16(y, x, 12);
        for (int i = 0; i < 12; i++)
            assert_int_equal(y[i], f32_to_bf16(x[i]));
        p->to_f16(y, x, 12);
        for (int i = 0; i < 12; i++)
            assert_int_equal(y[i], f32_to_f16(x[i]));
    }
}

static void test_philox(void **state)
{
    const struct simd_probe *p = probe_of(state);
    const uint64_t blocks[] = {0, 1, 12345, UINT32_MAX - 1, 0x123456789abcull};
    uint32_t word[64], want[4];
    for (int b = 0; b < 5; b++) {
        uint64_t seed = 0x9e3779b97f4a7c15ull * (uint64_t)(b + 1), stream = ~seed;
        p->philox(word, seed, stream, blocks[b]);
        for (int j = 0; j < p->lanes; j++) {
            rng_philox(want, seed, stream, blocks[b] + (uint64_t)j);
            assert_memory_equal(word + 4 * j, want, sizeof want);
        }
    }
}

int main(void)
{
#define TEST(name, fn)             \
    {                              \
        name, fn, NULL, NULL, NULL \
    }
    static const struct CMUnitTest tests[] = {
        TEST("exp", test_exp),       TEST("tanh", test_tanh),       TEST("sigmoid", test_sigmoid),
        TEST("limits", test_limits), TEST("min_max", test_min_max), TEST("tails", test_tails),
        TEST("decode", test_decode), TEST("encode", test_encode),   TEST("philox", test_philox),
    };
    enum { TESTS = sizeof tests / sizeof *tests };
    struct CMUnitTest all[TESTS * SETS];
    char names[TESTS * SETS][32];
    for (int i = 0; i < TESTS * SETS; i++) {
        const struct set *s = &sets[i % SETS];
        all[i] = tests[i / SETS];
        snprintf(names[i], sizeof names[i], "%s/%s", all[i].name, s->name);
        all[i].name = names[i];
        all[i].initial_state = (void *)(uintptr_t)s;
    }
    return cmocka_run_group_tests_name("simd", all, NULL, NULL);
}
