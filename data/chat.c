#include "data/chat.h"

#include <stdlib.h>
#include <string.h>

#include "data/jinja/jfilter.h"
#include "data/jinja/jinja.h"
#include "data/jinja/jrun.h"

static const char config_name[] = "tokenizer_config.json";
static const char map_name[] = "special_tokens_map.json";
static const char file_name[] = "chat_template.jinja";

struct chat {
    struct jinja *plain, *with_tools; /* with_tools: NULL unless the model has one of its own */
    struct json_doc *config, *map;    /* where the special tokens are; NULL if the file is absent */
};

static enum status open_json(struct json_doc **out, const struct blobs *files, const char *name,
                             struct fault *f)
{
    const struct blob *b = blobs_find(files, name);
    if (!b)
        return ST_OK;
    return json_parse(out, (const char *)b->data, b->size, name, f);
}

static enum status parse_named(struct chat *c, const struct json *list, struct fault *f)
{
    enum status s = ST_OK;
    for (const struct json *e = json_first(list); e && s == ST_OK; e = json_next(e)) {
        const char *name = json_string(json_get(e, "name"));
        const char *text = json_string(json_get(e, "template"));
        if (!name || !text)
            return fault_set(f, ST_FORMAT,
                             "%s: an element of chat_template has no name or template",
                             config_name);
        if (strcmp(name, "default") == 0 && !c->plain)
            s = jinja_parse(&c->plain, text, strlen(text), "chat_template \"default\"", f);
        else if (strcmp(name, "tool_use") == 0 && !c->with_tools)
            s = jinja_parse(&c->with_tools, text, strlen(text), "chat_template \"tool_use\"", f);
    }
    return s;
}

static enum status parse_templates(struct chat *c, const struct blobs *files, struct fault *f)
{
    const struct blob *b = blobs_find(files, file_name);
    if (b)
        return jinja_parse(&c->plain, (const char *)b->data, b->size, file_name, f);
    const struct json *v = c->config ? json_get(json_root(c->config), "chat_template") : NULL;
    if (json_kind(v) == JSON_ARRAY) {
        enum status s = parse_named(c, v, f);
        if (s != ST_OK || c->plain || c->with_tools)
            return s;
    } else if (json_kind(v) == JSON_STRING) {
        const char *text = json_string(v);
        return jinja_parse(&c->plain, text, strlen(text), "chat_template", f);
    }
    fault_set(f, ST_ABSENT, "the model has no chat template: neither %s nor %s holds one",
              file_name, config_name);
    return fault_remedy(f, "use text or prompt/completion data, or import the model with a %s",
                        file_name);
}

enum status chat_open(struct chat **out, const struct blobs *files, struct fault *f)
{
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return fault_nomem(f, "a chat template", sizeof *c);
    if (open_json(&c->config, files, config_name, f) != ST_OK ||
        open_json(&c->map, files, map_name, f) != ST_OK || parse_templates(c, files, f) != ST_OK) {
        chat_close(&c);
        return f->code;
    }
    *out = c;
    return ST_OK;
}

void chat_close(struct chat **c)
{
    if (!*c)
        return;
    jinja_free(&(*c)->plain);
    jinja_free(&(*c)->with_tools);
    json_close(&(*c)->config);
    json_close(&(*c)->map);
    free(*c);
    *c = NULL;
}

bool chat_has_generation(const struct chat *c)
{
    return (c->plain && jinja_has_generation(c->plain)) ||
           (c->with_tools && jinja_has_generation(c->with_tools));
}

/* What one rendering is asked for. */
struct request {
    const struct chat *c;
    const struct json *messages, *tools;
    const struct chat_options *o;
};

static const char *token_text(const struct json *v)
{
    const char *s = json_string(v);
    return s ? s : json_string(json_get(v, "content"));
}

/* Every "…_token" of a file is a variable; the first file that has it wins. */
static void set_tokens(struct jrun *r, const struct json_doc *doc)
{
    const struct json *root = doc ? json_root(doc) : NULL;
    for (const struct json *e = json_first(root); e; e = json_next(e)) {
        const char *key = json_key(e), *text = key ? token_text(e) : NULL;
        size_t n = key ? strlen(key) : 0;
        if (text && n > 6 && strcmp(key + n - 6, "_token") == 0 && !jdict_finds(r, r->vars, key))
            jrun_set(r, key, jv_cstr(r, text));
    }
    const struct json *extra = json_get(root, "extra_special_tokens");
    for (const struct json *e = json_first(extra); e; e = json_next(e))
        if (json_key(e) && token_text(e))
            jrun_set(r, json_key(e), jv_cstr(r, token_text(e)));
}

/* A message without the keys that are null, which templates take for a content to print; and the
 * reasoning under each of the names by which templates read it. Both as transformers does. */
static struct jv message_value(struct jrun *r, const struct json *message)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    struct jdict *m = jdict_new(r, 8);
    const struct json *reasoning = NULL;
    for (int i = 0; i < 3 && !reasoning; i++) {
        const struct json *v = json_get(message, names[i]);
        reasoning = json_kind(v) == JSON_NULL ? NULL : v;
    }
    if (reasoning)
        jdict_append(r, m, jv_cstr(r, "thinking"), jjson_value(r, reasoning));
    for (const struct json *e = json_first(message); e; e = json_next(e))
        if (json_kind(e) != JSON_NULL)
            jdict_put(r, m, jv_cstr(r, json_key(e)), jjson_value(r, e));
    if (reasoning)
        jdict_put(r, m, jv_cstr(r, "reasoning_content"), jjson_value(r, reasoning));
    return jv_of_dict(m);
}

static void setup(struct jrun *r, const void *user)
{
    const struct request *q = user;
    struct jlist *messages = jlist_new(r, 8);
    set_tokens(r, q->c->config);
    set_tokens(r, q->c->map);
    jrun_set(r, "documents", jv_none());
    for (const struct json *e = json_first(q->o->extra); e; e = json_next(e))
        if (json_key(e))
            jrun_set(r, json_key(e), jjson_value(r, e));
    for (const struct json *e = json_first(q->messages); e; e = json_next(e)) {
        if (json_kind(e) != JSON_OBJECT)
            jrun_fail(r, ST_FORMAT, "a message of the conversation is not an object");
        jlist_add(r, messages, message_value(r, e));
    }
    jrun_set(r, "messages", jv_of_list(messages));
    jrun_set(r, "tools", jjson_value(r, q->tools));
    jrun_set(r, "add_generation_prompt", jv_bool(q->o->add_generation_prompt));
}

enum status chat_render(const struct chat *c, const struct json *messages, const struct json *tools,
                        const struct chat_options *o, struct text *out, struct chat_spans *spans,
                        struct fault *f)
{
    struct request q = {c, messages, json_kind(tools) == JSON_NULL ? NULL : tools, o};
    struct jinja_input in = {setup, &q, o->now};
    const struct jinja *t = q.tools && c->with_tools ? c->with_tools : c->plain;
    if (json_kind(messages) != JSON_ARRAY || (!json_first(messages) && !o->may_be_empty)) {
        fault_set(f, ST_FORMAT, "a conversation must be a list of one message or more");
        return fault_remedy(f, "give messages as [{\"role\": …, \"content\": …}, …]");
    }
    if (!t) {
        fault_set(f, ST_FORMAT, "%s: chat_template has no \"default\"", config_name);
        return fault_remedy(f, "add a template of that name, or give a %s", file_name);
    }
    return jinja_render(t, &in, out, spans, f);
}

void chat_spans_free(struct chat_spans *s)
{
    free(s->p);
    *s = (struct chat_spans){0};
}
