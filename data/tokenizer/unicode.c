#include "data/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

enum {
    HANGUL = 0xAC00,
    HANGUL_END = 0xAC00 + 11172,
    JAMO_L = 0x1100,
    JAMO_V = 0x1161,
    JAMO_T = 0x11A7,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28,
};

static const char category_names[][3] = {
#define X(name) #name,
    UNICODE_CATEGORIES(X)
#undef X
};

uint32_t unicode_set(const char *name, size_t n)
{
    uint32_t set = 0;
    if (n != 1 && n != 2)
        return 0;
    for (size_t i = 0; i < sizeof category_names / sizeof category_names[0]; i++)
        if (memcmp(category_names[i], name, n) == 0)
            set |= 1u << i;
    return set;
}

bool unicode_punctuation(uint32_t c)
{
    uint32_t set = c < 0x80 ? UNICODE_PUNCTUATION | UNICODE_SYMBOL : UNICODE_PUNCTUATION;
    bool is = UNICODE_IS(unicode_class(c), set);
    for (size_t i = 0; i < UNICODE_ODD && c >= unicode_odd[2 * i]; i++)
        if (c <= unicode_odd[2 * i + 1])
            return !is;
    return is;
}

/* Rank of the combining class; 0 is a starter. */
static unsigned mark_rank(uint32_t c)
{
    size_t low = 0, high = UNICODE_MARKS;
    while (low < high) {
        size_t mid = (low + high) / 2;
        uint32_t first = unicode_marks[2 * mid], span = unicode_marks[2 * mid + 1];
        if (c < first)
            high = mid;
        else if (c > first + (span >> 8))
            low = mid + 1;
        else
            return span & 255;
    }
    return 0;
}

static uint32_t pair_composed(uint32_t a, uint32_t b)
{
    if (a - JAMO_L < L_COUNT && b - JAMO_V < V_COUNT)
        return HANGUL + ((a - JAMO_L) * V_COUNT + (b - JAMO_V)) * T_COUNT;
    if (a >= HANGUL && a < HANGUL_END && (a - HANGUL) % T_COUNT == 0 &&
        b - JAMO_T - 1 < T_COUNT - 1)
        return a + (b - JAMO_T);
    size_t low = 0, high = UNICODE_COMPOSE;
    while (low < high) {
        size_t mid = (low + high) / 2;
        const uint32_t *entry = unicode_compose + 3 * mid;
        if (entry[0] == a && entry[1] == b)
            return entry[2];
        if (entry[0] < a || (entry[0] == a && entry[1] < b))
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

/* One run of code points that may change, decomposed: how many of the text's each takes << 32 |
 * rank << 24 | code point. */
struct run {
    uint64_t *p;
    size_t n, cap;
};

static unsigned rank_of(uint64_t v)
{
    return (unsigned)(v >> 24 & 255);
}

static enum status run_add(struct run *r, uint32_t c, uint64_t takes, struct fault *f)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        uint64_t *p = cap <= SIZE_MAX / 16 ? realloc(r->p, cap * sizeof *p) : NULL;
        if (!p)
            return fault_nomem(f, "normalizing text", cap * sizeof *p);
        r->p = p;
        r->cap = cap;
    }
    r->p[r->n++] = takes << 32 | mark_rank(c) << 24 | c;
    return ST_OK;
}

static enum status run_add_decomposed(struct run *r, uint32_t c, struct fault *f)
{
    if (c >= HANGUL && c < HANGUL_END) {
        uint32_t s = c - HANGUL, t = s % T_COUNT;
        enum status st = run_add(r, JAMO_L + s / (V_COUNT * T_COUNT), 1, f);
        if (st == ST_OK)
            st = run_add(r, JAMO_V + s % (V_COUNT * T_COUNT) / T_COUNT, 0, f);
        return st == ST_OK && t ? run_add(r, JAMO_T + t, 0, f) : st;
    }
    size_t low = 0, high = UNICODE_DECOMPOSE;
    while (low < high) {
        size_t mid = (low + high) / 2;
        uint32_t key = unicode_decompose[2 * mid], at = unicode_decompose[2 * mid + 1];
        if (key == c) {
            for (uint32_t i = 0; i < (at & 7); i++)
                if (run_add(r, unicode_decompose_pool[(at >> 3) + i], i == 0, f) != ST_OK)
                    return f->code;
            return ST_OK;
        }
        if (key < c)
            low = mid + 1;
        else
            high = mid;
    }
    return run_add(r, c, 1, f);
}

/* Stable sort by rank: by insertion when short, else by counting, so that a megabyte of marks
 * takes linear time. */
