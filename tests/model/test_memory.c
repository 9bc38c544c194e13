/* The sum that is held against a device's memory before anything is loaded is what the model then takes, to
 * the byte. */
#include "kernels/device.h"
#include "tests/model/fixture.h"

/* Opens a model on a device that has `memory` bytes, or says so; *peak: what it took. */
static enum status open_with(uint64_t *peak, const char *device, uint64_t memory,
                             const struct model_shape *shape, struct fault *f)
{
    struct fixture x;
    struct model *m = NULL;
    fixture_open(&x, "tests/fixtures/model/gemma2");
    kern *k = check_open(device, 2);
    struct adapters *a = fixture_adapters(&x, "init");
    if (memory > 0)
        k->state->info.memory_bytes = memory;
    enum status s = model_open_files(&m, k, x.hf, x.dir, &x.c, a, shape, f);
    *peak = kern_memory(k).peak;
    model_close(&m);
    adapters_free(&a);
    kern_close(&k);
    fixture_close(&x);
    return s;
}

static void summed(void **state)
{
    const struct model_shape shapes[] = {
        {.rows_max = 160, .backward = true},
        {.rows_max = 97, .backward = true, .grad_checkpoint = true},
        {.rows_max = 33},
        {.rows_max = 5, .keys_max = 60}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct fault f = {0};
        uint64_t peak, none;
        assert_int_equal(open_with(&peak, *state, 0, &shapes[i], &f), ST_OK);
        assert_int_equal(open_with(&none, *state, peak, &shapes[i], &f), ST_OK);
        assert_int_equal(open_with(&none, *state, peak - 1, &shapes[i], &f), ST_NOMEM);
        assert_non_null(strstr(f.text, "the model needs"));
        assert_true(f.remedy[0]);
    }
}

int main(void)
{
    static char cpu[] = "cpu", opencl[] = "opencl";
    const struct CMUnitTest tests[] = {{"summed/cpu", summed, NULL, NULL, cpu},
                                       {"summed/opencl", summed, NULL, NULL, opencl}};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
