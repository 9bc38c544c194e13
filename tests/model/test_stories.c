/* A real Llama that others trained (260,000 weights): its reference logits and losses, computed in
 * double precision by a forward pass that shares no line with ours. Skipped, visibly, without
 * ../shared. */
#include "tests/model/fixture.h"

#define STORIES "../shared/data/weights/stories260K-hf"

enum { TOKENS = 64 };

struct stories {
    struct json_doc *doc;
    struct blobs files;
    struct model_config c;
    struct safetensors *st;
    struct model *m;
    kern *k;
    struct rows rows;
};

static void stories_open(struct stories *s)
{
    struct text text = {0};
    if (file_kind(STORIES) != FILE_FOLDER)
        skip();
    *s = (struct stories){0};
    s->k = check_open("cpu", 0);
    OK(file_read(&text, STORIES "/reference.json", 1 << 20, &f));
    OK(json_parse(&s->doc, text.p, text.n, "reference.json", &f));
    text_free(&text);
    OK(file_read_blob(&s->files, STORIES "/config.json", "config.json", 1 << 20, &f));
    OK(model_config_read(&s->c, &s->files, &f));
    OK(safetensors_open(&s->st, STORIES, &f));
    OK(model_open_files(&s->m, s->k, s->st, STORIES, &s->c, NULL,
                        &(struct model_shape){.rows_max = TOKENS}, &f));
    rows_clear(&s->rows);
    rows_add_json(&s->rows, json_get(json_root(s->doc), "story_ids_first_64"));
    assert_int_equal(s->rows.b.rows, TOKENS);
}

static void stories_close(struct stories *s)
{
    model_close(&s->m);
    safetensors_close(&s->st);
    blobs_free(&s->files);
    json_close(&s->doc);
    kern_close(&s->k);
}

/* The reference prints six digits: 1e-4 of the largest is far above what that leaves open. */
static void logits(void **state)
{
    struct stories s;
    int n = 0;
    (void)state;
    stories_open(&s);
    float *got = malloc(2 * (size_t)s.c.vocab * sizeof *got), *want = got + s.c.vocab;
    assert_non_null(got);
    const struct json *list = json_get(json_root(s.doc), "logits_at");
    for (const struct json *at = json_first(list); at; at = json_next(at), n++) {
        int32_t row = (int32_t)fixture_number(at, "position");
        int i = 0;
        for (const struct json *v = json_first(json_get(at, "logits")); v; v = json_next(v)) {
            assert_true(i < s.c.vocab);
            want[i++] = (float)json_number(v, NAN);
        }
        assert_int_equal(i, s.c.vocab);
        OK(model_logits(s.m, &s.rows.b, &row, 1, got, &f));
        double worst = worst_difference(got, want, (size_t)s.c.vocab);
        if (!(worst <= 1e-4))
            fail_msg("position %d: %g", row, worst);
    }
    assert_true(n > 0);
    free(got);
    stories_close(&s);
}

static void losses(void **state)
{
    struct stories s;
    double sum = 0;
    (void)state;
    stories_open(&s);
    OK(model_forward(s.m, &s.rows.b, NULL, &sum, &f));
    double want = fixture_number(json_root(s.doc), "mean_nll_over_63_predictions");
    assert_float_equal(sum / (TOKENS - 1), want, 1e-5);
    stories_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits),
        cmocka_unit_test(losses),
    };
    return cmocka_run_group_tests_name("stories", tests, NULL, NULL);
}
