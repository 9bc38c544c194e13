#include "data/jinja/jrun.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct jblock {
    struct jblock *next;
};

enum { BLOCK = 64 << 10, ALIGN = 16 };

void jarena_free(struct jarena *a)
{
    while (a->blocks) {
        struct jblock *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    *a = (struct jarena){0};
}

_Noreturn void jrun_fail(struct jrun *r, enum status code, const char *fmt, ...)
{
    char text[sizeof r->f->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fault_set(r->f, code, "%s: line %d: %s", r->where, r->line, text);
    if (code == ST_RANGE)
        fault_remedy(r->f, "a template that needs so much is broken or hostile: use another one");
    else if (code == ST_UNSUPPORTED)
        fault_remedy(r->f, "write the template without it, and pass that one at import");
    else if (!r->t) /* it is being parsed */
        fault_remedy(r->f, "the template is broken: mend it, or take the model's own");
    else
        fault_remedy(r->f, "the conversation does not suit this chat template, or the template is "
                           "broken");
    longjmp(r->out_of_here, 1);
}

_Noreturn void jrun_fail_type(struct jrun *r, const char *what, struct jv v)
{
    jv_need_defined(r, v);
    jrun_fail(r, ST_FORMAT, "%s cannot be had of %s object", what, jv_type(v));
}

void jrun_spend_fail(struct jrun *r)
{
    jrun_fail(r, ST_RANGE, "the template takes more than %d steps", JINJA_STEPS_MAX);
}

void jrun_too_deep(struct jrun *r)
{
    jrun_fail(r, ST_RANGE, "the template nests more than %d deep", JINJA_DEPTH_MAX);
}

/* Big pieces get a block of their own, so that little is wasted and sanitizers see overruns. */
static void *more(struct jrun *r, size_t n)
{
    struct jarena *a = &r->arena;
    size_t size = n > BLOCK / 4 ? n : BLOCK;
    if (size > JINJA_BYTES_MAX || a->used > JINJA_BYTES_MAX - size)
        jrun_fail(r, ST_RANGE, "the template needs more than %d MiB", JINJA_BYTES_MAX >> 20);
    struct jblock *b = calloc(1, ALIGN + size);
    if (!b) {
        fault_nomem(r->f, "a chat template's values", size);
        longjmp(r->out_of_here, 1);
    }
    b->next = a->blocks;
    a->blocks = b;
    a->used += size;
    char *p = (char *)b + ALIGN;
    if (size == BLOCK) {
        a->at = p + n;
        a->end = p + size;
    }
    return p;
}

void *jrun_alloc(struct jrun *r, size_t n)
{
    struct jarena *a = &r->arena;
    if (n > JINJA_BYTES_MAX)
        jrun_fail(r, ST_RANGE, "the template needs more than %d MiB", JINJA_BYTES_MAX >> 20);
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n > (size_t)(a->end - a->at) || !a->at)
        return more(r, n ? n : ALIGN);
    void *p = a->at;
    a->at += n;
    return p;
}

void *jrun_allocs(struct jrun *r, size_t n, size_t size)
{
    if (n > JINJA_BYTES_MAX / size)
        jrun_fail(r, ST_RANGE, "the template needs more than %d MiB", JINJA_BYTES_MAX >> 20);
    jrun_spend_bytes(r, n * size);
    return jrun_alloc(r, n * size);
}

void jrun_set(struct jrun *r, const char *name, struct jv v)
{
    jdict_put(r, r->vars, jv_cstr(r, name), v);
}

static void reserve(struct jrun *r, struct jbuf *b, size_t n)
{
    if (n <= b->cap - b->n)
        return;
    size_t cap = b->n + n > b->cap * 2 ? b->n + n : b->cap * 2;
    cap = cap < 32 ? 32 : cap;
    jrun_spend_bytes(r, cap);
    char *p = jrun_alloc(r, cap);
    if (b->n > 0)
        memcpy(p, b->p, b->n);
    b->p = p;
    b->cap = cap;
}

void jbuf_add(struct jrun *r, struct jbuf *b, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    jrun_spend_bytes(r, n);
    reserve(r, b, n);
    memcpy(b->p + b->n, bytes, n);
    b->n += n;
}

void jbuf_adds(struct jrun *r, struct jbuf *b, const char *string)
{
    jbuf_add(r, b, string, strlen(string));
}

void jbuf_addf(struct jrun *r, struct jbuf *b, const char *fmt, ...)
{
    char small[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof small)
        jrun_fail(r, ST_RANGE, "a number is too long to print");
    jbuf_add(r, b, small, (size_t)n);
}

void jbuf_addc(struct jrun *r, struct jbuf *b, uint32_t c)
{
    reserve(r, b, 4);
    char *p = b->p + b->n;
    if (c < 0x80) {
        *p++ = (char)c;
    } else if (c < 0x800) {
        *p++ = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        *p++ = (char)(0xE0 | c >> 12);
        *p++ = (char)(0x80 | (c >> 6 & 63));
    } else {
        *p++ = (char)(0xF0 | c >> 18);
        *p++ = (char)(0x80 | (c >> 12 & 63));
        *p++ = (char)(0x80 | (c >> 6 & 63));
    }
    if (c >= 0x80)
        *p++ = (char)(0x80 | (c & 63));
    b->n = (size_t)(p - b->p);
}

void jbuf_fill(struct jrun *r, struct jbuf *b, uint32_t c, size_t n)
{
    if (n > JINJA_BYTES_MAX)
        jrun_fail(r, ST_RANGE, "the template needs more than %d MiB", JINJA_BYTES_MAX >> 20);
    jrun_spend_bytes(r, n);
    for (size_t i = 0; i < n; i++)
        jbuf_addc(r, b, c);
}

struct jv jbuf_str(struct jrun *r, const struct jbuf *b)
{
    return jv_str(r, b->p, b->n);
}
