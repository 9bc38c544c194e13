/* Renders chat templates for scripts that compare them with jinja2: one JSON request a line on
 * standard input, one JSON answer a line on standard output.
 *
 *     {"template": "…", "vars": {…}}                                    any template
 *     {"files": {"tokenizer_config.json": "…"}, "messages": […], "tools": […],
 *      "add_generation_prompt": true, "extra": {…}}                     a conversation
 *     → {"text": "…", "spans": [[at, end], …]}  or  {"error": "…", "status": "…"} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/chat.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jinja.h"
#include "data/jinja/jrun.h"

static void set_vars(struct jrun *r, const void *user)
{
    const struct json *vars = user;
    for (const struct json *e = json_first(vars); e; e = json_next(e))
        jrun_set(r, json_key(e), jjson_value(r, e));
}

static enum status render_template(const struct json *q, struct text *out, struct chat_spans *spans,
                                   struct fault *f)
{
    struct jinja *t = NULL;
    const char *source = json_string(json_get(q, "template"));
    struct jinja_input in = {set_vars, json_get(q, "vars"), 1721000000};
    enum status s = jinja_parse(&t, source, strlen(source), "template", f);
    if (s == ST_OK)
        s = jinja_render(t, &in, out, spans, f);
    if (t)
        jinja_free(&t);
    return s;
}

static enum status render_chat(const struct json *q, struct text *out, struct chat_spans *spans,
                               struct fault *f)
{
    struct blobs files = {0};
    struct chat *c = NULL;
    struct chat_options o = {.now = 1721000000, .extra = json_get(q, "extra")};
    enum status s = ST_OK;
    o.add_generation_prompt = json_bool(json_get(q, "add_generation_prompt"), false);
    for (const struct json *e = json_first(json_get(q, "files")); e && s == ST_OK; e = json_next(e))
        s = blobs_add(&files, json_key(e), json_string(e), strlen(json_string(e)), f);
    if (s == ST_OK)
        s = chat_open(&c, &files, f);
    if (s == ST_OK)
        s = chat_render(c, json_get(q, "messages"), json_get(q, "tools"), &o, out, spans, f);
    chat_close(&c);
    blobs_free(&files);
    return s;
}

static int answer(const char *line, size_t n)
{
    struct json_doc *q = NULL, *a = json_new_object();
    struct text out = {0}, print = {0};
    struct chat_spans spans = {0};
    struct fault f = {0};
    enum status s = json_parse(&q, line, n, "request", &f);
    if (s == ST_OK) {
        const struct json *root = json_root(q);
        bool want = json_bool(json_get(root, "want_spans"), false);
        s = (json_get(root, "template") ? render_template : render_chat)(root, &out,
                                                                         want ? &spans : NULL, &f);
    }
    if (s == ST_OK) {
        json_add_string(json_edit(a), "text", out.p ? out.p : "");
        struct json *list = json_add_array(json_edit(a), "spans");
        for (size_t i = 0; i < spans.n; i++) {
            struct json *pair = json_add_array(list, NULL);
            json_add_int(pair, NULL, (int64_t)spans.p[i].at);
            json_add_int(pair, NULL, (int64_t)spans.p[i].end);
        }
    } else {
        json_add_string(json_edit(a), "error", f.text);
        json_add_string(json_edit(a), "status", status_text(s));
    }
    int failed = json_print(&print, a, false, &f) != ST_OK;
    puts(failed ? "{\"error\": \"the answer is not JSON\"}" : print.p);
    fflush(stdout);
    text_free(&print);
    text_free(&out);
    chat_spans_free(&spans);
    json_close(&a);
    json_close(&q);
    return failed;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0)
        answer(line, (size_t)n);
    free(line);
    return 0;
}
