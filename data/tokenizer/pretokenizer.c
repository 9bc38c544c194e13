#include "data/tokenizer/pretokenizer.h"

#include <string.h>

#include "data/tokenizer/bpe.h"
#include "data/tokenizer/unicode.h"

/* ---- matches ---------------------------------------------------------------------------------- */

static bool one_matches(const struct pretokenizer_step *step, uint32_t c)
{
    if (step->match == MATCH_MARK)
        return unicode_punctuation(c);
    return step->match == MATCH_SPACE ? unicode_space(c) : unicode_class(c) & UNICODE_NUMERIC;
}

/* The first match at or after *from, which becomes n where there is none. */
static enum status match_find(struct pretokenizer_run *run, const struct pretokenizer_step *step,
                              const char *s, size_t n, size_t *from, size_t *to, struct fault *f)
{
    size_t i = *from, next = i;
    if (step->match == MATCH_SCAN) {
        *to = step->scan(s, n, i);
        return ST_OK;
    }
    if (step->match == MATCH_REGEX)
        return splitregex_find(step->regex, s, n, from, to, &run->steps, f);
    if (step->match == MATCH_LITERAL) {
        const char *hit = NULL;
        if (n - i >= step->literal.n)
            hit = memmem(s + i, n - i, step->literal.p, step->literal.n);
        *from = hit ? (size_t)(hit - s) : n;
        *to = hit ? *from + step->literal.n : n;
        return ST_OK;
    }
    for (; i < n; i = next)
        if (one_matches(step, utf8_next(s, n, &next)))
            break;
    *from = i;
    *to = i < n ? next : n;
    return ST_OK;
}

/* ---- behaviors -------------------------------------------------------------------------------- */

static enum status piece_run(struct pretokenizer_run *run, size_t k, struct normalized piece,
                             struct fault *f);

/* One split under way: the piece that is not handed on yet, because the next part may join it. */
struct cut {
    struct pretokenizer_run *run;
    size_t step;
    const struct normalized *of;
    bool waits, matched; /* a piece waits; the last part was a match */
    size_t at, end;      /* the waiting piece */
};

static enum status cut_hand_on(struct cut *c, struct fault *f)
{
    bool waits = c->waits && c->end > c->at;
    c->waits = false;
    if (!waits)
        return ST_OK;
    struct normalized piece = {.s = c->of->s + c->at,
                               .n = c->end - c->at,
                               .head = c->of->head && c->at == 0,
                               .ends = c->of->ends ? c->of->ends + c->at : NULL};
    return piece_run(c->run, c->step + 1, piece, f);
}

/* Takes the next part of the text, a match or what is between matches. */
static enum status cut_part(struct cut *c, size_t at, size_t end, bool match, struct fault *f)
{
    const struct pretokenizer_step *step = &c->run->p->steps[c->step];
    bool joins = false, was = c->matched;
    match = match != step->invert;
    c->matched = match;
    switch (step->behavior) {
    case SPLIT_REMOVED:
        if (match)
            return ST_OK;
        break;
    case SPLIT_ISOLATED: break;
    case SPLIT_CONTIGUOUS: joins = match == was; break;
    case SPLIT_MERGED_WITH_PREVIOUS: joins = match && !was; break;
    case SPLIT_MERGED_WITH_NEXT: joins = !match && was; break;
    }
    if (joins && c->waits) {
        c->end = end;
        return ST_OK;
    }
    if (cut_hand_on(c, f) != ST_OK)
        return f->code;
    c->at = at;
    c->end = end;
    c->waits = true;
    return ST_OK;
}

static enum status split_run(struct pretokenizer_run *run, size_t k, const struct normalized *piece,
                             struct fault *f)
{
    struct cut c = {.run = run, .step = k, .of = piece};
    size_t n = piece->n;
    for (size_t done = 0; done < n;) {
        size_t at = done, end = n;
        if (match_find(run, &run->p->steps[k], piece->s, n, &at, &end, f) != ST_OK)
            return f->code;
        if (at > done && cut_part(&c, done, at, false, f) != ST_OK)
            return f->code;
        if (at < n && cut_part(&c, at, end, true, f) != ST_OK)
            return f->code;
        done = end;
    }
    return cut_hand_on(&c, f);
}

