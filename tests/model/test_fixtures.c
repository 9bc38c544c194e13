/* Every committed fixture on every CPU device: logits, gradients of one step, a training run and the
 * merged model against what transformers + PEFT made of the same files. */
#include "tests/model/merged.h"

#include "model/schedule.h"

/* Others may be named on the command line: test_fixtures FOLDER NAME ... */
static const char *folder = "tests/fixtures/model";
static const char *const committed[] = {FIXTURE_NAMES};
#ifndef FIXTURE_DEVICES /* test_fixtures_ocl.c has its own */
#define FIXTURE_DEVICES "cpu:ref", "cpu"
#define FIXTURE_SETUP   scratch_make
#endif
static const char *const devices[] = {FIXTURE_DEVICES};

struct state {
    const char *device, *name;
};

static void open_case(struct fixture *x, kern **k, const struct state *s)
{
    char dir[FIXTURE_PATH];
    snprintf(dir, sizeof dir, "%.200s/%.100s", folder, s->name);
    fixture_open(x, dir);
    *k = check_open(s->device, 2);
}

static void close_case(struct fixture *x, kern **k)
{
    kern_close(k);
    fixture_close(x);
}

/* Logits of the first rows of ref.json's "ids" at its positions. */
static void compare_logits(struct fixture *x, struct model *m, const char *kind, int rows)
{
    for (int row = 0; row < rows; row++) {
        struct rows r;
        char name[64];
        int32_t positions[8];
        rows_clear(&r);
        rows_add_json(&r, fixture_item(json_get(x->json, "ids"), row));
        int n = fixture_ids(positions, fixture_item(json_get(x->json, "positions"), row));
        size_t count = (size_t)n * (size_t)x->c.vocab;
        float *got = malloc(count * sizeof *got);
        assert_non_null(got);
        OK(model_logits(m, &r.b, positions, n, got, &f));
        snprintf(name, sizeof name, "%s.%d", kind, row);
        double worst = worst_difference(got, fixture_tensor(x, name, count), count);
        free(got);
        if (!(worst <= 1e-5))
            fail_msg("%s: logits differ by %g of the largest", name, worst);
    }
}

static void logits(void **state)
{
    struct fixture x;
    kern *k;
    open_case(&x, &k, *state);
    struct model *m = fixture_model(&x, k, NULL, (struct model_shape){.rows_max = 64});
    compare_logits(&x, m, "base", 2);
    model_close(&m);
    struct adapters *a = fixture_adapters(&x, "init");
    m = fixture_model(&x, k, a, (struct model_shape){.rows_max = 64});
    compare_logits(&x, m, "init", 2);
    model_close(&m);
    adapters_free(&a);
    close_case(&x, &k);
}

/* The loss over both rows in one packed batch, and the gradient of every adapter tensor. */
static void gradients(void **state)
{
    struct fixture x;
    kern *k;
    open_case(&x, &k, *state);
    struct adapters *a = fixture_adapters(&x, "init");
    struct model *m =
        fixture_model(&x, k, a, (struct model_shape){.rows_max = 128, .backward = true});
    struct rows r;
    rows_clear(&r);
    rows_add_json(&r, fixture_item(json_get(x.json, "ids"), 0));
    rows_add_json(&r, fixture_item(json_get(x.json, "ids"), 1));
    double loss;
    OK(model_forward(m, &r.b, NULL, &loss, &f));
    assert_true(fabs(loss / r.b.labelled - fixture_number(x.json, "loss_init")) < 1e-5);
    OK(model_train_begin(m, 0, &f));
    OK(model_train_micro(m, &r.b, r.b.labelled, 1, 0, &f));
    float *g = malloc(a->values * sizeof *g);
    assert_non_null(g);
    OK(model_grads_read(m, g, &f));
    for (int i = 0; i < a->count; i++) {
        const struct adapter_entry *e = &a->p[i];
        for (int b = 0; b < 2; b++) {
            char key[ADAPTER_KEY_MAX], name[ADAPTER_KEY_MAX + 8];
            size_t n = (size_t)e->rank * (size_t)(b ? e->mod.out : e->mod.in);
            adapter_key(key, e, b ? 'B' : 'A');
            snprintf(name, sizeof name, "grad.%s", key);
            double d = frobenius(g + (b ? e->b : e->a), fixture_tensor(&x, name, n), n);
            if (!(d <= 2e-5))
                fail_msg("%s differs by %g", name, d);
        }
    }
    free(g);
    model_close(&m);
    adapters_free(&a);
    close_case(&x, &k);
}

struct run {
    struct fixture *x;
    const struct json *hp;
    struct model *m;
    int rows, at, batch, accum;
    struct rows micro[8];
};

/* The next window of rows, going round. */
static int64_t fill_window(struct run *r)
{
    int64_t targets = 0;
    for (int i = 0; i < r->accum; i++) {
        rows_clear(&r->micro[i]);
        for (int j = 0; j < r->batch; j++, r->at = (r->at + 1) % r->rows)
            rows_add_json(&r->micro[i], fixture_item(json_get(r->x->json, "rows"), r->at));
        targets += r->micro[i].b.labelled;
    }
    return targets;
}

