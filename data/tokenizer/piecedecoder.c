#include "data/tokenizer/piecedecoder.h"

#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/bpe.h"
#include "data/tokenizer/normalizer.h"

#define REPLACEMENT "\xEF\xBF\xBD"

enum status pieces_add(struct pieces *p, const char *s, size_t n, struct fault *f)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        size_t *ends = cap <= SIZE_MAX / 16 ? realloc(p->ends, cap * sizeof *ends) : NULL;
        if (!ends)
            return fault_nomem(f, "decoding", cap * sizeof *ends);
        p->ends = ends;
        p->cap = cap;
    }
    if (text_add(&p->bytes, s, n, f) != ST_OK)
        return f->code;
    p->ends[p->n++] = p->bytes.n;
    return ST_OK;
}

void pieces_free(struct pieces *p)
{
    text_free(&p->bytes);
    free(p->ends);
    *p = (struct pieces){0};
}

static const char *piece_at(const struct pieces *p, size_t i, size_t *n)
{
    size_t at = i > 0 ? p->ends[i - 1] : 0;
    *n = p->ends[i] - at;
    return p->bytes.p + at;
}

/* Length of the valid UTF-8 sequence at s, or minus the length of what one U+FFFD stands for: the
 * longest start of a valid sequence, as in Rust, Python and the web. */
static int utf8_part(const unsigned char *s, size_t n)
{
    int need = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (need == 0 || s[0] > 0xF4)
        return -1;
    unsigned char low = 0x80, high = 0xBF;
    if (s[0] == 0xE0)
        low = 0xA0;
    if (s[0] == 0xED)
        high = 0x9F;
    if (s[0] == 0xF0)
        low = 0x90;
    if (s[0] == 0xF4)
        high = 0x8F;
    for (int i = 1; i < need; i++) {
        if ((size_t)i >= n || s[i] < low || s[i] > high)
            return -i;
        low = 0x80;
        high = 0xBF;
    }
    return need;
}

/* Appends bytes as text: what is not UTF-8 becomes U+FFFD. */
static enum status lossy_add(struct text *out, const char *s, size_t n, struct fault *f)
{
    size_t from = 0, i = 0;
    while (i < n) {
        int part = utf8_part((const unsigned char *)s + i, n - i);
        if (part > 0) {
            i += (size_t)part;
            continue;
        }
        if (text_add(out, s + from, i - from, f) != ST_OK ||
            text_add(out, REPLACEMENT, 3, f) != ST_OK)
            return f->code;
        i += (size_t)-part;
        from = i;
    }
    return text_add(out, s + from, n - from, f);
}

/* One piece of all: a piece with a character outside the alphabet stands for itself. */
static enum status byte_level_run(const struct pieces *in, struct pieces *out, struct fault *f)
{
    struct text bytes = {0}, text = {0};
    enum status st = ST_OK;
    for (size_t p = 0; p < in->n && st == ST_OK; p++) {
        size_t n, before = bytes.n;
        const char *s = piece_at(in, p, &n);
        for (size_t i = 0; i < n && st == ST_OK;) {
            int byte = bpe_byte_of(utf8_next(s, n, &i));
            char c = (char)byte;
            if (byte >= 0) {
                st = text_add(&bytes, &c, 1, f);
                continue;
            }
            bytes.n = before;
            st = text_add(&bytes, s, n, f);
            break;
        }
    }
    if (st == ST_OK && bytes.n > 0)
        st = lossy_add(&text, bytes.p, bytes.n, f);
    if (st == ST_OK)
        st = pieces_add(out, text.p, text.n, f);
    text_free(&bytes);
    text_free(&text);
    return st;
}

