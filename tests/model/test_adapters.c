/* Which matrices an adapter set takes, in what order, with what values; and PEFT's folders. */
#include "tests/model/fixture.h"

#include "model/adapter_targets.h"
#include "tests/data/scratch.h"

static struct model_config config(int layers)
{
    struct model_config c = {.family = "llama",
                             .hidden = 64,
                             .inter = 96,
                             .layers = layers,
                             .heads = 8,
                             .kv_heads = 2,
                             .head_dim = 8,
                             .vocab = 50};
    return c;
}

static struct adapters *plan(const char *targets, int layers, int last)
{
    struct model_config c = config(layers);
    struct adapters *a = NULL;
    struct adapter_spec s = {.rank = 4, .alpha = 8, .target_modules = targets, .num_layers = last};
    OK(adapters_new(&a, &c, &s, 1, &f));
    return a;
}

static void targets(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int layers, last, count;
        const char *first;
    } cases[] = {
        {"all-linear", 3, 0, 21, "model.layers.0.mlp.down_proj"},
        {NULL, 3, 0, 21, "model.layers.0.mlp.down_proj"},
        {"q_proj", 3, 0, 3, "model.layers.0.self_attn.q_proj"},
        {"q_proj, v_proj", 3, 0, 6, "model.layers.0.self_attn.q_proj"},
        {"q_proj,v_proj", 3, 2, 4, "model.layers.1.self_attn.q_proj"},
        {"self_attn.o_proj", 3, 0, 3, "model.layers.0.self_attn.o_proj"},
        {"layers.2.mlp.up_proj", 3, 0, 1, "model.layers.2.mlp.up_proj"},
        {"model.layers.1.mlp.up_proj", 3, 0, 1, "model.layers.1.mlp.up_proj"},
        {".*\\.(q|k)_proj", 3, 0, 6, "model.layers.0.self_attn.k_proj"},
        {"model\\.layers\\.[01]\\.mlp\\..*", 3, 0, 6, "model.layers.0.mlp.down_proj"},
        {"model\\.layers\\.\\d+\\.mlp\\.up_proj|.*v_proj", 3, 1, 2, "model.layers.2.mlp.up_proj"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct adapters *a = plan(cases[i].text, cases[i].layers, cases[i].last);
        assert_int_equal(a->count, cases[i].count);
        assert_string_equal(a->p[0].mod.name, cases[i].first);
        adapters_free(&a);
    }
}

static void refused(const struct adapter_spec *s, const char *word)
{
    struct model_config c = config(3);
    struct adapters *a = NULL;
    struct fault said = {0};
    if (adapters_new(&a, &c, s, 1, &said) != ST_USAGE || !strstr(said.text, word) || a)
        fail_msg("%s: [%s] %s", s->target_modules ? s->target_modules : "all-linear",
                 status_text(said.code), said.text);
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"qproj", "qproj"},
        {"q_proj,w_proj", "w_proj"},
        {"roj", "roj"},
        {"lm_head", "lm_head"},
        {"q_proj,lm_head", "lm_head"},
        {"embed_tokens", "embed_tokens"},
        {".*", "lm_head"},
        {".*(q_proj|embed_tokens)", "embed_tokens"},
        {"(q_proj", "expression"},
        {"^q_proj$", "q_proj"},
        {"", "called"},
        {"layers.7.mlp.up_proj", "layers.7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct adapter_spec s = {.rank = 4, .alpha = 8, .target_modules = cases[i].text};
        refused(&s, cases[i].word);
    }
    refused(&(struct adapter_spec){.rank = 0, .alpha = 8}, "rank 0");
    refused(&(struct adapter_spec){.rank = -3, .alpha = 8}, "rank -3");
    refused(&(struct adapter_spec){.rank = 17, .alpha = 8}, "k_proj"); /* 2 heads of 8 */
    refused(&(struct adapter_spec){.rank = 4, .alpha = NAN}, "alpha");
    refused(&(struct adapter_spec){.rank = 4, .alpha = 0}, "alpha");
    refused(&(struct adapter_spec){.rank = 4, .alpha = 8, .dropout = 1}, "dropout");
    refused(&(struct adapter_spec){.rank = 4, .alpha = 8, .dropout = NAN}, "dropout");
    refused(&(struct adapter_spec){.rank = 4, .alpha = 8, .num_layers = 4}, "num_layers");
    refused(&(struct adapter_spec){.rank = 4, .alpha = 8, .num_layers = -1}, "num_layers");
    struct adapter_spec s = {.rank = 4, .alpha = 8, .target_modules = "nothing"};
    struct model_config c = config(3);
    struct adapters *a = NULL;
    struct fault said = {0};
    adapters_new(&a, &c, &s, 1, &said);
    assert_non_null(strstr(said.remedy, "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj"));
}

