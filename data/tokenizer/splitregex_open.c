/* Compiles Split patterns. */
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/splitregex.h"
#include "data/tokenizer/unicode.h"

enum {
    CODES_MAX = 2048,
    RANGES_MAX = 2048,
    DEPTH_MAX = 16,
    REPEAT_MAX = 1000,
    NO_LIMIT = INT32_MAX,
    NOTHING = 0xFFFFFFFF, /* no code point */
};

struct compiler {
    struct splitregex *r;
    const char *pattern, *where;
    size_t n, at;
    bool any_case;
    int depth;
    uint32_t last; /* the literal letter just before, while any_case holds */
    struct fault *f;
};

static enum status refuse(struct compiler *c, const char *what)
{
    fault_set(c->f, ST_UNSUPPORTED, "%s: %s in the Split pattern %.160s is not supported", c->where,
              what, c->pattern);
    return c->f->code;
}

static bool next_is(const struct compiler *c, const char *s)
{
    size_t n = strlen(s);
    return c->n - c->at >= n && memcmp(c->pattern + c->at, s, n) == 0;
}

static bool take(struct compiler *c, const char *s)
{
    bool is = next_is(c, s);
    c->at += is ? strlen(s) : 0;
    return is;
}

static enum status code_add(struct compiler *c, struct splitregex_code code)
{
    if (c->r->codes == CODES_MAX)
        return refuse(c, "so much");
    c->r->code[c->r->codes++] = code;
    return ST_OK;
}

/* ---- sets ------------------------------------------------------------------------------------- */

static enum status range_add(struct compiler *c, struct splitregex_set *set, uint32_t low,
                             uint32_t high)
{
    if (c->r->range_count == RANGES_MAX)
        return refuse(c, "so many ranges");
    uint32_t *range = c->r->ranges[c->r->range_count++];
    range[0] = low;
    range[1] = high;
    set->ranges++;
    return ST_OK;
}

/* A range; without case also what its ASCII letters fold to, U+017F and U+212A included. */
static enum status range_take(struct compiler *c, struct splitregex_set *set, uint32_t low,
                              uint32_t high)
{
    static const struct {
        uint32_t first, last, to;
    } folds[] = {{'a', 'z', 'A'},   {'A', 'Z', 'a'},    {'s', 's', 0x17F},
                 {'S', 'S', 0x17F}, {'k', 'k', 0x212A}, {'K', 'K', 0x212A}};
    if (high < low)
        return refuse(c, "a range backwards");
    if (c->any_case && high >= 0x80)
        return refuse(c, "(?i:) beyond ASCII");
    for (size_t i = 0; c->any_case && i < sizeof folds / sizeof folds[0]; i++) {
        uint32_t from = low < folds[i].first ? folds[i].first : low;
        uint32_t last = high > folds[i].last ? folds[i].last : high;
        if (from <= last && range_add(c, set, from - folds[i].first + folds[i].to,
                                      last - folds[i].first + folds[i].to) != ST_OK)
            return c->f->code;
    }
    return range_add(c, set, low, high);
}

/* \p{name} or \P{name}, behind the p. */
static enum status category_take(struct compiler *c, struct splitregex_set *set, bool inverted)
{
    const char *name = c->pattern + c->at + 1, *end = next_is(c, "{") ? strchr(name, '}') : NULL;
    uint32_t categories = end ? unicode_set(name, (size_t)(end - name)) : 0;
    if (!categories)
        return refuse(c, "a \\p that names no category");
    c->at = (size_t)(end - c->pattern) + 1;
    set->categories |= inverted ? ~categories : categories;
    return ST_OK;
}

/* What follows a backslash: a set that goes into *set, or one code point into *literal. */
static enum status escape_take(struct compiler *c, struct splitregex_set *set, uint32_t *literal)
{
    char e = c->at < c->n ? c->pattern[c->at++] : '\0';
    *literal = NOTHING;
    if (e == 's' || e == 'S') {
        set->space |= e == 's';
        set->not_space |= e == 'S';
        return ST_OK;
    }
    if (e == 'd' || e == 'D') {
        set->categories |= e == 'd' ? UNICODE_BIT(Nd) : ~UNICODE_BIT(Nd);
        return ST_OK;
    }
    if (e == 'p' || e == 'P')
        return category_take(c, set, e == 'P');
    if (e == 'r' || e == 'n' || e == 't')
        *literal = e == 'r' ? '\r' : e == 'n' ? '\n' : '\t';
    else if (e && (unsigned char)e < 0x80 && !((e | 0x20) >= 'a' && (e | 0x20) <= 'z') &&
             !(e >= '0' && e <= '9'))
        *literal = (unsigned char)e;
    return *literal == NOTHING ? refuse(c, "this escape") : ST_OK;
}

