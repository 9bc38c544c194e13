#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/json.h"
#include "tests/data/short_memory.h"

static struct json_doc *parse(const char *s)
{
    struct fault f = {0};
    struct json_doc *doc = NULL;
    if (json_parse(&doc, s, strlen(s), "t.json", &f) != ST_OK)
        print_message("%s\n", f.text);
    return doc;
}

/* What parse and print make of s, or the fault's text. */
static char *again(const char *s, bool indented)
{
    static char out[1 << 16];
    struct fault f = {0};
    struct json_doc *doc = NULL;
    struct text t = {0};
    out[0] = '\0';
    if (json_parse(&doc, s, strlen(s), "t.json", &f) != ST_OK ||
        json_print(&t, doc, indented, &f) != ST_OK)
        strncpy(out, f.text, sizeof out - 1);
    else if (t.n < sizeof out)
        memcpy(out, t.p, t.n + 1);
    json_close(&doc);
    text_free(&t);
    return out;
}

static void test_round_trips(void **state)
{
    (void)state;
    static const char *const same[] = {
        "null",
        "true",
        "[]",
        "{}",
        "0",
        "-1",
        "20.0",
        "0.1",
        "1e-05",
        "1e+16",
        "1e+22",
        "5e-324",
        "1.7976931348623157e+308",
        "2.2250738585072014e-308",
        "9007199254740991",
        "1000000000000000019884624838656",
        "1234567890123450.0",
        "12345678901234567168",
        "0.30000000000000004",
        "\"\"",
        "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"",
        "[1, [2.5, {}], {\"a\": [], \"b\": {\"c\": null}}]",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_string_equal(again(same[i], false), same[i]);
    assert_string_equal(again("\xEF\xBB\xBF \t\r\n[ 1,2 ]\n", false), "[1, 2]");
    assert_string_equal(again("\"\\ud83d\\ude00\\u00e9\\/\"", false),
                        "\"\xf0\x9f\x98\x80\xc3\xa9/\"");
    assert_string_equal(
        again("{\"a\":[1,{\"b\":{}}],\"A\":[]}", true),
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n  \"A\": []\n}");
}

static const char *const no_json[] = {
    "",
    " ",
    "{",
    "[",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{1:2}",
    "01",
    "-",
    "-01",
    "1.",
    ".5",
    "+1",
    "1e",
    "1e+",
    "0x10",
    "tru",
    "nul",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "1 2",
    "{} x",
    "[1}",
    "{\"a\":1]",
    "\"",
    "\"\\",
    "\"\\u12",
    "\"\\u123g\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\x\"",
    "\"a\nb\"",
    "\"\x01\"",
    "\x0b 1",
    "1e999",
    "'a'",
    "// c\n1",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "1111111111111111111111111111111111111111111111111111111111111",
};

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof no_json / sizeof *no_json; i++) {
        struct fault f = {0};
        struct json_doc *doc = NULL;
        enum status s = json_parse(&doc, no_json[i], strlen(no_json[i]), "t.json", &f);
        if (s != ST_FORMAT)
            fail_msg("accepted: %s", no_json[i]);
        assert_null(doc);
        assert_true(strncmp(f.text, "t.json", 6) == 0);
    }
    struct fault f = {0};
    struct json_doc *doc = NULL;
    assert_int_equal(json_parse(&doc, "1\0", 2, "t.json", &f), ST_FORMAT);
    assert_int_equal(json_parse(&doc, "\"a\0b\"", 5, "t.json", &f), ST_FORMAT);
    assert_int_equal(json_parse(&doc, "[1,\n  x]", 8, "t.json", &f), ST_FORMAT);
    assert_string_equal(f.text,
                        "t.json is not valid JSON at line 2, column 3: a value was expected");
}

static void test_depth(void **state)
{
    (void)state;
    char s[2 * (JSON_DEPTH_MAX + 1) + 1];
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(s, '[', (size_t)depth);
        memset(s + depth, ']', (size_t)depth);
        struct fault f = {0};
        struct json_doc *doc = NULL;
        enum status got = json_parse(&doc, s, 2 * (size_t)depth, "t.json", &f);
        assert_int_equal(got, depth > JSON_DEPTH_MAX ? ST_FORMAT : ST_OK);
        json_close(&doc);
    }
    size_t n = 1 << 20;
    char *deep = malloc(n);
    assert_non_null(deep);
    memset(deep, '[', n);
    struct fault f = {0};
    struct json_doc *doc = NULL;
    assert_int_equal(json_parse(&doc, deep, n, "t.json", &f), ST_FORMAT);
    free(deep);
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    assert_string_equal(again("{\"a\": 1, \"b\": 2, \"a\": 3}", false),
                        "t.json: the key \"a\" stands twice in one object");
    assert_string_equal(again("[{\"x\": {\"k\": 1, \"\\u006b\": 2}}]", false),
                        "t.json: the key \"k\" stands twice in one object");
    assert_string_equal(again("{\"a\": 1, \"A\": 2}", false), "{\"a\": 1, \"A\": 2}");
}

