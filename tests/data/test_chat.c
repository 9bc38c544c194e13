/* Chat templates: our own ones against what transformers renders and marks
 * (tests/fixtures/data/chat.json), and where a model's template and special tokens come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/chat.h"
#include "tests/data/scratch.h"

enum { NOW = 1721000000 };

static const struct json *parse(struct json_doc **doc, const char *text)
{
    struct fault f = {0};
    if (json_parse(doc, text, strlen(text), "test", &f) != ST_OK)
        fail_msg("%s", f.text);
    return json_root(*doc);
}

static void add(struct blobs *files, const char *name, const char *text)
{
    struct fault f = {0};
    assert_int_equal(blobs_add(files, name, text, strlen(text), &f), ST_OK);
}

/* One rendering by files: a name, its text, …, NULL. */
static enum status once(struct text *out, struct chat_spans *spans, struct fault *f,
                        const char *messages, const char *tools, const char *extra, ...)
{
    struct blobs files = {0};
    struct chat *c = NULL;
    struct json_doc *m = NULL, *t = NULL, *x = NULL;
    struct chat_options o = {.now = NOW, .extra = extra ? parse(&x, extra) : NULL};
    va_list ap;
    va_start(ap, extra);
    for (const char *name; (name = va_arg(ap, const char *));)
        add(&files, name, va_arg(ap, const char *));
    va_end(ap);
    enum status s = chat_open(&c, &files, f);
    if (s == ST_OK)
        s = chat_render(c, parse(&m, messages), tools ? parse(&t, tools) : NULL, &o, out, spans, f);
    chat_close(&c);
    assert_null(c);
    blobs_free(&files);
    json_close(&m);
    json_close(&t);
    json_close(&x);
    return s;
}

static size_t characters(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xC0) != 0x80;
    return count;
}

static void check_spans(const struct json *want, const struct chat_spans *got, const struct text *t)
{
    size_t i = 0;
    for (const struct json *e = json_first(want); e; e = json_next(e), i++) {
        int64_t at = -1, end = -1;
        json_int(json_first(e), &at);
        json_int(json_next(json_first(e)), &end);
        assert_true(i < got->n);
        assert_int_equal(characters(t->p, got->p[i].at), at);
        assert_int_equal(characters(t->p, got->p[i].end), end);
    }
    assert_int_equal(i, got->n);
}

static void check_chat(const struct json *templates, const char *tokens, const struct json *e)
{
    struct fault f = {0};
    struct blobs files = {0};
    struct chat *c = NULL;
    struct text out = {0};
    struct chat_spans spans = {0};
    const char *name = json_string(json_get(e, "template")),
               *want = json_string(json_get(e, "text"));
    struct chat_options o = {.now = NOW, .extra = json_get(e, "extra")};
    o.add_generation_prompt = json_bool(json_get(e, "add_generation_prompt"), false);
    add(&files, "chat_template.jinja", json_string(json_get(templates, name)));
    add(&files, "tokenizer_config.json", tokens);
    assert_int_equal(chat_open(&c, &files, &f), ST_OK);
    assert_true(chat_has_generation(c, NULL));
    enum status s =
        chat_render(c, json_get(e, "messages"), json_get(e, "tools"), &o, &out, &spans, &f);
    if (want) {
        if (s != ST_OK)
            fail_msg("%s: %s", name, f.text);
        assert_string_equal(out.p, want);
        check_spans(json_get(e, "spans"), &spans, &out);
    } else {
        assert_int_equal(s, ST_FORMAT);
        assert_int_equal(out.n, 0);
        assert_int_equal(spans.n, 0);
    }
    chat_close(&c);
    blobs_free(&files);
    text_free(&out);
    chat_spans_free(&spans);
}

static void test_as_transformers(void **state)
{
    (void)state;
    struct fault f = {0};
    struct json_doc *doc = NULL;
    struct text tokens = {0};
    size_t n, chats = 0;
    unsigned char *bytes = scratch_read("tests/fixtures/data/chat.json", &n);
    assert_int_equal(json_parse(&doc, (char *)bytes, n, "chat.json", &f), ST_OK);
    const struct json *root = json_root(doc), *list = json_get(root, "chats");
    assert_int_equal(json_print_value(&tokens, json_get(root, "tokens"), false, &f), ST_OK);
    for (const struct json *e = json_first(list); e; e = json_next(e), chats++)
        check_chat(json_get(root, "templates"), tokens.p, e);
    assert_true(chats >= 30);
    text_free(&tokens);
    json_close(&doc);
    free(bytes);
}

