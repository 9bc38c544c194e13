/* Renders chat templates for scripts that compare them with jinja2: one JSON request a line on
 * standard input, one JSON answer a line on standard output.
 *
 *     {"template": "…", "vars": {…}}                                    any template
 *     {"files": {"tokenizer_config.json": "…"}, "messages": […], "tools": […],
 *      "add_generation_prompt": true, "extra": {…}}                     a conversation
 *     → {"text": "…", "spans": [[at, end], …]}  or  {"error": "…", "status": "…"}
 *     {"tokenizer": "FOLDER/tokenizer.json", "files": {…}, "messages": […], "tools": […]}
 *     → {"rows": [{"ids": […], "mask": […]}]}                           what is trained on */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/chat.h"
#include "data/dataset.h"
#include "data/file.h"
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

/* The tokenizer of the last request that named one: opening a large one takes longer than all else. */
static enum status tokenizer_named(const struct tokenizer **out, const char *path, struct fault *f)
{
    static char *last;
    static struct tokenizer *t;
    struct blobs files = {0};
    if (last && strcmp(last, path) == 0) {
        *out = t;
        return ST_OK;
    }
    free(last);
    last = NULL;
    tokenizer_close(&t);
    enum status s = file_read_blob(&files, path, "tokenizer.json", 1 << 26, f);
    if (s == ST_OK)
        s = tokenizer_open(&t, &files, f);
    blobs_free(&files);
    if (s == ST_OK)
        last = strdup(path);
    *out = t;
    return s;
}

static void add_row(struct json *rows, struct row r)
{
    struct json *row = json_add_object(rows, NULL), *ids = json_add_array(row, "ids"),
                *mask = json_add_array(row, "mask");
    for (int i = 0; i < r.n; i++) {
        json_add_int(ids, NULL, r.ids[i]);
        json_add_int(mask, NULL, r.target[i]);
    }
}

static enum status make_rows(const struct json *q, const char *line, size_t n, struct json *a,
                             struct fault *f)
{
    struct blobs files = {0};
    struct chat *c = NULL;
    struct dataset *d = NULL;
    struct dataset_options o = {
        .seq_max = 1 << 20, .vocab = 1 << 24, .mask_prompt = true, .now = 1721000000};
    enum status s = tokenizer_named(&o.tokenizer, json_string(json_get(q, "tokenizer")), f);
    for (const struct json *e = json_first(json_get(q, "files")); e && s == ST_OK; e = json_next(e))
        s = blobs_add(&files, json_key(e), json_string(e), strlen(json_string(e)), f);
    if (s == ST_OK)
        s = chat_open(&c, &files, f);
    o.chat = c;
    if (s == ST_OK)
        s = dataset_parse(&d, "request.jsonl", line, n, &o, f);
    if (s == ST_OK) {
        struct json *rows = json_add_array(a, "rows");
        for (size_t i = 0; i < dataset_rows(d); i++)
            add_row(rows, dataset_row(d, i));
    }
    dataset_close(&d);
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
    bool rows = s == ST_OK && json_get(json_root(q), "tokenizer");
    if (rows) {
        s = make_rows(json_root(q), line, n, json_edit(a), &f);
    } else if (s == ST_OK) {
        const struct json *root = json_root(q);
        bool want = json_bool(json_get(root, "want_spans"), false);
        s = (json_get(root, "template") ? render_template : render_chat)(root, &out,
                                                                         want ? &spans : NULL, &f);
    }
    if (s == ST_OK && !rows) {
        json_add_string(json_edit(a), "text", out.p ? out.p : "");
        struct json *list = json_add_array(json_edit(a), "spans");
        for (size_t i = 0; i < spans.n; i++) {
            struct json *pair = json_add_array(list, NULL);
            json_add_int(pair, NULL, (int64_t)spans.p[i].at);
            json_add_int(pair, NULL, (int64_t)spans.p[i].end);
        }
    } else if (s != ST_OK) {
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