/* The byte of "<0xNN>", or -1. Rust's number parser also takes "+N". */
static int fallback_byte(const char *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
        return -1;
    int high = s[3] == '+' ? 0 : text_hex_digit(s[3]), low = text_hex_digit(s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The bytes gathered so far become one piece, or as many U+FFFD as there are bytes. */
static enum status fallback_flush(struct text *bytes, struct pieces *out, struct fault *f)
{
    size_t n = bytes->n;
    bytes->n = 0;
    if (n > 0 && utf8_valid(bytes->p, n, NULL))
        return pieces_add(out, bytes->p, n, f);
    for (size_t i = 0; i < n; i++)
        if (pieces_add(out, REPLACEMENT, 3, f) != ST_OK)
            return f->code;
    return ST_OK;
}

static enum status byte_fallback_run(const struct pieces *in, struct pieces *out, struct fault *f)
{
    struct text bytes = {0};
    enum status st = ST_OK;
    for (size_t p = 0; p < in->n && st == ST_OK; p++) {
        size_t n;
        const char *s = piece_at(in, p, &n);
        int byte = fallback_byte(s, n);
        char c = (char)byte;
        if (byte >= 0) {
            st = text_add(&bytes, &c, 1, f);
            continue;
        }
        st = fallback_flush(&bytes, out, f);
        if (st == ST_OK)
            st = pieces_add(out, s, n, f);
    }
    if (st == ST_OK)
        st = fallback_flush(&bytes, out, f);
    text_free(&bytes);
    return st;
}

/* Cuts the character off the start and the end of every piece. */
static enum status strip_run(const struct piecedecoder_step *step, const struct pieces *in,
                             struct pieces *out, struct fault *f)
{
    const struct text *c = &step->pattern;
    for (size_t p = 0; p < in->n; p++) {
        size_t n;
        const char *s = piece_at(in, p, &n);
        for (size_t i = 0; i < step->start && n >= c->n && memcmp(s, c->p, c->n) == 0; i++) {
            s += c->n;
            n -= c->n;
        }
        for (size_t i = 0; i < step->stop && n >= c->n; i++) {
            if (memcmp(s + n - c->n, c->p, c->n) != 0)
                break;
            n -= c->n;
        }
        if (pieces_add(out, s, n, f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

static enum status replace_run(const struct piecedecoder_step *step, const struct pieces *in,
                               struct pieces *out, struct fault *f)
{
    const struct text nothing = {0};
    struct rewritten to = {0};
    enum status st = ST_OK;
    for (size_t p = 0; p < in->n && st == ST_OK; p++) {
        struct normalized piece = {0};
        piece.s = piece_at(in, p, &piece.n);
        to.text.n = 0;
        st = normalizer_replace(&to, &piece, &step->pattern,
                                step->drop && p == 0 ? &nothing : &step->text, f);
        if (st == ST_OK)
            st = pieces_add(out, to.text.p, to.text.n, f);
    }
    rewritten_free(&to);
    return st;
}

static enum status step_run(const struct piecedecoder_step *step, const struct pieces *in,
                            struct pieces *out, struct fault *f)
{
    switch (step->kind) {
    case DECODE_BYTE_LEVEL: return byte_level_run(in, out, f);
    case DECODE_BYTE_FALLBACK: return byte_fallback_run(in, out, f);
    case DECODE_FUSE: return pieces_add(out, in->bytes.p, in->bytes.n, f);
    case DECODE_STRIP: return strip_run(step, in, out, f);
    case DECODE_REPLACE:
    case DECODE_METASPACE: return replace_run(step, in, out, f);
    }
    return ST_OK;
}

enum status piecedecoder_run(const struct piecedecoder *d, struct pieces *pieces, struct text *out,
                             struct fault *f)
{
    struct pieces next = {0};
    enum status st = ST_OK;
    for (size_t k = 0; k < d->n && st == ST_OK; k++) {
        st = step_run(&d->steps[k], pieces, &next, f);
        struct pieces old = *pieces;
        *pieces = next;
        next = old;
        next.n = next.bytes.n = 0;
    }
    for (size_t p = 0; p < pieces->n && st == ST_OK; p++) {
        size_t n;
        const char *s = piece_at(pieces, p, &n);
        if (d->joins_by_space && p > 0)
            st = text_add(out, " ", 1, f);
        if (st == ST_OK)
            st = text_add(out, s, n, f);
    }
    pieces_free(&next);
    return st;
}
