#include "data/tokenizer/splitregex.h"

#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/unicode.h"

enum { STEPS_PER_BYTE = 256, STEPS_LEAST = 1 << 24, INLINE_STATES = 128 };

/* What to do when a path fails: go on at pc and at; of a REPEAT, give back down to low first. */
struct state {
    uint32_t pc;
    bool repeat;
    size_t at, low;
};

struct machine {
    const struct splitregex *r;
    const char *s;
    size_t n;
    uint64_t *steps; /* left */
    struct state *states;
    size_t count, cap;
    struct state first[INLINE_STATES];
};

static bool set_has(const struct splitregex *r, const struct splitregex_set *set, uint32_t c)
{
    bool in = UNICODE_IS(unicode_class(c), set->categories);
    if (!in && (set->space || set->not_space))
        in = unicode_space(c) ? set->space : set->not_space;
    for (uint32_t i = 0; i < set->ranges && !in; i++)
        in = c >= r->ranges[set->range + i][0] && c <= r->ranges[set->range + i][1];
    return in != set->negated;
}

static enum status state_push(struct machine *m, struct state state, struct fault *f)
{
    if (m->count == m->cap) {
        size_t cap = 2 * m->cap;
        struct state *p = malloc(cap * sizeof *p);
        if (!p)
            return fault_nomem(f, "a Split pattern", cap * sizeof *p);
        memcpy(p, m->states, m->count * sizeof *p);
        if (m->states != m->first)
            free(m->states);
        m->states = p;
        m->cap = cap;
    }
    m->states[m->count++] = state;
    return ST_OK;
}

static enum status steps_take(struct machine *m, struct fault *f)
{
    if (*m->steps > 0) {
        --*m->steps;
        return ST_OK;
    }
    return fault_set(f, ST_RANGE, "a Split pattern of the tokenizer takes too many steps");
}

/* Takes code points of the set, as many as go; false if fewer than min do. */
static enum status repeat(struct machine *m, uint32_t pc, size_t *at, bool *ok, struct fault *f)
{
    const struct splitregex_code *code = &m->r->code[pc];
    const struct splitregex_set *set = &m->r->sets[code->set];
    size_t i = *at, low = i;
    uint32_t taken = 0;
    for (; taken < code->max && i < m->n; taken++) {
        size_t next = i;
        if (steps_take(m, f) != ST_OK)
            return f->code;
        if (!set_has(m->r, set, utf8_next(m->s, m->n, &next)))
            break;
        i = next;
        if (taken + 1 == code->min)
            low = i;
    }
    *ok = taken >= code->min;
    *at = i;
    if (*ok && taken > code->min && !code->possessive)
        return state_push(m, (struct state){.pc = pc, .repeat = true, .at = i, .low = low}, f);
    return ST_OK;
}

/* Back to the last choice above base; false if there is none. */
static bool back(struct machine *m, size_t base, uint32_t *pc, size_t *at)
{
    if (m->count == base)
        return false;
    struct state *top = &m->states[m->count - 1];
    *pc = top->pc;
    if (!top->repeat) {
        *at = top->at;
        m->count--;
        return true;
    }
    do
        top->at--;
    while (((unsigned char)m->s[top->at] & 0xC0) == 0x80);
    *at = top->at;
    *pc += 1;
    if (top->at == top->low)
        m->count--;
    return true;
}

static enum status run(struct machine *m, uint32_t pc, size_t at, bool *matched, size_t *end,
                       struct fault *f);

/* Look-ahead and atomic groups: they recurse, no deeper than the pattern's groups. */
static enum status inner(struct machine *m, uint32_t pc, size_t *at, bool *ok, struct fault *f)
{
    const struct splitregex_code *code = &m->r->code[pc];
    size_t end = *at;
    bool matched;
    if (run(m, pc + 1, *at, &matched, &end, f) != ST_OK)
        return f->code;
    *ok = matched != code->negated;
    if (code->op == SPLITREGEX_ATOMIC && matched)
        *at = end;
    return ST_OK;
}

/* As in the library a line begins behind every \n but the last byte, and ends before each. */
static bool line_is(const struct machine *m, size_t at, bool ends)
{
    if (ends)
        return at == m->n || m->s[at] == '\n';
    return at == 0 || (m->s[at - 1] == '\n' && at < m->n);
}

/* Runs from pc on; *end is where the match ends. */
static enum status run(struct machine *m, uint32_t pc, size_t at, bool *matched, size_t *end,
                       struct fault *f)
{
    size_t base = m->count;
    for (;;) {
        const struct splitregex_code *code = &m->r->code[pc];
        bool ok = true;
        enum status st = steps_take(m, f);
        switch (st == ST_OK ? code->op : SPLITREGEX_JUMP) {
        case SPLITREGEX_MATCH:
            m->count = base;
            *matched = true;
            *end = at;
            return ST_OK;
        case SPLITREGEX_JUMP: pc = code->to; break;
        case SPLITREGEX_FORK:
            st = state_push(m, (struct state){.pc = code->to, .at = at}, f);
            pc++;
            break;
        case SPLITREGEX_LOOK:
        case SPLITREGEX_ATOMIC:
            st = inner(m, pc, &at, &ok, f);
            pc = code->to;
            break;
        case SPLITREGEX_LINE:
            ok = line_is(m, at, code->negated);
            pc++;
            break;
        case SPLITREGEX_REPEAT:
            st = repeat(m, pc, &at, &ok, f);
            pc++;
            break;
        }
        if (st != ST_OK)
            return st;
        if (!ok && !back(m, base, &pc, &at)) {
            *matched = false;
            return ST_OK;
        }
    }
}

uint64_t splitregex_steps(size_t n)
{
    return (uint64_t)n * STEPS_PER_BYTE + STEPS_LEAST;
}

/* Where to look next after no match at `at`. A pattern that begins with a run of unbounded length has
 * failed behind every end that the run can have, so also for the starts inside it. */
static enum status next_start(struct machine *m, size_t *at, struct fault *f)
{
    const struct splitregex_code *code = m->r->code;
    bool ok;
    if (code[0].op != SPLITREGEX_JUMP || code[0].to != 1 || code[1].op != SPLITREGEX_REPEAT ||
        code[1].max != SPLITREGEX_NO_LIMIT) {
        utf8_next(m->s, m->n, at);
        return ST_OK;
    }
    size_t from = *at;
    enum status st = repeat(m, 1, at, &ok, f);
    m->count = 0;
    if (*at == from)
        utf8_next(m->s, m->n, at);
    return st;
}

enum status splitregex_find(const struct splitregex *r, const char *s, size_t n, size_t *from,
                            size_t *to, uint64_t *steps, struct fault *f)
{
    struct machine m = {.r = r, .s = s, .n = n, .steps = steps, .cap = INLINE_STATES};
    m.states = m.first;
    bool matched = false;
    size_t at = *from;
    enum status st = ST_OK;
    while (at < n) {
        st = run(&m, 0, at, &matched, to, f);
        if (matched || st != ST_OK)
            break;
        st = next_start(&m, &at, f);
        if (st != ST_OK)
            break;
    }
    if (m.states != m.first)
        free(m.states);
    *from = at;
    if (!matched)
        *to = n;
    return st;
}

void splitregex_close(struct splitregex **r)
{
    if (!*r)
        return;
    free((*r)->code);
    free((*r)->sets);
    free((*r)->ranges);
    free(*r);
    *r = NULL;
}
