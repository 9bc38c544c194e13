#include "data/jinja/jiter.h"

#include "data/jinja/jcmp.h"
#include "data/jinja/jstr.h"

struct jiter *jiter_new(struct jrun *r, jiter_fn *next, struct jv over)
{
    struct jiter *it = jrun_alloc(r, sizeof *it);
    it->next = next;
    it->over = over;
    return it;
}

struct jv jiter_generator(struct jiter *it)
{
    return (struct jv){.kind = JV_ITER, .u.it = it};
}

bool jiter_next(struct jrun *r, struct jiter *it, struct jv *out)
{
    jrun_enter(r); /* generators can stand on each other */
    bool more = it->next(r, it, out);
    jrun_leave(r);
    return more;
}

struct jv jview_at(struct jrun *r, const struct jview *v, size_t i)
{
    const struct jentry *e = &v->m->p[i];
    return v->kind == JVIEW_KEYS ? e->k : v->kind == JVIEW_VALUES ? e->v : jv_pair(r, e->k, e->v);
}

/* The i-th item of what can be indexed; false past its end. */
static bool item_at(struct jrun *r, struct jv v, size_t i, struct jv *out)
{
    int64_t n;
    if (!jv_has_len(v, &n) || i >= (size_t)n)
        return false;
    if (jv_is_seq(v))
        *out = v.u.l->p[i];
    else if (v.kind == JV_DICT)
        *out = v.u.m->p[i].k;
    else if (v.kind == JV_VIEW)
        *out = jview_at(r, v.u.view, i);
    else if (v.kind == JV_RANGE)
        *out = jv_int(jrange_at(v.u.range, (int64_t)i));
    else
        return false;
    return true;
}

static bool next_item(struct jrun *r, struct jiter *it, struct jv *out)
{
    if (!item_at(r, it->over, it->i, out))
        return false;
    it->i++;
    return true;
}

static bool next_item_reversed(struct jrun *r, struct jiter *it, struct jv *out)
{
    return it->i > 0 && item_at(r, it->over, --it->i, out);
}

static bool next_char(struct jrun *r, struct jiter *it, struct jv *out)
{
    const struct jstr *s = it->over.u.s;
    if (it->i >= s->n)
        return false;
    size_t from = it->i;
    jstr_next(s, &it->i);
    *out = jstr_part(r, s, from, it->i);
    out->u.s->markup = false;
    return true;
}

static bool next_char_reversed(struct jrun *r, struct jiter *it, struct jv *out)
{
    const struct jstr *s = it->over.u.s;
    if (it->i == 0)
        return false;
    size_t to = it->i;
    jstr_prev(s, &it->i);
    *out = jstr_part(r, s, it->i, to);
    return true;
}

bool jiter_can(struct jv v)
{
    switch (v.kind) {
    case JV_UNDEF:
    case JV_STR:
    case JV_LIST:
    case JV_TUPLE:
    case JV_DICT:
    case JV_VIEW:
    case JV_RANGE:
    case JV_ITER:
    case JV_LOOP: return true;
    default: return false;
    }
}

struct jiter *jiter_try(struct jrun *r, struct jv v)
{
    if (v.kind == JV_ITER)
        return v.u.it;
    if (v.kind == JV_LOOP)
        jrun_fail(r, ST_UNSUPPORTED, "walking the loop variable itself is not supported");
    if (!jiter_can(v))
        return NULL;
    return jiter_new(r, v.kind == JV_STR ? next_char : next_item, v);
}

struct jiter *jiter_of(struct jrun *r, struct jv v)
{
    struct jiter *it = jiter_try(r, v);
    if (!it)
        jrun_fail(r, ST_FORMAT, "%s object is not iterable", jv_type(v));
    return it;
}

struct jiter *jiter_reversed(struct jrun *r, struct jv v)
{
    int64_t n;
    struct jiter *it = jiter_new(r, v.kind == JV_STR ? next_char_reversed : next_item_reversed, v);
    if (v.kind == JV_STR)
        it->i = v.u.s->n;
    else if (jv_has_len(v, &n))
        it->i = (size_t)n;
    else
        return NULL;
    return it;
}

struct jlist *jiter_list(struct jrun *r, struct jv v)
{
    struct jiter *it = jiter_of(r, v);
    struct jlist *l = jlist_new(r, 0);
    for (struct jv item; jiter_next(r, it, &item);)
        jlist_add(r, l, item);
    return l;
}

int64_t jiter_len(struct jrun *r, struct jv v)
{
    int64_t n;
    if (v.kind == JV_STR)
        return (int64_t)jstr_count(r, v.u.s);
    if (v.kind == JV_LOOP)
        return jiter_loop_len(r, v.u.loop);
    if (!jv_has_len(v, &n))
        jrun_fail(r, ST_FORMAT, "%s object has no length", jv_type(v));
    return n;
}

/* As in jinja2, a loop over something without a length is walked to its end to tell one. */
int64_t jiter_loop_len(struct jrun *r, struct jloop *loop)
{
    if (loop->length >= 0)
        return loop->length;
    int64_t n;
    if (!loop->filtered && loop->over.kind != JV_ITER) {
        n = jiter_len(r, loop->over);
    } else {
        struct jlist *rest = jiter_list(r, jiter_generator(loop->it));
        loop->it = jiter_of(r, jv_of_list(rest));
        n = (int64_t)rest->n + loop->index0 + 1 + (loop->after.kind != JV_MISSING);
    }
    loop->length = n;
    return n;
}

bool jiter_loop_peek(struct jrun *r, struct jloop *loop)
{
    if (loop->after.kind == JV_MISSING && !jiter_next(r, loop->it, &loop->after))
        loop->after = jv_missing();
    return loop->after.kind != JV_MISSING;
}

bool jiter_loop_step(struct jrun *r, struct jloop *loop, struct jv *out)
{
    if (!jiter_loop_peek(r, loop))
        return false;
    *out = loop->after;
    loop->after = jv_missing();
    loop->index0++;
    loop->before = loop->current;
    loop->current = *out;
    return true;
}
