#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jmethod.h"
#include "data/jinja/jstr.h"

static struct jstr *need_str(struct jrun *r, struct jv v)
{
    if (v.kind != JV_STR)
        jrun_fail_type(r, "a string", v);
    return v.u.s;
}

static struct jstr *opt_str(struct jrun *r, struct jv v) /* None and absent are NULL */
{
    return v.kind == JV_NONE || v.kind == JV_MISSING ? NULL : need_str(r, v);
}

static int64_t opt_int(struct jrun *r, struct jv v, int64_t absent)
{
    if (v.kind == JV_MISSING)
        return absent;
    if (!jv_is_int(v))
        jrun_fail_type(r, "an integer", v);
    return jv_as_int(v);
}

/* How often at most; -1, which any count below 0 becomes, is without a limit. */
static int64_t opt_count(struct jrun *r, struct jv v)
{
    int64_t n = opt_int(r, v, -1);
    return n < 0 ? -1 : n;
}

static struct jv strip(struct jrun *r, struct jv self, struct jargs *a, bool left, bool right)
{
    struct jv chars;
    jcall_bind(r, a, "-chars", 0, &chars);
    return jstr_strip(r, self.u.s, opt_str(r, chars), left, right);
}

static struct jv str_strip(struct jrun *r, struct jv self, struct jargs *a)
{
    return strip(r, self, a, true, true);
}

static struct jv str_lstrip(struct jrun *r, struct jv self, struct jargs *a)
{
    return strip(r, self, a, true, false);
}

static struct jv str_rstrip(struct jrun *r, struct jv self, struct jargs *a)
{
    return strip(r, self, a, false, true);
}

static size_t skip_space(const struct jstr *s, size_t i, bool space)
{
    while (i < s->n) {
        size_t k = i;
        if (jstr_is_space(jstr_next(s, &k)) != space)
            break;
        i = k;
    }
    return i;
}

static size_t skip_space_back(const struct jstr *s, size_t i, bool space)
{
    while (i > 0) {
        size_t k = i;
        if (jstr_is_space(jstr_prev(s, &k)) != space)
            break;
        i = k;
    }
    return i;
}

static void split_space(struct jrun *r, struct jlist *l, const struct jstr *s, int64_t max)
{
    jrun_spend_letters(r, s->n);
    for (size_t i = skip_space(s, 0, true); i < s->n;) {
        size_t end = max-- == 0 ? s->n : skip_space(s, i, false);
        jlist_add(r, l, jstr_part(r, s, i, end));
        i = skip_space(s, end, true);
    }
}

static void rsplit_space(struct jrun *r, struct jlist *l, const struct jstr *s, int64_t max)
{
    jrun_spend_letters(r, s->n);
    for (size_t i = skip_space_back(s, s->n, true); i > 0;) {
        size_t from = max-- == 0 ? 0 : skip_space_back(s, i, false);
        jlist_add(r, l, jstr_part(r, s, from, i));
        i = skip_space_back(s, from, true);
    }
}

static void reverse(struct jlist *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        struct jv v = l->p[i];
        l->p[i] = l->p[l->n - 1 - i];
        l->p[l->n - 1 - i] = v;
    }
}

static struct jv str_split(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p[2];
    jcall_bind(r, a, "sep maxsplit", 0, p);
    struct jstr *s = self.u.s, *sep = opt_str(r, p[0]);
    int64_t max = opt_count(r, p[1]);
    struct jlist *l = jlist_new(r, 0);
    size_t from = 0, hit;
    if (!sep) {
        split_space(r, l, s, max);
        return jv_of_list(l);
    }
    if (sep->n == 0)
        jrun_fail(r, ST_FORMAT, "empty separator");
    while (max-- != 0 && (hit = jstr_find(r, s, sep, from, s->n)) != SIZE_MAX) {
        jlist_add(r, l, jstr_part(r, s, from, hit));
        from = hit + sep->n;
    }
    jlist_add(r, l, jstr_part(r, s, from, s->n));
    return jv_of_list(l);
}

