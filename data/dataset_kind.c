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
static enum status add_built(struct dataset *d, struct json_doc *doc, int line, struct fault *f)
{
    struct conversation c = {.messages = json_root(doc)};
    enum status s = dataset_add_chat(d, &c, line, f);
    json_close(&doc);
    return s;
}

static enum status pair_row(struct dataset *d, const struct json *root, int line, struct fault *f)
{
    const char *prompt = json_string(json_get(root, "prompt"));
    const char *completion = json_string(json_get(root, "completion"));
    if (json_kind(json_get(root, "prompt")) == JSON_ARRAY &&
        json_kind(json_get(root, "completion")) == JSON_ARRAY)
        return dataset_pair_of_messages(d, root, line, f);
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
    return add_built(d, doc, line, f);
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
        dataset_add_system(doc, a->root);
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
        s = add_built(d, doc, line, f);
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
    {"messages", "messages", "messages", dataset_messages_row},
    {"ShareGPT", "conversations", "conversations", dataset_sharegpt_row},
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
