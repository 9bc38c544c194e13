/* A model of several parts (Gemma 3): its text part under every name that files have for it, the
 * others passed through. */
#include "tests/model/merged.h"

#include "data/adapter.h"

static const char *const old_prefix = "language_model.model.";
static const char *const new_prefix = "model.language_model.";

/* The file's tensors with one prefix in place of another; `twice`: and the first of them as is. */
static void renamed(const char *from, const char *to, const char *was, const char *is, bool twice)
{
    struct safetensors *st = NULL;
    struct safetensors_out *w = NULL;
    OK(safetensors_open(&st, from, &f));
    OK(safetensors_create(&w, to, 0, &f));
    size_t count = safetensors_count(st);
    char(*name)[160] = calloc(count, sizeof *name);
    assert_non_null(name);
    for (size_t i = 0; i < count; i++) {
        struct tensor t = *safetensors_tensor(st, i);
        const char *at = strstr(t.name, was);
        snprintf(name[i], sizeof name[i], "%.*s%s%s", at ? (int)(at - t.name) : 0, t.name,
                 at ? is : "", at ? at + strlen(was) : t.name);
        t.name = name[i];
        OK(safetensors_declare(w, &t, &f));
        if (twice)
            OK(safetensors_declare(w, safetensors_tensor(st, i), &f));
    }
    for (const struct tensor *t; (t = safetensors_next(w)) != NULL;) {
        size_t i = 0;
        while (i < count && strcmp(name[i], t->name) != 0 &&
               strcmp(safetensors_tensor(st, i)->name, t->name) != 0)
            i++;
        const struct tensor *own = safetensors_tensor(st, i);
        OK(safetensors_write(w, safetensors_data(st, own), own->bytes, &f));
    }
    OK(safetensors_commit(w, &f));
    safetensors_out_close(&w);
    safetensors_close(&st);
    free(name);
}

static void open_parts(struct fixture *x)
{
    fixture_open(x, "tests/fixtures/model/gemma3_parts");
    assert_non_null(safetensors_find(x->hf, "language_model.model.norm.weight"));
}

/* Takes the checkpoint with another prefix. */
static void rename_base(struct fixture *x, const char *prefix)
{
    char path[FIXTURE_PATH];
    fixture_path(path, x, "hf/model.safetensors");
    renamed(path, scratch_path("named.safetensors"), old_prefix, prefix, false);
    safetensors_close(&x->hf);
    OK(safetensors_open(&x->hf, scratch_path("named.safetensors"), &f));
}

static float *logits_of(struct fixture *x, kern *k, struct adapters *a)
{
    struct model *m = fixture_model(x, k, a, (struct model_shape){.rows_max = 64});
    struct rows r;
    const int32_t last = 3;
    rows_of(&r, x, 0, 1);
    float *to = malloc((size_t)x->c.vocab * sizeof *to);
    assert_non_null(to);
    OK(model_logits(m, &r.b, &last, 1, to, &f));
    model_close(&m);
    return to;
}

/* The three ways in which files are saved give equal bits. */
static void prefixes(void **state)
{
    (void)state;
    struct fixture x;
    open_parts(&x);
    kern *k = check_open("cpu", 2);
    struct adapters *a = fixture_adapters(&x, "init");
    float *want = logits_of(&x, k, a);
    const char *const prefix[] = {new_prefix, "language_model."};
    for (int i = 0; i < 2; i++) {
        rename_base(&x, prefix[i]);
        assert_null(safetensors_find(x.hf, "language_model.model.norm.weight"));
        float *got = logits_of(&x, k, a);
        assert_memory_equal(got, want, (size_t)x.c.vocab * sizeof *got);
        free(got);
        fixture_close(&x);
        open_parts(&x);
    }
    struct fault said = {0};
    rename_base(&x, "model.");
    assert_int_equal(model_check_files(x.hf, "files", &x.c, &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "model.language_model.embed_tokens"));
    free(want);
    adapters_free(&a);
    kern_close(&k);
    fixture_close(&x);
}

/* Merged under either name; the vision tower and all the rest byte for byte. */
static void merging(void **state)
{
    (void)state;
    const char *const prefix[] = {old_prefix, new_prefix};
    for (int i = 0; i < 2; i++) {
        struct fixture x;
        struct merge_stats stats;
        int changed = 0, vision = 0;
        open_parts(&x);
        rename_base(&x, prefix[i]);
        struct adapters *a = fixture_adapters(&x, "final");
        struct base *b = base_from(&x);
        struct safetensors *st = merged(b, &x, a, &stats);
        assert_int_equal(safetensors_count(st), base_count(b));
        for (size_t j = 0; j < base_count(b); j++) {
            const struct tensor *t = base_tensor(b, j), *u = safetensors_find(st, t->name);
            assert_int_equal(t->bytes, u->bytes);
            bool same = memcmp(base_data(b, t), safetensors_data(st, u), t->bytes) == 0;
            changed += !same;
            vision += strstr(t->name, "vision_tower") != NULL;
            assert_true(same || strstr(t->name, "language_model"));
        }
        assert_int_equal(changed, a->count);
        assert_int_equal(stats.tensors_merged, a->count);
        assert_true(vision > 10);
        safetensors_close(&st);
        base_close(&b);
        adapters_free(&a);
        fixture_close(&x);
    }
}

