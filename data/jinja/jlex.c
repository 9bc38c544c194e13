#include "data/jinja/jlex.h"

#include <string.h>

#include "data/jinja/jstr.h"

enum { BALANCE_MAX = 4096 };

struct lex {
    struct jrun *r;
    struct jstr s; /* newlines are \n */
    size_t at;
    int line;
    bool line_start; /* what was matched last ended with a newline */
    struct jtokens out;
    char *open; /* the brackets that wait to be closed */
    size_t n_open;
};

static void push(struct lex *x, enum jtok kind, struct jv v)
{
    struct jtokens *t = &x->out;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct jtoken *p = jrun_allocs(x->r, cap, sizeof *p);
        if (t->n > 0)
            memcpy(p, t->p, t->n * sizeof *p);
        t->p = p;
        t->cap = cap;
    }
    t->p[t->n++] = (struct jtoken){kind, x->line, v};
}

static bool looking_at(const struct lex *x, size_t at, const char *s)
{
    size_t n = strlen(s);
    return n <= x->s.n - at && memcmp(x->s.p + at, s, n) == 0;
}

static size_t skip_space(const struct lex *x, size_t at)
{
    while (at < x->s.n) {
        size_t i = at;
        if (!jstr_is_space(jstr_next(&x->s, &i)))
            break;
        at = i;
    }
    return at;
}

static void move_to(struct lex *x, size_t to)
{
    for (size_t i = x->at; i < to; i++)
        x->line += x->s.p[i] == '\n';
    if (to > x->at)
        x->line_start = x->s.p[to - 1] == '\n';
    x->at = to;
    x->r->line = x->line;
}

/* \r\n and \r become \n, and one newline at the very end is dropped. */
static void normalize(struct lex *x, const char *p, size_t n)
{
    char *q = jrun_allocs(x->r, n + 1, 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\r') {
            q[k++] = '\n';
            i += i + 1 < n && p[i + 1] == '\n';
        } else {
            q[k++] = p[i];
        }
    }
    if (k > 0 && q[k - 1] == '\n')
        k--;
    x->s = (struct jstr){q, k, SIZE_MAX, false};
}

/* Emits source[from, to) as data, shortened as the tag after it asks for. */
static void push_data(struct lex *x, size_t from, size_t to, char sign, bool variable)
{
    if (sign == '-') {
        while (to > from) {
            size_t i = to;
            if (!jstr_is_space(jstr_prev(&x->s, &i)))
                break;
            to = i;
        }
    } else if (sign != '+' && !variable) {
        size_t start = to;
        while (start > from && x->s.p[start - 1] != '\n')
            start--;
        if ((start > from || x->line_start) && skip_space(x, start) >= to)
            to = start;
    }
    if (to > from)
        push(x, JT_DATA, jstr_part(x->r, &x->s, from, to));
}

static char sign_at(const struct lex *x, size_t at)
{
    return at < x->s.n && (x->s.p[at] == '-' || x->s.p[at] == '+') ? x->s.p[at] : '\0';
}

/* The end of "%}" or "#}" at `at` with its sign, white space or newline; 0 if it is not there. */
static size_t tag_end(const struct lex *x, size_t at, const char *close)
{
    size_t n = strlen(close);
    if (looking_at(x, at, close))
        return at + n + (at + n < x->s.n && x->s.p[at + n] == '\n');
    char sign = sign_at(x, at);
    if (!sign || !looking_at(x, at + 1, close))
        return 0;
    return sign == '-' ? skip_space(x, at + 1 + n) : at + 1 + n;
}

/* After "{%" at `at`: the end of "raw %}", or 0. */
static size_t raw_begin(const struct lex *x, size_t at)
{
    at += 2;
    at += sign_at(x, at) != '\0';
    at = skip_space(x, at);
    if (!looking_at(x, at, "raw"))
        return 0;
    at = skip_space(x, at + 3);
    if (looking_at(x, at, "-%}"))
        return skip_space(x, at + 3);
    return looking_at(x, at, "%}") ? at + 2 : 0;
}

