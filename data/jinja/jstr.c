#include "data/jinja/jstr.h"

#include <string.h>

#include "data/jinja/jrepr.h"

uint32_t jstr_next(const struct jstr *s, size_t *i)
{
    unsigned char c = (unsigned char)s->p[*i];
    if (c < 0x80) {
        ++*i;
        return c;
    }
    uint32_t u = utf8_next(s->p, s->n, i);
    return u == 0xFFFFFFFF ? 0xFFFD : u;
}

uint32_t jstr_prev(const struct jstr *s, size_t *i)
{
    size_t at = *i - 1;
    while (at > 0 && *i - at < 4 && ((unsigned char)s->p[at] & 0xC0) == 0x80)
        at--;
    *i = at;
    size_t k = at;
    return jstr_next(s, &k);
}

size_t jstr_count(struct jrun *r, struct jstr *s)
{
    if (s->count == SIZE_MAX) {
        size_t n = 0;
        jrun_spend_bytes(r, s->n);
        for (size_t i = 0; i < s->n; i++)
            n += ((unsigned char)s->p[i] & 0xC0) != 0x80;
        s->count = n;
    }
    return s->count;
}

size_t jstr_offset(struct jrun *r, struct jstr *s, size_t count)
{
    if (jstr_count(r, s) == s->n)
        return count < s->n ? count : s->n;
    jrun_spend_bytes(r, s->n);
    size_t i = 0;
    for (; i < s->n; i++)
        if (((unsigned char)s->p[i] & 0xC0) != 0x80 && count-- == 0)
            break;
    return i;
}

struct jv jstr_part(struct jrun *r, const struct jstr *s, size_t from, size_t to)
{
    struct jv v = jv_str(r, s->p + from, to - from);
    v.u.s->markup = s->markup;
    if (s->count == s->n)
        v.u.s->count = v.u.s->n;
    return v;
}

size_t jstr_find(struct jrun *r, const struct jstr *s, const struct jstr *what, size_t from,
                 size_t to)
{
    if (from > to || what->n > to - from)
        return SIZE_MAX;
    if (what->n == 0)
        return from;
    const char *p = s->p + from, *end = s->p + to;
    jrun_spend_letters(r, what->n); /* what is looked for is looked at first */
    const char *hit = memmem(p, (size_t)(end - p), what->p, what->n);
    jrun_spend_bytes(r, hit ? (size_t)(hit - p) : (size_t)(end - p));
    return hit ? (size_t)(hit - s->p) : SIZE_MAX;
}

size_t jstr_rfind(struct jrun *r, const struct jstr *s, const struct jstr *what, size_t from,
                  size_t to)
{
    if (from > to || what->n > to - from)
        return SIZE_MAX;
    if (what->n == 0)
        return to;
    const char *p = s->p + from;
    for (size_t n = to - from - what->n + 1; n > 0;) {
        const char *hit = memrchr(p, what->p[0], n);
        size_t at = hit ? (size_t)(hit - p) : 0;
        jrun_spend_bytes(r, n - at + what->n);
        if (!hit)
            break;
        if (memcmp(hit, what->p, what->n) == 0)
            return from + at;
        n = at;
    }
    return SIZE_MAX;
}

struct jv jstr_markup(struct jrun *r, struct jv s)
{
    struct jv v = jv_str(r, s.u.s->p, s.u.s->n);
    v.u.s->count = s.u.s->count;
    v.u.s->markup = true;
    return v;
}

struct jv jstr_like(struct jrun *r, const struct jstr *s, struct jv out)
{
    return s->markup ? jstr_markup(r, out) : out;
}

static bool in_set(const struct jstr *chars, uint32_t c)
{
    for (size_t i = 0; i < chars->n;)
        if (jstr_next(chars, &i) == c)
            return true;
    return false;
}

