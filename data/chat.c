#include "data/chat.h"

#include <stdlib.h>
#include <string.h>

#include "data/jinja/jfilter.h"
#include "data/jinja/jinja.h"
#include "data/jinja/jrun.h"
#include "data/tokenizer.h"

static const char config_name[] = "tokenizer_config.json";
static const char map_name[] = "special_tokens_map.json";
static const char file_name[] = "chat_template.jinja";

struct chat {
    struct jinja *plain, *with_tools; /* with_tools: NULL unless the model has one of its own */
    bool names_tool_use;              /* it has, though maybe one that cannot be read: */
    struct fault tools_fault;
    int named;                     /* templates of any name */
    struct json_doc *config, *map; /* where the special tokens are; NULL if the file is absent */
};

static enum status open_json(struct json_doc **out, const struct blobs *files, const char *name,
                             struct fault *f)
{
    const struct blob *b = blobs_find(files, name);
    if (!b)
        return ST_OK;
    return json_parse(out, (const char *)b->data, b->size, name, f);
}

/* A template under its name; of two with one name the later is taken. Only "default" and "tool_use"
 * are ever rendered. What is wrong with the second concerns those alone who give tools. */
static enum status take(struct chat *c, const char *name, const char *text, size_t n,
                        const char *where, struct fault *f)
{
    struct jinja *t = NULL;
    bool plain = strcmp(name, "default") == 0;
    c->named++;
    if (!plain && strcmp(name, "tool_use") != 0)
        return ST_OK;
    struct fault why = {0};
    enum status s = jinja_parse(&t, text, n, where, &why);
    if (s != ST_OK && (plain || s == ST_NOMEM)) {
        *f = why;
        return s;
    }
    jinja_free(plain ? &c->plain : &c->with_tools);
    *(plain ? &c->plain : &c->with_tools) = t;
    if (!plain)
        c->tools_fault = why;
    c->names_tool_use = c->names_tool_use || !plain;
    return ST_OK;
}

/* tokenizer_config.json's list of {name, template}, or object of templates by name. */
static enum status take_named(struct chat *c, const struct json *list, struct fault *f)
{
    enum status s = ST_OK;
    for (const struct json *e = json_first(list); e && s == ST_OK; e = json_next(e)) {
        bool object = json_kind(list) == JSON_OBJECT;
        const char *name = object ? json_key(e) : json_string(json_get(e, "name"));
        const char *text = json_string(object ? e : json_get(e, "template"));
        if (!name || !text)
            return fault_set(f, ST_FORMAT,
                             "%s: an element of chat_template has no name or template",
                             config_name);
        bool tools = strcmp(name, "tool_use") == 0;
        s = take(c, name, text, strlen(text),
                 tools ? "chat_template \"tool_use\"" : "chat_template \"default\"", f);
    }
    return s;
}

/* Templates in files of their own; where there is one, those in tokenizer_config.json are not
 * asked. */
static enum status take_files(struct chat *c, const struct blobs *files, bool *any, struct fault *f)
{
    enum status s = ST_OK;
    const struct blob *b = blobs_find(files, file_name);
    *any = b != NULL;
    if (b)
        s = take(c, "default", (const char *)b->data, b->size, file_name, f);
    for (size_t i = 0; i < files->n && s == ST_OK; i++) {
        char name[128];
        if (!chat_template_name(name, sizeof name, files->p[i].name))
            continue;
        *any = true;
        b = &files->p[i];
        s = take(c, name, (const char *)b->data, b->size, b->name, f);
    }
    return s;
}

bool chat_template_name(char *name, size_t size, const char *file)
{
    size_t folder = strlen(CHAT_FOLDER), n = strlen(file);
    if (n <= folder + 7 || strncmp(file, CHAT_FOLDER "/", folder + 1) != 0 ||
        strcmp(file + n - 6, ".jinja") != 0)
        return false;
    n -= folder + 7;
    if (n >= size || file[folder + 1] == '.' || strchr(file + folder + 1, '/'))
        return false;
    if (name) {
        memcpy(name, file + folder + 1, n);
        name[n] = '\0';
    }
    return true;
}

static enum status none_default(struct fault *f)
{
    fault_set(f, ST_FORMAT, "the model's chat templates have names, and none is \"default\"");
    return fault_remedy(f, "import the model with the one of them that is to be used as %s",
                        file_name);
}

static enum status parse_templates(struct chat *c, const struct blobs *files, struct fault *f)
{
    bool any;
    enum status s = take_files(c, files, &any, f);
    const struct json *v = c->config ? json_get(json_root(c->config), "chat_template") : NULL;
    if (s == ST_OK && !any && (json_kind(v) == JSON_ARRAY || json_kind(v) == JSON_OBJECT)) {
        s = take_named(c, v, f);
    } else if (s == ST_OK && !any && json_kind(v) == JSON_STRING) {
        const char *text = json_string(v);
        s = take(c, "default", text, strlen(text), "chat_template", f);
    }
    if (s != ST_OK || c->plain || c->names_tool_use)
        return s;
    if (c->named > 0)
        return none_default(f);
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

/* The template that renders such a conversation, or NULL. */
static const struct jinja *choose(const struct chat *c, const struct json *tools)
{
    return json_kind(tools) != JSON_NULL && c->names_tool_use ? c->with_tools : c->plain;
}

bool chat_has_generation(const struct chat *c, const struct json *tools)
{
    const struct jinja *t = choose(c, tools);
    return t && jinja_has_generation(t);
}

const char *chat_lacks(const struct chat *c)
{
    const char *plain = c->plain ? jinja_lacks(c->plain) : NULL;
    return plain || !c->with_tools ? plain : jinja_lacks(c->with_tools);
}

/* What one rendering is asked for. */
struct request {
    const struct chat *c;
    const struct json *messages, *tools;
    const struct chat_options *o;
};

/* Every "…_token" of a file is a variable; the first file that has it wins. */
static void set_tokens(struct jrun *r, const struct json_doc *doc)
{
    const struct json *root = doc ? json_root(doc) : NULL;
    for (const struct json *e = json_first(root); e; e = json_next(e)) {
        const char *key = json_key(e), *text = key ? tokenizer_content(e) : NULL;
        size_t n = key ? strlen(key) : 0;
        if (text && n > 6 && strcmp(key + n - 6, "_token") == 0 && !jdict_finds(r, r->vars, key))
            jrun_set(r, key, jv_cstr(r, text));
    }
    const struct json *extra = json_get(root, "extra_special_tokens");
    for (const struct json *e = json_first(extra); e; e = json_next(e))
        if (json_key(e) && tokenizer_content(e))
            jrun_set(r, json_key(e), jv_cstr(r, tokenizer_content(e)));
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
    const struct jinja *t = choose(c, tools);
    if (json_whole(messages, f) != ST_OK)
        return f->code;
    if (json_kind(messages) != JSON_ARRAY || (!json_first(messages) && !o->may_be_empty)) {
        fault_set(f, ST_FORMAT, "a conversation must be a list of one message or more");
        return fault_remedy(f, "give messages as [{\"role\": …, \"content\": …}, …]");
    }
    if (!t && q.tools && c->names_tool_use) {
        *f = c->tools_fault;
        return f->code;
    }
    if (!t)
        return none_default(f);
    return jinja_render(t, &in, out, spans, f);
}

void chat_add(struct json_doc *messages, const char *role, const char *content)
{
    struct json *m = json_add_object(json_edit(messages), NULL);
    json_add_string(m, "role", role);
    json_add_string(m, "content", content);
}

void chat_spans_free(struct chat_spans *s)
{
    free(s->p);
    *s = (struct chat_spans){0};
}
