/* Any bytes are a template: it is refused, or renders the same text twice over a fixed
 * conversation, with spans that lie in the text in order. */
#include <stdlib.h>
#include <string.h>

#include "data/jinja/jfilter.h"
#include "data/jinja/jinja.h"
#include "data/jinja/jrun.h"
#include "tests/fuzz/fuzz.h"

static const char jinja_talk[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \" Be \\u00fc \"},"
    " {\"role\": \"user\", \"content\": \"<b>\\ud83d\\ude42\"},"
    " {\"role\": \"assistant\", \"content\": \"<think>x</think>y\", \"tool_calls\": [{\"function\":"
    " {\"name\": \"f\", \"arguments\": {\"a\": 1, \"b\": [2.5, null, true]}}}]},"
    " {\"role\": \"tool\", \"content\": [1, {\"items\": \"\"}]}],"
    " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}],"
    " \"documents\": null, \"add_generation_prompt\": true, \"bos_token\": \"<s>\", \"x\": 7,"
    " \"s\": \"a,b c\", \"xs\": [3, 1, 2]}";

static void jinja_setup(struct jrun *r, const void *user)
{
    const struct json *vars = user;
    for (const struct json *e = json_first(vars); e; e = json_next(e))
        jrun_set(r, json_key(e), jjson_value(r, e));
}

static void jinja_twice(const struct jinja *t, const struct json_doc *talk)
{
    struct jinja_input in = {jinja_setup, json_root(talk), 1721000000};
    struct text a = {0}, b = {0};
    struct chat_spans spans = {0};
    struct fault f = {0}, g = {0};
    enum status s = jinja_render(t, &in, &a, &spans, &f);
    size_t at = 0;
    for (size_t i = 0; i < spans.n; i++) {
        if (spans.p[i].at < at || spans.p[i].end < spans.p[i].at || spans.p[i].end > a.n)
            abort();
        at = spans.p[i].end;
    }
    if (s != ST_OK && (a.n > 0 || spans.n > 0 || f.text[0] == '\0'))
        abort();
    if (s == ST_OK && (jinja_render(t, &in, &b, NULL, &g) != ST_OK || a.n != b.n ||
                       (a.n > 0 && memcmp(a.p, b.p, a.n) != 0) || !utf8_valid(a.p, a.n, NULL)))
        abort();
    text_free(&a);
    text_free(&b);
    chat_spans_free(&spans);
}

int fuzz_jinja(const uint8_t *bytes, size_t n)
{
    static struct json_doc *talk;
    struct jinja *t = NULL;
    struct fault f = {0};
    if (!talk && json_parse(&talk, jinja_talk, strlen(jinja_talk), "fuzz", &f) != ST_OK)
        abort();
    if (jinja_parse(&t, (const char *)bytes, n, "fuzz", &f) != ST_OK)
        return 0;
    jinja_twice(t, talk);
    jinja_free(&t);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_jinja(bytes, n);
}
#endif
