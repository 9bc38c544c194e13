#include "data/json_scan.h"

#include <stdbool.h>
#include <string.h>

#include "data/json.h"

/* cJSON reads a number through a buffer of 64 bytes; longer ones it would cut. */
enum { NUMBER_LEN_MAX = 60 };

struct scan {
    const char *s;
    size_t n, i;
    const char *where;
    struct ids *floats;
    int32_t numbers;
    int depth;
    char open[JSON_DEPTH_MAX]; /* '[' or '{' for each container around i */
};

static enum status bad(const struct scan *c, const char *what, struct fault *f)
{
    size_t line = 1, start = 0;
    for (size_t k = 0; k < c->i && k < c->n; k++) {
        if (c->s[k] == '\n') {
            line++;
            start = k + 1;
        }
    }
    if (line > 1)
        return fault_set(f, ST_FORMAT, "%s is not valid JSON at line %zu, column %zu: %s", c->where,
                         line, c->i - start + 1, what);
    return fault_set(f, ST_FORMAT, "%s is not valid JSON at column %zu: %s", c->where, c->i + 1,
                     what);
}

static void skip_blanks(struct scan *c)
{
    while (c->i < c->n && c->s[c->i] != '\0' && strchr(" \t\r\n", c->s[c->i]))
        c->i++;
}

static int peek(const struct scan *c)
{
    return c->i < c->n ? (unsigned char)c->s[c->i] : -1;
}

static bool digit(const struct scan *c)
{
    int k = peek(c);
    return k >= '0' && k <= '9';
}

static enum status scan_digits(struct scan *c, struct fault *f)
{
    if (!digit(c))
        return bad(c, "a number lacks a digit", f);
    while (digit(c))
        c->i++;
    return ST_OK;
}

static enum status scan_number(struct scan *c, struct fault *f)
{
    size_t start = c->i;
    bool is_float = false;
    if (peek(c) == '-')
        c->i++;
    if (peek(c) == '0')
        c->i++;
    else if (scan_digits(c, f) != ST_OK)
        return f->code;
    if (digit(c))
        return bad(c, "a number starts with 0", f);
    if (peek(c) == '.') {
        c->i++;
        is_float = true;
        if (scan_digits(c, f) != ST_OK)
            return f->code;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->i++;
        is_float = true;
        if (peek(c) == '+' || peek(c) == '-')
            c->i++;
        if (scan_digits(c, f) != ST_OK)
            return f->code;
    }
    if (c->i - start > NUMBER_LEN_MAX)
        return bad(c, "a number has more than 60 characters", f);
    if (c->numbers == INT32_MAX)
        return bad(c, "it holds more than 2147483647 numbers", f);
    if (is_float && ids_add(c->floats, c->numbers, f) != ST_OK)
        return f->code;
    c->numbers++;
    return ST_OK;
}

