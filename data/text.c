#include "data/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `more` elements of `size` bytes after n; grows by half as much again. */
static enum status reserve(void **p, size_t *cap, size_t n, size_t more, size_t size,
                           struct fault *f)
{
    if (more <= *cap - n && *cap > 0)
        return ST_OK;
    if (more > SIZE_MAX / 2 / size - n)
        return fault_nomem(f, "a buffer", (unsigned long long)more * size);
    size_t want = n + more, grown = *cap + *cap / 2 + 16;
    if (want < grown)
        want = grown;
    void *q = realloc(*p, want * size);
    if (!q)
        return fault_nomem(f, "a buffer", (unsigned long long)want * size);
    *p = q;
    *cap = want;
    return ST_OK;
}

enum status text_add(struct text *t, const char *bytes, size_t n, struct fault *f)
{
    void *p = t->p;
    if (n >= SIZE_MAX / 2)
        return fault_nomem(f, "a buffer", n);
    enum status s = reserve(&p, &t->cap, t->n, n + 1, 1, f);
    if (s != ST_OK)
        return s;
    t->p = p;
    if (n > 0)
        memcpy(t->p + t->n, bytes, n);
    t->n += n;
    t->p[t->n] = '\0';
    return ST_OK;
}

enum status text_adds(struct text *t, const char *string, struct fault *f)
{
    return text_add(t, string, strlen(string), f);
}

enum status text_addf(struct text *t, struct fault *f, const char *fmt, ...)
{
    char small[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0)
        return fault_set(f, ST_FORMAT, "a text could not be formatted");
    if ((size_t)n < sizeof small)
        return text_add(t, small, (size_t)n, f);
    char *big = malloc((size_t)n + 1);
    if (!big)
        return fault_nomem(f, "a text", (unsigned long long)n + 1);
    va_start(ap, fmt);
    vsnprintf(big, (size_t)n + 1, fmt, ap);
    va_end(ap);
    enum status s = text_add(t, big, (size_t)n, f);
    free(big);
    return s;
}

enum status text_addc(struct text *t, uint32_t c, struct fault *f)
{
    char b[4];
    size_t n = 1;
    if (c < 0x80) {
        b[0] = (char)c;
    } else if (c < 0x800) {
        b[0] = (char)(0xC0 | c >> 6);
        b[1] = (char)(0x80 | (c & 63));
        n = 2;
    } else if (c < 0x10000) {
        b[0] = (char)(0xE0 | c >> 12);
        b[1] = (char)(0x80 | (c >> 6 & 63));
        b[2] = (char)(0x80 | (c & 63));
        n = 3;
    } else {
        b[0] = (char)(0xF0 | c >> 18);
        b[1] = (char)(0x80 | (c >> 12 & 63));
        b[2] = (char)(0x80 | (c >> 6 & 63));
        b[3] = (char)(0x80 | (c & 63));
        n = 4;
    }
    return text_add(t, b, n, f);
}

void text_free(struct text *t)
{
    free(t->p);
    *t = (struct text){0};
}

bool text_ends(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

int text_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

enum status ids_add(struct ids *a, int32_t id, struct fault *f)
{
    return ids_adds(a, &id, 1, f);
}

enum status ids_adds(struct ids *a, const int32_t *p, size_t n, struct fault *f)
{
    void *q = a->p;
    enum status s = reserve(&q, &a->cap, a->n, n, sizeof *a->p, f);
    if (s != ST_OK)
        return s;
    a->p = q;
    if (n > 0)
        memcpy(a->p + a->n, p, n * sizeof *p);
    a->n += n;
    return ST_OK;
}

void ids_free(struct ids *a)
{
    free(a->p);
    *a = (struct ids){0};
}

uint32_t utf8_next(const char *s, size_t n, size_t *i)
{
    const unsigned char *u = (const unsigned char *)s + *i;
    size_t left = n - *i;
    uint32_t c = u[0];
    *i += 1;
    if (c < 0x80)
        return c;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
    if (c < 0xC2 || c > 0xF4 || left <= (size_t)more)
        return 0xFFFFFFFFu;
    c &= 0x3Fu >> more;
    for (int k = 1; k <= more; k++) {
        if ((u[k] & 0xC0) != 0x80)
            return 0xFFFFFFFFu;
        c = c << 6 | (u[k] & 0x3Fu);
    }
    if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0xFFFFFFFFu;
    *i += (size_t)more;
    return c;
}

int utf8_valid(const char *s, size_t n, size_t *bad)
{
    for (size_t i = 0; i < n;) {
        size_t at = i;
        if (utf8_next(s, n, &i) == 0xFFFFFFFFu) {
            if (bad)
                *bad = at;
            return 0;
        }
    }
    return 1;
}

const struct blob *blobs_find(const struct blobs *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->p[i].name, name) == 0)
            return &b->p[i];
    return NULL;
}

enum status blobs_add(struct blobs *b, const char *name, const void *data, size_t size,
                      struct fault *f)
{
    void *p = b->p;
    enum status s = reserve(&p, &b->cap, b->n, 1, sizeof *b->p, f);
    if (s != ST_OK)
        return s;
    b->p = p;
    struct blob *x = &b->p[b->n];
    x->name = strdup(name);
    x->data = malloc(size + 1); /* a NUL after the last byte, so that text files are C strings */
    x->size = size;
    if (!x->name || !x->data) {
        free(x->name);
        free(x->data);
        return fault_nomem(f, name, size);
    }
    if (size > 0)
        memcpy(x->data, data, size);
    x->data[size] = 0;
    b->n++;
    return ST_OK;
}

void blobs_free(struct blobs *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free(b->p[i].name);
        free(b->p[i].data);
    }
    free(b->p);
    *b = (struct blobs){0};
}