static void lex_raw(struct lex *x, size_t begin)
{
    move_to(x, begin);
    for (size_t i = begin; i < x->s.n; i++) {
        if (!looking_at(x, i, "{%"))
            continue;
        size_t at = i + 2;
        char sign = sign_at(x, at);
        at = skip_space(x, at + (sign != '\0'));
        if (!looking_at(x, at, "endraw"))
            continue;
        size_t end = tag_end(x, skip_space(x, at + 6), "%}");
        if (end == 0)
            continue;
        push_data(x, begin, i, sign, false);
        move_to(x, end);
        return;
    }
    if (begin < x->s.n)
        jrun_fail(x->r, ST_FORMAT, "missing end of raw directive");
}

static void lex_comment(struct lex *x, size_t begin)
{
    move_to(x, begin);
    for (size_t i = begin; i < x->s.n; i++) {
        size_t end = tag_end(x, i, "#}");
        if (end) {
            move_to(x, end);
            return;
        }
    }
    if (begin < x->s.n)
        jrun_fail(x->r, ST_FORMAT, "missing end of comment tag");
}

static const struct {
    char text[3];
    enum jtok kind;
} operators[] = {{"//", JT_FLOORDIV}, {"**", JT_POW},     {"==", JT_EQ},    {"!=", JT_NE},
                 {">=", JT_GE},       {"<=", JT_LE},      {"+", JT_ADD},    {"-", JT_SUB},
                 {"/", JT_DIV},       {"*", JT_MUL},      {"%", JT_MOD},    {"~", JT_TILDE},
                 {"[", JT_LBRACKET},  {"]", JT_RBRACKET}, {"(", JT_LPAREN}, {")", JT_RPAREN},
                 {"{", JT_LBRACE},    {"}", JT_RBRACE},   {">", JT_GT},     {"<", JT_LT},
                 {"=", JT_ASSIGN},    {".", JT_DOT},      {":", JT_COLON},  {"|", JT_PIPE},
                 {",", JT_COMMA},     {";", JT_SEMICOLON}};

static void balance(struct lex *x, char c)
{
    static const char pairs[] = "()[]{}";
    const char *hit = strchr(pairs, c);
    if (!hit)
        return;
    if ((hit - pairs) % 2 == 0) {
        if (x->n_open == BALANCE_MAX)
            jrun_too_deep(x->r);
        x->open[x->n_open++] = hit[1];
        return;
    }
    if (x->n_open == 0)
        jrun_fail(x->r, ST_FORMAT, "unexpected '%c'", c);
    if (x->open[--x->n_open] != c)
        jrun_fail(x->r, ST_FORMAT, "unexpected '%c', expected '%c'", c, x->open[x->n_open]);
}

static void lex_operator(struct lex *x)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!looking_at(x, x->at, operators[i].text))
            continue;
        balance(x, operators[i].text[0]);
        push(x, operators[i].kind, jv_missing());
        move_to(x, x->at + strlen(operators[i].text));
        return;
    }
    size_t i = x->at;
    jrun_fail(x->r, ST_FORMAT, "unexpected character U+%04X in a tag", jstr_next(&x->s, &i));
}

static bool digit(const struct lex *x, size_t i)
{
    return i < x->s.n && x->s.p[i] >= '0' && x->s.p[i] <= '9';
}

/* The end of digits with single underscores between them. */
static size_t digits(const struct lex *x, size_t i)
{
    while (digit(x, i) ||
           (i > x->at && i < x->s.n && x->s.p[i] == '_' && digit(x, i - 1) && digit(x, i + 1)))
        i++;
    return i;
}

static size_t exponent(const struct lex *x, size_t i)
{
    if (i >= x->s.n || (x->s.p[i] != 'e' && x->s.p[i] != 'E'))
        return i;
    size_t k = i + 1;
    k += sign_at(x, k) != '\0';
    return digit(x, k) ? digits(x, k) : i;
}

static size_t radix_end(const struct lex *x)
{
    size_t i = x->at;
    if (x->s.p[i] != '0' || i + 1 >= x->s.n)
        return 0;
    char c = (char)(x->s.p[i + 1] | 32);
    const char *set = c == 'x'   ? "0123456789abcdefABCDEF"
                      : c == 'o' ? "01234567"
                      : c == 'b' ? "01"
                                 : NULL;
    if (!set)
        return 0;
    size_t k = i + 2, end = 0;
    for (;;) {
        k += k < x->s.n && x->s.p[k] == '_';
        if (k >= x->s.n || !x->s.p[k] || !strchr(set, x->s.p[k]))
            return end;
        end = ++k;
    }
}

