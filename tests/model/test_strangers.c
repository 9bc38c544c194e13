/* Tensors that config.json does not tell of: refused where the text model would compute with them,
 * passed over elsewhere; and a tied model's own head. */
#include "model/weights.h"
#include "tests/data/scratch.h"
#include "tests/model/fixture.h"

/* One more tensor of a fixture's file; times: what the embedding's values are multiplied by. */
struct extra {
    const char *name;
    enum dtype dtype;
    int64_t rows, cols; /* cols 0: a vector; rows 0: as the embedding */
    float times;
};

static const struct tensor *embedding(const struct fixture *x)
{
    struct tensor_source s = weights_of_safetensors(x->hf, x->dir);
    char name[160];
    snprintf(name, sizeof name, "%s.weight", family_find(x->c.family)->embed);
    const struct tensor *t = weights_find(&s, &x->c, name);
    assert_non_null(t);
    return t;
}

static struct tensor extra_tensor(const struct fixture *x, const struct extra *e)
{
    struct tensor t = e->rows > 0 ? (struct tensor){.ndim = e->cols > 0 ? 2 : 1} : *embedding(x);
    union { /* the name is only read */
        const char *from;
        char *to;
    } name = {e->name};
    t.name = name.to;
    t.dtype = e->dtype;
    if (e->rows > 0) {
        t.shape[0] = e->rows;
        t.shape[1] = e->cols;
    }
    OK(tensor_measure(&t, "extra", &f));
    return t;
}

struct filling {
    const struct fixture *x;
    const struct extra *e;
};

/* Of f32 embeddings alone: ours are. */
static void fill_extra(void *ctx, const struct tensor *t, void *bytes)
{
    const struct filling *g = ctx;
    const struct tensor *embed = embedding(g->x);
    const float *from = safetensors_data(g->x->hf, embed);
    if (strcmp(t->name, g->e->name) != 0 || g->e->rows > 0)
        return;
    for (size_t i = 0; i < embed->bytes / sizeof *from; i++) {
        float v = from[i] * g->e->times;
        uint16_t h = f32_to_bf16(v);
        if (t->dtype == DT_F32)
            memcpy((char *)bytes + 4 * i, &v, 4);
        else
            memcpy((char *)bytes + 2 * i, &h, 2);
    }
}

static struct safetensors *with_extra(const struct fixture *x, const struct extra *e)
{
    struct tensor more = extra_tensor(x, e);
    struct filling g = {x, e};
    return fixture_changed(x, scratch_path("more.safetensors"), &more, fill_extra, &g);
}

static void open_plain(struct fixture *x, const char *name)
{
    char dir[FIXTURE_PATH];
    snprintf(dir, sizeof dir, "tests/fixtures/model/%s", name);
    fixture_open(x, dir);
}

/* ---- strangers ----------------------------------------------------------------------------- */

static void check(const char *model, const char *name, enum status want)
{
    struct fixture x;
    struct fault said = {0};
    open_plain(&x, model);
    struct extra e = {.name = name, .dtype = DT_F32, .rows = 4};
    struct safetensors *st = with_extra(&x, &e);
    enum status code = model_check_files(st, "files", &x.c, &said);
    if (code != want || (want != ST_OK && !strstr(said.text, name)))
        fail_msg("%s with %s: [%s] %s", model, name, status_text(code), said.text);
    safetensors_close(&st);
    fixture_close(&x);
}

static void refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"llama2", "model.layers.0.self_attn.q_norm.weight"},
        {"llama2", "layers.1.self_attn.q_norm.weight"},
        {"llama2", "model.layers.1.mlp.up_proj.bias"},
        {"llama2", "model.layers.0.input_layernorm.bias"},
        {"llama2", "model.layers.2.mlp.up_proj.weight"}, /* config.json has two layers */
        {"llama2", "model.layers.0.mlp.experts.0.up_proj.weight"},
        {"llama2", "model.norm.bias"},
        {"llama2", "lm_head.bias"},
        {"llama3", "lm_head.bias"}, /* tied */
        {"qwen2", "model.layers.0.self_attn.o_proj.bias"},
        {"gemma2", "model.layers.0.self_attn.k_norm.weight"},
        {"phi3", "model.layers.0.self_attn.q_proj.weight"},
        {"gpt2", "transformer.h.0.attn.c_proj.scale"},
        {"gpt2", "h.1.ln_3.weight"},
        {"gemma3_parts", "language_model.model.layers.0.mlp.up_proj.bias"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i][0], cases[i][1], ST_UNSUPPORTED);
}

