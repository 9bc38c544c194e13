/* What wick audit tells in numbers: how long a training would take, what padding would waste, how
 * long rows are. */
#include "tests/app/program.h"

#define BASE program_base()

/* ---- how long -------------------------------------------------------------------------------- */

static const struct json *forecast(const struct json_doc *doc)
{
    return json_get(json_root(doc), "forecast");
}

static double number(const struct json *o, const char *key)
{
    return json_number(json_get(o, key), -1);
}

static void test_time(void **state)
{
    (void)state;
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "cpu", "--json");
    struct json_doc *doc = program_json();
    const struct json *c = forecast(doc);
    double seconds = program_number(doc, "seconds"), rate = number(c, "tokens_per_second");
    assert_string_equal(json_string(json_get(c, "how")), "timed");
    assert_true(seconds > 0.1 && rate > 1 && number(c, "tokens_timed") > 100);
    assert_true(number(c, "layers") == 5 && number(c, "layers_timed") == 5);
    /* Training by that rate, and one evaluation beside it. */
    assert_true(seconds > 57825 / rate && seconds < 1.5 * 57825 / rate);
    json_close(&doc);
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "cpu", "--epochs", "3",
         "--tokens-per-second", "500", "--json");
    doc = program_json();
    assert_true(program_number(doc, "seconds") == 3 * 57825 / 500.0);
    assert_string_equal(json_string(json_get(forecast(doc), "how")), "given");
    json_close(&doc);
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "cpu");
    program_done();
    program_says("90 steps: 1.00 passes over 57825 tokens\nabout ");
    program_says("timed just now with ");
}

/* What is longer takes longer. */
static void test_time_of_other_settings(void **state)
{
    (void)state;
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "cpu", "--json");
    struct json_doc *doc = program_json();
    double all = program_number(doc, "seconds");
    json_close(&doc);
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "cpu", "--json", "--epochs",
         "20");
    doc = program_json();
    assert_true(program_number(doc, "seconds") > 5 * all);
    json_close(&doc);
}

/* No device, no time; all else is told. */
static void test_time_unknown(void **state)
{
    (void)state;
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "opencl:77", "--json");
    struct json_doc *doc = program_json();
    assert_true(json_kind(json_get(json_root(doc), "seconds")) == JSON_NULL);
    assert_string_equal(json_string(json_get(forecast(doc), "how")), "unknown");
    assert_true(json_string(json_get(forecast(doc), "why"))[0] != '\0');
    assert_true(program_number(doc, "steps") == 90);
    json_close(&doc);
    WICK("audit", BASE, "--data", "configs/wickling-task", "--device", "opencl:77");
    program_done();
    program_says("how long that takes is not known: ");
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Rows of 2, 4, 6 and 8 tokens: in pairs (2, 4) and (6, 8) a padded batch wastes 2 of 8 and of 16;
 * packed to 8, (2, 4), (6) and (8) waste 4 of 24. */
static void test_waste_and_lengths(void **state)
{
    const char *data = program_file("waste.jsonl");
    (void)state;
    program_text(data, "{\"text\": \"1\"}\n{\"text\": \"123\"}\n{\"text\": \"12345\"}\n"
                       "{\"text\": \"1234567\"}\n");
    WICK("audit", BASE, "--data", data, "--tokens-per-second", "1", "--batch-size", "2",
         "--max-seq-length", "8", "--shuffle", "false", "--json");
    struct json_doc *doc = program_json();
    const struct json *bins = json_get(json_root(doc), "histogram");
    int from = 1;
    assert_true(fabs(program_number(doc, "padding_waste") - 4 / 24.0) < 1e-9);
    assert_true(fabs(program_number(doc, "padding_waste_packed") - 4 / 24.0) < 1e-9);
    assert_int_equal(json_count(bins), 8);
    for (const struct json *b = json_first(bins); b; b = json_next(b), from++) {
        assert_true(number(b, "from") == from && number(b, "to") == from);
        assert_true(number(b, "rows") == (from % 2 == 0));
    }
    json_close(&doc);
    WICK("audit", BASE, "--data", data, "--tokens-per-second", "1", "--batch-size", "2",
         "--max-seq-length", "6", "--shuffle", "false");
    program_done();
    program_says(
        "warning: 1 row is longer than the sequence length and cut: 10.0% of all tokens are "
        "lost: ");
    program_says("padded to their longest row would waste 10.0%, rows packed to 6 tokens 0.0%");
    program_says("        6-6       ████████████████████████████████████████ 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_time_of_other_settings),
        cmocka_unit_test(test_time_unknown),
        cmocka_unit_test(test_waste_and_lengths),
    };
    return program_run("forecast", tests);
}
