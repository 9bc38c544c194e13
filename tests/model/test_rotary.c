/* Rotary tables against transformers' (tests/fixtures/rotary.json,
 * scripts/make_rotary_fixtures.py). */
#include "model/rotary.h"
#include "tests/model/fixture.h"

static const struct json *open_cases(struct json_doc **doc)
{
    struct text text = {0};
    OK(file_read(&text, "tests/fixtures/rotary.json", 1 << 20, &f));
    OK(json_parse(doc, text.p, text.n, "rotary.json", &f));
    text_free(&text);
    return json_root(*doc);
}

static struct model_config config_of(const struct json *keys)
{
    struct model_config c;
    struct text text = {0};
    struct blobs files = {0};
    OK(json_print_value(&text, keys, false, &f));
    OK(blobs_add(&files, "config.json", text.p, text.n, &f));
    OK(model_config_read(&c, &files, &f));
    blobs_free(&files);
    text_free(&text);
    return c;
}

/* Frequencies may be one rounding of pow() apart, tables as much as that moves their angle. */
static void compare(const char *name, const struct json *one)
{
    struct model_config c = config_of(json_get(one, "config"));
    int longest = (int)fixture_number(one, "longest"), half = c.rot_dim / 2;
    float inv[ROPE_DIMS_MAX];
    int choice = rotary_choice(&c.rope[0], longest);
    float factor = rotary_frequencies(inv, &c, 0, choice);
    float *table = malloc((size_t)(2 * longest * half) * sizeof *table);
    assert_non_null(table);
    rotary_tables(table, table + longest * half, inv, factor, longest, half);
    assert_int_equal(half, (int)fixture_number(one, "half"));
    if (fabs((double)factor - fixture_number(one, "factor")) > 1e-6)
        fail_msg("%s: factor %g", name, (double)factor);
    for (int i = 0; i < half; i++) {
        double want = json_number(fixture_item(json_get(one, "inv_freq"), i), NAN);
        if (!(fabs((double)inv[i] - want) <= 2e-7 * want))
            fail_msg("%s: frequency %d is %.9g, transformers has %.9g", name, i, (double)inv[i],
                     want);
    }
    const struct json *positions = json_get(one, "positions");
    for (size_t p = 0; p < json_count(positions); p++) {
        int at = (int)json_number(fixture_item(positions, (int)p), NAN);
        for (int i = 0; i < half; i++) {
            const struct json *cosines = fixture_item(json_get(one, "cos"), (int)p);
            const struct json *sines = fixture_item(json_get(one, "sin"), (int)p);
            double bound = 2e-7 * (1 + (double)at * (double)inv[i]) * (double)factor;
            double dc = (double)table[at * half + i] - json_number(fixture_item(cosines, i), NAN);
            double ds =
                (double)table[(longest + at) * half + i] - json_number(fixture_item(sines, i), NAN);
            if (!(fabs(dc) <= bound && fabs(ds) <= bound))
                fail_msg("%s: position %d, pair %d is off by %g and %g", name, at, i, dc, ds);
        }
    }
    free(table);
}

static void tables(void **state)
{
    (void)state;
    struct json_doc *doc;
    const struct json *cases = open_cases(&doc);
    assert_int_equal(json_count(cases), 12);
    for (const struct json *one = json_first(cases); one; one = json_next(one))
        compare(json_key(one), one);
    json_close(&doc);
}

/* Only dynamic and longrope look at the length. */
static void choices(void **state)
{
    (void)state;
    struct rope_config r = {.kind = ROPE_LLAMA3, .original_max = 8};
    assert_int_equal(rotary_choice(&r, 100), 0);
    r.kind = ROPE_LONGROPE;
    assert_int_equal(rotary_choice(&r, 8), 0);
    assert_int_equal(rotary_choice(&r, 9), 1);
    r.kind = ROPE_DYNAMIC;
    assert_int_equal(rotary_choice(&r, 8), 0);
    assert_int_equal(rotary_choice(&r, 13), 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables), cmocka_unit_test(choices)};
    return cmocka_run_group_tests_name("rotary", tests, NULL, NULL);
}
