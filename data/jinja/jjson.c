#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"
#include "data/json.h"

/* Python's json.dumps, with the options that transformers gives |tojson. */
struct dump {
    struct jrun *r;
    struct jbuf b;
    const struct jstr *indent; /* NULL: on one line */
    struct jstr *item, *key;   /* separators */
    bool ascii, sort;
    int level;
};

static void dump(struct dump *d, struct jv v);

static void dump_unicode(struct dump *d, uint32_t c)
{
    if (c >= 0x10000) {
        c -= 0x10000;
        jbuf_addf(d->r, &d->b, "\\u%04x\\u%04x", 0xD800 | c >> 10, 0xDC00 | (c & 0x3FF));
    } else {
        jbuf_addf(d->r, &d->b, "\\u%04x", c);
    }
}

static void dump_str(struct dump *d, const struct jstr *s)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    jbuf_adds(d->r, &d->b, "\"");
    for (size_t i = 0; i < s->n;) {
        size_t start = i;
        while (i < s->n && (unsigned char)s->p[i] >= 0x20 && s->p[i] != '"' && s->p[i] != '\\' &&
               ((unsigned char)s->p[i] < 0x7F || !d->ascii))
            i++;
        jbuf_add(d->r, &d->b, s->p + start, i - start);
        if (i >= s->n)
            break;
        uint32_t c = jstr_next(s, &i);
        const char *simple = c && c < 0x80 ? strchr(from, (int)c) : NULL;
        if (simple)
            jbuf_addf(d->r, &d->b, "\\%c", to[simple - from]);
        else if (c == 0x7F)
            jbuf_adds(d->r, &d->b, "\x7F");
        else
            dump_unicode(d, c);
    }
    jbuf_adds(d->r, &d->b, "\"");
}

static void dump_number(struct dump *d, struct jv v)
{
    char text[JREPR_FLOAT];
    if (v.kind == JV_INT) {
        jbuf_addf(d->r, &d->b, "%" PRId64, v.u.i);
        return;
    }
    jrepr_float(d->r, text, v.u.d);
    jbuf_adds(d->r, &d->b,
              isnan(v.u.d)   ? "NaN"
              : isinf(v.u.d) ? (v.u.d < 0 ? "-Infinity" : "Infinity")
                             : text);
}

static void newline(struct dump *d)
{
    if (!d->indent)
        return;
    jbuf_adds(d->r, &d->b, "\n");
    for (int i = 0; i < d->level; i++)
        jbuf_add(d->r, &d->b, d->indent->p, d->indent->n);
}

static void dump_list(struct dump *d, const struct jlist *l)
{
    if (l->n == 0) {
        jbuf_adds(d->r, &d->b, "[]");
        return;
    }
    jbuf_adds(d->r, &d->b, "[");
    d->level++;
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            jbuf_add(d->r, &d->b, d->item->p, d->item->n);
        newline(d);
        dump(d, l->p[i]);
    }
    d->level--;
    newline(d);
    jbuf_adds(d->r, &d->b, "]");
}

static void dump_key(struct dump *d, struct jv k)
{
    if (k.kind == JV_STR) {
        dump_str(d, k.u.s);
        return;
    }
    if (k.kind != JV_NONE && !jv_is_number(k))
        jrun_fail(d->r, ST_FORMAT, "tojson: keys must be str, int, float, bool or None, not %s",
                  jv_type(k));
    jbuf_adds(d->r, &d->b, "\"");
    dump(d, k);
    jbuf_adds(d->r, &d->b, "\"");
}