struct jv jstr_strip(struct jrun *r, struct jstr *s, const struct jstr *chars, bool left,
                     bool right)
{
    size_t from = 0, to = s->n, cost = chars ? chars->n / 16 + 1 : 1;
    while (left && from < to) {
        size_t i = from;
        uint32_t c = jstr_next(s, &i);
        jrun_spend(r, cost);
        if (!(chars ? in_set(chars, c) : jstr_is_space(c)))
            break;
        from = i;
    }
    while (right && to > from) {
        size_t i = to;
        uint32_t c = jstr_prev(s, &i);
        jrun_spend(r, cost);
        if (!(chars ? in_set(chars, c) : jstr_is_space(c)))
            break;
        to = i;
    }
    return jstr_part(r, s, from, to);
}

/* An empty `old` stands before every code point and at the end. */
static struct jv interleave(struct jrun *r, struct jstr *s, struct jstr *new, int64_t count)
{
    struct jbuf b = {0};
    size_t i = 0;
    for (; count != 0; count--) {
        jbuf_add(r, &b, new->p, new->n);
        if (i >= s->n)
            break;
        size_t from = i;
        jstr_next(s, &i);
        jbuf_add(r, &b, s->p + from, i - from);
    }
    if (i < s->n)
        jbuf_add(r, &b, s->p + i, s->n - i);
    return jbuf_str(r, &b);
}

struct jv jstr_replace(struct jrun *r, struct jstr *s, struct jstr *old, struct jstr *new,
                       int64_t count)
{
    if (count < 0)
        count = -1; /* it is counted down, and never meets 0 */
    if (old->n == 0)
        return interleave(r, s, new, count);
    struct jbuf b = {0};
    size_t from = 0;
    while (count != 0) {
        size_t hit = jstr_find(r, s, old, from, s->n);
        if (hit == SIZE_MAX)
            break;
        jbuf_add(r, &b, s->p + from, hit - from);
        jbuf_add(r, &b, new->p, new->n);
        from = hit + old->n;
        count--;
    }
    if (from == 0)
        return jv_str(r, s->p, s->n);
    jbuf_add(r, &b, s->p + from, s->n - from);
    return jbuf_str(r, &b);
}

struct jv jstr_repeat(struct jrun *r, struct jstr *s, int64_t n)
{
    if (n <= 0 || s->n == 0)
        return jv_str(r, "", 0);
    if ((uint64_t)n > JINJA_BYTES_MAX / s->n)
        jrun_fail(r, ST_RANGE, "a repeated string is longer than %d MiB", JINJA_BYTES_MAX >> 20);
    size_t size = s->n * (size_t)n;
    char *p = jrun_allocs(r, size, 1);
    for (size_t at = 0; at < size; at += s->n)
        memcpy(p + at, s->p, s->n);
    return jv_str(r, p, size);
}

struct jv jstr_escape(struct jrun *r, struct jv v)
{
    if (v.kind == JV_STR && v.u.s->markup)
        return v;
    struct jstr *s = jrepr_str(r, v).u.s;
    struct jbuf b = {0};
    for (size_t i = 0; i < s->n; i++) {
        switch (s->p[i]) {
        case '&': jbuf_adds(r, &b, "&amp;"); break;
        case '<': jbuf_adds(r, &b, "&lt;"); break;
        case '>': jbuf_adds(r, &b, "&gt;"); break;
        case '"': jbuf_adds(r, &b, "&#34;"); break;
        case '\'': jbuf_adds(r, &b, "&#39;"); break;
        default: jbuf_add(r, &b, s->p + i, 1);
        }
    }
    return jstr_markup(r, jbuf_str(r, &b));
}

struct jv jstr_concat(struct jrun *r, struct jv a, struct jv b)
{
    bool markup = a.u.s->markup || b.u.s->markup;
    if (markup) {
        a = jstr_escape(r, a);
        b = jstr_escape(r, b);
    }
    struct jstr *x = a.u.s, *y = b.u.s;
    char *p = jrun_allocs(r, x->n + y->n, 1);
    memcpy(p, x->p, x->n);
    memcpy(p + x->n, y->p, y->n);
    struct jv v = jv_str(r, p, x->n + y->n);
    v.u.s->markup = markup;
    if (x->count != SIZE_MAX && y->count != SIZE_MAX)
        v.u.s->count = x->count + y->count;
    return v;
}