/* A PEFT folder whose keys have the older prefix. */
static void write_older(const struct fixture *x, bool twice)
{
    char path[FIXTURE_PATH];
    struct text config = {0};
    OK(file_mkdirs(scratch_path("older"), &f));
    fixture_path(path, x, "init/adapter_config.json");
    OK(file_read(&config, path, 1 << 20, &f));
    OK(file_write(scratch_path("older/adapter_config.json"), config.p, config.n, &f));
    text_free(&config);
    fixture_path(path, x, "init/adapter_model.safetensors");
    renamed(path, scratch_path("older/adapter_model.safetensors"), new_prefix, old_prefix, twice);
}

static void adapters_of_both(void **state)
{
    (void)state;
    struct fixture x;
    struct fault said = {0};
    struct adapters *b = NULL, *c = NULL;
    open_parts(&x);
    struct adapters *a = fixture_adapters(&x, "init");
    write_older(&x, false);
    OK(adapters_load(&b, &x.c, scratch_path("older"), &f));
    assert_int_equal(a->values, b->values);
    assert_memory_equal(a->data, b->data, a->values * sizeof *a->data);
    OK(adapters_new(&c, &x.c, &(struct adapter_spec){.rank = 2, .alpha = 4}, 1, &f));
    OK(adapters_init_from(c, scratch_path("older"), &f));
    assert_memory_equal(a->data, c->data, a->values * sizeof *a->data);
    adapters_free(&b);
    write_older(&x, true);
    assert_int_equal(adapters_load(&b, &x.c, scratch_path("older"), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "two adapters of model.language_model.layers.0"));
    assert_null(b);
    adapters_free(&a);
    adapters_free(&c);
    fixture_close(&x);
}

/* What is saved has the names of today and leaves the vision tower's layers alone. */
static void saved(void **state)
{
    (void)state;
    struct fixture x;
    struct adapters *a = NULL;
    struct adapter *file = NULL;
    open_parts(&x);
    struct adapter_spec s = {.rank = 2, .alpha = 4, .target_modules = "q_proj,mlp.up_proj"};
    OK(adapters_new(&a, &x.c, &s, 1, &f));
    assert_int_equal(a->count, 4);
    OK(adapters_save(a, scratch_path("a"), "base", &f));
    OK(adapter_open(&file, scratch_path("a"), &f));
    assert_int_equal(file->n, 4);
    assert_int_equal(file->target_count, 4);
    assert_false(file->target_is_regex);
    assert_string_equal(file->p[1].module, "model.language_model.layers.0.self_attn.q_proj");
    for (size_t i = 0; i < file->target_count; i++)
        assert_ptr_equal(strstr(file->targets[i], "model.language_model.layers."),
                         file->targets[i]);
    adapter_close(&file);
    adapters_free(&a);
    fixture_close(&x);
}

/* The head's older name, where it is not the embedding. */
static void names(void **state)
{
    (void)state;
    const struct family *fam = family_find("gemma3"), *llama = family_find("llama");
    char to[FAMILY_NAME_MAX], endless[2 * FAMILY_NAME_MAX];
    assert_true(family_alias(to, fam, "lm_head.weight", 0));
    assert_string_equal(to, "language_model.lm_head.weight");
    assert_false(family_alias(to, fam, "lm_head.weight", 1));
    assert_false(family_alias(to, llama, "lm_head.weight", 0));
    assert_true(family_alias(to, llama, "model.norm.weight", 0));
    assert_string_equal(to, "norm.weight");
    assert_false(family_alias(to, llama, "norm.weight", 0));
    assert_false(family_alias(to, llama, "model.norm.weight", 1));
    assert_true(family_same(fam, "model.language_model.norm", "language_model.norm"));
    assert_true(family_same(fam, "model.language_model.norm", "language_model.model.norm"));
    assert_false(family_same(fam, "model.language_model.norm", "model.norm"));
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "model.", 6);
    endless[sizeof endless - 1] = '\0';
    assert_false(family_alias(to, llama, endless, 0));
}

int main(void)
{
#define IN_SCRATCH(fn) cmocka_unit_test_setup_teardown(fn, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {IN_SCRATCH(prefixes), IN_SCRATCH(merging),
                                       IN_SCRATCH(adapters_of_both), IN_SCRATCH(saved),
                                       cmocka_unit_test(names)};
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