static void lex_number(struct lex *x)
{
    size_t from = x->at, i = digits(x, from), end;
    bool dotted = from > 0 && x->s.p[from - 1] == '.';
    size_t fraction = i < x->s.n && x->s.p[i] == '.' && digit(x, i + 1) ? digits(x, i + 1) : i;
    if (!dotted && (end = exponent(x, fraction)) > i) {
        push(x, JT_FLOAT, jlex_float(x->r, x->s.p + from, end - from));
        move_to(x, end);
        return;
    }
    end = radix_end(x);
    if (!end && x->s.p[from] == '0') { /* zeros alone: 007 is two numbers */
        for (end = from + 1; end < i && (x->s.p[end] == '0' || x->s.p[end] == '_');)
            end++;
        end -= x->s.p[end - 1] == '_';
    } else if (!end) {
        end = i;
    }
    push(x, JT_INT, jlex_int(x->r, x->s.p + from, end - from));
    move_to(x, end);
}

static void lex_string(struct lex *x)
{
    char quote = x->s.p[x->at];
    size_t i = x->at + 1;
    while (i < x->s.n && x->s.p[i] != quote)
        i += x->s.p[i] == '\\' ? 2 : 1;
    if (i >= x->s.n)
        jrun_fail(x->r, ST_FORMAT, "unexpected character '%c'", quote);
    push(x, JT_STRING, jlex_unescape(x->r, x->s.p + x->at + 1, i - x->at - 1));
    move_to(x, i + 1);
}

static bool lex_name(struct lex *x)
{
    size_t end = x->at;
    while (end < x->s.n) {
        size_t i = end;
        uint32_t c = jstr_next(&x->s, &i);
        if (end == x->at ? !jstr_is_name_start(c) : !jstr_is_name_part(c))
            break;
        end = i;
    }
    if (end == x->at)
        return false;
    push(x, JT_NAME, jstr_part(x->r, &x->s, x->at, end));
    move_to(x, end);
    return true;
}

/* One tag, from after its opening and sign. */
static void lex_tag(struct lex *x, bool variable)
{
    while (x->at < x->s.n) {
        jrun_spend(x->r, 1);
        size_t end = 0;
        if (x->n_open == 0 && !variable)
            end = tag_end(x, x->at, "%}");
        else if (x->n_open == 0 && looking_at(x, x->at, "-}}"))
            end = skip_space(x, x->at + 3);
        else if (x->n_open == 0 && looking_at(x, x->at, "}}"))
            end = x->at + 2;
        if (end) {
            push(x, variable ? JT_VAR_END : JT_BLOCK_END, jv_missing());
            move_to(x, end);
            return;
        }
        size_t space = skip_space(x, x->at);
        if (space > x->at)
            move_to(x, space);
        else if (digit(x, x->at))
            lex_number(x);
        else if (x->s.p[x->at] == '\'' || x->s.p[x->at] == '"')
            lex_string(x);
        else if (!lex_name(x))
            lex_operator(x);
    }
}

struct jtokens jlex(struct jrun *r, const char *source, size_t n)
{
    struct lex x = {.r = r, .line = 1, .line_start = true};
    x.open = jrun_alloc(r, BALANCE_MAX);
    r->line = 1;
    normalize(&x, source, n);
    while (x.at < x.s.n) {
        size_t i = x.at;
        while (i < x.s.n && !looking_at(&x, i, "{%") && !looking_at(&x, i, "{{") &&
               !looking_at(&x, i, "{#"))
            i++;
        if (i >= x.s.n) {
            push(&x, JT_DATA, jstr_part(r, &x.s, x.at, x.s.n));
            move_to(&x, x.s.n);
            break;
        }
        char kind = x.s.p[i + 1], sign = sign_at(&x, i + 2);
        push_data(&x, x.at, i, sign, kind == '{');
        size_t raw = kind == '%' ? raw_begin(&x, i) : 0, inside = i + 2 + (sign != '\0');
        if (raw) {
            lex_raw(&x, raw);
        } else if (kind == '#') {
            lex_comment(&x, inside);
        } else {
            move_to(&x, inside);
            push(&x, kind == '{' ? JT_VAR_BEGIN : JT_BLOCK_BEGIN, jv_missing());
            lex_tag(&x, kind == '{');
        }
    }
    push(&x, JT_EOF, jv_missing());
    return x.out;
}
