/* The tree that a template is parsed into, and how its names become slots.
 *
 * jinja2 compiles a template to Python: each macro and call block a function, each for, with, set,
 * filter and call block a frame inside one. A name is resolved statically, and the outcome differs
 * from a look-up at run time in ways that templates can see (a `set` anywhere in a frame makes the
 * name local to all of it, but for reads before it), so jscope.c does it the same way: each name in
 * a frame gets a slot of its function's activation record, and each frame a list of what to load
 * into its slots on entry. A name node carries the number of functions to go out (`hops`) and the
 * slot there. */
#ifndef DATA_JINJA_JNODE_H
#define DATA_JINJA_JNODE_H

#include "data/jinja/jrun.h"

enum jnode_kind {
    /* expressions */
    JN_CONST, /* value */
    JN_NAME,  /* name */
    JN_LIST,  /* list */
    JN_TUPLE,
    JN_DICT,   /* list: key, value, key, value … */
    JN_ATTR,   /* a.name */
    JN_ITEM,   /* a[b] */
    JN_SLICE,  /* a:b:c, each may be NULL */
    JN_CALL,   /* a(call) */
    JN_FILTER, /* a|name(call); a is NULL in a filter block */
    JN_TEST,   /* a is name(call) */
    JN_NEG,    /* -a */
    JN_POS,    /* +a */
    JN_NOT,    /* not a */
    JN_AND,    /* a and b */
    JN_OR,
    JN_BINARY,  /* a op b */
    JN_CONCAT,  /* list joined by ~ */
    JN_COMPARE, /* a ops[0] list[0] ops[1] list[1] … */
    JN_COND,    /* a if b else c; c may be NULL */
    JN_NSREF,   /* name.attr as a target; value holds attr */
    /* statements */
    JN_TEXT,         /* value */
    JN_OUTPUT,       /* a */
    JN_IF,           /* a, body; list: further ones; otherwise */
    JN_FOR,          /* for a in b if c: body, otherwise */
    JN_SET,          /* a = b */
    JN_SET_BLOCK,    /* a = body|b */
    JN_WITH,         /* list: targets; list2: values; body */
    JN_MACRO,        /* macro; name */
    JN_CALL_BLOCK,   /* macro for the body; a: the call */
    JN_FILTER_BLOCK, /* body|a */
    JN_GENERATION,   /* macro for the body */
    JN_BREAK,
    JN_CONTINUE
};

enum jop {
    JOP_ADD,
    JOP_SUB,
    JOP_MUL,
    JOP_DIV,
    JOP_FLOORDIV,
    JOP_MOD,
    JOP_POW,
    JOP_EQ,
    JOP_NE,
    JOP_LT,
    JOP_LE,
    JOP_GT,
    JOP_GE,
    JOP_IN,
    JOP_NOT_IN
};

struct jnodes {
    struct jnode **p;
    size_t n, cap;
};

/* The arguments of a call, a filter or a test. */
struct jcallargs {
    struct jnodes args, kwvalues;
    struct jstr **kwnames;
    struct jnode *dyn_args, *dyn_kwargs; /* *a, **k; may be NULL */
};

enum jload_kind { JLOAD_PARAM, JLOAD_RESOLVE, JLOAD_ALIAS, JLOAD_UNDEF };

struct jload {
    enum jload_kind kind;
    struct jstr *name;
    int slot;
    int from_hops, from_slot; /* of an alias */
    bool stored;              /* the frame assigns to it */
};

struct jframe {
    struct jload *p;
    size_t n, cap;
    struct jframe *parent;
    struct jfunction *fn;
    int level;
};

/* A function: how many slots its activation needs. */
struct jfunction {
    struct jfunction *outer;
    struct jload *names; /* (level, name) → slot; kind is unused, from_slot is the level */
    size_t n, cap;
};

struct jmacrodef {
    struct jstr *name;
    struct jnodes params, defaults; /* names; the last ones have defaults */
    struct jnodes body;
    struct jframe *frame;
    struct jfunction *fn;
    int caller_slot, kwargs_slot, varargs_slot; /* -1 unless the body uses them */
    bool explicit_caller;
};

struct jnode {
    enum jnode_kind kind;
    int line;
    enum jop op;
    int hops, slot;
    bool flag; /* JN_NAME: a store; JN_FOR: the body names `loop` */
    struct jnode *a, *b, *c;
    struct jnodes list, list2, body, otherwise;
    enum jop *ops;
    struct jstr *name;
    struct jv value;
    struct jcallargs *call;
    const struct jfunc *func; /* a filter or test by that name; NULL if there is none */
    struct jmacrodef *macro;
    struct jframe *frame, *frame2, *frame3; /* body; else; the filter of a for */
    int loop_slot;
};

struct jinja {
    struct jarena arena;
    char *where;
    struct jnodes body;
    struct jframe *frame;
    struct jfunction *fn;
    bool generation;
    char *lacks; /* what of it is not supported, or NULL */
};

void jparse_template(struct jrun *r, struct jinja *t, const char *source, size_t n);
/* 1 if one of the nodes reads name before any stores to it, -1 if one stores first, else 0. */
int jscope_uses(struct jrun *r, const struct jnodes *l, const char *name);
void jscope_resolve(struct jrun *r, struct jinja *t); /* after it: hops, slots and frames */

#endif