/* An expression that would try forever gives up. */
static void slow_expression(void **state)
{
    (void)state;
    refused(&(struct adapter_spec){.rank = 4, .alpha = 8, .target_modules = "(([a-z_.0-9]+)+)+!"},
            "!");
}

/* Keys sorted as strings: layer 10 stands before layer 2. */
static void order(void **state)
{
    (void)state;
    struct adapters *a = plan("all-linear", 12, 0);
    size_t at = 0;
    char last[ADAPTER_KEY_MAX] = "", key[ADAPTER_KEY_MAX];
    for (int i = 0; i < a->count; i++) {
        const struct adapter_entry *e = &a->p[i];
        for (int b = 0; b < 2; b++) {
            adapter_key(key, e, b ? 'B' : 'A');
            assert_true(strcmp(last, key) < 0);
            memcpy(last, key, sizeof last);
            assert_int_equal(b ? e->b : e->a, at);
            at += (size_t)e->rank * (size_t)(b ? e->mod.out : e->mod.in);
        }
    }
    assert_int_equal(at, adapters_values(a));
    assert_string_equal(a->p[14].mod.name, "model.layers.10.mlp.down_proj");
    adapters_free(&a);
}

static void initial_values(void **state)
{
    (void)state;
    struct adapters *all = plan("all-linear", 3, 0), *one = plan("o_proj", 3, 1);
    for (int i = 0; i < all->count; i++) {
        const struct adapter_entry *e = &all->p[i];
        double sum = 0, squares = 0, bound = 1 / sqrt(e->mod.in);
        size_t n = (size_t)e->rank * (size_t)e->mod.in;
        for (size_t j = 0; j < n; j++) {
            double v = (double)all->data[e->a + j];
            assert_true(fabs(v) <= bound * (1 + 1e-6));
            sum += v;
            squares += v * v;
        }
        /* a uniform's mean 0 and variance bound^2/3, within five deviations */
        assert_true(fabs(sum / (double)n) < 5 * bound / sqrt(3.0 * (double)n));
        assert_true(fabs(squares / (double)n / (bound * bound / 3) - 1) < 5 / sqrt((double)n));
        for (size_t j = 0; j < (size_t)e->mod.out * (size_t)e->rank; j++)
            assert_true(all->data[e->b + j] == 0.0f);
    }
    int same = adapters_at(all, 2, MODULE_O); /* whatever else is adapted */
    assert_memory_equal(all->data + all->p[same].a, one->data + one->p[0].a,
                        4 * 64 * sizeof(float));
    struct model_config c = config(3);
    struct adapters *other = NULL;
    OK(adapters_new(&other, &c, &(struct adapter_spec){.rank = 4, .alpha = 8}, 2, &f));
    assert_memory_not_equal(all->data, other->data, 64);
    adapters_free(&all);
    adapters_free(&one);
    adapters_free(&other);
}

static void scales(void **state)
{
    (void)state;
    struct model_config c = config(2);
    struct adapters *a = NULL;
    OK(adapters_new(&a, &c, &(struct adapter_spec){.rank = 4, .alpha = 6}, 1, &f));
    assert_true(adapters_scale(a) == 1.5);
    adapters_free(&a);
    struct adapter_spec s = {.rank = 4, .alpha = 6, .use_rslora = true};
    OK(adapters_new(&a, &c, &s, 1, &f));
    assert_true(adapters_scale(a) == 3);
    adapters_free(&a);
}

/* ---- folders ------------------------------------------------------------------------------- */

