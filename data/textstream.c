#include "data/textstream.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a window; which part of it two have in common; tokens that must be alike there. Every
 * pattern and merge that is known looks ahead and back by less than half of such a stretch, and the
 * overlap holds a hundred of them. */
enum { WINDOW = 1 << 20, OVERLAP_PART = 32, STRETCH = 32 };

struct textstream {
    struct lines *l;
    const struct tokenizer *t;
    const char *path;
    size_t window, reading;   /* reading: what comes next; more where a window has to grow */
    struct text text;         /* from the beginning of the window on */
    uint64_t at;              /* where in the whole that is */
    size_t n;                 /* bytes of text in the window; what follows belongs to the next */
    struct ids ids;           /* the window's tokens ... */
    size_t done;              /* ... and how many were handed on */
    struct ids next, common;  /* those of the next window, and of what the two share */
    struct ids before, after; /* the post-processor's */
    struct tokenizer_memory *words;
    bool begun, ended; /* ended: text has all there is */
};

/* ---- opening --------------------------------------------------------------------------------- */

/* What the post-processor puts around a text of one letter: what ends before it has begun, and what
 * is left over. */
static enum status find_specials(struct textstream *s, struct fault *f)
{
    struct ids all = {0}, ends = {0}, bare = {0};
    enum status st = tokenizer_encode_ends(s->t, &all, &ends, "a", 1, TOKENIZER_ADD_SPECIAL, f);
    if (st == ST_OK)
        st = tokenizer_encode(s->t, &bare, "a", 1, 0, f);
    size_t before = 0;
    while (before < all.n && ends.p[before] == 0)
        before++;
    if (st == ST_OK)
        st = ids_adds(&s->before, all.p, before, f);
    if (st == ST_OK)
        st = ids_adds(&s->after, all.p + before + bare.n, all.n - before - bare.n, f);
    ids_free(&all);
    ids_free(&ends);
    ids_free(&bare);
    return st;
}

enum status textstream_open(struct textstream **out, struct lines *l, const struct tokenizer *t,
                            const char *path, size_t window, struct fault *f)
{
    struct textstream *s = calloc(1, sizeof *s);
    if (!s)
        return fault_nomem(f, "a stream of tokens", sizeof *s);
    s->l = l;
    s->t = t;
    s->path = path;
    s->window = s->reading = window ? window : WINDOW;
    enum status st = find_specials(s, f);
    if (st == ST_OK)
        st = tokenizer_memory_open(&s->words, t, f);
    if (st == ST_OK)
        *out = s;
    else
        textstream_close(&s);
    return st;
}

