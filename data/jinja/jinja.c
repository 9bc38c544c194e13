#include "data/jinja/jinja.h"

#include <stdlib.h>
#include <string.h>

#include "data/jinja/jeval.h"
#include "data/jinja/jnode.h"

/* On the heap: what longjmp leaves of a local that was changed since setjmp is not defined. */
static struct jrun *open_run(const char *where, struct fault *f)
{
    struct jrun *r = calloc(1, sizeof *r);
    if (!r) {
        fault_nomem(f, "a chat template", sizeof *r);
        return NULL;
    }
    r->f = f;
    r->where = where;
    r->steps = JINJA_STEPS_MAX;
    r->line = 1;
    return r;
}

static enum status close_run(struct jrun *r) /* what f says, for the ways out by longjmp */
{
    enum status s = r->f->code;
    jarena_free(&r->arena);
    free(r);
    return s;
}

static enum status check_source(const char *source, size_t n, const char *where, struct fault *f)
{
    size_t bad;
    if (n > JINJA_SOURCE_MAX) {
        fault_set(f, ST_RANGE, "%s: the template is longer than %d MiB", where,
                  JINJA_SOURCE_MAX >> 20);
        return fault_remedy(f, "use another template");
    }
    if (!utf8_valid(source, n, &bad)) {
        fault_set(f, ST_FORMAT, "%s: the template is not UTF-8 at byte %zu", where, bad);
        return fault_remedy(f, "save the template as UTF-8");
    }
    return ST_OK;
}

enum status jinja_parse(struct jinja **out, const char *source, size_t n, const char *where,
                        struct fault *f)
{
    if (check_source(source, n, where, f) != ST_OK)
        return f->code;
    struct jrun *r = open_run(where, f);
    if (!r)
        return f->code;
    if (setjmp(r->out_of_here))
        return close_run(r);
    struct jinja *t = jrun_alloc(r, sizeof *t);
    size_t where_n = strlen(where) + 1;
    t->where = memcpy(jrun_alloc(r, where_n), where, where_n);
    char *copy = jrun_alloc(r, n + 1);
    if (n > 0)
        memcpy(copy, source, n);
    jparse_template(r, t, copy, n);
    jscope_resolve(r, t);
    t->arena = r->arena;
    free(r);
    *out = t;
    return ST_OK;
}

void jinja_free(struct jinja **t)
{
    if (!*t)
        return;
    struct jarena a = (*t)->arena; /* the template lies in its own arena */
    *t = NULL;
    jarena_free(&a);
}

bool jinja_has_generation(const struct jinja *t)
{
    return t->generation;
}

const char *jinja_lacks(const struct jinja *t)
{
    return t->lacks;
}

static void run(struct jrun *r, const struct jinja_input *in)
{
    struct jscope *scope = jrun_alloc(r, sizeof *scope);
    r->vars = jdict_new(r, 16);
    in->setup(r, in->user);
    scope->slots = jrun_allocs(r, r->t->fn->n + 1, sizeof *scope->slots);
    r->scope = scope;
    r->out = r->root = jrun_alloc(r, sizeof *r->root);
    jeval_enter_frame(r, r->t->frame);
    jexec(r, &r->t->body);
    if (r->root->n > JINJA_OUTPUT_MAX)
        jrun_fail(r, ST_RANGE, "the rendered text is longer than %d MiB", JINJA_OUTPUT_MAX >> 20);
}

static enum status keep_spans(struct chat_spans *spans, const struct chat_spans *found, size_t at,
                              struct fault *f)
{
    if (!spans || found->n == 0)
        return ST_OK;
    struct chat_span *p = realloc(spans->p, (spans->n + found->n) * sizeof *p);
    if (!p)
        return fault_nomem(f, "spans of a conversation", found->n * sizeof *p);
    spans->p = p;
    spans->cap = spans->n + found->n;
    for (size_t i = 0; i < found->n; i++)
        p[spans->n++] = (struct chat_span){found->p[i].at + at, found->p[i].end + at};
    return ST_OK;
}

enum status jinja_render(const struct jinja *t, const struct jinja_input *in, struct text *out,
                         struct chat_spans *spans, struct fault *f)
{
    struct jrun *r = open_run(t->where, f);
    size_t at = out->n;
    if (!r)
        return f->code;
    r->t = t;
    r->now = in->now;
    if (setjmp(r->out_of_here))
        return close_run(r);
    if (spans)
        r->spans = jrun_alloc(r, sizeof *spans);
    run(r, in);
    enum status s = text_add(out, r->root->p, r->root->n, f);
    if (s == ST_OK && (s = keep_spans(spans, r->spans, at, f)) != ST_OK) {
        out->n = at;
        out->p[at] = '\0';
    }
    close_run(r);
    return s;
}