/* ---- steps ------------------------------------------------------------------------------------ */

/* Rewriting takes steps, too: cuts and prefixes in turn make a text longer without end. */
static enum status steps_take(struct pretokenizer_run *run, size_t n, struct fault *f)
{
    if (run->steps < n)
        return fault_set(f, ST_RANGE, "the pre-tokenizers of the tokenizer take too many steps");
    run->steps -= n;
    return ST_OK;
}

/* Puts the prefix before the piece and Metaspace's mark in the place of its spaces. */
static enum status rewrite(struct pretokenizer_run *run, size_t k, struct normalized *piece,
                           struct fault *f)
{
    const struct pretokenizer_step *step = &run->p->steps[k];
    const struct text space = {.p = (char[]){" "}, .n = 1};
    bool prefixed =
        piece->n >= step->prefix.n && memcmp(piece->s, step->prefix.p, step->prefix.n) == 0;
    if (step->metaspace && *piece->s == ' ')
        prefixed = true;
    bool prepend = !prefixed && (step->prepend == PREPEND_ALWAYS ||
                                 (step->prepend == PREPEND_FIRST && piece->head));
    bool replace = step->metaspace && memchr(piece->s, ' ', piece->n);
    struct rewritten *out = &run->buffers[k];
    out->text.n = out->ends.n = 0;
    if (!prepend && !replace)
        return ST_OK;
    if (steps_take(run, piece->n, f) != ST_OK)
        return f->code;
    if (prepend && normalizer_prepend(out, piece, &step->prefix, f) != ST_OK)
        return f->code;
    enum status st = normalizer_replace(out, piece, &space, replace ? &step->literal : &space, f);
    if (st == ST_OK)
        rewritten_take(piece, out);
    return st;
}

/* Bytes to characters of the alphabet, for parts that come after ByteLevel. */
static enum status alphabet_run(struct pretokenizer_run *run, size_t k, struct normalized *piece,
                                struct fault *f)
{
    struct rewritten *out = &run->buffers[k];
    out->text.n = out->ends.n = 0;
    if (steps_take(run, piece->n, f) != ST_OK)
        return f->code;
    for (size_t i = 0; i < piece->n; i++) {
        if (text_addc(&out->text, bpe_char_of((unsigned char)piece->s[i]), f) != ST_OK)
            return f->code;
        while (piece->ends && out->ends.n < out->text.n)
            if (ids_add(&out->ends, piece->ends[i], f) != ST_OK)
                return f->code;
    }
    rewritten_take(piece, out);
    return ST_OK;
}

static enum status piece_run(struct pretokenizer_run *run, size_t k, struct normalized piece,
                             struct fault *f)
{
    if (k == run->p->n)
        return run->emit(run->context, &piece, f);
    const struct pretokenizer_step *step = &run->p->steps[k];
    if ((step->metaspace || step->prepend != PREPEND_NEVER) && rewrite(run, k, &piece, f) != ST_OK)
        return f->code;
    if (step->alphabet && alphabet_run(run, k, &piece, f) != ST_OK)
        return f->code;
    return step->splits ? split_run(run, k, &piece, f) : piece_run(run, k + 1, piece, f);
}

enum status pretokenizer_run(struct pretokenizer_run *run, const struct normalized *piece,
                             struct fault *f)
{
    return piece->n > 0 ? piece_run(run, 0, *piece, f) : ST_OK;
}

void pretokenizer_run_close(struct pretokenizer_run *run)
{
    for (size_t i = 0; i < PRETOKENIZER_STEPS; i++)
        rewritten_free(&run->buffers[i]);
}