/* The four digits of a \u escape, with i on the u; -1 if they are not there. */
static int hex4(const struct scan *c)
{
    int v = 0;
    if (c->n - c->i < 5)
        return -1;
    for (size_t k = 1; k <= 4; k++) {
        char x = c->s[c->i + k];
        int d = x >= '0' && x <= '9'   ? x - '0'
                : x >= 'a' && x <= 'f' ? x - 'a' + 10
                : x >= 'A' && x <= 'F' ? x - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* With i on the character after the backslash. */
static enum status scan_escape(struct scan *c, struct fault *f)
{
    int k = peek(c);
    if (k > 0 && strchr("\"\\/bfnrt", k)) {
        c->i++;
        return ST_OK;
    }
    if (k != 'u')
        return bad(c, "an unknown escape in a string", f);
    int v = hex4(c);
    if (v < 0)
        return bad(c, "\\u needs four hexadecimal digits", f);
    if (v == 0)
        return bad(c, "a string holds \\u0000", f);
    if (v >= 0xDC00 && v <= 0xDFFF)
        return bad(c, "half of a surrogate pair", f);
    c->i += 5;
    if (v < 0xD800 || v > 0xDBFF)
        return ST_OK;
    if (c->n - c->i < 6 || c->s[c->i] != '\\' || c->s[c->i + 1] != 'u')
        return bad(c, "half of a surrogate pair", f);
    c->i++;
    v = hex4(c);
    if (v < 0xDC00 || v > 0xDFFF)
        return bad(c, "half of a surrogate pair", f);
    c->i += 5;
    return ST_OK;
}

static enum status scan_string(struct scan *c, struct fault *f)
{
    c->i++;
    for (;;) {
        int k = peek(c);
        if (k < 0)
            return bad(c, "a string is not closed", f);
        if (k < 0x20)
            return bad(c, "a control character in a string", f);
        c->i++;
        if (k == '"')
            return ST_OK;
        if (k == '\\' && scan_escape(c, f) != ST_OK)
            return f->code;
    }
}

static enum status scan_word(struct scan *c, struct fault *f)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t k = 0; k < 3; k++) {
        size_t len = strlen(words[k]);
        if (c->n - c->i >= len && memcmp(c->s + c->i, words[k], len) == 0) {
            c->i += len;
            return ST_OK;
        }
    }
    if (peek(c) == 'N' || peek(c) == 'I')
        return bad(c, "NaN and Infinity are no JSON numbers", f);
    return bad(c, c->i < c->n ? "a value was expected" : "it ends where a value was expected", f);
}

static enum status scan_key(struct scan *c, struct fault *f)
{
    skip_blanks(c);
    if (peek(c) != '"')
        return bad(c, "a key in double quotes was expected", f);
    if (scan_string(c, f) != ST_OK)
        return f->code;
    skip_blanks(c);
    if (peek(c) != ':')
        return bad(c, "a colon was expected", f);
    c->i++;
    return ST_OK;
}

/* Reads one scalar or the opening of a container; *entered says that a value must follow. */
static enum status scan_value(struct scan *c, bool *entered, struct fault *f)
{
    *entered = false;
    skip_blanks(c);
    int k = peek(c);
    if (k == '"')
        return scan_string(c, f);
    if (k == '-' || digit(c))
        return scan_number(c, f);
    if (k != '[' && k != '{')
        return scan_word(c, f);
    if (c->depth == JSON_DEPTH_MAX)
        return bad(c, "it is nested too deeply", f);
    c->open[c->depth++] = (char)k;
    c->i++;
    skip_blanks(c);
    if (peek(c) == (k == '[' ? ']' : '}')) {
        c->i++;
        c->depth--;
        return ST_OK;
    }
    *entered = true;
    return k == '{' ? scan_key(c, f) : ST_OK;
}

/* After a value: closes what ends here. *more says that a comma promises another value. */
static enum status scan_end(struct scan *c, bool *more, struct fault *f)
{
    *more = false;
    while (c->depth > 0) {
        char open = c->open[c->depth - 1];
        skip_blanks(c);
        if (peek(c) == ',') {
            c->i++;
            *more = true;
            return open == '{' ? scan_key(c, f) : ST_OK;
        }
        if (peek(c) != (open == '[' ? ']' : '}'))
            return bad(c, open == '[' ? "a comma or ] was expected" : "a comma or } was expected",
                       f);
        c->i++;
        c->depth--;
    }
    return ST_OK;
}

enum status json_scan(struct ids *floats, const char *bytes, size_t n, const char *where,
                      struct fault *f)
{
    struct scan c = {.s = bytes, .n = n, .where = where, .floats = floats};
    if (!utf8_valid(bytes, n, &c.i))
        return bad(&c, "these bytes are not UTF-8", f);
    bool again = true;
    while (again) {
        if (scan_value(&c, &again, f) != ST_OK)
            return f->code;
        if (!again && scan_end(&c, &again, f) != ST_OK)
            return f->code;
    }
    skip_blanks(&c);
    if (c.i < n)
        return bad(&c, "something follows the value", f);
    return ST_OK;
}
