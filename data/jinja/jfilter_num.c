#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

enum { NUMBER_MAX = 400 };

static bool looks_like_number(const struct jstr *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->p[i] || !strchr("0123456789+-_.eE", t->p[i]))
            return false;
    return true;
}

/* The stripped string without its underscores, each of which must stand between digits. */
static bool number_text(struct jrun *r, struct jstr *s, char out[NUMBER_MAX])
{
    const struct jstr *t = jstr_strip(r, s, NULL, true, true).u.s;
    size_t k = 0;
    if (t->n >= NUMBER_MAX && looks_like_number(t))
        jrun_fail(r, ST_UNSUPPORTED, "numbers of %d characters are not supported", NUMBER_MAX);
    if (t->n == 0 || t->n >= NUMBER_MAX)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        char c = t->p[i];
        size_t k8 = i;
        if ((unsigned char)c >= 0x80 && jstr_is_decimal(jstr_next(t, &k8)))
            jrun_fail(r, ST_UNSUPPORTED, "digits other than 0 to 9 are not supported");
        bool inside = i > 0 && i + 1 < t->n && t->p[i - 1] != '_' && t->p[i + 1] != '_';
        if (c == '_' && !inside)
            return false;
        if (c != '_')
            out[k++] = c;
        if (!c)
            return false;
    }
    out[k] = '\0';
    return true;
}

static bool parse_float(struct jrun *r, struct jstr *s, double *out)
{
    char text[NUMBER_MAX], *end;
    if (!number_text(r, s, text))
        return false;
    const char *p = text + (*text == '+' || *text == '-');
    bool word =
        strcasecmp(p, "inf") == 0 || strcasecmp(p, "infinity") == 0 || strcasecmp(p, "nan") == 0;
    if (!word && (strspn(p, "0123456789.eE+-") != strlen(p) || !strpbrk(p, "0123456789")))
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && end != text;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'z' ? c - 'a' + 10
           : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                  : 99;
}

static bool parse_int(struct jrun *r, struct jstr *s, int64_t base, int64_t *out)
{
    char text[NUMBER_MAX];
    if ((base != 0 && base < 2) || base > 36 || !number_text(r, s, text))
        return false;
    const char *p = text + (*text == '+' || *text == '-');
    int64_t sign = *text == '-' ? -1 : 1, v = 0;
    int64_t prefix = p[0] != '0'          ? 0
                     : (p[1] | 32) == 'x' ? 16
                     : (p[1] | 32) == 'o' ? 8
                     : (p[1] | 32) == 'b' ? 2
                                          : 0;
    if (prefix && (base == 0 || base == prefix)) {
        p += 2;
        base = prefix;
    }
    if (base == 0) {
        base = 10;
        if (p[0] == '0' && strspn(p, "0") != strlen(p))
            return false;
    }
    if (!*p)
        return false;
    for (; *p; p++) {
        if (digit(*p) >= base)
            return false;
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, sign * digit(*p), &v))
            jnum_too_big(r);
    }
    *out = v;
    return true;
}

static bool float_to_int(struct jrun *r, double d, int64_t *out)
{
    if (!isfinite(d))
        return false;
    if (fabs(d) >= 9.2e18)
        jnum_too_big(r);
    *out = (int64_t)d;
    return true;
}

static struct jv filter_int(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2];
    int64_t i;
    double d;
    jcall_bind(r, a, "default base", 0, p);
    jv_need_defined(r, v);
    if (v.kind == JV_FLOAT && isinf(v.u.d))
        jrun_fail(r, ST_FORMAT, "cannot convert float infinity to integer");
    if (jv_is_int(v))
        return jv_int(jv_as_int(v));
    if (v.kind == JV_FLOAT && float_to_int(r, v.u.d, &i))
        return jv_int(i);
    if (v.kind == JV_STR && (parse_int(r, v.u.s, jfilter_int(r, p[1], 10), &i) ||
                             (parse_float(r, v.u.s, &d) && float_to_int(r, d, &i))))
        return jv_int(i);
    return p[0].kind == JV_MISSING ? jv_int(0) : p[0];
}