static void passed_over(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"llama2", "model.layers.0.self_attn.rotary_emb.inv_freq"},
        {"llama2", "model.rotary_emb.inv_freq"},
        {"llama2", "score.weight"},
        {"llama2", "model.layersthing.weight"},
        {"gpt2", "transformer.h.0.attn.bias"},
        {"gpt2", "h.1.attn.masked_bias"},
        {"gemma3_parts", "model.multi_modal_projector.other.weight"},
        {"gemma3_parts", "vision_tower.layers.0.bias"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i][0], cases[i][1], ST_OK);
}

/* Biases in the file that config.json has switched off. */
static void untold_bias(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    open_plain(&x, "llama_bias");
    assert_true(x.c.o_bias && x.c.mlp_bias);
    OK(model_check_files(x.hf, "files", &x.c, &f));
    x.c.mlp_bias = false;
    assert_int_equal(model_check_files(x.hf, "files", &x.c, &said), ST_UNSUPPORTED);
    assert_non_null(strstr(said.text, "model.layers.0.mlp.down_proj.bias"));
    assert_non_null(strstr(said.remedy, "mlp_bias"));
    x.c.mlp_bias = true;
    x.c.o_bias = false;
    assert_int_equal(model_check_files(x.hf, "files", &x.c, &said), ST_UNSUPPORTED);
    assert_non_null(strstr(said.text, "model.layers.0.self_attn.o_proj.bias"));
    fixture_close(&x);
}

/* ---- tied models ----------------------------------------------------------------------------- */

static float *logits_of(struct fixture *x, const struct safetensors *st, const char *device)
{
    kern *k = check_open(device, 2);
    struct model *m = NULL;
    struct model_shape shape = {.rows_max = 64};
    struct rows r;
    int32_t last;
    OK(model_open_files(&m, k, st, "files", &x->c, NULL, &shape, &f));
    rows_of(&r, x, 0, 1);
    last = r.b.rows - 1;
    float *got = malloc((size_t)x->c.vocab * sizeof *got);
    assert_non_null(got);
    OK(model_logits(m, &r.b, &last, 1, got, &f));
    model_close(&m);
    kern_close(&k);
    return got;
}

/* A head in the file of a tied model: transformers ties it where the values are the embedding's,
 * and takes it where they are not. */
static void own_head(void **state)
{
    (void)state;
    static const struct extra heads[] = {
        {"lm_head.weight", DT_F32, 0, 0, 1},
        {"lm_head.weight", DT_F32, 0, 0, 2},
        {"lm_head.weight", DT_BF16, 0, 0, 2},
    };
    static const double bound[] = {0, 1e-6, 1e-2}; /* the last one is rounded to 8 bits */
    struct fixture x;
    open_plain(&x, "llama3");
    assert_true(x.c.tied);
    float *tied = logits_of(&x, x.hf, "cpu");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct safetensors *st = with_extra(&x, &heads[i]);
        OK(model_check_files(st, "files", &x.c, &f));
        float *got = logits_of(&x, st, "cpu");
        for (int v = 0; v < x.c.vocab; v++)
            got[v] /= heads[i].times;
        assert_true(worst_difference(got, tied, (size_t)x.c.vocab) <= bound[i]);
        free(got);
        safetensors_close(&st);
    }
    free(tied);
    fixture_close(&x);
}

static void head_of_another_shape(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    open_plain(&x, "llama3");
    struct extra e = {"lm_head.weight", DT_F32, 5, 36, 1};
    struct safetensors *st = with_extra(&x, &e);
    assert_int_equal(model_check_files(st, "files", &x.c, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "lm_head.weight"));
    safetensors_close(&st);
    fixture_close(&x);
}

int main(void)
{
#define IN_SCRATCH(fn) cmocka_unit_test_setup_teardown(fn, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {IN_SCRATCH(refused), IN_SCRATCH(passed_over),
                                       cmocka_unit_test(untold_bias), IN_SCRATCH(own_head),
                                       IN_SCRATCH(head_of_another_shape)};
    return cmocka_run_group_tests_name("strangers", tests, NULL, NULL);
}