static struct jv str_rsplit(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p[2];
    jcall_bind(r, a, "sep maxsplit", 0, p);
    struct jstr *s = self.u.s, *sep = opt_str(r, p[0]);
    int64_t max = opt_count(r, p[1]);
    struct jlist *l = jlist_new(r, 0);
    size_t to = s->n, hit;
    if (!sep) {
        rsplit_space(r, l, s, max);
        reverse(l);
        return jv_of_list(l);
    }
    if (sep->n == 0)
        jrun_fail(r, ST_FORMAT, "empty separator");
    while (max-- != 0 && (hit = jstr_rfind(r, s, sep, 0, to)) != SIZE_MAX) {
        jlist_add(r, l, jstr_part(r, s, hit + sep->n, to));
        to = hit;
    }
    jlist_add(r, l, jstr_part(r, s, 0, to));
    reverse(l);
    return jv_of_list(l);
}

static struct jv str_splitlines(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv keep;
    struct jstr *s = self.u.s;
    struct jlist *l = jlist_new(r, 0);
    jcall_bind(r, a, "keepends", 0, &keep);
    bool ends = opt_int(r, keep, 0) != 0;
    jrun_spend_letters(r, s->n);
    for (size_t from = 0, i = 0; i < s->n;) {
        size_t line = i;
        uint32_t c = jstr_next(s, &i);
        bool end = jstr_is_line_end(c);
        if (end && c == '\r' && i < s->n && s->p[i] == '\n')
            i++;
        if (end || i >= s->n) {
            jlist_add(r, l, jstr_part(r, s, from, ends || !end ? i : line));
            from = i;
        }
    }
    return jv_of_list(l);
}

static struct jv partition(struct jrun *r, struct jv self, struct jargs *a, bool last)
{
    struct jv sep;
    struct jstr *s = self.u.s;
    jcall_bind(r, a, "-sep", 1, &sep);
    if (need_str(r, sep)->n == 0)
        jrun_fail(r, ST_FORMAT, "empty separator");
    size_t at = last ? jstr_rfind(r, s, sep.u.s, 0, s->n) : jstr_find(r, s, sep.u.s, 0, s->n);
    struct jlist *l = jlist_new(r, 3);
    bool found = at != SIZE_MAX;
    size_t n = sep.u.s->n, cut = found ? at : last ? 0 : s->n;
    jlist_add(r, l, jstr_part(r, s, 0, cut));
    jlist_add(r, l, jstr_part(r, s, cut, found ? cut + n : cut));
    jlist_add(r, l, jstr_part(r, s, found ? cut + n : cut, s->n));
    return jv_of_tuple(l);
}

static struct jv str_partition(struct jrun *r, struct jv self, struct jargs *a)
{
    return partition(r, self, a, false);
}

static struct jv str_rpartition(struct jrun *r, struct jv self, struct jargs *a)
{
    return partition(r, self, a, true);
}

/* start and end of find and its kind, as bytes; false where start is past the end. */
static bool range_of(struct jrun *r, struct jstr *s, const struct jv *p, size_t *from, size_t *to)
{
    int64_t n = (int64_t)jstr_count(r, s), b[2] = {0, n};
    for (int k = 0; k < 2; k++) {
        if (p[k].kind == JV_MISSING || p[k].kind == JV_NONE)
            continue;
        int64_t i = opt_int(r, p[k], 0);
        b[k] = i < 0 ? (i < -n ? 0 : i + n) : i;
    }
    if (b[1] > n)
        b[1] = n;
    if (b[0] > b[1])
        return false;
    *from = jstr_offset(r, s, (size_t)b[0]);
    *to = jstr_offset(r, s, (size_t)b[1]);
    return true;
}

static int64_t find(struct jrun *r, struct jv self, struct jargs *a, bool last)
{
    struct jv p[3];
    struct jstr *s = self.u.s;
    size_t from, to, at = SIZE_MAX;
    jcall_bind(r, a, "-sub -start -end", 1, p);
    struct jstr *what = need_str(r, p[0]);
    if (range_of(r, s, p + 1, &from, &to))
        at = last ? jstr_rfind(r, s, what, from, to) : jstr_find(r, s, what, from, to);
    if (at == SIZE_MAX)
        return -1;
    struct jstr before = {s->p, at, SIZE_MAX, false};
    return (int64_t)jstr_count(r, &before);
}