static enum status marks_sort(uint64_t *p, size_t n, struct fault *f)
{
    if (n <= 32) {
        for (size_t i = 1; i < n; i++) {
            uint64_t v = p[i];
            size_t j = i;
            for (; j > 0 && rank_of(p[j - 1]) > rank_of(v); j--)
                p[j] = p[j - 1];
            p[j] = v;
        }
        return ST_OK;
    }
    size_t at[257] = {0};
    uint64_t *copy = malloc(n * sizeof *copy);
    if (!copy)
        return fault_nomem(f, "normalizing text", n * sizeof *copy);
    memcpy(copy, p, n * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        at[rank_of(copy[i]) + 1]++;
    for (int i = 0; i < 256; i++)
        at[i + 1] += at[i];
    for (size_t i = 0; i < n; i++)
        p[at[rank_of(copy[i])]++] = copy[i];
    free(copy);
    return ST_OK;
}

static enum status run_order(struct run *r, struct fault *f)
{
    for (size_t i = 0; i < r->n;) {
        size_t end = i + 1;
        if (rank_of(r->p[i]))
            end = i;
        size_t first = end;
        while (end < r->n && rank_of(r->p[end]))
            end++;
        if (end - first > 1 && marks_sort(r->p + first, end - first, f) != ST_OK)
            return f->code;
        i = end;
    }
    return ST_OK;
}

/* Composes in place. A mark is blocked when one of at least its rank stands between. */
static void run_compose(struct run *r)
{
    size_t starter = SIZE_MAX, out = 0;
    uint32_t last = 0; /* rank of the last mark kept since the starter */
    for (size_t i = 0; i < r->n; i++) {
        uint64_t v = r->p[i];
        uint32_t rank = rank_of(v), c = v & 0xFFFFFF;
        bool adjacent = starter != SIZE_MAX && out == starter + 1;
        if (starter != SIZE_MAX && (adjacent || (rank > last && rank))) {
            uint32_t both = pair_composed(r->p[starter] & 0xFFFFFF, c);
            if (both) {
                r->p[starter] = ((r->p[starter] >> 32) + (v >> 32)) << 32 | both;
                continue;
            }
        }
        if (rank == 0)
            starter = out;
        last = rank;
        r->p[out++] = v;
    }
    r->n = out;
}

static enum status run_flush(struct run *r, struct text *out, struct ids *takes, bool compose,
                             struct fault *f)
{
    if (run_order(r, f) != ST_OK)
        return f->code;
    if (compose)
        run_compose(r);
    for (size_t i = 0; i < r->n; i++)
        if (text_addc(out, r->p[i] & 0xFFFFFF, f) != ST_OK ||
            (takes && ids_add(takes, (int32_t)(r->p[i] >> 32), f) != ST_OK))
            return f->code;
    r->n = 0;
    return ST_OK;
}

/* Copies what does not change. */
static enum status plain_add(struct text *out, struct ids *takes, const char *s, size_t n,
                             struct fault *f)
{
    enum status st = text_add(out, s, n, f);
    for (size_t i = 0; takes && i < n && st == ST_OK; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            st = ids_add(takes, 1, f);
    return st;
}

enum status unicode_normalize(struct text *out, struct ids *takes, const char *s, size_t n,
                              bool compose, struct fault *f)
{
    struct run r = {0};
    size_t copied = 0, before = 0; /* before: where the last plain code point starts */
    enum status st = ST_OK;
    for (size_t i = 0; i < n && st == ST_OK;) {
        size_t at = i;
        if ((unsigned char)s[i] < 0xC0) { /* nothing below U+00C0 is flagged */
            before = i++;
            continue;
        }
        uint32_t c = utf8_next(s, n, &i);
        if (!(unicode_class(c) & UNICODE_NORMAL)) {
            before = at;
            continue;
        }
        /* The flagged run, and the plain starter before it that may take part. */
        size_t from = at > before && before >= copied ? before : at;
        st = plain_add(out, takes, s + copied, from - copied, f);
        for (i = from; i < n && st == ST_OK;) {
            size_t next = i;
            c = utf8_next(s, n, &next);
            if (i >= at && !(unicode_class(c) & UNICODE_NORMAL))
                break;
            st = run_add_decomposed(&r, c, f);
            i = next;
        }
        if (st == ST_OK)
            st = run_flush(&r, out, takes, compose, f);
        copied = before = i;
    }
    if (st == ST_OK)
        st = plain_add(out, takes, s + copied, n - copied, f);
    free(r.p);
    return st;
}
