/* A training step on an OpenCL device: what crosses the bus, how often the host waits, and the CPU's
 * losses from the same start. */
#include "kernels/ocl.h"
#include "model/model_impl.h"
#include "tests/model/fixture.h"

enum { STEPS = 12, MICROS = 2 };

struct course {
    double loss[STEPS], norm[STEPS];
    float *params; /* after the last step */
};

static const struct train_hyper hyper = {5e-3, 0.9, 0.999, 1e-8, 0.01, 1.0, 1};

/* Ids, positions, documents and labels go in; one small vector comes out; one wait. */
static void check_traffic(const struct ocl_counts *before, const struct ocl_counts *after,
                          const struct rows micro[MICROS])
{
    size_t in = 0;
    for (int i = 0; i < MICROS; i++)
        in += (size_t)(3 * micro[i].b.rows + 2 * micro[i].b.labelled) * sizeof(int32_t);
    assert_int_equal(after->writes - before->writes, MICROS);
    assert_int_equal(after->write_bytes - before->write_bytes, in);
    assert_int_equal(after->reads - before->reads, 1);
    assert_int_equal(after->read_bytes - before->read_bytes, SCALARS * sizeof(float));
    assert_int_equal(after->uploads - before->uploads, 0);
    assert_int_equal(after->waits - before->waits, 1);
    assert_true(after->launches - before->launches > 20);
    assert_int_equal(after->built + after->loaded, before->built + before->loaded);
}

static void one_step(struct model *m, struct rows micro[MICROS], int number, struct course *c)
{
    struct train_hyper h = hyper;
    struct train_result r;
    h.step = number;
    for (int i = 0; i < MICROS; i++)
        OK(model_train_micro(m, &micro[i].b, micro[0].b.labelled + micro[1].b.labelled, number, i,
                             &f));
    OK(model_train_update(m, &h, &f));
    OK(model_train_result(m, &r, &f));
    assert_true(r.finite);
    c->loss[number - 1] = r.loss;
    c->norm[number - 1] = r.grad_norm;
}

static struct course train(const char *device, const char *dir)
{
    struct fixture x;
    struct course c = {{0}, {0}, NULL};
    struct rows micro[MICROS];
    kern *k = check_open(device, 0);
    bool ocl = strcmp(kern_info(k)->backend, "opencl") == 0;
    fixture_open(&x, dir);
    struct adapters *a = fixture_adapters(&x, "init");
    struct model *m =
        fixture_model(&x, k, a, (struct model_shape){.rows_max = 160, .backward = true});
    for (int i = 0; i < MICROS; i++)
        rows_of(&micro[i], &x, i, 1);
    c.params = malloc(a->values * sizeof *c.params);
    assert_non_null(c.params);
    OK(model_train_begin(m, 3, &f));
    for (int s = 1; s <= STEPS; s++) {
        struct ocl_counts before = ocl ? *ocl_counts(k) : (struct ocl_counts){0};
        one_step(m, micro, s, &c);
        if (ocl && s > 1) /* the first brings the rotary tables */
            check_traffic(&before, ocl_counts(k), micro);
    }
    OK(model_state_read(m, c.params, NULL, NULL, &f));
    model_close(&m);
    adapters_free(&a);
    fixture_close(&x);
    kern_close(&k);
    return c;
}

/* Twice on the device: the same bits. Once on the CPU: the same losses, to rounding. */
static void steps(void **state)
{
    const char *dir = *state;
    struct course got = train("opencl", dir), again = train("opencl", dir);
    struct course want = train("cpu", dir);
    for (int i = 0; i < STEPS; i++) {
        assert_true(got.loss[i] == again.loss[i] && got.norm[i] == again.norm[i]);
        assert_true(fabs(got.loss[i] - want.loss[i]) < 1e-4);
        assert_true(fabs(got.norm[i] - want.norm[i]) < 1e-3 * want.norm[i]);
    }
    assert_true(want.loss[STEPS - 1] < want.loss[0]);
    free(got.params);
    free(again.params);
    free(want.params);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {"steps/llama3", steps, NULL, NULL, (char *)(uintptr_t) "tests/fixtures/model/llama3"},
        {"steps/gemma2", steps, NULL, NULL, (char *)(uintptr_t) "tests/fixtures/model/gemma2"},
        {"steps/gpt2", steps, NULL, NULL, (char *)(uintptr_t) "tests/fixtures/model/gpt2"},
        {"steps/qwen3", steps, NULL, NULL, (char *)(uintptr_t) "tests/fixtures/model/qwen3"},
    };
    return cmocka_run_group_tests_name("step_ocl", tests, NULL, NULL);
}