static enum status class_point(struct compiler *c, struct splitregex_set *set, uint32_t *literal)
{
    if (next_is(c, "[") || next_is(c, "&&"))
        return refuse(c, "a class inside a class");
    if (take(c, "\\"))
        return escape_take(c, set, literal);
    *literal = utf8_next(c->pattern, c->n, &c->at);
    return ST_OK;
}

/* [...] behind the bracket. */
static enum status class_take(struct compiler *c, struct splitregex_set *set)
{
    bool first = true;
    set->negated = take(c, "^");
    for (; c->at < c->n && (first || !next_is(c, "]")); first = false) {
        uint32_t low, high;
        if (first && next_is(c, "]"))
            return refuse(c, "an empty class");
        if (!first && next_is(c, "-") && c->n - c->at > 1 && c->pattern[c->at + 1] != ']')
            return refuse(c, "a - between ranges");
        if (class_point(c, set, &low) != ST_OK)
            return c->f->code;
        high = low;
        if (next_is(c, "-") && c->n - c->at > 1 && c->pattern[c->at + 1] != ']') {
            c->at++;
            if (class_point(c, set, &high) != ST_OK)
                return c->f->code;
            if (low == NOTHING || high == NOTHING)
                return refuse(c, "a range to a class");
        }
        if (low != NOTHING && range_take(c, set, low, high) != ST_OK)
            return c->f->code;
    }
    return take(c, "]") ? ST_OK : refuse(c, "an open class");
}

/* One literal. Without case two of them together can also be one ligature or sharp s. */
static enum status literal_take(struct compiler *c, struct splitregex_set *set, uint32_t point)
{
    uint32_t low = point < 0x80 ? point | 0x20 : 0;
    if (c->any_case) {
        char both[3] = {(char)c->last, (char)low, '\0'};
        low = low >= 'a' && low <= 'z' ? low : 0;
        if (c->last && low && strstr("ss st ff fi fl", both))
            return refuse(c, "such a pair of letters in (?i:)");
        c->last = low;
    }
    return range_take(c, set, point, point);
}

static enum status set_take(struct compiler *c)
{
    struct splitregex_set *set = &c->r->sets[c->r->set_count];
    uint32_t literal = NOTHING;
    enum status st;
    *set = (struct splitregex_set){.range = c->r->range_count};
    if (c->r->set_count == CODES_MAX - 1)
        return refuse(c, "so much");
    if (take(c, "["))
        st = class_take(c, set);
    else if (take(c, "\\"))
        st = escape_take(c, set, &literal);
    else if (strchr("]{}^$.*+?", c->pattern[c->at]))
        return refuse(c, "one of ] { } ^ $ . * + ? here");
    else {
        literal = utf8_next(c->pattern, c->n, &c->at);
        st = ST_OK;
    }
    if (st == ST_OK && literal != NOTHING)
        st = literal_take(c, set, literal);
    else
        c->last = 0;
    if (st != ST_OK)
        return st;
    return code_add(c, (struct splitregex_code){
                           .op = SPLITREGEX_REPEAT, .set = c->r->set_count++, .min = 1, .max = 1});
}

/* ---- structure -------------------------------------------------------------------------------- */

static enum status choice_take(struct compiler *c, uint32_t *least);

static enum status number_take(struct compiler *c, uint32_t *out)
{
    uint32_t v = 0;
    size_t from = c->at;
    while (c->at < c->n && c->pattern[c->at] >= '0' && c->pattern[c->at] <= '9' && v <= REPEAT_MAX)
        v = v * 10 + (uint32_t)(c->pattern[c->at++] - '0');
    *out = v;
    return c->at == from || v > REPEAT_MAX ? refuse(c, "this number of times") : ST_OK;
}

static enum status quantifier_take(struct compiler *c, uint32_t *min, uint32_t *max)
{
    *min = *max = 1;
    if (take(c, "?"))
        *min = 0;
    else if (take(c, "*")) {
        *min = 0;
        *max = NO_LIMIT;
    } else if (take(c, "+"))
        *max = NO_LIMIT;
    else if (take(c, "{")) {
        if (number_take(c, min) != ST_OK)
            return c->f->code;
        *max = *min;
        if (take(c, ",")) {
            *max = NO_LIMIT;
            if (!next_is(c, "}") && number_take(c, max) != ST_OK)
                return c->f->code;
        }
        if (!take(c, "}") || *max < *min || *max == 0)
            return refuse(c, "this number of times");
    } else
        return ST_OK;
    c->last = 0;
    if (next_is(c, "?") || next_is(c, "*") || next_is(c, "+") || next_is(c, "{"))
        return refuse(c, "a quantifier after another");
    return ST_OK;
}

