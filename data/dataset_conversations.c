/* Rows that are conversations: messages, prompts and completions of messages, ShareGPT. */
#include <string.h>
#include <strings.h>

#include "data/dataset_impl.h"
#include "data/json.h"

/* A row's tools: a list, or a string that holds one in JSON, as many datasets have it; null and an
 * empty string are none. *parsed, if it is not NULL, owns them. */
static enum status find_tools(const struct json **tools, struct json_doc **parsed,
                              const struct dataset *d, const struct json *root, int line,
                              struct fault *f)
{
    const struct json *found = json_get(root, "tools");
    const char *text = json_string(found);
    struct fault why = {0};
    *tools = NULL;
    if (json_kind(found) == JSON_NULL || (text && text[0] == '\0'))
        return ST_OK;
    if (text && json_parse(parsed, text, strlen(text), "tools", &why) == ST_NOMEM) {
        *f = why;
        return f->code;
    }
    *tools = text ? json_root(*parsed) : found;
    if (why.code == ST_OK && text && json_kind(*tools) == JSON_NULL)
        *tools = NULL;
    else if (why.code != ST_OK || json_kind(*tools) != JSON_ARRAY)
        return dataset_wrong(d, line,
                             why.code != ST_OK ? "has tools that are not JSON"
                                               : "has tools that are no list",
                             "\"tools\" is a list, or a string that holds one", f);
    return ST_OK;
}

/* What a row says besides its messages. */
static enum status find_extras(struct conversation *c, struct json_doc **parsed,
                               const struct dataset *d, const struct json *root, int line,
                               struct fault *f)
{
    const struct json *extra = json_get(root, "chat_template_kwargs");
    if (json_kind(extra) != JSON_NULL && json_kind(extra) != JSON_OBJECT)
        return dataset_wrong(d, line, "has chat_template_kwargs that are no object",
                             "such as {\"chat_template_kwargs\": {\"enable_thinking\": false}}", f);
    c->extra = json_kind(extra) == JSON_OBJECT ? extra : NULL;
    return find_tools(&c->tools, parsed, d, root, line, f);
}

enum status dataset_messages_row(struct dataset *d, const struct json *root, int line,
                                 struct fault *f)
{
    struct conversation c = {.messages = json_get(root, "messages")};
    struct json_doc *parsed = NULL;
    enum status s = find_extras(&c, &parsed, d, root, line, f);
    if (s == ST_OK)
        s = dataset_add_chat(d, &c, line, f);
    json_close(&parsed);
    return s;
}

enum status dataset_pair_of_messages(struct dataset *d, const struct json *root, int line,
                                     struct fault *f)
{
    const struct json *parts[2] = {json_get(root, "prompt"), json_get(root, "completion")};
    struct json_doc *parsed = NULL, *doc = json_new_array();
    if (!doc)
        return fault_nomem(f, "a conversation", 0);
    for (int i = 0; i < 2; i++)
        for (const struct json *m = json_first(parts[i]); m; m = json_next(m))
            json_add_copy(json_edit(doc), NULL, m);
    struct conversation c = {.messages = json_root(doc), .given = json_count(parts[0])};
    enum status s = find_extras(&c, &parsed, d, root, line, f);
    if (s == ST_OK)
        s = dataset_add_chat(d, &c, line, f);
    json_close(&parsed);
    json_close(&doc);
    return s;
}

/* ---- ShareGPT -------------------------------------------------------------------------------- */

static const char *sharegpt_role(const char *from)
{
    static const char *const names[][2] = {
        {"human", "user"},      {"user", "user"},        {"gpt", "assistant"},
        {"system", "system"},   {"tool", "tool"},        {"assistant", "assistant"},
        {"function", "tool"},   {"observation", "tool"}, {"chatgpt", "assistant"},
        {"model", "assistant"}, {"bing", "assistant"},   {"bard", "assistant"},
    };
    for (size_t i = 0; from && i < sizeof names / sizeof *names; i++)
        if (strcasecmp(from, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

/* {"name", "arguments"} in JSON, or a list of them: the assistant's tool_calls. */
static enum status add_call(struct dataset *d, struct json_doc *doc, const char *value, int line,
                            struct fault *f)
{
    struct json_doc *parsed = NULL;
    struct fault why = {0};
    struct json *m = json_add_object(json_edit(doc), NULL);
    json_add_string(m, "role", "assistant");
    json_add_string(m, "content", "");
    struct json *calls = json_add_array(m, "tool_calls");
    bool sound = json_parse(&parsed, value, strlen(value), "a call", &why) == ST_OK;
    const struct json *root = json_root(parsed);
    bool list = json_kind(root) == JSON_ARRAY;
    sound = sound && (!list || json_first(root));
    for (const struct json *e = list ? json_first(root) : root; sound && e;
         e = list ? json_next(e) : NULL) {
        sound = json_kind(e) == JSON_OBJECT && json_string(json_get(e, "name"));
        struct json *call = json_add_object(calls, NULL);
        json_add_string(call, "type", "function");
        json_add_copy(call, "function", e);
    }
    json_close(&parsed);
    if (why.code == ST_NOMEM) {
        *f = why;
        return f->code;
    }
    return sound ? ST_OK
                 : dataset_wrong(d, line, "has a function_call that is no call",
                                 "its value is {\"name\": …, \"arguments\": {…}} in JSON", f);
}

static enum status sharegpt_turn(struct dataset *d, struct json_doc *doc, const struct json *m,
                                 int line, struct fault *f)
{
    const char *from = json_string(json_get(m, "from")), *value = json_string(json_get(m, "value"));
    const char *role = sharegpt_role(from);
    if (!from && json_string(json_get(m, "role"))) {
        json_add_copy(json_edit(doc), NULL, m);
        return ST_OK;
    }
    if (!from || !value)
        return dataset_wrong(d, line, "has a turn without \"from\" and \"value\"",
                             "each turn is {\"from\": \"human\" or \"gpt\", \"value\": \"…\"}", f);
    if (strcasecmp(from, "function_call") == 0)
        return add_call(d, doc, value, line, f);
    if (!role) {
        fault_set(f, ST_FORMAT, "%s: line %d has a turn from \"%.40s\", which is nobody known",
                  d->path, line, from);
        return fault_remedy(f, "turns are from human, gpt, system, function_call or tool");
    }
    chat_add(doc, role, value);
    return ST_OK;
}

/* A "system" beside the turns is their first message. */
void dataset_add_system(struct json_doc *doc, const struct json *root)
{
    const char *system = json_string(json_get(root, "system"));
    if (system && system[0] != '\0')
        chat_add(doc, "system", system);
}

enum status dataset_sharegpt_row(struct dataset *d, const struct json *root, int line,
                                 struct fault *f)
{
    const struct json *turns = json_get(root, "conversations");
    struct json_doc *parsed = NULL;
    if (json_kind(turns) != JSON_ARRAY)
        return dataset_wrong(d, line, "has conversations that are no list",
                             "\"conversations\" is a list of {from, value}", f);
    struct json_doc *doc = json_new_array();
    struct conversation c = {.messages = json_root(doc)};
    enum status s = doc ? ST_OK : fault_nomem(f, "a conversation", 0);
    if (s == ST_OK)
        s = find_extras(&c, &parsed, d, root, line, f);
    if (s == ST_OK)
        dataset_add_system(doc, root);
    for (const struct json *m = json_first(turns); s == ST_OK && m; m = json_next(m))
        s = sharegpt_turn(d, doc, m, line, f);
    if (s == ST_OK)
        s = dataset_add_chat(d, &c, line, f);
    json_close(&doc);
    json_close(&parsed);
    return s;
}
