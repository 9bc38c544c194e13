/* A conversation through the model's chat template: its row or rows, and which tokens are
 * targets. */
#include <string.h>

#include "data/dataset_impl.h"
#include "data/json.h"

struct chat_job {
    struct dataset *d;
    const struct conversation *c;
    int line;
    struct text whole;     /* the rendering of the whole conversation */
    struct ids begin, end; /* of each turn to be learned there */
    struct ids ids, ends;  /* the tokens of the row under way, and where each ends in its text */
    struct text target;
};

static enum status render(const struct chat_job *j, struct text *out, size_t count, bool prompt,
                          struct chat_spans *spans, struct fault *f)
{
    struct chat_options o = {.add_generation_prompt = prompt,
                             .may_be_empty = prompt,
                             .now = j->d->o.now,
                             .extra = j->c->extra};
    struct json_doc *part = json_new_array();
    if (!part)
        return fault_nomem(f, "a conversation", 0);
    const struct json *m = json_first(j->c->messages);
    for (size_t i = 0; i < count; i++, m = json_next(m))
        json_add_copy(json_edit(part), NULL, m);
    struct fault why = {0};
    enum status s = chat_render(j->d->o.chat, json_root(part), j->c->tools, &o, out, spans, &why);
    json_close(&part);
    if (s == ST_OK)
        return s;
    if (s == ST_NOMEM) {
        *f = why;
        return s;
    }
    fault_set(f, s, "%s: line %d: %s", j->d->path, j->line, why.text);
    return fault_remedy(f, "%s",
                        why.remedy[0] ? why.remedy
                                      : "mend the conversation so that the model's chat template "
                                        "accepts it");
}

/* The first token that ends after byte n of the row's text: it holds what follows there, or some of
 * it. */
