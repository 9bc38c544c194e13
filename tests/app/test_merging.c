/* What a merge refuses, and what one that fails leaves. */
#include "data/safetensors.h"
#include "tests/app/program.h"

#define BASE program_base()

/* configs/wickling in a folder of its own, with one element of its embedding spoiled. */
static const char *spoiled(float value)
{
    const char *folder = program_checkpoint("spoiled");
    const char *to = program_file("spoiled/model.safetensors");
    struct safetensors *x = NULL;
    struct safetensors_out *w = NULL;
    struct fault f = {0};
    uint16_t h = f32_to_bf16(value);
    unlink(to);
    assert_int_equal(safetensors_open(&x, "configs/wickling", &f), 0);
    assert_int_equal(safetensors_create(&w, to, 0, &f), 0);
    for (size_t i = 0; i < safetensors_count(x); i++)
        assert_int_equal(safetensors_declare(w, safetensors_tensor(x, i), &f), 0);
    for (const struct tensor *t; (t = safetensors_next(w)) != NULL;) {
        const char *from = safetensors_data(x, safetensors_find(x, t->name));
        size_t n = t->bytes, skip = 0;
        assert_int_equal(t->dtype, DT_BF16);
        if (strstr(t->name, "embed_tokens")) {
            skip = sizeof h;
            assert_int_equal(safetensors_write(w, &h, skip, &f), 0);
        }
        assert_int_equal(safetensors_write(w, from + skip, n - skip, &f), 0);
    }
    assert_int_equal(safetensors_commit(w, &f), 0);
    safetensors_out_close(&w);
    safetensors_close(&x);
    return folder;
}

/* One logit of each row is NaN, and all that come after it are not. */
static void test_proof_not_finite(void **state)
{
    const char *h5 = program_file("nan.h5");
    (void)state;
    WICK("import", spoiled(NAN), "-o", h5, "--quiet");
    program_done();
    for (int json = 0; json < 2; json++) {
        WICK("merge", h5, "-o", program_file("nan"), "--quiet", json ? "--json" : NULL);
        program_refused(1, "logits of base and adapter are not finite", "import the base again");
    }
}

/* Every file of an earlier merge, or none of them, is of the new one. */
static void test_no_mix(void **state)
{
    const char *out = program_file("out"), *h5 = program_file("other.h5");
    char folder[256];
    (void)state;
    snprintf(folder, sizeof folder, "%s", spoiled(0.5f));
    program_edit(folder, "config.json", "wick_test", "1");
    WICK("import", folder, "-o", h5, "--quiet");
    program_done();
    for (int i = 0; i < 2; i++) {
        WICK("merge", BASE, "-o", i ? out : program_file("same"), "--quiet");
        program_done();
    }
    mkdir(program_file("out/tokenizer.json.tmp"), 0777); /* one file that cannot be written */
    mkdir(program_file("out/tokenizer.json.tmp/full"), 0777);
    WICK("merge", h5, "-o", out, "--quiet");
    program_refused(1, "tokenizer.json", "");
    program_remove(program_file("out/tokenizer.json.tmp"));
    program_no_temps();
    assert_true(program_same(program_file("out/config.json"), "configs/wickling/config.json"));
    assert_true(program_same(program_file("out/model.safetensors"),
                             program_file("same/model.safetensors")));
    mkdir(program_file("out/model.safetensors.index.json"), 0777); /* or a name not taken */
    WICK("merge", h5, "-o", out, "--quiet");
    program_refused(1, "index.json", "");
    program_no_temps();
    assert_true(program_same(program_file("out/config.json"), "configs/wickling/config.json"));
    assert_true(program_same(program_file("out/model.safetensors"),
                             program_file("same/model.safetensors")));
    rmdir(program_file("out/model.safetensors.index.json"));
    WICK("merge", h5, "-o", out, "--quiet");
    program_done();
    program_no_temps();
    assert_false(program_same(program_file("out/config.json"), "configs/wickling/config.json"));
    assert_true(program_same(program_file("out/model.safetensors"),
                             program_file("spoiled/model.safetensors")));
}

/* A merge that fails takes its new folder with it. */
static void test_nothing_left(void **state)
{
    (void)state;
    program_next.file_limit = 1 << 20;
    WICK("merge", BASE, "-o", program_file("fresh"), "--quiet");
    program_refused(1, "cannot write", "");
    assert_false(program_there(program_file("fresh")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proof_not_finite),
        cmocka_unit_test(test_no_mix),
        cmocka_unit_test(test_nothing_left),
    };
    return program_run("merging", tests);
}
