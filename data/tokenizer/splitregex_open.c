/* Compiles Split patterns. */
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/splitregex_impl.h"

enum {
    DEPTH_MAX = 16,
    REPEAT_MAX = 1000,
    NOTHING = 0xFFFFFFFF, /* no instruction */
};

enum status splitregex_refuse(struct splitregex_compiler *c, const char *what)
{
    fault_set(c->f, ST_UNSUPPORTED, "%s: %s in the Split pattern %.160s is not supported", c->where,
              what, c->pattern);
    return c->f->code;
}

bool splitregex_next_is(const struct splitregex_compiler *c, const char *s)
{
    size_t n = strlen(s);
    return c->n - c->at >= n && memcmp(c->pattern + c->at, s, n) == 0;
}

bool splitregex_take(struct splitregex_compiler *c, const char *s)
{
    bool is = splitregex_next_is(c, s);
    c->at += is ? strlen(s) : 0;
    return is;
}

enum status splitregex_code_add(struct splitregex_compiler *c, struct splitregex_code code)
{
    if (c->r->codes == SPLITREGEX_CODES)
        return splitregex_refuse(c, "so much");
    c->r->code[c->r->codes++] = code;
    return ST_OK;
}

/* ---- structure -------------------------------------------------------------------------------- */

static enum status choice_take(struct splitregex_compiler *c, uint32_t *least);

static enum status number_take(struct splitregex_compiler *c, uint32_t *out)
{
    uint32_t v = 0;
    size_t from = c->at;
    while (c->at < c->n && c->pattern[c->at] >= '0' && c->pattern[c->at] <= '9' && v <= REPEAT_MAX)
        v = v * 10 + (uint32_t)(c->pattern[c->at++] - '0');
    *out = v;
    return c->at == from || v > REPEAT_MAX ? splitregex_refuse(c, "this number of times") : ST_OK;
}

struct quantifier {
    uint32_t min, max;
    bool possessive;
};

/* {m}, {m,} or {m,n}, behind the bracket. */
static enum status interval_take(struct splitregex_compiler *c, struct quantifier *q)
{
    if (number_take(c, &q->min) != ST_OK)
        return c->f->code;
    q->max = q->min;
    if (splitregex_take(c, ",")) {
        q->max = SPLITREGEX_NO_LIMIT;
        if (!splitregex_next_is(c, "}") && number_take(c, &q->max) != ST_OK)
            return c->f->code;
    }
    if (!splitregex_take(c, "}") || q->max < q->min || q->max == 0)
        return splitregex_refuse(c, "this number of times");
    /* {1,n}+ is not possessive but one quantifier after another, and so the same as +. */
    if (q->min == 1 && splitregex_take(c, "+"))
        q->max = SPLITREGEX_NO_LIMIT;
    return ST_OK;
}

static bool quantifier_next(const struct splitregex_compiler *c)
{
    return c->at < c->n && strchr("?*+{", c->pattern[c->at]);
}

static enum status quantifier_take(struct splitregex_compiler *c, struct quantifier *q)
{
    *q = (struct quantifier){.min = 1, .max = 1};
    if (!quantifier_next(c))
        return ST_OK;
    if (splitregex_take(c, "{")) {
        if (interval_take(c, q) != ST_OK)
            return c->f->code;
    } else {
        q->min = splitregex_next_is(c, "+");
        q->max = splitregex_next_is(c, "?") ? 1 : SPLITREGEX_NO_LIMIT;
        c->at++;
        q->possessive = splitregex_take(c, "+");
    }
    c->last = 0;
    return quantifier_next(c) ? splitregex_refuse(c, "a quantifier after another") : ST_OK;
}

/* The end of what LOOK or ATOMIC at `start` runs. */
static enum status inner_end(struct splitregex_compiler *c, uint32_t start)
{
    enum status st = splitregex_code_add(c, (struct splitregex_code){.op = SPLITREGEX_MATCH});
    c->r->code[start].to = c->r->codes;
    return st;
}

/* What kind of group it is, behind its parenthesis; *inner if it runs by itself. */
static enum status group_begin(struct splitregex_compiler *c, bool *inner)
{
    struct splitregex_code code = {.op = SPLITREGEX_LOOK};
    *inner = true;
    if (splitregex_take(c, "?>"))
        code.op = SPLITREGEX_ATOMIC;
    else if (splitregex_take(c, "?!"))
        code.negated = true;
    else if (!splitregex_take(c, "?="))
        *inner = false;
    if (*inner)
        return splitregex_code_add(c, code);
    if (splitregex_take(c, "?i:"))
        c->any_case = true;
    else if (!splitregex_take(c, "?:") && splitregex_next_is(c, "?"))
        return splitregex_refuse(c, "this kind of group");
    return ST_OK;
}

/* A group, behind its parenthesis and up to the other one. */
static enum status group_take(struct splitregex_compiler *c, uint32_t *least)
{
    bool outer = c->any_case, inner;
    uint32_t start = c->r->codes;
    if (++c->depth > DEPTH_MAX)
        return splitregex_refuse(c, "such nesting");
    c->last = 0;
    if (group_begin(c, &inner) != ST_OK || choice_take(c, least) != ST_OK)
        return c->f->code;
    if (!splitregex_take(c, ")"))
        return splitregex_refuse(c, "an open group");
    if (inner) {
        if (inner_end(c, start) != ST_OK)
            return c->f->code;
        if (c->r->code[start].op == SPLITREGEX_LOOK)
            *least = 0;
    }
    c->any_case = outer;
    c->last = 0;
    c->depth--;
    return ST_OK;
}

