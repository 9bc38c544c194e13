/* Classes, escapes and literals of Split patterns. */
#include <string.h>

#include "data/tokenizer/splitregex_impl.h"
#include "data/tokenizer/unicode.h"

enum { NOTHING = 0xFFFFFFFF }; /* no code point */

static enum status range_add(struct splitregex_compiler *c, struct splitregex_set *set,
                             uint32_t low, uint32_t high)
{
    if (c->r->range_count == SPLITREGEX_RANGES)
        return splitregex_refuse(c, "so many ranges");
    uint32_t *range = c->r->ranges[c->r->range_count++];
    range[0] = low;
    range[1] = high;
    set->ranges++;
    return ST_OK;
}

/* A range; without case also what its ASCII letters fold to, U+017F and U+212A included. */
static enum status range_take(struct splitregex_compiler *c, struct splitregex_set *set,
                              uint32_t low, uint32_t high)
{
    static const struct {
        uint32_t first, last, to;
    } folds[] = {{'a', 'z', 'A'},   {'A', 'Z', 'a'},    {'s', 's', 0x17F},
                 {'S', 'S', 0x17F}, {'k', 'k', 0x212A}, {'K', 'K', 0x212A}};
    if (high < low)
        return splitregex_refuse(c, "a range backwards");
    if (c->any_case && high >= 0x80)
        return splitregex_refuse(c, "(?i:) beyond ASCII");
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
static enum status category_take(struct splitregex_compiler *c, struct splitregex_set *set,
                                 bool inverted)
{
    const char *name = c->pattern + c->at + 1,
               *end = splitregex_next_is(c, "{") ? strchr(name, '}') : NULL;
    uint32_t categories = end ? unicode_set(name, (size_t)(end - name)) : 0;
    if (c->any_case) /* the library adds what the set folds to */
        return splitregex_refuse(c, "\\p in (?i:)");
    if (!categories)
        return splitregex_refuse(c, "a \\p that names no category");
    c->at = (size_t)(end - c->pattern) + 1;
    set->categories |= inverted ? ~categories : categories;
    return ST_OK;
}

/* What follows a backslash: a set that goes into *set, or one code point into *literal. */
static enum status escape_take(struct splitregex_compiler *c, struct splitregex_set *set,
                               uint32_t *literal)
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
    return *literal == NOTHING ? splitregex_refuse(c, "this escape") : ST_OK;
}

static enum status class_point(struct splitregex_compiler *c, struct splitregex_set *set,
                               uint32_t *literal)
{
    if (splitregex_next_is(c, "[") || splitregex_next_is(c, "&&"))
        return splitregex_refuse(c, "a class inside a class");
    if (splitregex_take(c, "\\"))
        return escape_take(c, set, literal);
    *literal = utf8_next(c->pattern, c->n, &c->at);
    return ST_OK;
}

/* [...] behind the bracket. */
static enum status class_take(struct splitregex_compiler *c, struct splitregex_set *set)
{
    bool first = true;
    set->negated = splitregex_take(c, "^");
    for (; c->at < c->n && (first || !splitregex_next_is(c, "]")); first = false) {
        uint32_t low, high;
        if (first && splitregex_next_is(c, "]"))
            return splitregex_refuse(c, "an empty class");
        if (!first && splitregex_next_is(c, "-") && c->n - c->at > 1 &&
            c->pattern[c->at + 1] != ']')
            return splitregex_refuse(c, "a - between ranges");
        if (class_point(c, set, &low) != ST_OK)
            return c->f->code;
        high = low;
        if (splitregex_next_is(c, "-") && c->n - c->at > 1 && c->pattern[c->at + 1] != ']') {
            c->at++;
            if (class_point(c, set, &high) != ST_OK)
                return c->f->code;
            if (low == NOTHING || high == NOTHING)
                return splitregex_refuse(c, "a range to a class");
        }
        if (low != NOTHING && range_take(c, set, low, high) != ST_OK)
            return c->f->code;
    }
    return splitregex_take(c, "]") ? ST_OK : splitregex_refuse(c, "an open class");
}

/* One literal. Without case two of them together can also be one ligature or sharp s. */
static enum status literal_take(struct splitregex_compiler *c, struct splitregex_set *set,
                                uint32_t point)
{
    uint32_t low = point < 0x80 ? point | 0x20 : 0;
    if (c->any_case) {
        char both[3] = {(char)c->last, (char)low, '\0'};
        low = low >= 'a' && low <= 'z' ? low : 0;
        if (c->last && low && strstr("ss st ff fi fl", both))
            return splitregex_refuse(c, "such a pair of letters in (?i:)");
        c->last = low;
    }
    return range_take(c, set, point, point);
}

enum status splitregex_set_take(struct splitregex_compiler *c)
{
    struct splitregex_set *set = &c->r->sets[c->r->set_count];
    uint32_t literal = NOTHING;
    enum status st;
    *set = (struct splitregex_set){.range = c->r->range_count};
    if (c->r->set_count == SPLITREGEX_CODES - 1)
        return splitregex_refuse(c, "so much");
    if (splitregex_take(c, "["))
        st = class_take(c, set);
    else if (splitregex_take(c, "\\"))
        st = escape_take(c, set, &literal);
    else if (splitregex_take(c, ".")) {
        set->negated = true;
        st = range_add(c, set, '\n', '\n');
    } else if (strchr("]{}*+?", c->pattern[c->at]))
        return splitregex_refuse(c, "one of ] { } * + ? here");
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
    return splitregex_code_add(
        c, (struct splitregex_code){
               .op = SPLITREGEX_REPEAT, .set = c->r->set_count++, .min = 1, .max = 1});
}
