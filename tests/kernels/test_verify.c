/* The user's own trust: what kern_verify says of a device whose ops are wrong. */
#include <math.h>
#include <string.h>

#include "kernels/device.h"
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

/* ---- a reference that fails ---------------------------------------------------------------------- */

static bool failed;
static int reads_after; /* by the device, of an op that the reference could not run */
static void (*read_of_device)(kern *k, void *dst, struct kref src, size_t count);

static void fails(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    (void)y, (void)x, (void)rows, (void)cols;
    kern_stick(k, ST_RANGE, "softmax_fwd", "planted");
    failed = true;
}

static void watch(kern *k, void *dst, struct kref src, size_t count)
{
    reads_after += failed;
    read_of_device(k, dst, src, count);
}

/* The memory that a read goes to is gone by the time that a queue would get there. */
static void nothing_is_read_after_a_failure(void **state)
{
    kern *ref = check_open("cpu:ref", 0), *k = check_open("cpu", 0);
    struct kern_device watched = *k->state->device;
    struct fault f = {0};
    double worst = 0;
    (void)state;
    read_of_device = watched.read;
    watched.read = watch;
    k->state->device = &watched;
    ref->op.softmax_fwd = fails;
    assert_int_equal(kern_verify(ref, k, NULL, NULL, &worst, &f), ST_RANGE);
    assert_non_null(strstr(f.text, "planted"));
    assert_true(failed);
    assert_int_equal(reads_after, 0);
    kern_close(&k);
    kern_close(&ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_ops),
        cmocka_unit_test(worse),
        cmocka_unit_test(nothing_is_read_after_a_failure),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