static struct jv filter_float(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p;
    double d;
    jcall_bind(r, a, "default", 0, &p);
    jv_need_defined(r, v);
    if (jv_is_number(v))
        return jv_float(jv_as_float(v));
    if (v.kind == JV_STR && parse_float(r, v.u.s, &d))
        return jv_float(d);
    return p.kind == JV_MISSING ? jv_float(0) : p;
}

static struct jv filter_abs(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    if (v.kind == JV_FLOAT)
        return jv_float(fabs(v.u.d));
    if (!jv_is_int(v))
        jrun_fail_type(r, "an absolute value", v);
    return jnum_negate(r, v, jv_as_int(v) < 0);
}

/* Python's round of an int to tens, hundreds, …: half to even. */
static struct jv round_int(struct jrun *r, int64_t i, int64_t digits)
{
    const int64_t half = 5000000000000000000; /* of the first unit of more than 64 bits */
    int64_t unit = 1;
    if (digits == -19 && (i > half || i < -half))
        jnum_too_big(r);
    if (digits < -18)
        return jv_int(0);
    for (; digits < 0; digits++)
        unit *= 10;
    int64_t rest = jnum_mod(r, i, unit), units = jnum_floordiv(r, i, unit);
    units += rest > unit - rest || (rest == unit - rest && jnum_mod(r, units, 2) == 1);
    if (__builtin_mul_overflow(units, unit, &i))
        jnum_too_big(r);
    return jv_int(i);
}

/* printf rounds the exact binary value, half to even, which is what Python does. */
static double round_float(double d, int64_t digits)
{
    char text[NUMBER_MAX + 40];
    if (!isfinite(d) || digits > 300)
        return d;
    if (digits < -308)
        return 0 * d;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, d);
        if (strlen(text) + 1 >= sizeof text)
            return d;
        return strtod(text, NULL);
    }
    long double unit = powl(10, (long double)-digits);
    return (double)(rintl((long double)d / unit) * unit);
}

static struct jv filter_round(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2];
    jcall_bind(r, a, "precision method", 0, p);
    bool whole = p[0].kind == JV_NONE; /* round(x, None) is an int */
    jrun_spend(r, JREPR_FLOAT_STEPS);
    int64_t digits = whole ? 0 : jfilter_int(r, p[0], 0);
    bool up = p[1].kind != JV_MISSING && jv_is_str(p[1], "ceil");
    bool down = p[1].kind != JV_MISSING && jv_is_str(p[1], "floor");
    if (p[1].kind != JV_MISSING && !up && !down && !jv_is_str(p[1], "common"))
        jrun_fail(r, ST_FORMAT, "round: method must be common, ceil or floor");
    if (!jv_is_number(v))
        jrun_fail_type(r, "a rounded number", v);
    if ((up || down) && whole)
        jrun_fail(r, ST_FORMAT, "round: a precision of None");
    if (up || down) {
        double unit = pow(10, (double)digits), x = jv_as_float(v) * unit;
        if (!isfinite(x) || unit == 0)
            jrun_fail(r, ST_FORMAT, "round: the number is too large");
        double n = up ? ceil(x) : floor(x);
        return jv_float((n == 0 ? 0 : n) / unit); /* Python's is an int: there is no -0 */
    }
    if (v.kind == JV_FLOAT && whole) {
        if (!float_to_int(r, round_float(v.u.d, 0), &digits))
            jrun_fail(r, ST_FORMAT, "round: the number is not finite");
        return jv_int(digits);
    }
    if (v.kind == JV_FLOAT)
        return jv_float(round_float(v.u.d, digits));
    return digits >= 0 ? jv_int(jv_as_int(v)) : round_int(r, jv_as_int(v), digits);
}

const struct jfunc jfilter_num[] = {{"int", filter_int},
                                    {"float", filter_float},
                                    {"abs", filter_abs},
                                    {"round", filter_round},
                                    {NULL, NULL}};
