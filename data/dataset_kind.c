/* From one JSON line to its row or rows: the kinds that people have, told by their keys. */
#include <stdio.h>
#include <string.h>

#include "data/dataset_impl.h"
#include "data/json.h"

enum status dataset_mark(struct text *target, size_t from, size_t to, char value, struct fault *f)
{
    while (target->n < to) {
        enum status s = text_add(target, "\0", 1, f);
        if (s != ST_OK)
            return s;
    }
    if (to > from)
        memset(target->p + from, value, to - from);
    return ST_OK;
}

static enum status add_eos(const struct dataset *d, struct ids *ids, struct fault *f)
{
    int eos = tokenizer_eos(d->o.tokenizer);
    if (eos < 0 || (ids->n > 0 && ids->p[ids->n - 1] == eos))
        return ST_OK;
    return ids_add(ids, eos, f);
}

/* ---- text, and prompt with completion -------------------------------------------------------- */

static enum status text_row(struct dataset *d, const struct json *root, int line, struct fault *f)
{
    const char *text = json_string(json_get(root, "text"));
    struct ids ids = {0};
    struct text target = {0};
    if (!text)
        return dataset_wrong(d, line, "has a text that is not a string", "\"text\" is a string", f);
    if (text[0] == '\0')
        return dataset_targetless(d, line, "has an empty text and so no target to train on",
                                  "remove the line, or give it a text", f);
    enum status s = dataset_encode(d, &ids, NULL, text, strlen(text), TOKENIZER_ADD_SPECIAL, f);
    if (s == ST_OK)
        s = add_eos(d, &ids, f);
    if (s == ST_OK)
        s = dataset_mark(&target, 0, ids.n, 1, f);
    if (s == ST_OK)
        s = dataset_add_row(d, &ids, &target, line, f);
    ids_free(&ids);
    text_free(&target);
    return s;
}

/* Without a template: prompt and completion tokenized apart, so that training sees the boundary
 * that generation will. */
static enum status plain_pair(struct dataset *d, const char *prompt, const char *completion,
                              int line, struct fault *f)
{
    struct ids ids = {0};
    struct text target = {0};
    enum status s = dataset_encode(d, &ids, NULL, prompt, strlen(prompt), TOKENIZER_ADD_SPECIAL, f);
    size_t boundary = ids.n;
    if (s == ST_OK)
        s = dataset_encode(d, &ids, NULL, completion, strlen(completion), 0, f);
    if (s == ST_OK)
        s = add_eos(d, &ids, f);
    if (s == ST_OK)
        s = dataset_mark(&target, d->o.mask_prompt ? boundary : 0, ids.n, 1, f);
    if (s == ST_OK)
        s = dataset_add_row(d, &ids, &target, line, f);
    ids_free(&ids);
    text_free(&target);
    return s;
}

/* Adds what was built as a conversation; frees it. */
static enum status add_built(struct dataset *d, struct json_doc *doc, const struct json *tools,
                             int line, struct fault *f)
{
    enum status s = dataset_add_chat(d, json_root(doc), 0, tools, line, f);
    json_close(&doc);
    return s;
}

/* ---- conversations --------------------------------------------------------------------------- */

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

/* A prompt and a completion that are lists of messages, as TRL has them. */
static enum status conversation_pair(struct dataset *d, const struct json *root, int line,
                                     struct fault *f)
{
    const struct json *parts[2] = {json_get(root, "prompt"), json_get(root, "completion")}, *tools;
    struct json_doc *parsed = NULL, *doc = json_new_array();
    if (!doc)
        return fault_nomem(f, "a conversation", 0);
    for (int i = 0; i < 2; i++)
        for (const struct json *m = json_first(parts[i]); m; m = json_next(m))
            json_add_copy(json_edit(doc), NULL, m);
    enum status s = find_tools(&tools, &parsed, d, root, line, f);
    if (s == ST_OK)
        s = dataset_add_chat(d, json_root(doc), json_count(parts[0]), tools, line, f);
    json_close(&parsed);
    json_close(&doc);
    return s;
}

