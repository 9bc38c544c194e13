/* Jinja, as chat templates use it: jinja2's ImmutableSandboxedEnvironment with trim_blocks,
 * lstrip_blocks, loop controls and the {% generation %} extension of transformers, written anew.
 *
 *     struct jinja *t;
 *     if (jinja_parse(&t, source, n, "chat_template.jinja", f) != ST_OK) return f->code;
 *     struct jinja_input in = {.setup = add_messages, .user = conversation, .now = time};
 *     jinja_render(t, &in, &out, &spans, f);
 *     jinja_free(&t);
 *
 * A parsed template is immutable: any number of renderings may use it, also at the same time.
 * setup is called at the start of each rendering and adds the variables with jrun_set (jrun.h).
 *
 * A template is foreign code, so everything it can use up is bounded: nesting (JINJA_DEPTH_MAX, of
 * the source and of evaluation), work (JINJA_STEPS_MAX), values (JINJA_BYTES_MAX, all of them in one
 * arena that ends with the rendering), output (JINJA_OUTPUT_MAX), the length of a range
 * (JINJA_RANGE_MAX, as in jinja2). Past a bound, rendering fails with ST_RANGE; a template that
 * jinja2 refuses, or that calls raise_exception, fails with ST_FORMAT; what jinja2 has and this
 * engine has not (blocks and includes, recursive loops, integers of more than 64 bits, a few
 * filters) fails with ST_UNSUPPORTED. The message names `where` and the line.
 *
 * Inside data/jinja/ a failure leaves by longjmp to jinja_parse or jinja_render: an expression
 * evaluator that could fail in every operand would otherwise be mostly error paths, and nothing
 * inside owns anything but memory of the arena. No jump crosses those two functions. */
#ifndef DATA_JINJA_JINJA_H
#define DATA_JINJA_JINJA_H

#include <stdbool.h>
#include <time.h>

#include "data/chat.h"
#include "data/text.h"

struct jinja;
struct jrun;

enum {
    JINJA_DEPTH_MAX = 800,
    JINJA_STEPS_MAX = 20 * 1000 * 1000,
    JINJA_BYTES_MAX = 192 << 20,
    JINJA_OUTPUT_MAX = 64 << 20,
    JINJA_SOURCE_MAX = 4 << 20,
    JINJA_RANGE_MAX = 100000
};

struct jinja_input {
    void (*setup)(struct jrun *r, const void *user); /* may leave by jrun_fail */
    const void *user;
    time_t now;
};

enum status jinja_parse(struct jinja **out, const char *source, size_t n, const char *where,
                        struct fault *f);
void jinja_free(struct jinja **t);
bool jinja_has_generation(const struct jinja *t);
/* A sentence on what the template has that is not supported, so that rendering may fail; or NULL. */
const char *jinja_lacks(const struct jinja *t);

/* Appends to out, and to spans (may be NULL) the byte ranges of out that generation blocks wrote.
 * Both are untouched on failure. */
enum status jinja_render(const struct jinja *t, const struct jinja_input *in, struct text *out,
                         struct chat_spans *spans, struct fault *f);

#endif