void textstream_close(struct textstream **out)
{
    struct textstream *s = *out;
    *out = NULL;
    if (!s)
        return;
    text_free(&s->text);
    ids_free(&s->ids);
    ids_free(&s->next);
    ids_free(&s->common);
    ids_free(&s->before);
    ids_free(&s->after);
    tokenizer_memory_close(&s->words);
    free(s);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* The beginning of the character that byte i is part of. */
static size_t character(const struct text *t, size_t i)
{
    for (int back = 0; back < 3 && i > 0 && i < t->n && ((unsigned char)t->p[i] & 0xC0) == 0x80;
         back++)
        i--;
    return i;
}

/* Reads more, and tells how much of the text ends with a character: one that is cut waits for its
 * rest, unless there is none. */
static enum status read_more(struct textstream *s, size_t *whole, struct fault *f)
{
    enum status st = lines_text(s->l, &s->text, s->reading, &s->ended, f);
    *whole = s->text.n;
    if (st == ST_OK && !s->ended && s->text.n > 0) {
        size_t last = character(&s->text, s->text.n - 1), i = last;
        if (utf8_next(s->text.p, s->text.n, &i) == 0xFFFFFFFFu)
            *whole = last;
    }
    return st;
}

static enum status encode(const struct textstream *s, struct ids *ids, size_t from, size_t to,
                          struct fault *f)
{
    size_t bad;
    ids->n = 0;
    if (to == from)
        return ST_OK;
    if (!utf8_valid(s->text.p + from, to - from, &bad)) {
        fault_set(f, ST_FORMAT, "%s is not a text in UTF-8: see its byte %llu", s->path,
                  (unsigned long long)(s->at + from + bad));
        return fault_remedy(f, "save it as UTF-8, or convert it: iconv -f latin1 -t utf-8");
    }
    return tokenizer_encode_again(s->t, s->words, ids, NULL, s->text.p + from, to - from, 0, f);
}

/* Where in the common tokens the windows are joined: amid those that begin the next window and end
 * this one. False if these are too few. */
static bool find_join(const struct textstream *s, size_t *join)
{
    size_t n = s->common.n, high = 0, same = 0;
    while (high < n && high < s->next.n && s->common.p[high] == s->next.p[high])
        high++;
    while (same < n && same < s->ids.n &&
           s->common.p[n - 1 - same] == s->ids.p[s->ids.n - 1 - same])
        same++;
    *join = (n - same + high) / 2;
    return high >= n - same + STRETCH && s->ids.n - (n - *join) >= s->done;
}

/* Hands on the window's tokens up to `to`. */
static enum status hand_on(struct textstream *s, struct ids *ids, size_t to, struct fault *f)
{
    enum status st = to > s->done ? ids_adds(ids, s->ids.p + s->done, to - s->done, f) : ST_OK;
    s->done = to;
    return st;
}

/* The next window, which begins at `cut`, takes the place of this one; `done` of its tokens were
 * handed on with this. */
static void move_on(struct textstream *s, size_t cut, size_t end, size_t done)
{
    struct ids last = s->ids;
    memmove(s->text.p, s->text.p + cut, s->text.n - cut);
    s->text.n -= cut;
    s->at += cut;
    s->n = end - cut;
    s->ids = s->next;
    s->next = last;
    s->done = done;
    s->reading = s->window;
}

/* Joins the window with the next, if they agree. */
static enum status step(struct textstream *s, struct ids *ids, struct fault *f)
{
    size_t overlap = s->window / OVERLAP_PART < s->n ? s->window / OVERLAP_PART : s->n;
    size_t cut = character(&s->text, s->n - overlap), end = 0, join = 0;
    enum status st = read_more(s, &end, f);
    if (st == ST_OK)
        st = encode(s, &s->next, cut, end, f);
    if (st == ST_OK)
        st = encode(s, &s->common, cut, s->n, f);
    if (st != ST_OK)
        return st;
    if (find_join(s, &join)) {
        st = hand_on(s, ids, s->ids.n - (s->common.n - join), f);
    } else if (s->n < TEXTSTREAM_LONGEST) {
        s->n = s->reading = end;
        return encode(s, &s->ids, 0, end, f);
    } else {
        cut = s->n;
        join = 0;
        st = encode(s, &s->next, cut, end, f);
        if (st == ST_OK)
            st = hand_on(s, ids, s->ids.n, f);
    }
    if (st == ST_OK)
        move_on(s, cut, end, join);
    return st;
}

enum status textstream_next(struct textstream *s, struct ids *ids, bool *more, struct fault *f)
{
    enum status st = ST_OK;
    *more = true;
    if (!s->begun) {
        s->begun = true;
        st = read_more(s, &s->n, f);
        if (st == ST_OK)
            st = encode(s, &s->ids, 0, s->n, f);
        if (st == ST_OK)
            st = ids_adds(ids, s->before.p, s->before.n, f);
    } else {
        st = step(s, ids, f);
    }
    if (st != ST_OK || !s->ended || s->n < s->text.n)
        return st;
    *more = false;
    st = hand_on(s, ids, s->ids.n, f);
    return st == ST_OK ? ids_adds(ids, s->after.p, s->after.n, f) : st;
}
