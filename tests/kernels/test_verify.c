/* The user's own trust: what kern_verify says of a device whose ops are wrong. */
#include <math.h>
#include <string.h>

#include "kernels/verify/verify.h"
#include "tests/check.h"

static softmax_fwd_fn *whole;
static float planted;

/* softmax_fwd with one element spoiled: the first, which later ones must not make forgotten. */
static void spoiled(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    whole(k, y, x, rows, cols);
    kern_write(k, y, &planted, 1);
}

struct seen {
    double worst; /* of softmax_fwd */
    int results;
};

static void see(void *ctx, const struct verify_result *r)
{
    struct seen *s = ctx;
    s->results++;
    if (strcmp(r->op, "softmax_fwd") == 0 && verify_worse(r->error, s->worst))
        s->worst = r->error;
}

static double verify_spoiled(float value, struct seen *seen)
{
    const struct kern_options o = {.precision = KERN_F32};
    struct fault f = {0};
    kern *ref = NULL, *k = NULL;
    double worst = -1;
    assert_int_equal(kern_open(&ref, "cpu:ref", &o, &f), ST_OK);
    assert_int_equal(kern_open(&k, "cpu:ref", &o, &f), ST_OK);
    whole = k->op.softmax_fwd;
    planted = value;
    if (value != 0)
        k->op.softmax_fwd = spoiled;
    *seen = (struct seen){0};
    assert_int_equal(kern_verify(ref, k, see, seen, &worst, &f), ST_OK);
    assert_true(seen->results > 20);
    kern_close(&k);
    kern_close(&ref);
    return worst;
}

static void wrong_ops(void **state)
{
    struct seen seen;
    (void)state;
    assert_true(verify_spoiled(0, &seen) == 0 && seen.worst == 0);
    assert_true(verify_spoiled(2, &seen) > VERIFY_BOUND && seen.worst > VERIFY_BOUND);
    assert_true(isnan(verify_spoiled(NAN, &seen)) && isnan(seen.worst));
    assert_false(verify_spoiled(INFINITY, &seen) <= VERIFY_BOUND);
}

static void worse(void **state)
{
    (void)state;
    assert_true(verify_worse(1, 0) && verify_worse(NAN, 1) && verify_worse(NAN, INFINITY));
    assert_false(verify_worse(1, 1) || verify_worse(0, 1));
    assert_false(verify_worse(1, NAN) || verify_worse(INFINITY, NAN) || verify_worse(NAN, NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_ops), cmocka_unit_test(worse)};
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
