#include <math.h>

#include "data/jinja/jeval.h"
#include "data/jinja/jformat.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

void jnum_too_big(struct jrun *r)
{
    jrun_fail(r, ST_UNSUPPORTED, "integers of more than 64 bits are not supported");
}

static _Noreturn void by_zero(struct jrun *r)
{
    jrun_fail(r, ST_FORMAT, "division by zero");
}

int64_t jnum_floordiv(struct jrun *r, int64_t a, int64_t b)
{
    if (b == 0)
        by_zero(r);
    if (a == INT64_MIN && b == -1)
        jnum_too_big(r);
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t jnum_mod(struct jrun *r, int64_t a, int64_t b)
{
    if (b == 0)
        by_zero(r);
    if (b == -1)
        return 0;
    int64_t m = a % b;
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

static struct jv int_pow(struct jrun *r, int64_t a, int64_t b)
{
    int64_t v = 1;
    if (b < 0) {
        if (a == 0)
            by_zero(r);
        return jv_float(pow((double)a, (double)b));
    }
    while (b > 0) {
        if ((b & 1) && __builtin_mul_overflow(v, a, &v))
            jnum_too_big(r);
        b >>= 1;
        if (b > 0 && __builtin_mul_overflow(a, a, &a))
            jnum_too_big(r);
    }
    return jv_int(v);
}

static struct jv int_binary(struct jrun *r, enum jop op, int64_t a, int64_t b)
{
    int64_t v = 0;
    bool over = false;
    switch (op) {
    case JOP_ADD: over = __builtin_add_overflow(a, b, &v); break;
    case JOP_SUB: over = __builtin_sub_overflow(a, b, &v); break;
    case JOP_MUL: over = __builtin_mul_overflow(a, b, &v); break;
    case JOP_DIV:
        if (b == 0)
            by_zero(r);
        return jv_float((double)((long double)a / (long double)b));
    case JOP_FLOORDIV: v = jnum_floordiv(r, a, b); break;
    case JOP_MOD: v = jnum_mod(r, a, b); break;
    default: return int_pow(r, a, b);
    }
    if (over)
        jnum_too_big(r);
    return jv_int(v);
}

/* CPython's float_divmod. */
static double float_mod(double a, double b, double *quotient)
{
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
            mod += b;
            div -= 1;
        }
    } else {
        mod = copysign(0, b);
    }
    if (div != 0) {
        *quotient = floor(div);
        if (div - *quotient > 0.5)
            *quotient += 1;
    } else {
        *quotient = copysign(0, a / b);
    }
    return mod;
}

static struct jv float_pow(struct jrun *r, double a, double b)
{
    if (a == 0 && b < 0)
        by_zero(r);
    if (a < 0 && isfinite(a) && isfinite(b) && floor(b) != b)
        jrun_fail(r, ST_UNSUPPORTED, "complex numbers are not supported");
    double v = pow(a, b);
    if (isinf(v) && isfinite(a) && isfinite(b))
        jrun_fail(r, ST_FORMAT, "the result of ** is too large");
    return jv_float(v);
}

static struct jv float_binary(struct jrun *r, enum jop op, double a, double b)
{
    double q, m;
    switch (op) {
    case JOP_ADD: return jv_float(a + b);
    case JOP_SUB: return jv_float(a - b);
    case JOP_MUL: return jv_float(a * b);
    case JOP_POW: return float_pow(r, a, b);
    default: break;
    }
    if (b == 0)
        by_zero(r);
    if (op == JOP_DIV)
        return jv_float(a / b);
    m = float_mod(a, b, &q);
    return jv_float(op == JOP_MOD ? m : q);
}

static struct jv repeat(struct jrun *r, struct jv v, int64_t n)
{
    if (v.kind == JV_STR)
        return jstr_like(r, v.u.s, jstr_repeat(r, v.u.s, n));
    size_t len = v.u.l->n, times = n > 0 && len > 0 ? (size_t)n : 0;
    if (times > JINJA_BYTES_MAX / sizeof(struct jv) / (len ? len : 1))
        jrun_fail(r, ST_RANGE, "a repeated list is too long");
    struct jlist *l = jlist_new(r, times * len);
    for (size_t i = 0; i < times * len; i++)
        jlist_add(r, l, v.u.l->p[i % len]);
    return v.kind == JV_LIST ? jv_of_list(l) : jv_of_tuple(l);
}

static struct jv join_lists(struct jrun *r, struct jv a, struct jv b)
{
    struct jlist *l = jlist_new(r, a.u.l->n + b.u.l->n);
    for (size_t i = 0; i < a.u.l->n; i++)
        jlist_add(r, l, a.u.l->p[i]);
    for (size_t i = 0; i < b.u.l->n; i++)
        jlist_add(r, l, b.u.l->p[i]);
    return a.kind == JV_LIST ? jv_of_list(l) : jv_of_tuple(l);
}

struct jv jnum_binary(struct jrun *r, enum jop op, struct jv a, struct jv b)
{
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (jv_is_int(a) && jv_is_int(b))
        return int_binary(r, op, jv_as_int(a), jv_as_int(b));
    if (jv_is_number(a) && jv_is_number(b))
        return float_binary(r, op, jv_as_float(a), jv_as_float(b));
    if (op == JOP_MOD && a.kind == JV_STR)
        return jformat_percent(r, a.u.s, b);
    jv_need_defined(r, a);
    jv_need_defined(r, b);
    if (op == JOP_ADD && a.kind == JV_STR && b.kind == JV_STR)
        return jstr_concat(r, a, b);
    if (op == JOP_ADD && jv_is_seq(a) && a.kind == b.kind)
        return join_lists(r, a, b);
    if (op == JOP_MUL && (a.kind == JV_STR || jv_is_seq(a)) && jv_is_int(b))
        return repeat(r, a, jv_as_int(b));
    if (op == JOP_MUL && (b.kind == JV_STR || jv_is_seq(b)) && jv_is_int(a))
        return repeat(r, b, jv_as_int(a));
    jrun_fail(r, ST_FORMAT, "'%s' has no meaning between %s and %s", signs[op], jv_type(a),
              jv_type(b));
}

struct jv jnum_negate(struct jrun *r, struct jv v, bool negate)
{
    if (v.kind == JV_FLOAT)
        return jv_float(negate ? -v.u.d : v.u.d);
    if (!jv_is_int(v))
        jrun_fail_type(r, "the sign", v);
    int64_t i = jv_as_int(v);
    if (negate && i == INT64_MIN)
        jnum_too_big(r);
    return jv_int(negate ? -i : i);
}