static struct jv str_find(struct jrun *r, struct jv self, struct jargs *a)
{
    return jv_int(find(r, self, a, false));
}

static struct jv str_rfind(struct jrun *r, struct jv self, struct jargs *a)
{
    return jv_int(find(r, self, a, true));
}

static struct jv str_index(struct jrun *r, struct jv self, struct jargs *a)
{
    int64_t i = find(r, self, a, false);
    if (i < 0)
        jrun_fail(r, ST_FORMAT, "substring not found");
    return jv_int(i);
}

static struct jv str_rindex(struct jrun *r, struct jv self, struct jargs *a)
{
    int64_t i = find(r, self, a, true);
    if (i < 0)
        jrun_fail(r, ST_FORMAT, "substring not found");
    return jv_int(i);
}

static struct jv str_count(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p[3];
    size_t from, to, hit;
    int64_t n = 0;
    jcall_bind(r, a, "-sub -start -end", 1, p);
    struct jstr *what = need_str(r, p[0]), *s = self.u.s;
    if (!range_of(r, s, p + 1, &from, &to))
        return jv_int(0);
    if (what->n == 0) {
        struct jstr part = {s->p + from, to - from, SIZE_MAX, false};
        return jv_int((int64_t)jstr_count(r, &part) + 1);
    }
    for (; (hit = jstr_find(r, s, what, from, to)) != SIZE_MAX; n++)
        from = hit + what->n;
    return jv_int(n);
}

static bool has_at(struct jrun *r, const struct jstr *s, size_t from, size_t to,
                   const struct jstr *what, bool end)
{
    if (what->n > to - from)
        return false;
    jrun_spend_bytes(r, what->n);
    return what->n == 0 || memcmp(s->p + (end ? to - what->n : from), what->p, what->n) == 0;
}

static struct jv starts(struct jrun *r, struct jv self, struct jargs *a, bool end)
{
    struct jv p[3];
    size_t from, to;
    jcall_bind(r, a, "-prefix -start -end", 1, p);
    bool any = false, inside = range_of(r, self.u.s, p + 1, &from, &to);
    if (p[0].kind != JV_TUPLE)
        return jv_bool(
            has_at(r, self.u.s, inside ? from : 0, inside ? to : 0, need_str(r, p[0]), end) &&
            inside);
    jrun_spend(r, p[0].u.l->n);
    for (size_t i = 0; i < p[0].u.l->n && !any; i++)
        any = inside && has_at(r, self.u.s, from, to, need_str(r, p[0].u.l->p[i]), end);
    return jv_bool(any);
}

static struct jv str_startswith(struct jrun *r, struct jv self, struct jargs *a)
{
    return starts(r, self, a, false);
}

static struct jv str_endswith(struct jrun *r, struct jv self, struct jargs *a)
{
    return starts(r, self, a, true);
}

static struct jv str_removeprefix(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p;
    jcall_bind(r, a, "-prefix", 1, &p);
    struct jstr *s = self.u.s, *what = need_str(r, p);
    return jstr_part(r, s, has_at(r, s, 0, s->n, what, false) ? what->n : 0, s->n);
}

static struct jv str_removesuffix(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p;
    jcall_bind(r, a, "-suffix", 1, &p);
    struct jstr *s = self.u.s, *what = need_str(r, p);
    return jstr_part(r, s, 0, has_at(r, s, 0, s->n, what, true) ? s->n - what->n : s->n);
}

const struct jfunc jmethod_str[] = {{"strip", str_strip},
                                    {"lstrip", str_lstrip},
                                    {"rstrip", str_rstrip},
                                    {"split", str_split},
                                    {"rsplit", str_rsplit},
                                    {"splitlines", str_splitlines},
                                    {"partition", str_partition},
                                    {"rpartition", str_rpartition},
                                    {"find", str_find},
                                    {"rfind", str_rfind},
                                    {"index", str_index},
                                    {"rindex", str_rindex},
                                    {"count", str_count},
                                    {"startswith", str_startswith},
                                    {"endswith", str_endswith},
                                    {"removeprefix", str_removeprefix},
                                    {"removesuffix", str_removesuffix},
                                    {NULL, NULL}};
