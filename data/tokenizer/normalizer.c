#include "data/tokenizer/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/unicode.h"

enum status normalizer_pattern(const char **string, const char **regex, const struct json *part,
                               const char *what, const char *where, struct fault *f)
{
    const struct json *p = json_get(part, "pattern");
    const char *s = json_string(json_get(p, "String")), *r = json_string(json_get(p, "Regex"));
    if (!s == !r)
        return fault_set(f, ST_FORMAT, "%s: %s has no pattern of the form String or Regex", where,
                         what);
    if (s ? !*s : !*r)
        return fault_set(f, ST_UNSUPPORTED, "%s: %s with an empty pattern is not supported", where,
                         what);
    *string = s;
    *regex = r;
    return ST_OK;
}

enum status normalizer_add(struct normalizer *nz, enum normalizer_kind kind, struct fault *f)
{
    if (nz->n == nz->cap) {
        size_t cap = nz->cap ? 2 * nz->cap : 4;
        struct normalizer_step *p = realloc(nz->steps, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, "the normalizer", cap * sizeof *p);
        nz->steps = p;
        nz->cap = cap;
    }
    nz->steps[nz->n++] = (struct normalizer_step){.kind = kind};
    return ST_OK;
}

void normalizer_close(struct normalizer *nz)
{
    for (size_t i = 0; i < nz->n; i++) {
        text_free(&nz->steps[i].pattern);
        text_free(&nz->steps[i].text);
    }
    free(nz->steps);
    *nz = (struct normalizer){0};
}

static enum status prepend_read(struct normalizer_step *step, const struct json *v,
                                const char *where, struct fault *f)
{
    const char *s = json_string(json_get(v, "prepend"));
    if (!s)
        return fault_set(f, ST_FORMAT, "%s: the normalizer Prepend has no string prepend", where);
    if (!*s) /* the library breaks down */
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: the normalizer Prepend of nothing is not supported", where);
    return text_adds(&step->text, s, f);
}

static enum status replace_read(struct normalizer_step *step, const struct json *v,
                                const char *where, struct fault *f)
{
    const char *s, *regex, *content = json_string(json_get(v, "content"));
    if (normalizer_pattern(&s, &regex, v, "the normalizer Replace", where, f) != ST_OK)
        return f->code;
    if (regex)
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: the normalizer Replace with the regex %.80s is not supported", where,
                         regex);
    if (!content)
        return fault_set(f, ST_FORMAT, "%s: the normalizer Replace has no string content", where);
    if (text_adds(&step->pattern, s, f) != ST_OK)
        return f->code;
    return text_adds(&step->text, content, f);
}

static enum status strip_read(struct normalizer_step *step, const struct json *v, const char *where,
                              struct fault *f)
{
    if (json_kind(json_get(v, "strip_left")) != JSON_BOOL ||
        json_kind(json_get(v, "strip_right")) != JSON_BOOL)
        return fault_set(f, ST_FORMAT, "%s: the normalizer Strip needs strip_left and strip_right",
                         where);
    step->left = json_bool(json_get(v, "strip_left"), false);
    step->right = json_bool(json_get(v, "strip_right"), false);
    return ST_OK;
}

static enum status step_read(struct normalizer *nz, const struct json *v, const char *type,
                             const char *where, struct fault *f)
{
    static const char *const names[] = {"NFC", "NFD", "Prepend", "Replace", "Strip"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(type, names[i]) != 0)
            continue;
        if (normalizer_add(nz, (enum normalizer_kind)i, f) != ST_OK)
            return f->code;
        struct normalizer_step *step = &nz->steps[nz->n - 1];
        switch (step->kind) {
        case NORMALIZER_PREPEND: return prepend_read(step, v, where, f);
        case NORMALIZER_REPLACE: return replace_read(step, v, where, f);
        case NORMALIZER_STRIP: return strip_read(step, v, where, f);
        default: return ST_OK;
        }
    }
    return fault_set(f, ST_UNSUPPORTED, "%s: the normalizer \"%.60s\" is not supported", where,
                     type);
}