static void test_reading(void **state)
{
    (void)state;
    struct json_doc *doc =
        parse("{\"i\": 9007199254740991, \"big\": 9007199254740992, \"f\": 1.5,"
              "\"w\": 3.0, \"s\": \"x\", \"t\": true, \"n\": null, \"a\": [1, 2]}");
    const struct json *r = json_root(doc);
    int64_t i = 7;
    assert_true(json_int(json_get(r, "i"), &i) && i == 9007199254740991);
    assert_false(json_int(json_get(r, "big"), &i));
    assert_false(json_int(json_get(r, "f"), &i));
    assert_false(json_int(json_get(r, "s"), &i));
    assert_false(json_int(json_get(r, "absent"), &i));
    assert_true(json_int(json_get(r, "w"), &i) && i == 3);
    assert_true(json_is_float(json_get(r, "w")) && !json_is_float(json_get(r, "i")));
    assert_null(json_get(r, "I"));
    assert_null(json_get(NULL, "i"));
    assert_null(json_get(json_get(r, "a"), "i"));
    assert_int_equal(json_count(r), 8);
    assert_int_equal(json_count(NULL), 0);
    assert_string_equal(json_string(json_get(r, "s")), "x");
    assert_null(json_string(json_get(r, "i")));
    assert_true(json_bool(json_get(r, "t"), false) && json_bool(NULL, true));
    assert_true(json_number(json_get(r, "f"), 0) == 1.5);
    assert_true(json_number(json_get(r, "s"), 4) == 4);
    assert_string_equal(json_key(json_next(json_first(r))), "big");
    assert_null(json_key(json_first(json_get(r, "a"))));
    assert_int_equal(json_kind(json_get(r, "n")), JSON_NULL);
    json_close(&doc);
    assert_null(doc);
    json_close(&doc);
}

static void test_members(void **state)
{
    (void)state;
    struct json_doc *doc = parse("{\"i\": 5, \"f\": 0.5, \"s\": \"x\", \"b\": true, \"n\": null}");
    const struct json *r = json_root(doc);
    struct fault f = {0};
    int64_t i = -1;
    double d = -1;
    bool b = false;
    const char *s = NULL;
    assert_int_equal(json_need_int(&i, r, "i", 1, 5, "c.json", &f), ST_OK);
    assert_int_equal(i, 5);
    assert_int_equal(json_need_int(&i, r, "i", 1, 4, "c.json", &f), ST_FORMAT);
    assert_string_equal(f.text, "c.json: \"i\" must be an integer from 1 to 4, not 5");
    assert_int_equal(json_need_int(&i, r, "z", 1, 4, "c.json", &f), ST_FORMAT);
    assert_string_equal(f.text, "c.json: the key \"z\" is missing");
    assert_int_equal(json_need_int(&i, r, "n", 1, 4, "c.json", &f), ST_FORMAT);
    assert_int_equal(json_opt_int(&i, r, "n", 1, 4, "c.json", &f), ST_OK);
    assert_int_equal(i, 5);
    assert_int_equal(json_opt_int(&i, r, "f", 0, 4, "c.json", &f), ST_FORMAT);
    assert_int_equal(json_opt_number(&d, r, "f", 0, 1, "c.json", &f), ST_OK);
    assert_true(d == 0.5);
    assert_int_equal(json_opt_number(&d, r, "f", 1, 2, "c.json", &f), ST_FORMAT);
    assert_int_equal(json_opt_number(&d, r, "s", 0, 1, "c.json", &f), ST_FORMAT);
    assert_string_equal(f.text, "c.json: \"s\" must be a number from 0 to 1, not \"x\"");
    assert_int_equal(json_opt_bool(&b, r, "b", "c.json", &f), ST_OK);
    assert_true(b);
    assert_int_equal(json_opt_bool(&b, r, "i", "c.json", &f), ST_FORMAT);
    assert_int_equal(json_opt_string(&s, r, "s", "c.json", &f), ST_OK);
    assert_string_equal(s, "x");
    assert_int_equal(json_opt_string(&s, r, "b", "c.json", &f), ST_FORMAT);
    assert_string_equal(f.text, "c.json: \"b\" must be a string, not a boolean");
    json_close(&doc);
}

