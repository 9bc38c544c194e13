/* The same adapter trained from the same start on the CPU and on OpenCL: 50 steps with dropout, whose
 * mask is the same on every device. */
#include "tests/model/fixture.h"

#include "tests/data/scratch.h"

enum { STEPS = 50, LAYERS_TRAINED = 2 };

struct course {
    double loss[STEPS];
    float *params;
    size_t values;
};

static void step(struct model *m, const struct fixture *x, int number, struct course *c)
{
    struct train_hyper h = {5e-3, 0.9, 0.999, 1e-8, 0.01, 1.0, number};
    struct train_result result;
    struct rows r;
    rows_of(&r, x, 2 * (number % 5), 2);
    OK(model_train_micro(m, &r.b, r.b.labelled, number, 0, &f));
    OK(model_train_update(m, &h, &f));
    OK(model_train_result(m, &result, &f));
    assert_true(result.finite);
    c->loss[number - 1] = result.loss;
}

static struct course train(const char *device, const char *name)
{
    struct fixture x;
    struct course c = {{0}, NULL, 0};
    char dir[FIXTURE_PATH];
    kern *k = check_open(device, 2);
    snprintf(dir, sizeof dir, "tests/fixtures/model/%s", name);
    fixture_open(&x, dir);
    struct adapters *a = new_adapters(&x, &(struct adapter_spec){.rank = 4,
                                                                 .alpha = 8,
                                                                 .dropout = 0.1,
                                                                 .target_modules = "all-linear",
                                                                 .num_layers = LAYERS_TRAINED});
    struct model *m =
        fixture_model(&x, k, a, (struct model_shape){.rows_max = 100, .backward = true});
    OK(model_train_begin(m, 7, &f));
    for (int i = 1; i <= STEPS; i++)
        step(m, &x, i, &c);
    c.values = a->values;
    c.params = malloc(c.values * sizeof *c.params);
    assert_non_null(c.params);
    OK(model_state_read(m, c.params, NULL, NULL, &f));
    model_close(&m);
    adapters_free(&a);
    close_named(&x, &k);
    return c;
}

static void same_course(void **state)
{
    const char *name = *state;
    struct course ocl = train("opencl", name), cpu = train("cpu", name);
    double worst = 0;
    for (int i = 0; i < STEPS; i++) {
        double d = fabs(ocl.loss[i] - cpu.loss[i]);
        if (!(d <= 1e-3))
            fail_msg("step %d: loss %.7f on OpenCL, %.7f on the CPU", i + 1, ocl.loss[i],
                     cpu.loss[i]);
        worst = fmax(worst, d);
    }
    double apart = frobenius(ocl.params, cpu.params, cpu.values);
    print_message("%s: losses differ by %.1e at most, adapters by %.1e\n", name, worst, apart);
    assert_true(cpu.loss[STEPS - 1] < cpu.loss[0] - 0.1);
    assert_true(apart < 1e-2);
    free(ocl.params);
    free(cpu.params);
}

static int cache_make(void **state)
{
    return scratch_make(state) == 0 ? setenv("OCL_CACHE", scratch_folder, 0) : -1;
}

int main(void)
{
    static char one[] = "llama_bias", two[] = "gemma3_parts";
    const struct CMUnitTest tests[] = {{"llama_bias", same_course, NULL, NULL, one},
                                       {"gemma3_parts", same_course, NULL, NULL, two}};
    return _cmocka_run_group_tests("course", tests, sizeof tests / sizeof *tests, cache_make,
                                   scratch_remove);
}
