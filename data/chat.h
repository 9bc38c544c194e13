/* Chat templates: the Jinja that Hugging Face checkpoints carry, run by our own sandboxed engine
 * (data/jinja/), set up as transformers sets up jinja2.
 *
 *     struct chat *c;
 *     if (chat_open(&c, &files, f) != ST_OK) return f->code;     // ST_ABSENT: the model has none
 *     struct chat_options o = {.add_generation_prompt = true, .now = run_start};
 *     struct text out = {0};
 *     chat_render(c, messages, NULL, &o, &out, NULL, f);
 *
 * messages is a JSON array of {role, content, …}; tools a JSON array or NULL. A template that calls
 * raise_exception, or asks for what the sandbox does not have, gives ST_FORMAT with its message. */
#ifndef DATA_CHAT_H
#define DATA_CHAT_H

#include <stdbool.h>
#include <time.h>

#include "data/json.h"
#include "data/text.h"

struct chat;

struct chat_options {
    bool add_generation_prompt;
    bool may_be_empty;        /* no message at all: what stands before an assistant that begins */
    time_t now;               /* what strftime_now shows (local time) */
    const struct json *extra; /* object of further variables (enable_thinking, …), or NULL */
};

/* Byte ranges [at, end) of the rendered text that stood inside {% generation %} blocks. */
struct chat_span {
    size_t at, end;
};
struct chat_spans {
    struct chat_span *p;
    size_t n, cap;
};

/* As transformers: from chat_template.jinja, which is "default", and CHAT_FOLDER/NAME.jinja; where
 * there are none, from tokenizer_config.json's chat_template (a string, or a list of {name,
 * template}). Where tools are given, "tool_use" renders, if there is one; else "default". */
enum status chat_open(struct chat **out, const struct blobs *files, struct fault *f);
void chat_close(struct chat **c);
/* The template for such a conversation (tools may be NULL) has {% generation %} blocks. */
bool chat_has_generation(const struct chat *c, const struct json *tools);

/* A sentence on what a template has that is not supported, so that conversations which come to it
 * will fail; or NULL. */
const char *chat_lacks(const struct chat *c);

#define CHAT_FOLDER "additional_chat_templates"
/* Whether file is "additional_chat_templates/NAME.jinja"; its NAME, unless name is NULL. */
bool chat_template_name(char *name, size_t size, const char *file);

/* Appends the rendering to out, and its generation spans to spans if that is not NULL. */
enum status chat_render(const struct chat *c, const struct json *messages, const struct json *tools,
                        const struct chat_options *o, struct text *out, struct chat_spans *spans,
                        struct fault *f);
void chat_spans_free(struct chat_spans *s);

/* Appends {"role", "content"} to a list of messages. What is lost for want of memory is marked there,
 * and chat_render tells of it. */
void chat_add(struct json_doc *messages, const char *role, const char *content);

#endif