#define HI "[{\"role\": \"user\", \"content\": \"hi\"}]"

static void expect(const char *want, const struct text *out, enum status s, const struct fault *f)
{
    if (s != ST_OK)
        fail_msg("%s", f->text);
    assert_string_equal(out->p, want);
}

static void test_where_templates_are(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    const char *config = "{\"chat_template\": \"config {{ messages[0].content }}\"}";
    enum status s = once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", config, NULL);
    expect("config hi", &out, s, &f);
    text_free(&out);
    s = once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", config, "chat_template.jinja",
             "file", NULL);
    expect("file", &out, s, &f);
    text_free(&out);
    const char *named = "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"{% x %}\"},"
                        "{\"name\": \"default\", \"template\": \"plain\"},"
                        "{\"name\": \"tool_use\", \"template\": \"{{ tools|length }} tools\"}]}";
    s = once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", named, NULL);
    expect("plain", &out, s, &f);
    text_free(&out);
    s = once(&out, NULL, &f, HI, "[{}, {}]", NULL, "tokenizer_config.json", named, NULL);
    expect("2 tools", &out, s, &f);
    text_free(&out);
    s = once(&out, NULL, &f, HI, "null", NULL, "tokenizer_config.json", named, NULL);
    expect("plain", &out, s, &f);
    text_free(&out);
    const char *by_name = "{\"chat_template\": {\"default\": \"plain\", \"tool_use\": \"tools\"}}";
    s = once(&out, NULL, &f, HI, "[]", NULL, "tokenizer_config.json", by_name, NULL);
    expect("tools", &out, s, &f);
    text_free(&out);
}

/* chat_template.jinja with additional_chat_templates/NAME.jinja, as save_pretrained writes them. */
static void test_additional_templates(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    const char *config = "{\"chat_template\": [{\"name\": \"default\", \"template\": \"old\"},"
                         "{\"name\": \"tool_use\", \"template\": \"old tools\"}]}";
    const char *folder = "additional_chat_templates/tool_use.jinja",
               *other = "additional_chat_templates/rag.jinja";
    enum status s = once(&out, NULL, &f, HI, "[{}]", NULL, "tokenizer_config.json", config,
                         "chat_template.jinja", "plain", folder, "{{ tools|length }} tools", other,
                         "{% x %}", NULL);
    expect("1 tools", &out, s, &f);
    text_free(&out);
    s = once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", config, folder, "tools",
             "chat_template.jinja", "plain", NULL);
    expect("plain", &out, s, &f);
    text_free(&out);
    /* Files hide the whole list, also where it has a name that they have not. */
    s = once(&out, NULL, &f, HI, "[{}]", NULL, "tokenizer_config.json", config,
             "chat_template.jinja", "plain", NULL);
    expect("plain", &out, s, &f);
    text_free(&out);
    s = once(&out, NULL, &f, HI, "[{}]", NULL, "tokenizer_config.json", config, other, "rag", NULL);
    assert_int_equal(s, ST_FORMAT);
    assert_non_null(strstr(f.text, "\"default\""));
    s = once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", config, folder, "t", NULL);
    assert_int_equal(s, ST_FORMAT);
    assert_non_null(strstr(f.text, "\"default\""));
    /* One that cannot be read is the trouble of those who give tools. */
    s = once(&out, NULL, &f, HI, NULL, NULL, "chat_template.jinja", "plain", folder, "{% if %}",
             NULL);
    expect("plain", &out, s, &f);
    text_free(&out);
    s = once(&out, NULL, &f, HI, "[{}]", NULL, "chat_template.jinja", "plain", folder, "{% if %}",
             NULL);
    assert_int_equal(s, ST_FORMAT);
    assert_non_null(strstr(f.text, folder));
    assert_int_equal(out.n, 0);
}

static void test_template_names(void **state)
{
    static const char *const not_names[] = {
        "chat_template.jinja",
        "additional_chat_templates",
        "additional_chat_templates/",
        "additional_chat_templates/.jinja",
        "additional_chat_templates/..jinja",
        "additional_chat_templates/../x.jinja",
        "additional_chat_templates/a/b.jinja",
        "additional_chat_templates/a.txt",
        "additional_chat_templatesXa.jinja",
    };
    char name[16];
    (void)state;
    for (size_t i = 0; i < sizeof not_names / sizeof *not_names; i++)
        assert_false(chat_template_name(name, sizeof name, not_names[i]));
    assert_true(chat_template_name(name, sizeof name, "additional_chat_templates/tool_use.jinja"));
    assert_string_equal(name, "tool_use");
    assert_false(chat_template_name(name, 8, "additional_chat_templates/tool_use.jinja"));
}