static void test_building(void **state)
{
    (void)state;
    struct json_doc *doc = json_new_object(), *from = parse("{\"k\": [1.0, \"y\"]}");
    struct json *r = json_edit(doc), *a = json_add_array(r, "a");
    json_add_int(a, NULL, -3);
    json_add_number(a, NULL, 0.1);
    json_add_number(a, NULL, NAN);
    json_add_number(a, NULL, 16);
    json_add_string(json_add_object(a, NULL), "s", "q\"");
    json_add_string(r, "none", NULL);
    json_add_bool(r, "b", true);
    json_add_null(r, "z");
    json_add_copy(r, "c", json_root(from));
    json_add_copy(r, "absent", NULL);
    struct text t = {0};
    struct fault f = {0};
    assert_int_equal(text_adds(&t, "> ", &f), ST_OK);
    assert_int_equal(json_print(&t, doc, false, &f), ST_OK);
    assert_string_equal(t.p, "> {\"a\": [-3, 0.1, null, 16, {\"s\": \"q\\\"\"}], \"none\": null, "
                             "\"b\": true, \"z\": null, \"c\": {\"k\": [1.0, \"y\"]}, "
                             "\"absent\": null}");
    text_free(&t);
    json_close(&doc);
    json_close(&from);
    assert_int_equal(json_print(&t, NULL, false, &f), ST_NOMEM);
}

static enum status build_one(struct text *to, struct fault *f)
{
    struct json_doc *doc = json_new_object(), *from = NULL;
    const char *part = "{\"k\": [1.5, \"y\"], \"l\": {}}";
    enum status s = json_parse(&from, part, strlen(part), "t.json", f);
    json_add_string(json_add_object(json_edit(doc), "o"), "s", "text");
    json_add_number(json_add_array(json_edit(doc), "a"), NULL, 0.5);
    json_add_copy(json_edit(doc), "c", json_root(from));
    if (s == ST_OK)
        s = json_print(to, doc, true, f);
    json_close(&doc);
    json_close(&from);
    return s;
}

/* A loss while building is remembered: never a document that lacks something. */
static void test_short_of_memory(void **state)
{
    (void)state;
    struct text whole = {0};
    struct fault f = {0};
    bool reached = true;
    if (!short_memory_works)
        skip();
    assert_int_equal(build_one(&whole, &f), ST_OK);
    for (long n = 1; reached; n++) {
        struct text t = {0};
        short_memory_after(n);
        enum status s = build_one(&t, &f);
        reached = short_memory_end();
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
        if (s == ST_OK)
            assert_string_equal(t.p, whole.p);
        text_free(&t);
    }
    text_free(&whole);
}

/* A tokenizer.json's worth: 10 MB with objects and arrays of 300,000 entries, all hostile keys
 * sharing a long prefix. */
static void test_large(void **state)
{
    (void)state;
    struct text t = {0};
    struct fault f = {0};
    text_adds(&t, "{\"vocab\": {", &f);
    for (int i = 0; i < 300000; i++)
        text_addf(&t, &f, "%s\"aaaaaaaa%d\": %d", i ? ", " : "", i, i);
    text_adds(&t, "}, \"merges\": [", &f);
    for (int i = 0; i < 300000; i++)
        text_addf(&t, &f, "%s\"a b%d\"", i ? "," : "", i);
    text_adds(&t, "]}", &f);
    clock_t start = clock();
    struct json_doc *doc = NULL;
    assert_int_equal(json_parse(&doc, t.p, t.n, "t.json", &f), ST_OK);
    int64_t sum = 0, i = 0;
    const struct json *v = json_first(json_get(json_root(doc), "vocab"));
    for (; v; v = json_next(v))
        if (json_int(v, &i))
            sum += i;
    assert_true(sum == 44999850000);
    struct text u = {0};
    assert_int_equal(json_print(&u, doc, false, &f), ST_OK);
    json_close(&doc);
    print_message("%zu bytes in %.2f s\n", t.n, (double)(clock() - start) / CLOCKS_PER_SEC);
    text_free(&t);
    text_free(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),     cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_depth),           cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_reading),         cmocka_unit_test(test_members),
        cmocka_unit_test(test_building),        cmocka_unit_test(test_large),
        cmocka_unit_test(test_short_of_memory),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