static void round_trip(void **state)
{
    (void)state;
    struct model_config c = config(3);
    static const char *const texts[] = {"all-linear", "q_proj,down_proj", ".*\\.(q|k)_proj"};
    for (int i = 0; i < 6; i++) {
        struct adapter_spec s = {.rank = 4, .alpha = 6, .target_modules = texts[i % 3]};
        struct adapters *a = NULL, *b = NULL, *d = NULL;
        s.num_layers = i < 3 ? 0 : 2;
        s.use_rslora = i == 4;
        OK(adapters_new(&a, &c, &s, 5, &f));
        for (size_t j = 0; j < a->values; j++)
            a->data[j] += (float)j * 1e-5f;
        OK(adapters_save(a, scratch_path("run"), "Org/Name", &f));
        OK(adapters_load(&b, &c, scratch_path("run"), &f));
        assert_int_equal(b->count, a->count);
        assert_memory_equal(b->data, a->data, a->values * sizeof(float));
        assert_true(adapters_scale(a) == adapters_scale(b) && b->rank == 4 && b->alpha == 6);
        OK(adapters_new(&d, &c, &s, 6, &f));
        OK(adapters_init_from(d, scratch_path("run"), &f));
        assert_memory_equal(d->data, a->data, a->values * sizeof(float));
        adapters_free(&a);
        adapters_free(&b);
        adapters_free(&d);
    }
}

/* PEFT's own folder, saved again, keeps its weights byte for byte. */
static void saved_again(const char *name)
{
    struct fixture x;
    char path[FIXTURE_PATH];
    snprintf(path, sizeof path, "tests/fixtures/model/%s", name);
    fixture_open(&x, path);
    struct adapters *a = fixture_adapters(&x, "init");
    OK(adapters_save(a, scratch_path("again"), "base", &f));
    struct safetensors *t = NULL, *o = NULL;
    fixture_path(path, &x, "init/adapter_model.safetensors");
    OK(safetensors_open(&t, path, &f));
    OK(safetensors_open(&o, scratch_path("again/adapter_model.safetensors"), &f));
    assert_int_equal(safetensors_count(t), safetensors_count(o));
    for (size_t i = 0; i < safetensors_count(t); i++) {
        const struct tensor *p = safetensors_tensor(t, i), *q = safetensors_tensor(o, i);
        assert_string_equal(p->name, q->name);
        assert_int_equal(p->bytes, q->bytes);
        assert_memory_equal(safetensors_data(t, p), safetensors_data(o, q), p->bytes);
    }
    safetensors_close(&t);
    safetensors_close(&o);
    adapters_free(&a);
    fixture_close(&x);
}

static void as_peft_writes(void **state)
{
    (void)state;
    static const char *const names[] = {FIXTURE_NAMES};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        saved_again(names[i]);
}

static void other_models(void **state)
{
    (void)state;
    struct model_config c = config(3), small = config(2), wide = config(3);
    struct adapters *a = plan("q_proj,up_proj", 3, 0), *b = NULL;
    struct fault said = {0};
    wide.inter = 97;
    OK(adapters_save(a, scratch_path("a"), "x", &f));
    assert_int_equal(adapters_load(&b, &small, scratch_path("a"), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "model.layers.2."));
    assert_int_equal(adapters_load(&b, &wide, scratch_path("a"), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "up_proj"));
    assert_null(b);
    b = plan("q_proj,k_proj", 3, 0);
    assert_int_equal(adapters_init_from(b, scratch_path("a"), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "k_proj"));
    adapters_free(&b);
    b = plan("q_proj", 3, 0);
    assert_int_equal(adapters_init_from(b, scratch_path("a"), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "up_proj"));
    adapters_free(&b);
    struct adapter_spec s = {.rank = 5, .alpha = 8, .target_modules = "q_proj,up_proj"};
    OK(adapters_new(&b, &c, &s, 1, &f));
    assert_int_equal(adapters_init_from(b, scratch_path("a"), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "rank 4"));
    adapters_free(&a);
    adapters_free(&b);
}

int main(void)
{
#define IN_SCRATCH(fn) cmocka_unit_test_setup_teardown(fn, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(errors),
        cmocka_unit_test(slow_expression),
        cmocka_unit_test(order),
        cmocka_unit_test(initial_values),
        cmocka_unit_test(scales),
        IN_SCRATCH(round_trip),
        IN_SCRATCH(as_peft_writes),
        IN_SCRATCH(other_models),
    };
    return cmocka_run_group_tests_name("adapters", tests, NULL, NULL);
}