/* Recursion is bounded by the depth that the JSON reader allows. */
static enum status any_read(struct normalizer *nz, const struct json *v, const char *where,
                            struct fault *f)
{
    const char *type = json_string(json_get(v, "type"));
    if (json_kind(v) == JSON_NULL)
        return ST_OK;
    if (!type)
        return fault_set(f, ST_FORMAT, "%s: a normalizer has no type", where);
    if (strcmp(type, "Sequence") != 0)
        return step_read(nz, v, type, where, f);
    const struct json *list = json_get(v, "normalizers");
    if (json_kind(list) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: a normalizer Sequence has no normalizers", where);
    for (const struct json *m = json_first(list); m; m = json_next(m))
        if (any_read(nz, m, where, f) != ST_OK)
            return f->code;
    return ST_OK;
}

size_t normalizer_growth(const struct text *pattern, const struct text *by)
{
    size_t times = 1 + by->n / (pattern->n > 0 ? pattern->n : 1);
    return times < NORMALIZER_GROWTH ? times : NORMALIZER_GROWTH + 1;
}

static enum status growth_check(const struct normalizer *nz, const char *where, struct fault *f)
{
    size_t growth = 1;
    for (size_t i = 0; i < nz->n && growth <= NORMALIZER_GROWTH; i++)
        growth *= normalizer_growth(&nz->steps[i].pattern, &nz->steps[i].text);
    if (growth <= NORMALIZER_GROWTH)
        return ST_OK;
    return fault_set(f, ST_UNSUPPORTED,
                     "%s: normalizers that can make a text more than %d times longer are not "
                     "supported",
                     where, NORMALIZER_GROWTH);
}

enum status normalizer_open(struct normalizer *nz, const struct json *v, const char *where,
                            struct fault *f)
{
    *nz = (struct normalizer){0};
    enum status st = any_read(nz, v, where, f);
    if (st == ST_OK)
        st = growth_check(nz, where, f);
    if (st != ST_OK)
        normalizer_close(nz);
    return st;
}

void rewritten_free(struct rewritten *r)
{
    text_free(&r->text);
    ids_free(&r->ends);
}

void rewritten_take(struct normalized *piece, const struct rewritten *r)
{
    piece->s = r->text.p;
    piece->n = r->text.n;
    if (piece->ends)
        piece->ends = r->ends.p;
}

/* Appends bytes that are new, all of the character that ends at `end`. */
static enum status new_add(struct rewritten *out, const struct text *by, bool ends, int32_t end,
                           struct fault *f)
{
    enum status st = by->n > 0 ? text_add(&out->text, by->p, by->n, f) : ST_OK;
    for (size_t i = 0; ends && i < by->n && st == ST_OK; i++)
        st = ids_add(&out->ends, end, f);
    return st;
}

static enum status slice_add(struct rewritten *out, const struct normalized *piece, size_t from,
                             size_t to, struct fault *f)
{
    enum status st = text_add(&out->text, piece->s + from, to - from, f);
    if (st == ST_OK && piece->ends)
        st = ids_adds(&out->ends, piece->ends + from, to - from, f);
    return st;
}

enum status normalizer_prepend(struct rewritten *out, const struct normalized *piece,
                               const struct text *by, struct fault *f)
{
    return new_add(out, by, piece->ends, piece->ends ? piece->ends[0] : 0, f);
}

enum status normalizer_replace(struct rewritten *out, const struct normalized *piece,
                               const struct text *pattern, const struct text *by, struct fault *f)
{
    const char *s = piece->s;
    size_t n = piece->n, from = 0;
    for (size_t i = 0; i + pattern->n <= n;) {
        const char *hit = memchr(s + i, pattern->p[0], n - pattern->n + 1 - i);
        if (!hit)
            break;
        i = (size_t)(hit - s);
        if (memcmp(hit, pattern->p, pattern->n) != 0) {
            i++;
            continue;
        }
        size_t next = i + pattern->n;
        if (slice_add(out, piece, from, i, f) != ST_OK ||
            new_add(out, by, piece->ends, piece->ends ? piece->ends[next - 1] : 0, f) != ST_OK)
            return f->code;
        from = i = next;
    }
    return slice_add(out, piece, from, n, f);
}

/* Where the library says that the first character of the result comes from: the last character
 * that a replacement took away, or the one after it when the replacement is empty. */
static bool head_after_replace(const struct normalizer_step *step, const struct normalized *piece)
{
    size_t first = 0;
    if (piece->n < step->pattern.n || memcmp(piece->s, step->pattern.p, step->pattern.n) != 0)
        return piece->head;
    utf8_next(step->pattern.p, step->pattern.n, &first);
    return piece->head && first == step->pattern.n && step->text.n > 0;
}

static void strip(const struct normalizer_step *step, struct normalized *piece)
{
    size_t at = 0, start = 0;
    while (step->left && at < piece->n && unicode_space(utf8_next(piece->s, piece->n, &at)))
        start = at;
    piece->head = piece->head && start == 0;
    piece->s += start;
    piece->n -= start;
    if (piece->ends)
        piece->ends += start;
    while (step->right && piece->n > 0) {
        at = piece->n - 1;
        while (at > 0 && ((unsigned char)piece->s[at] & 0xC0) == 0x80)
            at--;
        size_t next = at;
        if (!unicode_space(utf8_next(piece->s, piece->n, &next)))
            break;
        piece->n = at;
    }
}

/* The ends of what unicode_normalize made of the piece: out->text, by what each character takes. */
static enum status takes_follow(struct rewritten *out, const struct normalized *piece,
                                const struct ids *takes, struct fault *f)
{
    size_t from = 0, c = 0;
    int32_t end = piece->ends[0];
    for (size_t i = 0; i < out->text.n; c++) {
        size_t at = i;
        utf8_next(out->text.p, out->text.n, &i);
        for (int32_t k = 0; k < takes->p[c] && from < piece->n; k++) {
            end = piece->ends[from];
            utf8_next(piece->s, piece->n, &from);
        }
        for (; at < i; at++)
            if (ids_add(&out->ends, end, f) != ST_OK)
                return f->code;
    }
    return ST_OK;
}

static enum status compose_run(struct rewritten *out, const struct normalized *piece, bool compose,
                               struct fault *f)
{
    struct ids takes = {0};
    enum status st =
        unicode_normalize(&out->text, piece->ends ? &takes : NULL, piece->s, piece->n, compose, f);
    if (st == ST_OK && piece->ends)
        st = takes_follow(out, piece, &takes, f);
    ids_free(&takes);
    return st;
}

static enum status step_run(const struct normalizer_step *step, struct normalized *piece,
                            struct rewritten *out, struct fault *f)
{
    out->text.n = out->ends.n = 0;
    switch (step->kind) {
    case NORMALIZER_NFC:
    case NORMALIZER_NFD: return compose_run(out, piece, step->kind == NORMALIZER_NFC, f);
    case NORMALIZER_PREPEND:
        if (normalizer_prepend(out, piece, &step->text, f) != ST_OK)
            return f->code;
        return slice_add(out, piece, 0, piece->n, f);
    case NORMALIZER_REPLACE:
        piece->head = head_after_replace(step, piece);
        return normalizer_replace(out, piece, &step->pattern, &step->text, f);
    case NORMALIZER_STRIP: break;
    }
    return ST_OK;
}

enum status normalizer_run(const struct normalizer *nz, struct normalized *piece,
                           struct rewritten buffers[2], struct fault *f)
{
    int side = 0;
    for (size_t i = 0; i < nz->n && piece->n > 0; i++) {
        if (nz->steps[i].kind == NORMALIZER_STRIP) {
            strip(&nz->steps[i], piece);
            continue;
        }
        if (step_run(&nz->steps[i], piece, &buffers[side], f) != ST_OK)
            return f->code;
        rewritten_take(piece, &buffers[side]);
        side = !side;
    }
    return ST_OK;
}
