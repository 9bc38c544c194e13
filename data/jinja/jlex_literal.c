#include <stdlib.h>
#include <string.h>

#include "data/jinja/jeval.h"
#include "data/jinja/jlex.h"
#include "data/jinja/jstr.h"

/* \xhh, \uhhhh, \Uhhhhhhhh: i is at the letter. Returns the index after the escape. */
static size_t hex_escape(struct jrun *r, struct jbuf *b, const char *p, size_t n, size_t i)
{
    size_t digits = p[i] == 'x' ? 2 : p[i] == 'u' ? 4 : 8;
    uint32_t c = 0;
    if (n - i - 1 < digits)
        jrun_fail(r, ST_FORMAT, "truncated \\%c escape in a string", p[i]);
    for (size_t k = 1; k <= digits; k++) {
        int d = text_hex_digit(p[i + k]);
        if (d < 0 || c > 0x0FFFFFFF)
            jrun_fail(r, ST_FORMAT, "malformed \\%c escape in a string", p[i]);
        c = c << 4 | (uint32_t)d;
    }
    if (c > 0x10FFFF)
        jrun_fail(r, ST_FORMAT, "illegal Unicode character in a string");
    if (c >= 0xD800 && c <= 0xDFFF)
        jrun_fail(r, ST_UNSUPPORTED, "half of a surrogate pair in a string");
    jbuf_addc(r, b, c);
    return i + 1 + digits;
}

static size_t octal_escape(struct jrun *r, struct jbuf *b, const char *p, size_t n, size_t i)
{
    uint32_t c = 0;
    size_t end = i + 3 < n ? i + 3 : n;
    for (; i < end && p[i] >= '0' && p[i] <= '7'; i++)
        c = c * 8 + (uint32_t)(p[i] - '0');
    jbuf_addc(r, b, c);
    return i;
}

/* jinja2 escapes what is not ASCII before it decodes escapes, so a backslash before such a
 * character keeps it escaped: "\é" reads \xe9. */
static size_t wide_escape(struct jrun *r, struct jbuf *b, const struct jstr *s, size_t i)
{
    uint32_t c = jstr_next(s, &i);
    jbuf_addf(r, b, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    return i;
}

struct jv jlex_unescape(struct jrun *r, const char *p, size_t n)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    struct jstr s = {p, n, SIZE_MAX, false};
    struct jbuf b = {0};
    if (!memchr(p, '\\', n))
        return jv_str(r, p, n);
    for (size_t i = 0; i < n;) {
        if (p[i] != '\\') {
            size_t start = i;
            while (i < n && p[i] != '\\')
                i++;
            jbuf_add(r, &b, p + start, i - start);
            continue;
        }
        i++; /* the lexer never leaves a backslash last */
        char c = p[i];
        const char *simple = c ? strchr(from, c) : NULL;
        if (simple) {
            jbuf_add(r, &b, &to[simple - from], 1);
            i++;
        } else if (c == 'x' || c == 'u' || c == 'U') {
            i = hex_escape(r, &b, p, n, i);
        } else if (c >= '0' && c <= '7') {
            i = octal_escape(r, &b, p, n, i);
        } else if (c == 'N') {
            jrun_fail(r, ST_UNSUPPORTED, "\\N escapes are not supported");
        } else if (c == '\n') {
            i++;
        } else if ((unsigned char)c >= 0x80) {
            i = wide_escape(r, &b, &s, i);
        } else {
            jbuf_add(r, &b, p + i - 1, 2);
            i++;
        }
    }
    return jbuf_str(r, &b);
}

static char *without_underscores(struct jrun *r, const char *p, size_t n)
{
    char *q = jrun_allocs(r, n + 1, 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] != '_')
            q[k++] = p[i];
    return q;
}

struct jv jlex_int(struct jrun *r, const char *p, size_t n)
{
    char *q = without_underscores(r, p, n);
    int64_t value = 0, base = 10;
    if (q[0] == '0' && q[1] && strchr("xXoObB", q[1])) {
        base = (q[1] | 32) == 'x' ? 16 : (q[1] | 32) == 'o' ? 8 : 2;
        q += 2;
    }
    for (; *q; q++)
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, text_hex_digit(*q), &value))
            jnum_too_big(r);
    return jv_int(value);
}

struct jv jlex_float(struct jrun *r, const char *p, size_t n)
{
    return jv_float(strtod(without_underscores(r, p, n), NULL));
}