static void test_no_template(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, NULL), ST_ABSENT);
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", "{}", NULL),
                     ST_ABSENT);
    assert_non_null(strstr(f.text, "chat_template.jinja"));
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json", "{", NULL),
                     ST_FORMAT);
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json",
                          "{\"chat_template\": [{\"name\": \"default\"}]}", NULL),
                     ST_FORMAT);
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, "chat_template.jinja", "{% if %}", NULL),
                     ST_FORMAT);
    assert_non_null(strstr(f.text, "chat_template.jinja: line 1"));
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, "tokenizer_config.json",
                          "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"x\"}]}",
                          NULL),
                     ST_FORMAT);
    assert_int_equal(out.n, 0);
}

static void test_variables(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    const char *template =
        "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}|{{ image_token }}|"
        "{{ tools is none }}|{{ documents is none }}|{{ add_generation_prompt }}|{{ n }}";
    const char *config = "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"</s>\","
                         "\"pad_token\": null, \"add_bos_token\": true,"
                         "\"extra_special_tokens\": {\"image_token\": \"<img>\"}}";
    enum status s =
        once(&out, NULL, &f, HI, NULL, "{\"n\": 5, \"eos_token\": \"E\"}", "chat_template.jinja",
             template, "tokenizer_config.json", config, "special_tokens_map.json",
             "{\"unk_token\": {\"content\": \"<unk>\"}, \"eos_token\": \"other\"}", NULL);
    expect("<s>|E||<unk>|<img>|True|True|False|5", &out, s, &f);
    text_free(&out);
}

static void test_messages(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    enum status s = once(&out, NULL, &f,
                         "[{\"role\": \"a\", \"content\": null, \"reasoning\": \"r\", \"x\": 1.0}]",
                         NULL, NULL, "chat_template.jinja", "{{ messages[0] }}", NULL);
    expect("{'thinking': 'r', 'role': 'a', 'reasoning': 'r', 'x': 1.0, 'reasoning_content': 'r'}",
           &out, s, &f);
    text_free(&out);
    static const char *const bad[] = {
        "[]", "{}", "null", "[1]", "[[]]", "[{\"role\": \"user\", \"n\": 9007199254740993}]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f = (struct fault){0};
        assert_int_not_equal(
            once(&out, NULL, &f, bad[i], NULL, NULL, "chat_template.jinja", "x", NULL), ST_OK);
        assert_true(f.text[0] != '\0' && f.remedy[0] != '\0');
    }
    assert_int_equal(once(&out, NULL, &f, HI, NULL, NULL, "chat_template.jinja",
                          "{{ raise_exception('only ' + messages[0].role) }}", NULL),
                     ST_FORMAT);
    assert_non_null(strstr(f.text, "only user"));
}

static void test_spans(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    struct chat_spans spans = {0};
    const char *template =
        "é{% generation %}ü{% generation %}x{% endgeneration %}{% endgeneration %}.";
    assert_int_equal(text_adds(&out, "--", &f), ST_OK);
    enum status s = once(&out, &spans, &f, HI, NULL, NULL, "chat_template.jinja", template, NULL);
    expect("--éüx.", &out, s, &f);
    assert_int_equal(spans.n, 1);
    assert_int_equal(spans.p[0].at, 4);
    assert_int_equal(spans.p[0].end, 7);
    template = "{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}a{{ m() }}";
    assert_int_equal(once(&out, &spans, &f, HI, NULL, NULL, "chat_template.jinja", template, NULL),
                     ST_UNSUPPORTED);
    assert_int_equal(spans.n, 1);
    assert_string_equal(out.p, "--éüx.");
    s = once(&out, NULL, &f, HI, NULL, NULL, "chat_template.jinja", template, NULL);
    expect("--éüx.ax", &out, s, &f);
    text_free(&out);
    chat_spans_free(&spans);
    assert_null(spans.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_transformers),
        cmocka_unit_test(test_where_templates_are),
        cmocka_unit_test(test_additional_templates),
        cmocka_unit_test(test_template_names),
        cmocka_unit_test(test_no_template),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_spans),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests_name("chat", tests, NULL, NULL);
}
