/* Values of a template: Python's, as far as a template can tell. A struct jv is passed by value;
 * what it points to lives in an arena and, but for namespaces and iterators, never changes.
 *
 *     struct jv v = jv_int(3);
 *     if (jv_true(r, v))
 *         jrepr_add_str(r, &buf, v);          // appends str(v)
 *
 * Strings are UTF-8 of known length; lengths and indices that a template sees are code points.
 * `markup` marks what |safe and |escape return (markupsafe.Markup: a str that escapes what is
 * joined to it). Functions that take a struct jrun may leave by longjmp (jinja.h). */
#ifndef DATA_JINJA_JV_H
#define DATA_JINJA_JV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jrun;
struct jnode;

enum jv_kind {
    JV_MISSING, /* no value at all: a variable before its first assignment, an absent argument */
    JV_UNDEF,
    JV_NONE,
    JV_BOOL,
    JV_INT,
    JV_FLOAT,
    JV_STR,
    JV_LIST,
    JV_TUPLE,
    JV_DICT,
    JV_VIEW, /* what keys(), values() and items() of a dict return */
    JV_RANGE,
    JV_ITER, /* generators and iterators: they can be walked once */
    JV_NAMESPACE,
    JV_LOOP,
    JV_MACRO,
    JV_FUNC,   /* a global function */
    JV_METHOD, /* a method together with its object */
    JV_SLICE   /* only as the argument of a subscript */
};

struct jstr {
    const char *p;
    size_t n;
    size_t count; /* code points; SIZE_MAX: not counted yet */
    bool markup;
};

struct jlist {
    struct jv *p;
    size_t n, cap;
    bool group; /* one of |groupby's pairs, which have the names grouper and list */
};

struct jv {
    enum jv_kind kind;
    union {
        bool b;
        int64_t i;
        double d;
        struct jstr *s;
        struct jlist *l; /* lists and tuples */
        struct jdict *m; /* dicts and namespaces */
        struct jview *view;
        struct jrange *range;
        struct jiter *it;
        struct jloop *loop;
        struct jmacro *macro;
        const struct jfunc *func;
        struct jmethod *method;
        struct jundef *undef;
        struct jslice *slice;
    } u;
};

struct jentry {
    struct jv k, v;
};

struct jdict {
    struct jentry *p;
    size_t n, cap;
};

enum jview_kind { JVIEW_KEYS, JVIEW_VALUES, JVIEW_ITEMS };

struct jview {
    enum jview_kind kind;
    struct jdict *m;
};

struct jrange {
    int64_t start, stop, step, n;
};

struct jslice {
    struct jv start, stop, step;
};

/* Why a value is undefined: text alone, or name with the kind of object that lacks it. */
struct jundef {
    const char *text; /* NULL: "'name' is undefined" or "'object' has no attribute 'name'" */
    const char *of;   /* the object's type, or NULL */
    struct jv name;
    bool unsafe; /* the sandbox withholds it */
};

struct jargs {
    struct jv *p;
    size_t n;
    struct jentry *kw; /* keys are strings */
    size_t nkw;
};

typedef struct jv jfunc_fn(struct jrun *r, struct jv self, struct jargs *a);

/* A named function: a filter, a test, a global, a method. */
struct jfunc {
    const char *name;
    jfunc_fn *fn;
};

struct jmethod {
    const struct jfunc *func;
    struct jv self;
};

static inline struct jv jv_missing(void)
{
    return (struct jv){.kind = JV_MISSING};
}
static inline struct jv jv_none(void)
{
    return (struct jv){.kind = JV_NONE};
}
static inline struct jv jv_bool(bool b)
{
    return (struct jv){.kind = JV_BOOL, .u.b = b};
}
static inline struct jv jv_int(int64_t i)
{
    return (struct jv){.kind = JV_INT, .u.i = i};
}
static inline struct jv jv_float(double d)
{
    return (struct jv){.kind = JV_FLOAT, .u.d = d};
}
static inline struct jv jv_of_str(struct jstr *s)
{
    return (struct jv){.kind = JV_STR, .u.s = s};
}
static inline struct jv jv_of_list(struct jlist *l)
{
    return (struct jv){.kind = JV_LIST, .u.l = l};
}
static inline struct jv jv_of_tuple(struct jlist *l)
{
    return (struct jv){.kind = JV_TUPLE, .u.l = l};
}
static inline struct jv jv_of_dict(struct jdict *m)
{
    return (struct jv){.kind = JV_DICT, .u.m = m};
}

/* Item i of a range that has it, 0 <= i < n: in range although i * step may not be. */
static inline int64_t jrange_at(const struct jrange *g, int64_t i)
{
    return (int64_t)((uint64_t)g->start + (uint64_t)i * (uint64_t)g->step);
}
static inline bool jv_is_int(struct jv v) /* isinstance(v, int): True and False are 1 and 0 */
{
    return v.kind == JV_INT || v.kind == JV_BOOL;
}
static inline bool jv_is_number(struct jv v)
{
    return jv_is_int(v) || v.kind == JV_FLOAT;
}
static inline int64_t jv_as_int(struct jv v)
{
    return v.kind == JV_BOOL ? v.u.b : v.u.i;
}
static inline double jv_as_float(struct jv v)
{
    return v.kind == JV_FLOAT ? v.u.d : (double)jv_as_int(v);
}
static inline bool jv_is_seq(struct jv v)
{
    return v.kind == JV_LIST || v.kind == JV_TUPLE;
}

/* Making values. bytes are borrowed by jv_str and must outlive the arena; jv_copy copies. */
struct jv jv_str(struct jrun *r, const char *bytes, size_t n);
struct jv jv_cstr(struct jrun *r, const char *string);
struct jv jv_copy(struct jrun *r, const char *bytes, size_t n);
struct jlist *jlist_new(struct jrun *r, size_t cap);
void jlist_add(struct jrun *r, struct jlist *l, struct jv v);
struct jv jv_pair(struct jrun *r, struct jv a, struct jv b); /* a tuple of two */
struct jdict *jdict_new(struct jrun *r, size_t cap);
void jdict_put(struct jrun *r, struct jdict *m, struct jv k, struct jv v);    /* replaces */
void jdict_append(struct jrun *r, struct jdict *m, struct jv k, struct jv v); /* k is not there */
struct jv *jdict_find(struct jrun *r, const struct jdict *m, struct jv k);    /* NULL if absent */
struct jv *jdict_finds(struct jrun *r, const struct jdict *m, const char *key);
struct jv jv_undef(struct jrun *r, const char *text);
struct jv jv_undef_name(struct jrun *r, struct jstr *name);
struct jv jv_undef_of(struct jrun *r, struct jv object, struct jv name);
struct jv jv_undef_unsafe(struct jrun *r, struct jv object, struct jv name);

/* Looking at them. */
const char *jv_type(struct jv v); /* Python's name of the type */
bool jv_true(struct jrun *r, struct jv v);
bool jv_is_str(struct jv v, const char *string);
bool jv_has_len(struct jv v, int64_t *n); /* len(v), where v has one */
_Noreturn void jv_fail_undef(struct jrun *r, struct jv undef);
void jv_need_defined(struct jrun *r, struct jv v); /* an UndefinedError if v is undefined */

#endif