/* A group, behind its parenthesis and up to the other one. */
static enum status group_take(struct compiler *c, uint32_t *least)
{
    bool outer = c->any_case, look = false;
    uint32_t start = c->r->codes;
    if (++c->depth > DEPTH_MAX)
        return refuse(c, "such nesting");
    c->last = 0;
    if (take(c, "?i:"))
        c->any_case = true;
    else if (next_is(c, "?!") || next_is(c, "?=")) {
        look = true;
        if (code_add(c, (struct splitregex_code){.op = SPLITREGEX_LOOK,
                                                 .negated = next_is(c, "?!")}) != ST_OK)
            return c->f->code;
        c->at += 2;
    } else if (!take(c, "?:") && next_is(c, "?"))
        return refuse(c, "this kind of group");
    if (choice_take(c, least) != ST_OK)
        return c->f->code;
    if (!take(c, ")"))
        return refuse(c, "an open group");
    if (look) {
        if (code_add(c, (struct splitregex_code){.op = SPLITREGEX_MATCH}) != ST_OK)
            return c->f->code;
        c->r->code[start].to = c->r->codes;
        *least = 0;
    }
    c->any_case = outer;
    c->last = 0;
    c->depth--;
    return ST_OK;
}

/* A group so often: its source is compiled once for each time that it must or may match. */
static enum status group_repeat(struct compiler *c, size_t source, uint32_t start, uint32_t min,
                                uint32_t max)
{
    size_t behind = c->at;
    uint32_t least, times = max == NO_LIMIT ? min + 1 : max, forks = 0;
    c->r->codes = start;
    for (uint32_t i = 0; i < times; i++) {
        if (i >= min) {
            forks++;
            if (code_add(c, (struct splitregex_code){.op = SPLITREGEX_FORK, .to = start}) != ST_OK)
                return c->f->code;
            start = c->r->codes - 1; /* the forks are chained until their end is known */
        }
        c->at = source;
        if (group_take(c, &least) != ST_OK)
            return c->f->code;
    }
    if (max == NO_LIMIT &&
        code_add(c, (struct splitregex_code){.op = SPLITREGEX_JUMP, .to = start}) != ST_OK)
        return c->f->code;
    for (; forks > 0; forks--) {
        uint32_t before = c->r->code[start].to;
        c->r->code[start].to = c->r->codes;
        start = before;
    }
    c->at = behind;
    return ST_OK;
}

static enum status piece_take(struct compiler *c, uint32_t *least)
{
    uint32_t start = c->r->codes, min, max, own = 1;
    bool group = take(c, "(");
    size_t source = c->at;
    if ((group ? group_take(c, &own) : set_take(c)) != ST_OK ||
        quantifier_take(c, &min, &max) != ST_OK)
        return c->f->code;
    *least += own > 0 && min > 0;
    if (!group) {
        c->r->code[start].min = min;
        c->r->code[start].max = max;
        return ST_OK;
    }
    if (min == 1 && max == 1)
        return ST_OK;
    if (own == 0)
        return refuse(c, "repeating what may be empty");
    return group_repeat(c, source, start, min, max);
}

/* Alternatives. least: 0 if one of them can match nothing. */
static enum status choice_take(struct compiler *c, uint32_t *least)
{
    uint32_t jumps = NOTHING, all = 1;
    for (;;) {
        uint32_t fork = c->r->codes, own = 0;
        if (code_add(c, (struct splitregex_code){.op = SPLITREGEX_FORK}) != ST_OK)
            return c->f->code;
        while (c->at < c->n && !next_is(c, "|") && !next_is(c, ")"))
            if (piece_take(c, &own) != ST_OK)
                return c->f->code;
        all = all && own > 0;
        c->last = 0;
        if (!take(c, "|")) {
            c->r->code[fork] = (struct splitregex_code){.op = SPLITREGEX_JUMP, .to = fork + 1};
            break;
        }
        if (code_add(c, (struct splitregex_code){.op = SPLITREGEX_JUMP, .to = jumps}) != ST_OK)
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

static enum status compile(struct compiler *c)
{
    uint32_t least;
    if (choice_take(c, &least) != ST_OK)
        return c->f->code;
    if (c->at < c->n)
        return refuse(c, "a ) too many");
    if (least == 0)
        return refuse(c, "matching nothing");
    return code_add(c, (struct splitregex_code){.op = SPLITREGEX_MATCH});
}

enum status splitregex_open(struct splitregex **out, const char *pattern, const char *where,
                            struct fault *f)
{
    struct splitregex *r = calloc(1, sizeof *r);
    struct compiler c = {.r = r, .pattern = pattern, .where = where, .f = f, .n = strlen(pattern)};
    if (r) {
        r->code = malloc(CODES_MAX * sizeof *r->code);
        r->sets = malloc(CODES_MAX * sizeof *r->sets);
        r->ranges = malloc(RANGES_MAX * sizeof *r->ranges);
    }
    enum status st;
    if (!r || !r->code || !r->sets || !r->ranges)
        st = fault_nomem(f, "a Split pattern", CODES_MAX * sizeof *r->code);
    else
        st = compile(&c);
    if (st != ST_OK)
        splitregex_close(&r);
    else
        *out = r;
    return st;
}