/* A group so often: its source is compiled once for each time that it must or may match. */
static enum status group_repeat(struct splitregex_compiler *c, size_t source, uint32_t start,
                                uint32_t min, uint32_t max)
{
    size_t behind = c->at;
    uint32_t least, times = max == SPLITREGEX_NO_LIMIT ? min + 1 : max, forks = 0;
    c->r->codes = start;
    for (uint32_t i = 0; i < times; i++) {
        if (i >= min) {
            forks++;
            if (splitregex_code_add(
                    c, (struct splitregex_code){.op = SPLITREGEX_FORK, .to = start}) != ST_OK)
                return c->f->code;
            start = c->r->codes - 1; /* the forks are chained until their end is known */
        }
        c->at = source;
        if (group_take(c, &least) != ST_OK)
            return c->f->code;
    }
    if (max == SPLITREGEX_NO_LIMIT &&
        splitregex_code_add(c, (struct splitregex_code){.op = SPLITREGEX_JUMP, .to = start}) !=
            ST_OK)
        return c->f->code;
    for (; forks > 0; forks--) {
        uint32_t before = c->r->code[start].to;
        c->r->code[start].to = c->r->codes;
        start = before;
    }
    c->at = behind;
    return ST_OK;
}

/* ^ or $. */
static enum status line_take(struct splitregex_compiler *c)
{
    struct splitregex_code code = {.op = SPLITREGEX_LINE, .negated = splitregex_next_is(c, "$")};
    c->at++;
    c->last = 0;
    if (quantifier_next(c))
        return splitregex_refuse(c, "a quantifier after ^ or $");
    return splitregex_code_add(c, code);
}

static enum status piece_take(struct splitregex_compiler *c, uint32_t *least)
{
    uint32_t start = c->r->codes, own = 1;
    struct quantifier q;
    if (splitregex_next_is(c, "^") || splitregex_next_is(c, "$"))
        return line_take(c);
    bool group = splitregex_take(c, "(");
    size_t source = c->at;
    if ((group ? group_take(c, &own) : splitregex_set_take(c)) != ST_OK ||
        quantifier_take(c, &q) != ST_OK)
        return c->f->code;
    *least += own > 0 && q.min > 0;
    if (!group) {
        c->r->code[start].min = q.min;
        c->r->code[start].max = q.max;
        c->r->code[start].possessive = q.possessive;
        return ST_OK;
    }
    if (q.min == 1 && q.max == 1)
        return ST_OK;
    if (own == 0)
        return splitregex_refuse(c, "repeating what may be empty");
    if (!q.possessive)
        return group_repeat(c, source, start, q.min, q.max);
    c->r->codes = start;
    if (splitregex_code_add(c, (struct splitregex_code){.op = SPLITREGEX_ATOMIC}) != ST_OK ||
        group_repeat(c, source, start + 1, q.min, q.max) != ST_OK)
        return c->f->code;
    return inner_end(c, start);
}

/* Alternatives. least: 0 if one of them can match nothing. */
static enum status choice_take(struct splitregex_compiler *c, uint32_t *least)
{
    uint32_t jumps = NOTHING, all = 1;
    for (;;) {
        uint32_t fork = c->r->codes, own = 0;
        if (splitregex_code_add(c, (struct splitregex_code){.op = SPLITREGEX_FORK}) != ST_OK)
            return c->f->code;
        while (c->at < c->n && !splitregex_next_is(c, "|") && !splitregex_next_is(c, ")"))
            if (piece_take(c, &own) != ST_OK)
                return c->f->code;
        all = all && own > 0;
        c->last = 0;
        if (!splitregex_take(c, "|")) {
            c->r->code[fork] = (struct splitregex_code){.op = SPLITREGEX_JUMP, .to = fork + 1};
            break;
        }
        if (splitregex_code_add(c, (struct splitregex_code){.op = SPLITREGEX_JUMP, .to = jumps}) !=
            ST_OK)
            return c->f->code;
        jumps = c->r->codes - 1;
        c->r->code[fork].to = c->r->codes;
    }
    while (jumps != NOTHING) {
        uint32_t before = c->r->code[jumps].to;
        c->r->code[jumps].to = c->r->codes;
        jumps = before;
    }
    *least = all;
    return ST_OK;
}

static enum status compile(struct splitregex_compiler *c)
{
    uint32_t least;
    if (choice_take(c, &least) != ST_OK)
        return c->f->code;
    if (c->at < c->n)
        return splitregex_refuse(c, "a ) too many");
    if (least == 0)
        return splitregex_refuse(c, "matching nothing");
    return splitregex_code_add(c, (struct splitregex_code){.op = SPLITREGEX_MATCH});
}

enum status splitregex_open(struct splitregex **out, const char *pattern, const char *where,
                            struct fault *f)
{
    struct splitregex *r = calloc(1, sizeof *r);
    struct splitregex_compiler c = {
        .r = r, .pattern = pattern, .where = where, .f = f, .n = strlen(pattern)};
    if (r) {
        r->code = malloc(SPLITREGEX_CODES * sizeof *r->code);
        r->sets = malloc(SPLITREGEX_CODES * sizeof *r->sets);
        r->ranges = malloc(SPLITREGEX_RANGES * sizeof *r->ranges);
    }
    enum status st;
    if (!r || !r->code || !r->sets || !r->ranges)
        st = fault_nomem(f, "a Split pattern", SPLITREGEX_CODES * sizeof *r->code);
    else
        st = compile(&c);
    if (st != ST_OK)
        splitregex_close(&r);
    else
        *out = r;
    return st;
}