static size_t token_at(const struct chat_job *j, size_t n)
{
    size_t low = 0, high = j->ends.n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if ((size_t)j->ends.p[mid] > n)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* A token that straddles the beginning is in the span, because what it says is not all given. Where
 * the template marked the span itself, its last token is the first that holds some of its last
 * character, as in transformers, also when it straddles the end. What is between two renderings
 * ends where a turn ends: a token that straddles that belongs to what follows. */
static enum status mark_span(struct chat_job *j, const struct text *text, struct chat_span span,
                             bool marked, struct fault *f)
{
    size_t from = token_at(j, span.at), last = span.end;
    if (!marked)
        return dataset_mark(&j->target, from, token_at(j, span.end), 1, f);
    if (last == 0)
        return ST_OK;
    do
        last--;
    while (last > 0 && ((unsigned char)text->p[last] & 0xC0) == 0x80);
    size_t to = token_at(j, last) + 1;
    return dataset_mark(&j->target, from, to < j->ids.n ? to : j->ids.n, 1, f);
}

/* Tokenizes text into j->ids and marks everything or nothing. */
static enum status take_text(struct chat_job *j, const struct text *text, char all, struct fault *f)
{
    j->ids.n = j->ends.n = j->target.n = 0;
    enum status s = dataset_encode(j->d, &j->ids, &j->ends, text->p, text->n, 0, f);
    return s == ST_OK ? dataset_mark(&j->target, 0, j->ids.n, all, f) : s;
}

static bool is_assistant(const struct json *message)
{
    const char *role = json_string(json_get(message, "role"));
    return role && strcmp(role, "assistant") == 0;
}

/* An assistant's message, unless it is part of a prompt or has a weight of 0, as in OpenAI's
 * files. */
static bool is_learned(const struct chat_job *j, const struct json *message, size_t i)
{
    return is_assistant(message) && i >= j->c->given &&
           json_number(json_get(message, "weight"), 1) > 0;
}

/* One assistant turn by itself, as generation will see it. */
static enum status turn_row(struct chat_job *j, const struct text *prompt, const struct text *turn,
                            struct fault *f)
{
    enum status s = take_text(j, turn, !j->d->o.mask_prompt, f);
    if (s == ST_OK && j->d->o.mask_prompt)
        s = mark_span(j, turn, (struct chat_span){prompt->n, turn->n}, false, f);
    return s == ST_OK ? dataset_add_row(j->d, &j->ids, &j->target, j->line, f) : s;
}

struct turn {
    struct text prompt, turn; /* messages[:i] with the generation prompt; messages[:i+1] */
};

/* What comes before the first message, where the template takes no conversation without one: up to
 * the end of the generation prompt, which is what asking for one adds after that message. */
static enum status begin_first(struct chat_job *j, struct turn *t, struct fault *f)
{
    enum status s = render(j, &t->turn, 1, false, NULL, f);
    if (s == ST_OK)
        s = render(j, &t->prompt, 1, true, NULL, f);
    if (s != ST_OK)
        return s;
    size_t n = t->prompt.n > t->turn.n ? t->prompt.n - t->turn.n : 0;
    const char *added = t->prompt.p + t->turn.n;
    const char *at = n > 0 ? memmem(t->turn.p, t->turn.n, added, n) : NULL;
    t->prompt.n = at ? (size_t)(at - t->turn.p) + n : 0;
    if (at)
        memcpy(t->prompt.p, t->turn.p, t->prompt.n);
    t->turn.n = 0;
    return at ? ST_OK : fault_set(f, ST_FORMAT, "no generation prompt");
}

static enum status render_turn(struct chat_job *j, struct turn *t, size_t i, struct fault *f)
{
    struct fault first = {0};
    t->prompt.n = t->turn.n = 0;
    enum status s = render(j, &t->prompt, i, true, NULL, f);
    if (s == ST_FORMAT && i == 0 && begin_first(j, t, &first) == ST_OK)
        s = ST_OK;
    if (s == ST_OK)
        s = render(j, &t->turn, i + 1, false, NULL, f);
    if (s == ST_OK && (t->turn.n < t->prompt.n ||
                       (t->prompt.n > 0 && memcmp(t->turn.p, t->prompt.p, t->prompt.n) != 0))) {
        fault_set(
            f, ST_FORMAT,
            "%s: line %d: the chat template does not begin assistant message %zu with its own "
            "generation prompt",
            j->d->path, j->line, i + 1);
        s = fault_remedy(f, "use another chat template, or rows of {\"text\": \"…\"}");
    }
    return s;
}

static bool is_prefix(const struct text *part, const struct text *whole)
{
    return part->n <= whole->n && (part->n == 0 || memcmp(part->p, whole->p, part->n) == 0);
}

/* Where the turns are in the whole; *prefix: whether each one's rendering is a prefix of it. */
static enum status find_turns(struct chat_job *j, bool *prefix, struct fault *f)
{
    struct turn t = {0};
    enum status s = ST_OK;
    size_t i = 0;
    *prefix = true;
    for (const struct json *m = json_first(j->c->messages); s == ST_OK && m;
         m = json_next(m), i++) {
        if (!is_learned(j, m, i))
            continue;
        s = render_turn(j, &t, i, f);
        if (s == ST_OK)
            s = ids_add(&j->begin, (int32_t)t.prompt.n, f);
        if (s == ST_OK)
            s = ids_add(&j->end, (int32_t)t.turn.n, f);
        *prefix = *prefix && is_prefix(&t.turn, &j->whole);
    }
    text_free(&t.prompt);
    text_free(&t.turn);
    return s;
}

/* A row for each turn. */
static enum status turn_rows(struct chat_job *j, struct fault *f)
{
    struct turn t = {0};
    enum status s = ST_OK;
    size_t i = 0;
    for (const struct json *m = json_first(j->c->messages); s == ST_OK && m;
         m = json_next(m), i++) {
        if (!is_learned(j, m, i))
            continue;
        s = render_turn(j, &t, i, f);
        if (s == ST_OK)
            s = turn_row(j, &t.prompt, &t.turn, f);
    }
    text_free(&t.prompt);
    text_free(&t.turn);
    return s;
}

/* One row for all turns. */
static enum status whole_row(struct chat_job *j, struct fault *f)
{
    bool mask = j->d->o.mask_prompt;
    enum status s = take_text(j, &j->whole, !mask, f);
    for (size_t i = 0; mask && s == ST_OK && i < j->begin.n; i++)
        s = mark_span(j, &j->whole, (struct chat_span){(size_t)j->begin.p[i], (size_t)j->end.p[i]},
                      false, f);
    return s == ST_OK ? dataset_add_row(j->d, &j->ids, &j->target, j->line, f) : s;
}

/* One row, where the template itself marks what the assistant says. */
static enum status marked_row(struct chat_job *j, const struct chat_spans *spans, struct fault *f)
{
    enum status s = take_text(j, &j->whole, !j->d->o.mask_prompt, f);
    for (size_t i = 0; s == ST_OK && i < spans->n; i++)
        s = mark_span(j, &j->whole, spans->p[i], true, f);
    return s == ST_OK ? dataset_add_row(j->d, &j->ids, &j->target, j->line, f) : s;
}

/* The longest stretch of a text that a template writes as it is, be it trimmed or made JSON. */
static struct text plain_stretch(const char *text)
{
    struct text best = {0};
    for (const char *p = text; *p; p++) {
        size_t n = strcspn(p, " \t\r\n\"'\\<>&");
        if (n > best.n)
            best = (struct text){(char *)(uintptr_t)p, n, 0};
        p += n;
        if (!*p)
            break;
    }
    return best;
}

/* Content in parts, whose text a template for plain strings leaves out without a word. */
static enum status check_parts(const struct chat_job *j, struct fault *f)
{
    for (const struct json *m = json_first(j->c->messages); m; m = json_next(m)) {
        const struct json *content = json_get(m, "content");
        if (json_kind(content) != JSON_ARRAY)
            continue;
        for (const struct json *part = json_first(content); part; part = json_next(part)) {
            const char *text = json_string(json_get(part, "text"));
            struct text has = plain_stretch(text ? text : "");
            if (has.n > 0 && !memmem(j->whole.p, j->whole.n, has.p, has.n))
                return dataset_wrong(j->d, j->line,
                                     "has content in parts, and the chat template leaves them out",
                                     "make \"content\" one string", f);
        }
    }
    return ST_OK;
}

static enum status chat_rows(struct chat_job *j, bool all, struct fault *f)
{
    struct chat_spans spans = {0};
    struct fault why = {0};
    bool marked = all && chat_has_generation(j->d->o.chat, j->c->tools), prefix = true;
    enum status s = render(j, &j->whole, json_count(j->c->messages), false,
                           marked && j->d->o.mask_prompt ? &spans : NULL, f);
    if (s == ST_OK)
        s = check_parts(j, f);
    if (s == ST_OK && !marked && find_turns(j, &prefix, &why) != ST_OK) {
        prefix = true; /* where everything is learned, nobody needs to know the turns */
        if (j->d->o.mask_prompt || why.code == ST_NOMEM) {
            *f = why;
            s = f->code;
        }
    }
    if (s == ST_OK)
        s = marked ? marked_row(j, &spans, f) : prefix ? whole_row(j, f) : turn_rows(j, f);
    chat_spans_free(&spans);
    text_free(&j->whole);
    ids_free(&j->begin);
    ids_free(&j->end);
    ids_free(&j->ids);
    ids_free(&j->ends);
    text_free(&j->target);
    return s;
}

/* A turn says something when its content, or whatever else it has (tool_calls, reasoning_content,
 * …), is not empty. */
static bool says_something(const struct json *m)
{
    for (const struct json *v = json_first(m); v; v = json_next(v)) {
        const char *text = json_string(v), *key = json_key(v);
        if (strcmp(key, "role") != 0 && strcmp(key, "name") != 0 &&
            ((text && text[0] != '\0') || json_first(v)))
            return true;
    }
    return false;
}

/* *all: whether every turn of the assistant is to be learned; *any: whether one is that says
 * something. */
static enum status look_through(const struct chat_job *j, bool *all, bool *any, struct fault *f)
{
    size_t i = 0;
    *all = true;
    *any = false;
    for (const struct json *m = json_first(j->c->messages); m; m = json_next(m), i++) {
        const struct json *weight = json_get(m, "weight");
        double w = json_number(weight, json_kind(weight) == JSON_NULL ? 1 : -1);
        if (json_kind(m) != JSON_OBJECT || !json_string(json_get(m, "role")))
            return dataset_wrong(j->d, j->line, "has a message without a role",
                                 "each message is an object with \"role\" and \"content\"", f);
        if (w != 0 && w != 1)
            return dataset_wrong(j->d, j->line, "has a message whose weight is neither 0 nor 1",
                                 "a weight of 0 keeps a turn from being learned", f);
        if (w == 0 && is_assistant(m) && !j->d->o.mask_prompt)
            return dataset_wrong(j->d, j->line, "has a turn of weight 0, and everything is learned",
                                 "learn the assistant's turns alone: --mask-prompt", f);
        *all = *all && (!is_assistant(m) || is_learned(j, m, i));
        *any = *any || (is_learned(j, m, i) && says_something(m));
    }
    return ST_OK;
}

enum status dataset_add_chat(struct dataset *d, const struct conversation *c, int line,
                             struct fault *f)
{
    struct chat_job j = {.d = d, .c = c, .line = line};
    bool all, any;
    if (json_kind(c->messages) == JSON_ARRAY && !json_first(c->messages))
        return dataset_targetless(d, line, "has no list of messages, and so no target to train on",
                                  "remove the line, or give it an assistant message", f);
    if (json_kind(c->messages) != JSON_ARRAY)
        return dataset_wrong(d, line, "has no list of messages",
                             "\"messages\" is a list of {role, content}", f);
    if (json_whole(c->messages, f) != ST_OK || look_through(&j, &all, &any, f) != ST_OK)
        return f->code;
    if (!any)
        return dataset_targetless(d, line,
                                  "has no assistant message that says anything, and so no target",
                                  "remove the line, or give it an assistant message", f);
    if (!d->o.chat)
        return dataset_wrong(d, line, "is a conversation, and the model has no chat template",
                             "use a model with a chat template, or rows of {\"text\": \"…\"}", f);
    return chat_rows(&j, all, f);
}