static void run_step(struct run *r, const struct schedule *schedule, int step)
{
    struct train_hyper h = {.lr = schedule_lr(schedule, step), .beta1 = 0.9, .beta2 = 0.999};
    struct train_result result;
    h.eps = 1e-8;
    h.weight_decay = fixture_number(r->hp, "weight_decay");
    h.max_grad_norm = fixture_number(r->hp, "max_grad_norm");
    h.step = step;
    int64_t targets = fill_window(r);
    for (int i = 0; i < r->accum; i++)
        OK(model_train_micro(r->m, &r->micro[i].b, targets, step, i, &f));
    OK(model_train_update(r->m, &h, &f));
    OK(model_train_result(r->m, &result, &f));
    double loss = json_number(fixture_item(json_get(r->x->json, "losses"), step - 1), NAN);
    double norm = json_number(fixture_item(json_get(r->x->json, "grad_norms"), step - 1), NAN);
    assert_true(result.finite);
    if (!(fabs(result.loss - loss) < 2e-5))
        fail_msg("step %d: loss %.7f, transformers + PEFT %.7f", step, result.loss, loss);
    if (!(fabs(result.grad_norm - norm) < 5e-5 * norm))
        fail_msg("step %d: norm %.7f, transformers + PEFT %.7f", step, result.grad_norm, norm);
}

/* The final adapter: how far it is from PEFT's, beside how far it came. */
static void compare_final(struct run *r, struct adapters *init)
{
    struct adapters *want = fixture_adapters(r->x, "final");
    float *got = malloc(init->values * sizeof *got);
    double apart = 0, way = 0;
    assert_non_null(got);
    OK(model_state_read(r->m, got, NULL, NULL, &f));
    for (size_t i = 0; i < init->values; i++) {
        double d = (double)got[i] - (double)want->data[i];
        double w = (double)want->data[i] - (double)init->data[i];
        apart += d * d;
        way += w * w;
    }
    if (!(sqrt(apart / way) < 2e-4))
        fail_msg("the trained adapter differs by %g of its way", sqrt(apart / way));
    free(got);
    adapters_free(&want);
}

static void training(void **state)
{
    struct fixture x;
    kern *k;
    open_case(&x, &k, *state);
    struct adapters *a = fixture_adapters(&x, "init");
    struct run r = {.x = &x, .hp = json_get(x.json, "hp")};
    r.m = fixture_model(&x, k, a, (struct model_shape){.rows_max = 160, .backward = true});
    r.rows = (int)json_count(json_get(x.json, "rows"));
    r.batch = (int)fixture_number(r.hp, "batch");
    r.accum = (int)fixture_number(r.hp, "accum");
    int iters = (int)fixture_number(r.hp, "iters");
    const char *kind = json_string(json_get(r.hp, "schedule"));
    struct schedule s = {.kind = strcmp(kind, "linear") == 0   ? SCHEDULE_LINEAR
                                 : strcmp(kind, "cosine") == 0 ? SCHEDULE_COSINE
                                                               : SCHEDULE_CONSTANT,
                         .lr = fixture_number(r.hp, "lr"),
                         .warmup = (int64_t)fixture_number(r.hp, "warmup"),
                         .total = iters};
    OK(model_train_begin(r.m, 0, &f));
    for (int step = 1; step <= iters; step++)
        run_step(&r, &s, step);
    compare_final(&r, a);
    model_close(&r.m);
    adapters_free(&a);
    close_case(&x, &k);
}

/* The final adapter in the weights, which PEFT has done and rounded once to the files' type. */
static void merging(void **state)
{
    struct fixture x;
    kern *k;
    struct merge_stats stats;
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 64};
    open_case(&x, &k, *state);
    struct base *b = base_from(&x);
    struct adapters *a = fixture_adapters(&x, "final");
    struct safetensors *st = merged(b, &x, a, &stats);
    bool whole = safetensors_tensor(x.hf, 0)->dtype == DT_F32;
    OK(model_open_files(&m, k, st, "merged", &x.c, NULL, &shape, &f));
    compare_logits(&x, m, whole ? "merged" : "rounded", 1);
    assert_int_equal(stats.tensors_merged, a->count);
    assert_true(stats.delta_lost >= 0 && stats.delta_lost < (whole ? 1e-4 : 0.2));
    assert_true(whole || stats.worst_lost >= stats.delta_lost);
    model_close(&m);
    safetensors_close(&st);
    adapters_free(&a);
    base_close(&b);
    close_case(&x, &k);
}

int main(int argc, char **argv)
{
    enum { COMMITTED = sizeof committed / sizeof *committed, MOST = 64 };
    enum { DEVICES = sizeof devices / sizeof *devices };
    static const struct {
        const char *name;
        CMUnitTestFunction fn;
    } what[] = {
        {"logits", logits}, {"gradients", gradients}, {"training", training}, {"merging", merging}};
    enum { WHAT = sizeof what / sizeof *what };
    static struct state state[MOST * DEVICES * WHAT];
    static char title[MOST * DEVICES * WHAT][160];
    static struct CMUnitTest tests[MOST * DEVICES * WHAT];
    const char *const *names = argc > 2 ? (const char *const *)argv + 2 : committed;
    size_t count = argc > 2 ? (size_t)argc - 2 : COMMITTED, n = 0;
    folder = argc > 2 ? argv[1] : folder;
    for (size_t d = 0; d < DEVICES; d++) {
        for (size_t i = 0; i < count && i < MOST; i++) {
            for (size_t w = 0; w < WHAT; w++, n++) {
                state[n] = (struct state){devices[d], names[i]};
                snprintf(title[n], sizeof title[n], "%.100s/%s/%s", names[i], what[w].name,
                         devices[d]);
                tests[n] = (struct CMUnitTest){
                    .name = title[n], .test_func = what[w].fn, .initial_state = &state[n]};
            }
        }
    }
    return _cmocka_run_group_tests("model fixtures", tests, n, FIXTURE_SETUP, scratch_remove);
}