static void dump_dict(struct dump *d, const struct jdict *m)
{
    if (m->n == 0) {
        jbuf_adds(d->r, &d->b, "{}");
        return;
    }
    struct jv *order = jrun_allocs(d->r, m->n, sizeof *order);
    struct jv *keys = jrun_allocs(d->r, m->n, sizeof *keys);
    for (size_t i = 0; i < m->n; i++) {
        order[i] = jv_int((int64_t)i);
        keys[i] = m->p[i].k;
    }
    if (d->sort)
        jcmp_sort(d->r, order, keys, m->n, false);
    jbuf_adds(d->r, &d->b, "{");
    d->level++;
    for (size_t i = 0; i < m->n; i++) {
        const struct jentry *e = &m->p[order[i].u.i];
        if (i > 0)
            jbuf_add(d->r, &d->b, d->item->p, d->item->n);
        newline(d);
        dump_key(d, e->k);
        jbuf_add(d->r, &d->b, d->key->p, d->key->n);
        dump(d, e->v);
    }
    d->level--;
    newline(d);
    jbuf_adds(d->r, &d->b, "}");
}

static void dump(struct dump *d, struct jv v)
{
    jrun_enter(d->r);
    switch (v.kind) {
    case JV_NONE: jbuf_adds(d->r, &d->b, "null"); break;
    case JV_BOOL: jbuf_adds(d->r, &d->b, v.u.b ? "true" : "false"); break;
    case JV_INT:
    case JV_FLOAT: dump_number(d, v); break;
    case JV_STR: dump_str(d, v.u.s); break;
    case JV_LIST:
    case JV_TUPLE: dump_list(d, v.u.l); break;
    case JV_DICT: dump_dict(d, v.u.m); break;
    default:
        jrun_fail(d->r, ST_FORMAT, "tojson: object of type %s is not JSON serializable",
                  jv_type(v));
    }
    jrun_leave(d->r);
}

static void set_separators(struct dump *d, struct jv v)
{
    d->item = jv_cstr(d->r, d->indent ? "," : ", ").u.s;
    d->key = jv_cstr(d->r, ": ").u.s;
    if (v.kind == JV_MISSING || v.kind == JV_NONE)
        return;
    if (!jv_is_seq(v) || v.u.l->n != 2 || v.u.l->p[0].kind != JV_STR || v.u.l->p[1].kind != JV_STR)
        jrun_fail(d->r, ST_FORMAT, "tojson: separators must be two strings");
    d->item = v.u.l->p[0].u.s;
    d->key = v.u.l->p[1].u.s;
}

struct jv jfilter_tojson(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[4];
    struct dump d = {.r = r};
    jcall_bind(r, a, "ensure_ascii indent separators sort_keys", 0, p);
    d.ascii = jfilter_flag(r, p[0]);
    d.sort = jfilter_flag(r, p[3]);
    if (p[1].kind == JV_STR)
        d.indent = p[1].u.s;
    else if (p[1].kind != JV_MISSING && p[1].kind != JV_NONE)
        d.indent = jstr_repeat(r, jv_str(r, " ", 1).u.s, jfilter_int(r, p[1], 0)).u.s;
    set_separators(&d, p[2]);
    dump(&d, v);
    return jbuf_str(r, &d.b);
}

static struct jv number(struct jrun *r, const struct json *v)
{
    int64_t i;
    if (json_is_float(v))
        return jv_float(json_number(v, 0));
    if (!json_int(v, &i))
        jrun_fail(r, ST_UNSUPPORTED,
                  "an integer of 2^53 or more in the conversation would lose "
                  "digits; write it as a string");
    return jv_int(i);
}

struct jv jjson_value(struct jrun *r, const struct json *v)
{
    const struct json *e = json_first(v);
    switch (json_kind(v)) {
    case JSON_NULL: return jv_none();
    case JSON_BOOL: return jv_bool(json_bool(v, false));
    case JSON_NUMBER: return number(r, v);
    case JSON_STRING: return jv_cstr(r, json_string(v));
    case JSON_ARRAY: {
        struct jlist *l = jlist_new(r, 0);
        for (; e; e = json_next(e))
            jlist_add(r, l, jjson_value(r, e));
        return jv_of_list(l);
    }
    case JSON_OBJECT: {
        struct jdict *m = jdict_new(r, 0);
        for (; e; e = json_next(e))
            jdict_append(r, m, jv_cstr(r, json_key(e)), jjson_value(r, e));
        return jv_of_dict(m);
    }
    }
    return jv_none();
}