static enum status pair_row(struct dataset *d, const struct json *root, int line, struct fault *f)
{
    const char *prompt = json_string(json_get(root, "prompt"));
    const char *completion = json_string(json_get(root, "completion"));
    if (json_kind(json_get(root, "prompt")) == JSON_ARRAY &&
        json_kind(json_get(root, "completion")) == JSON_ARRAY)
        return conversation_pair(d, root, line, f);
    if (!prompt || !completion)
        return dataset_wrong(
            d, line, "has a prompt and a completion that are not both strings",
            "both are strings, {\"prompt\": \"…\", \"completion\": \"…\"}, or both "
            "lists of messages",
            f);
    if (completion[0] == '\0')
        return dataset_targetless(d, line, "has an empty completion and so no target to train on",
                                  "remove the line, or give it a completion", f);
    if (!d->o.chat)
        return plain_pair(d, prompt, completion, line, f);
    struct json_doc *doc = json_new_array();
    if (!doc)
        return fault_nomem(f, "a conversation", 0);
    chat_add(doc, "user", prompt);
    chat_add(doc, "assistant", completion);
    return add_built(d, doc, NULL, line, f);
}

static enum status messages_row(struct dataset *d, const struct json *root, int line,
                                struct fault *f)
{
    const struct json *tools;
    struct json_doc *parsed = NULL;
    enum status s = find_tools(&tools, &parsed, d, root, line, f);
    if (s == ST_OK)
        s = dataset_add_chat(d, json_get(root, "messages"), 0, tools, line, f);
    json_close(&parsed);
    return s;
}

static const char *sharegpt_role(const char *from)
{
    static const char *const names[][2] = {
        {"human", "user"},      {"user", "user"},        {"gpt", "assistant"},
        {"system", "system"},   {"tool", "tool"},        {"assistant", "assistant"},
        {"function", "tool"},   {"observation", "tool"}, {"chatgpt", "assistant"},
        {"model", "assistant"}, {"bing", "assistant"},   {"bard", "assistant"},
    };
    for (size_t i = 0; from && i < sizeof names / sizeof *names; i++)
        if (strcmp(from, names[i][0]) == 0)
            return names[i][1];
    return NULL;
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
    if (!role) {
        fault_set(f, ST_FORMAT, "%s: line %d has a turn from \"%.40s\", which is nobody known",
                  d->path, line, from);
        return fault_remedy(f, "turns are from human, gpt, system or tool");
    }
    chat_add(doc, role, value);
    return ST_OK;
}

/* A "system" beside the turns is their first message. */
static void add_system(struct json_doc *doc, const struct json *root)
{
    const char *system = json_string(json_get(root, "system"));
    if (system && system[0] != '\0')
        chat_add(doc, "system", system);
}

static enum status sharegpt_row(struct dataset *d, const struct json *root, int line,
                                struct fault *f)
{
    const struct json *turns = json_get(root, "conversations"), *tools = NULL;
    struct json_doc *parsed = NULL;
    if (json_kind(turns) != JSON_ARRAY)
        return dataset_wrong(d, line, "has conversations that are no list",
                             "\"conversations\" is a list of {from, value}", f);
    struct json_doc *doc = json_new_array();
    enum status s = doc ? ST_OK : fault_nomem(f, "a conversation", 0);
    if (s == ST_OK)
        s = find_tools(&tools, &parsed, d, root, line, f);
    if (s == ST_OK)
        add_system(doc, root);
    for (const struct json *m = json_first(turns); s == ST_OK && m; m = json_next(m))
        s = sharegpt_turn(d, doc, m, line, f);
    if (s == ST_OK)
        s = dataset_add_chat(d, json_root(doc), 0, tools, line, f);
    json_close(&doc);
    json_close(&parsed);
    return s;
}

/* ---- Alpaca ---------------------------------------------------------------------------------- */

static const char alpaca_with_input[] =
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n%s\n\n### Input:\n%s\n\n### Response:\n";
static const char alpaca_alone[] =
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n%s\n\n### Response:\n";

struct alpaca {
    const char *instruction, *input, *output;
    const struct json *root, *history;
};

static enum status alpaca_plain(struct dataset *d, const struct alpaca *a, int line,
                                struct fault *f)
{
    const char *system = json_string(json_get(a->root, "system"));
    struct text prompt = {0};
    if (json_count(a->history) > 0 || (system && system[0] != '\0'))
        return dataset_wrong(d, line,
                             "has a system or a history, and the model has no chat template",
                             "use a model with a chat template, or rows without them", f);
    enum status s = a->input[0] != '\0'
                        ? text_addf(&prompt, f, alpaca_with_input, a->instruction, a->input)
                        : text_addf(&prompt, f, alpaca_alone, a->instruction);
    if (s == ST_OK)
        s = plain_pair(d, prompt.p, a->output, line, f);
    text_free(&prompt);
    return s;
}

