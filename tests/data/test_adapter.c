#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "data/adapter.h"
#include "data/safetensors.h"
#include "kernels/dtype.h"
#include "tests/data/scratch.h"
#include "tests/data/short_memory.h"

static const float values[64] = {0.5f, -1.25f, 3e-39f, 7, 1e30f, -0.0f, 2, 3, 4, 5, 6, 7, 8, 9};

static const struct adapter_part parts[] = {
    {.module = "model.layers.1.mlp.up_proj",
     .rank = 2,
     .in = 3,
     .out = 5,
     .alpha = 16,
     .a = values,
     .b = values + 6},
    {.module = "model.layers.0.self_attn.q_proj",
     .rank = 4,
     .in = 3,
     .out = 2,
     .alpha = 0.5,
     .a = values + 2,
     .b = values + 20},
};

static struct adapter sample(void)
{
    return (struct adapter){.base_name = "Org/Name",
                            .rank = 2,
                            .alpha = 16,
                            .dropout = 0.05,
                            .use_rslora = true,
                            .p = parts,
                            .n = 2};
}

static void test_round_trip(void **state)
{
    (void)state;
    struct fault f = {0};
    struct adapter want = sample(), *got = NULL;
    const char *dir = scratch_path("run");
    assert_int_equal(adapter_write(dir, &want, &f), ST_OK);
    if (adapter_open(&got, dir, &f) != ST_OK)
        fail_msg("%s", f.text);
    assert_string_equal(got->base_name, "Org/Name");
    assert_int_equal(got->rank, 2);
    assert_true(got->alpha == 16 && got->dropout == 0.05 && got->use_rslora);
    assert_int_equal(got->n, 2);
    assert_int_equal(got->target_count, 2);
    assert_string_equal(got->targets[0], "up_proj");
    assert_false(got->target_is_regex);
    for (int i = 0; i < 2; i++) {
        const struct adapter_part *p = &got->p[i], *q = &parts[1 - i]; /* sorted by key */
        assert_string_equal(p->module, q->module);
        assert_true(p->rank == q->rank && p->in == q->in && p->out == q->out);
        assert_true(p->alpha == q->alpha);
        assert_true(p->scale == (float)(q->alpha / sqrt(q->rank)));
        assert_memory_equal(p->a, q->a, sizeof(float) * (size_t)(p->rank * p->in));
        assert_memory_equal(p->b, q->b, sizeof(float) * (size_t)(p->rank * p->out));
    }
    size_t n, m;
    unsigned char *once = scratch_read(scratch_path("run/adapter_model.safetensors"), &n);
    assert_int_equal(adapter_write(scratch_path("again"), got, &f), ST_OK);
    unsigned char *twice = scratch_read(scratch_path("again/adapter_model.safetensors"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(once, twice, n);
    free(once);
    free(twice);
    adapter_close(&got);
    adapter_close(&got);
}

static void test_config_text(void **state)
{
    (void)state;
    static const char want[] =
        "{\n  \"alpha_pattern\": {\n    \"model.layers.0.self_attn.q_proj\": 0.5\n  },\n"
        "  \"auto_mapping\": null,\n  \"base_model_name_or_path\": \"Org/Name\",\n"
        "  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n  \"inference_mode\": true,\n"
        "  \"init_lora_weights\": true,\n  \"layers_pattern\": null,\n"
        "  \"layers_to_transform\": null,\n  \"lora_alpha\": 16,\n  \"lora_dropout\": 0.05,\n"
        "  \"modules_to_save\": null,\n  \"peft_type\": \"LORA\",\n  \"r\": 2,\n"
        "  \"rank_pattern\": {\n    \"model.layers.0.self_attn.q_proj\": 4\n  },\n"
        "  \"revision\": null,\n  \"target_modules\": \".*_proj\",\n"
        "  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": false,\n  \"use_rslora\": true\n}\n";
    struct fault f = {0};
    struct adapter a = sample();
    const char *regex = ".*_proj";
    size_t n;
    a.targets = &regex;
    a.target_count = 1;
    a.target_is_regex = true;
    assert_int_equal(adapter_write(scratch_folder, &a, &f), ST_OK);
    unsigned char *p = scratch_read(scratch_path("adapter_config.json"), &n);
    p[n] = '\0';
    assert_string_equal((char *)p, want);
    free(p);
    assert_int_equal(scratch_count(), 2);
}

static enum status check(const char *json, struct fault *f)
{
    return adapter_check_config(json, strlen(json), "adapter_config.json", f);
}

static void test_configs(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum status code;
        const char *says;
    } cases[] = {
        {"{\"peft_type\": \"LORA\"}", ST_OK, ""},
        {"{\"peft_type\": \"LORA\", \"r\": 16, \"lora_alpha\": 0.5, \"unknown\": {\"x\": 1}}",
         ST_OK, ""},
        {"{\"peft_type\": \"LORA\", \"modules_to_save\": [], \"megatron_config\": null,"
         "\"init_lora_weights\": \"gaussian\", \"target_modules\": \"all-linear\"}",
         ST_OK, ""},
        {"{}", ST_FORMAT, "peft_type"},
        {"[]", ST_FORMAT, "peft_type"},
        {"{\"peft_type\": 1}", ST_FORMAT, "peft_type"},
        {"{\"peft_type\": \"IA3\"}", ST_UNSUPPORTED, "IA3"},
        {"{\"peft_type\": \"LORA\", \"use_dora\": true}", ST_UNSUPPORTED, "use_dora"},
        {"{\"peft_type\": \"LORA\", \"modules_to_save\": [\"lm_head\"]}", ST_UNSUPPORTED,
         "modules_to_save"},
        {"{\"peft_type\": \"LORA\", \"bias\": \"all\"}", ST_UNSUPPORTED, "bias is all"},
        {"{\"peft_type\": \"LORA\", \"bias\": 1}", ST_UNSUPPORTED, "bias"},
        {"{\"peft_type\": \"LORA\", \"lora_bias\": true}", ST_UNSUPPORTED, "lora_bias"},
        {"{\"peft_type\": \"LORA\", \"layer_replication\": [[0, 4]]}", ST_UNSUPPORTED,
         "layer_replication"},
        {"{\"peft_type\": \"LORA\", \"megatron_config\": {\"a\": 1}}", ST_UNSUPPORTED, "megatron"},
        {"{\"peft_type\": \"LORA\", \"trainable_token_indices\": [1]}", ST_UNSUPPORTED,
         "trainable_token_indices"},
        {"{\"peft_type\": \"LORA\", \"init_lora_weights\": \"pissa_niter_4\"}", ST_UNSUPPORTED,
         "pissa_niter_4"},
        {"{\"peft_type\": \"LORA\", \"r\": 0}", ST_FORMAT, "\"r\""},
        {"{\"peft_type\": \"LORA\", \"r\": 1.5}", ST_FORMAT, "\"r\""},
        {"{\"peft_type\": \"LORA\", \"r\": \"8\"}", ST_FORMAT, "\"r\""},
        {"{\"peft_type\": \"LORA\", \"lora_alpha\": -1}", ST_FORMAT, "lora_alpha"},
        {"{\"peft_type\": \"LORA\", \"lora_alpha\": NaN}", ST_FORMAT, "JSON"},
        {"{\"peft_type\": \"LORA\", \"use_rslora\": 1}", ST_FORMAT, "use_rslora"},
        {"{\"peft_type\": \"LORA\", \"target_modules\": 3}", ST_FORMAT, "target_modules"},
        {"{\"peft_type\": \"LORA\", \"target_modules\": [3]}", ST_FORMAT, "target_modules"},
        {"{\"peft_type\": \"LORA\", \"rank_pattern\": []}", ST_FORMAT, "rank_pattern"},
        {"{\"peft_type\": \"LORA\", \"rank_pattern\": {\"a(\": 4}}", ST_FORMAT, "\"a(\""},
        {"{\"peft_type\": \"LORA\", \"rank_pattern\": {\"a\": 0}}", ST_FORMAT, "\"a\""},
        {"{\"peft_type\": \"LORA\", \"alpha_pattern\": {\"a\": null}}", ST_FORMAT, "\"a\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault f = {0};
        enum status s = check(cases[i].json, &f);
        if (s != cases[i].code || !strstr(f.text, cases[i].says))
            fail_msg("%s gives %d: %s", cases[i].json, s, f.text);
    }
}

/* Writes a folder from a config and a list of tensors of one dtype, filled with `fill`. */
struct one {
    const char *name;
    int64_t rows, cols;
};

static void write_folder(const char *config, const struct one *t, size_t n, enum dtype dtype,
                         const void *fill)
{
    struct fault f = {0};
    struct safetensors_out *w = NULL;
    unsigned char bytes[256];
    scratch_write(scratch_path("adapter_config.json"), config, strlen(config));
    assert_int_equal(safetensors_create(&w, scratch_path("adapter_model.safetensors"), 0, &f),
                     ST_OK);
    for (size_t i = 0; i < n; i++) {
        struct tensor d = {.name = t[i].name,
                           .dtype = dtype,
                           .ndim = t[i].cols ? 2 : 1,
                           .shape = {t[i].rows, t[i].cols}};
        assert_int_equal(safetensors_declare(w, &d, &f), ST_OK);
    }
    for (const struct tensor *d; (d = safetensors_next(w)) != NULL;) {
        for (size_t k = 0; k < d->bytes; k += dtype_size(dtype))
            memcpy(bytes + k, fill, dtype_size(dtype));
        assert_int_equal(safetensors_write(w, bytes, d->bytes, &f), ST_OK);
    }
    assert_int_equal(safetensors_commit(w, &f), ST_OK);
    safetensors_out_close(&w);
}

static const char plain[] = "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 6}";

#define KEY(rest) "base_model.model.model.layers.3.q_proj." rest

static void assert_refused(enum status want, const char *says)
{
    struct fault f = {0};
    struct adapter *a = NULL;
    enum status s = adapter_open(&a, scratch_folder, &f);
    if (s != want || !strstr(f.text, says))
        fail_msg("status %d: %s (wanted: %s)", s, f.text, says);
    assert_null(a);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    static const struct {
        struct one t[3];
        size_t n;
        enum status code;
        const char *says;
    } cases[] = {
        {{{KEY("lora_A.weight"), 2, 3}}, 1, ST_FORMAT, "has no lora_B"},
        {{{KEY("lora_B.weight"), 3, 2}}, 1, ST_FORMAT, "has no lora_A"},
        {{{KEY("lora_A.weight"), 2, 3}, {KEY("lora_B.weight"), 5, 3}}, 2, ST_FORMAT, "rank"},
        {{{KEY("lora_A.weight"), 4, 3}, {KEY("lora_B.weight"), 5, 4}},
         2,
         ST_FORMAT,
         "adapter_config.json says 2"},
        {{{KEY("lora_A.weight"), 2, 0}, {KEY("lora_B.weight"), 5, 2}},
         2,
         ST_FORMAT,
         "not a matrix"},
        {{{KEY("lora_magnitude_vector"), 5, 0}}, 1, ST_UNSUPPORTED, "DoRA"},
        {{{KEY("lora_embedding_A"), 2, 3}}, 1, ST_UNSUPPORTED, "embedding"},
        {{{KEY("lora_B.bias"), 2, 0}}, 1, ST_UNSUPPORTED, "bias"},
        {{{"base_model.model.lm_head.weight", 2, 2}}, 1, ST_UNSUPPORTED, "whole trained tensor"},
        {{{"model.layers.0.q_proj.lora_A.weight", 2, 2}}, 1, ST_UNSUPPORTED, "model.layers.0"},
        {{{"base_model.model.lora_A.weight", 2, 2}}, 1, ST_UNSUPPORTED, "base_model"},
        {{{NULL, 0, 0}}, 0, ST_FORMAT, "holds no adapter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_folder(plain, cases[i].t, cases[i].n, DT_F32, values);
        assert_refused(cases[i].code, cases[i].says);
    }
    const struct one good[] = {{KEY("lora_A.weight"), 2, 3}, {KEY("lora_B.weight"), 5, 2}};
    const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        write_folder(plain, good, 2, DT_F32, &bad[i]);
        assert_refused(ST_NUMERIC, "not finite");
    }
    write_folder(plain, good, 2, DT_I32, values);
    assert_refused(ST_UNSUPPORTED, "dtype I32");
    assert_int_equal(remove(scratch_path("adapter_model.safetensors")), 0);
    assert_refused(ST_ABSENT, "adapter_model.safetensors");
    assert_int_equal(remove(scratch_path("adapter_config.json")), 0);
    assert_refused(ST_ABSENT, "adapter_config.json");
}

static void test_halves_and_patterns(void **state)
{
    (void)state;
    const struct one t[] = {{KEY("lora_A.weight"), 2, 3}, {KEY("lora_B.weight"), 5, 2}};
    const uint16_t bf16 = f32_to_bf16(-1.5f), f16 = f32_to_f16(-1.5f);
    for (int i = 0; i < 2; i++) {
        struct fault f = {0};
        struct adapter *a = NULL;
        write_folder("{\"peft_type\": \"LORA\", \"r\": 64, \"lora_alpha\": 6,"
                     "\"rank_pattern\": {\"k_proj\": 9, \"layers\\\\.[0-9].q_proj|x\": 2,"
                     "\"q_proj\": 7}, \"alpha_pattern\": {\"proj\": 1, \".*q_proj\": 3}}",
                     t, 2, i ? DT_BF16 : DT_F16, i ? &bf16 : &f16);
        if (adapter_open(&a, scratch_folder, &f) != ST_OK)
            fail_msg("%s", f.text);
        assert_true(a->p[0].rank == 2 && a->p[0].alpha == 3 && a->p[0].scale == 1.5f);
        for (int k = 0; k < 6; k++)
            assert_true(a->p[0].a[k] == -1.5f);
        adapter_close(&a);
    }
    write_folder("{\"peft_type\": \"LORA\", \"r\": 2, \"rank_pattern\":"
                 "{\"(.|..|...)+[!?]\": 2}}",
                 t, 2, DT_F16, &f16);
    assert_refused(ST_UNSUPPORTED, "too costly");
}

static void test_cannot_write(void **state)
{
    (void)state;
    struct fault f = {0};
    struct adapter a = sample();
    struct adapter_part bad = parts[0];
    const float nan[64] = {1, 2, 3, NAN};
    bad.b = nan;
    a.p = &bad;
    a.n = 1;
    assert_int_equal(adapter_write(scratch_folder, &a, &f), ST_NUMERIC);
    assert_int_equal(scratch_count(), 0);
    a = sample();
    scratch_write(scratch_path("file"), "x", 1);
    assert_int_not_equal(adapter_write(scratch_path("file"), &a, &f), ST_OK);
    assert_int_not_equal(adapter_write("/proc/wick", &a, &f), ST_OK);
    struct rlimit old, small = {.rlim_cur = 100};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    enum status s = adapter_write(scratch_path("full"), &a, &f);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(s, ST_IO);
    assert_int_equal(remove(scratch_path("full")), 0); /* it is empty */
}

static void test_short_of_memory(void **state)
{
    (void)state;
    struct fault f = {0};
    struct adapter a = sample();
    bool reached = true;
    if (!short_memory_works)
        skip();
    for (long n = 1; reached; n++) {
        short_memory_after(n);
        enum status s = adapter_write(scratch_folder, &a, &f);
        reached = short_memory_end();
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
    }
    reached = true;
    for (long n = 1; reached; n++) {
        struct adapter *b = NULL;
        short_memory_after(n);
        enum status s = adapter_open(&b, scratch_folder, &f);
        reached = short_memory_end();
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
        adapter_close(&b);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),      T(test_config_text),  T(test_configs),
        T(test_bad_tensors),     T(test_cannot_write), T(test_halves_and_patterns),
        T(test_short_of_memory),
    };
    return cmocka_run_group_tests_name("adapter", tests, NULL, NULL);
}
