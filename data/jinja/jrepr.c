#include "data/jinja/jrepr.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jstr.h"

/* The fewest digits that read back as d, printed with an exponent below 1e-4 and from 1e16 on. */
void jrepr_float(struct jrun *r, char out[JREPR_FLOAT], double d)
{
    jrun_spend(r, JREPR_FLOAT_STEPS);
    if (isnan(d) || isinf(d)) {
        snprintf(out, JREPR_FLOAT, "%s", isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
        return;
    }
    char e[JREPR_FLOAT];
    int digits = 1;
    for (; digits <= 17; digits++) {
        snprintf(e, sizeof e, "%.*e", digits - 1, d);
        if (strtod(e, NULL) == d)
            break;
    }
    int exponent = (int)strtol(strchr(e, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16) {
        snprintf(out, JREPR_FLOAT, "%s", e);
        return;
    }
    int decimals = digits - 1 - exponent;
    snprintf(out, JREPR_FLOAT, "%.*f", decimals < 1 ? 1 : decimals, d);
}

static void add_escape(struct jrun *r, struct jbuf *b, uint32_t c)
{
    if (c == '\n')
        jbuf_adds(r, b, "\\n");
    else if (c == '\r')
        jbuf_adds(r, b, "\\r");
    else if (c == '\t')
        jbuf_adds(r, b, "\\t");
    else
        jbuf_addf(r, b, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

static void repr_text(struct jrun *r, struct jbuf *b, const struct jstr *s)
{
    bool single = memchr(s->p, '\'', s->n) != NULL, twice = memchr(s->p, '"', s->n) != NULL;
    char quote = single && !twice ? '"' : '\'';
    if (s->markup)
        jbuf_adds(r, b, "Markup(");
    jbuf_add(r, b, &quote, 1);
    for (size_t i = 0; i < s->n;) {
        size_t from = i;
        uint32_t c = jstr_next(s, &i);
        if (c == (uint32_t)quote || c == '\\')
            jbuf_adds(r, b, "\\");
        if (jstr_is_printable(c))
            jbuf_add(r, b, s->p + from, i - from);
        else
            add_escape(r, b, c);
    }
    jbuf_add(r, b, &quote, 1);
    if (s->markup)
        jbuf_adds(r, b, ")");
}

static void repr_items(struct jrun *r, struct jbuf *b, const struct jlist *l, const char *open,
                       const char *close)
{
    jbuf_adds(r, b, open);
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            jbuf_adds(r, b, ", ");
        jrepr_add(r, b, l->p[i]);
    }
    jbuf_adds(r, b, close);
}

static void repr_dict(struct jrun *r, struct jbuf *b, const struct jdict *m)
{
    jbuf_adds(r, b, "{");
    for (size_t i = 0; i < m->n; i++) {
        if (i)
            jbuf_adds(r, b, ", ");
        jrepr_add(r, b, m->p[i].k);
        jbuf_adds(r, b, ": ");
        jrepr_add(r, b, m->p[i].v);
    }
    jbuf_adds(r, b, "}");
}

static void repr_view(struct jrun *r, struct jbuf *b, struct jv v)
{
    jbuf_addf(r, b, "%s([", jv_type(v));
    for (size_t i = 0; i < v.u.view->m->n; i++) {
        if (i)
            jbuf_adds(r, b, ", ");
        jrepr_add(r, b, jview_at(r, v.u.view, i));
    }
    jbuf_adds(r, b, "])");
}

static void repr_range(struct jrun *r, struct jbuf *b, const struct jrange *g)
{
    jbuf_addf(r, b, "range(%" PRId64 ", %" PRId64, g->start, g->stop);
    if (g->step != 1)
        jbuf_addf(r, b, ", %" PRId64, g->step);
    jbuf_adds(r, b, ")");
}

static void repr_object(struct jrun *r, struct jbuf *b, struct jv v)
{
    switch (v.kind) {
    case JV_NAMESPACE:
        jbuf_adds(r, b, "<Namespace ");
        repr_dict(r, b, v.u.m);
        jbuf_adds(r, b, ">");
        break;
    case JV_LOOP:
        jbuf_addf(r, b, "<LoopContext %" PRId64 "/%" PRId64 ">", v.u.loop->index0 + 1,
                  jiter_loop_len(r, v.u.loop));
        break;
    case JV_MACRO: jcall_repr_macro(r, b, v.u.macro); break;
    case JV_FUNC: jbuf_addf(r, b, "<function %s>", v.u.func->name); break;
    case JV_METHOD:
        jbuf_addf(r, b, "<built-in method %s of %s object>", v.u.method->func->name,
                  jv_type(v.u.method->self));
        break;
    default: jbuf_addf(r, b, "<%s object>", jv_type(v));
    }
}

void jrepr_add(struct jrun *r, struct jbuf *b, struct jv v)
{
    char d[JREPR_FLOAT];
    jrun_enter(r);
    switch (v.kind) {
    case JV_UNDEF: jbuf_adds(r, b, "Undefined"); break;
    case JV_NONE: jbuf_adds(r, b, "None"); break;
    case JV_BOOL: jbuf_adds(r, b, v.u.b ? "True" : "False"); break;
    case JV_INT: jbuf_addf(r, b, "%" PRId64, v.u.i); break;
    case JV_FLOAT:
        jrepr_float(r, d, v.u.d);
        jbuf_adds(r, b, d);
        break;
    case JV_STR: repr_text(r, b, v.u.s); break;
    case JV_LIST: repr_items(r, b, v.u.l, "[", "]"); break;
    case JV_TUPLE: repr_items(r, b, v.u.l, "(", v.u.l->n == 1 ? ",)" : ")"); break;
    case JV_DICT: repr_dict(r, b, v.u.m); break;
    case JV_VIEW: repr_view(r, b, v); break;
    case JV_RANGE: repr_range(r, b, v.u.range); break;
    default: repr_object(r, b, v);
    }
    jrun_leave(r);
}

void jrepr_add_str(struct jrun *r, struct jbuf *b, struct jv v)
{
    if (v.kind == JV_STR)
        jbuf_add(r, b, v.u.s->p, v.u.s->n);
    else if (v.kind != JV_UNDEF)
        jrepr_add(r, b, v);
}

struct jv jrepr_soft(struct jrun *r, struct jv v)
{
    if (v.kind == JV_STR)
        return v;
    struct jbuf b = {0};
    jrepr_add_str(r, &b, v);
    return jbuf_str(r, &b);
}

struct jv jrepr_str(struct jrun *r, struct jv v)
{
    if (v.kind != JV_STR || !v.u.s->markup)
        return jrepr_soft(r, v);
    struct jv s = jv_str(r, v.u.s->p, v.u.s->n);
    s.u.s->count = v.u.s->count;
    return s;
}