static enum status alpaca_chat(struct dataset *d, const struct alpaca *a, int line, struct fault *f)
{
    struct text user = {0};
    struct json_doc *doc = json_new_array();
    enum status s = doc ? ST_OK : fault_nomem(f, "a conversation", 0);
    if (s == ST_OK)
        add_system(doc, a->root);
    for (const struct json *h = json_first(a->history); s == ST_OK && h; h = json_next(h)) {
        const char *question = json_string(json_first(h));
        const char *answer = question ? json_string(json_next(json_first(h))) : NULL;
        if (!answer)
            s = dataset_wrong(d, line, "has a history that is no list of pairs",
                              "\"history\" is [[\"question\", \"answer\"], …]", f);
        if (s == ST_OK) {
            chat_add(doc, "user", question);
            chat_add(doc, "assistant", answer);
        }
    }
    if (s == ST_OK)
        s = text_addf(&user, f, "%s%s%s", a->instruction, a->input[0] != '\0' ? "\n\n" : "",
                      a->input);
    if (s == ST_OK) {
        chat_add(doc, "user", user.p);
        chat_add(doc, "assistant", a->output);
        s = add_built(d, doc, NULL, line, f);
    } else {
        json_close(&doc);
    }
    text_free(&user);
    return s;
}

static enum status alpaca_row(struct dataset *d, const struct json *root, int line, struct fault *f)
{
    const struct json *input = json_get(root, "input");
    struct alpaca a = {.instruction = json_string(json_get(root, "instruction")),
                       .input = json_kind(input) == JSON_NULL ? "" : json_string(input),
                       .output = json_string(json_get(root, "output")),
                       .root = root,
                       .history = json_get(root, "history")};
    if (!a.instruction || !a.input || !a.output)
        return dataset_wrong(d, line, "has an instruction, input or output that is not a string",
                             "all are strings: {\"instruction\": \"…\", \"output\": \"…\"}", f);
    if (a.output[0] == '\0')
        return dataset_targetless(d, line, "has an empty output and so no target to train on",
                                  "remove the line, or give it an output", f);
    return d->o.chat ? alpaca_chat(d, &a, line, f) : alpaca_plain(d, &a, line, f);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

typedef enum status row_fn(struct dataset *d, const struct json *root, int line, struct fault *f);

/* The first whose keys are there; text last, because others carry a text for show. */
static const struct kind {
    const char *name, *key, *also;
    row_fn *add;
} kinds[] = {
    {"prompt/completion", "prompt", "completion", pair_row},
    {"messages", "messages", "messages", messages_row},
    {"ShareGPT", "conversations", "conversations", sharegpt_row},
    {"Alpaca", "instruction", "output", alpaca_row},
    {"text", "text", "text", text_row},
};

static bool has(const struct json *root, const char *key, bool null)
{
    const struct json *v = json_get(root, key);
    return v && (null || json_kind(v) != JSON_NULL);
}

/* Tables that were made from rows of several kinds have every key in each row, null where it has
 * none: a null counts as a key only if nothing else does. */
static const struct kind *find_kind(const struct json *root)
{
    for (int null = 0; null < 2; null++)
        for (const struct kind *k = kinds; k < kinds + sizeof kinds / sizeof *kinds; k++)
            if (has(root, k->key, null) && has(root, k->also, null))
                return k;
    return NULL;
}

static enum status unknown_kind(const struct dataset *d, const struct json *root, int line,
                                struct fault *f)
{
    char keys[160] = "nothing";
    size_t n = 0;
    for (const struct json *m = json_first(root); m && n < 100; m = json_next(m)) {
        bool more = json_next(m) && n >= 70;
        n += (size_t)snprintf(keys + n, sizeof keys - n, "%s\"%.30s\"%s", n > 0 ? ", " : "",
                              json_key(m), more ? ", …" : "");
        if (more)
            break;
    }
    fault_set(f, ST_FORMAT, "%s: line %d has none of the known keys: it has %s", d->path, line,
              keys);
    return fault_remedy(f, "rows have \"text\", \"prompt\" and \"completion\", \"messages\", "
                           "\"conversations\", or \"instruction\" and \"output\"");
}

enum status dataset_add_line(struct dataset *d, const struct json *root, int line, struct fault *f)
{
    const struct kind *k = find_kind(root);
    if (!k)
        return unknown_kind(d, root, line, f);
    if (d->kind[0] == '\0')
        d->kind = k->name;
    if (strcmp(d->kind, k->name) != 0) {
        fault_set(f, ST_FORMAT, "%s: line %d is a %s row among %s rows", d->path, line, k->name,
                  d->kind);
        return fault_remedy(f, "keep rows of one kind in a file");
    }
    return k->add(d, root, line, f);
}
