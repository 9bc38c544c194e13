/* A conversation, message by message. */
#include "app/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/console.h"
#include "app/signals.h"

enum { KEYS = 4096 }; /* tokens of a conversation, at most */

struct conversation {
    struct talk *t;
    struct json_doc *messages;
    int keys;
    bool terminal;
};

/* Messages [from, to) of a conversation. */
static enum status slice(struct json_doc **out, const struct json_doc *messages, size_t from,
                         size_t to, struct fault *f)
{
    struct json_doc *doc = json_new_array();
    size_t i = 0;
    if (!doc)
        return fault_nomem(f, "a conversation", 0);
    for (const struct json *m = json_first(json_root(messages)); m; m = json_next(m), i++)
        if (i >= from && i < to)
            json_add_copy(json_edit(doc), NULL, m);
    *out = doc;
    return ST_OK;
}

/* The next message of the user after number `at`; 0 if there is none. */
static size_t next_exchange(const struct json_doc *messages, size_t at)
{
    size_t i = 0;
    for (const struct json *m = json_first(json_root(messages)); m; m = json_next(m), i++)
        if (i > at && strcmp(json_string(json_get(m, "role")), "user") == 0)
            return i;
    return 0;
}

/* The tokens of the conversation from message `from` on. */
static enum status prompt_from(const struct conversation *c, struct ids *ids, size_t from,
                               struct fault *f)
{
    struct json_doc *part = NULL;
    enum status s = slice(&part, c->messages, from, SIZE_MAX, f);
    if (s != ST_OK)
        return s;
    ids->n = 0;
    s = talk_prompt(c->t, ids, json_root(part), f);
    json_close(&part);
    return s;
}

/* The same of as much of the conversation as leaves room for the answer: a quarter of all, if it
 * may be so long. What does not fit is forgotten, the oldest exchange first. */
static enum status fitting_prompt(struct conversation *c, struct ids *ids, struct fault *f)
{
    int64_t quarter = c->keys / 4, room = c->t->max_tokens < quarter ? c->t->max_tokens : quarter;
    size_t from = 0, next;
    enum status s = prompt_from(c, ids, 0, f);
    while (s == ST_OK && (int64_t)ids->n + room > c->keys &&
           (next = next_exchange(c->messages, from)) > 0) {
        from = next;
        s = prompt_from(c, ids, from, f);
    }
    if (s == ST_OK && ids->n + 1 >= (size_t)c->keys) {
        fault_set(f, ST_RANGE, "the message makes %zu tokens, and %d fit", ids->n, c->keys);
        s = fault_remedy(f, "write a shorter one");
    }
    if (s != ST_OK || from == 0)
        return s;
    console_note("no more than %d tokens fit: what was said first is forgotten", c->keys);
    struct json_doc *rest = NULL;
    s = slice(&rest, c->messages, from, SIZE_MAX, f);
    if (s == ST_OK) {
        json_close(&c->messages);
        c->messages = rest;
    }
    return s;
}

/* Ctrl-C at a terminal ends the answer; what was said stays. */
static enum status answer_line(struct conversation *c, struct fault *f)
{
    struct talk *t = c->t;
    struct ids ids = {0};
    enum status s = fitting_prompt(c, &ids, f);
    if (s == ST_OK) {
        int left = c->keys - (int)ids.n;
        s = talk_answer(t, &ids, t->max_tokens < left ? (int)t->max_tokens : left, f);
    }
    if (s == ST_INTERRUPTED && c->terminal && signals_forgive()) {
        t->text.n = t->shown; /* maybe less half a character */
        s = text_add(&t->text, "", 0, f);
    }
    if (s == ST_OK) {
        if (!t->common.json)
            fputc('\n', stdout);
        s = t->common.json ? talk_tell(t, f) : console_flush(f);
    }
    if (s == ST_OK)
        chat_add(c->messages, "assistant", t->text.p);
    ids_free(&ids);
    return s;
}

/* A message that cannot be answered is taken back, if somebody is there to be told. */
static enum status one_turn(struct conversation *c, const char *line, size_t n, struct fault *f)
{
    size_t bad = 0, before = json_count(json_root(c->messages));
    struct fault why = {0};
    enum status s = ST_OK;
    if (strlen(line) < n) {
        fault_set(&why, ST_FORMAT, "the message has a NUL at byte %zu", strlen(line));
        s = fault_remedy(&why, "write text");
    } else if (utf8_valid(line, n, &bad)) {
        chat_add(c->messages, "user", line);
        s = answer_line(c, &why);
    } else {
        fault_set(&why, ST_FORMAT, "the message is not UTF-8 at byte %zu", bad);
        s = fault_remedy(&why, "set the terminal to UTF-8");
    }
    if (s == ST_OK || !c->terminal || (s != ST_FORMAT && s != ST_RANGE)) {
        *f = why;
        return s;
    }
    console_fail(&why);
    struct json_doc *rest = NULL;
    s = slice(&rest, c->messages, 0, before, f);
    if (s == ST_OK) {
        json_close(&c->messages);
        c->messages = rest;
    }
    return s;
}

enum status talk_converse(struct talk *t, struct fault *f)
{
    int positions = t->session.config.max_positions;
    struct conversation c = {.t = t,
                             .messages = json_new_array(),
                             .keys = positions < KEYS ? positions : KEYS,
                             .terminal = isatty(0)};
    char *line = NULL;
    size_t size = 0;
    enum status s =
        c.messages ? talk_open(t, c.keys, c.keys, f) : fault_nomem(f, "a conversation", 0);
    if (s == ST_OK)
        console_note("a conversation: one message a line, an empty line or Ctrl-D ends it");
    while (s == ST_OK) {
        if (c.terminal)
            fputs("> ", stderr);
        ssize_t n = getline(&line, &size, stdin);
        if (n < 0 && c.terminal)
            fputc('\n', stderr);
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        if (n <= 0)
            break;
        s = one_turn(&c, line, (size_t)n, f);
    }
    free(line);
    json_close(&c.messages);
    return s;
}
