#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

/* Tests of a value alone: what they say of it, as an expression of v. */
#define PLAIN_TESTS(X)                                                                         \
    X(defined, v.kind != JV_UNDEF)                                                             \
    X(undefined, v.kind == JV_UNDEF)                                                           \
    X(none, v.kind == JV_NONE)                                                                 \
    X(boolean, v.kind == JV_BOOL)                                                              \
    X(true, v.kind == JV_BOOL && v.u.b)                                                        \
    X(false, v.kind == JV_BOOL && !v.u.b)                                                      \
    X(integer, v.kind == JV_INT)                                                               \
    X(float, v.kind == JV_FLOAT)                                                               \
    X(number, jv_is_number(v))                                                                 \
    X(string, v.kind == JV_STR)                                                                \
    X(mapping, v.kind == JV_DICT)                                                              \
    X(iterable, jiter_can(v))                                                                  \
    X(sequence, v.kind == JV_UNDEF || v.kind == JV_STR || jv_is_seq(v) || v.kind == JV_DICT || \
                    v.kind == JV_RANGE)                                                        \
    X(callable, v.kind == JV_UNDEF || v.kind == JV_FUNC || v.kind == JV_METHOD ||              \
                    v.kind == JV_MACRO || v.kind == JV_LOOP)                                   \
    X(escaped, v.kind == JV_STR && v.u.s->markup)                                              \
    X(lower, jstr_all_cased(r, jrepr_str(r, v).u.s, false))                                    \
    X(upper, jstr_all_cased(r, jrepr_str(r, v).u.s, true))                                     \
    X(filter, in_table(r, v, jfilter_find))                                                    \
    X(test, in_table(r, v, jtest_find))                                                        \
    X(odd, jcmp_equal(r, jnum_binary(r, JOP_MOD, v, jv_int(2)), jv_int(1)))                    \
    X(even, jcmp_equal(r, jnum_binary(r, JOP_MOD, v, jv_int(2)), jv_int(0)))

/* Tests against one other value. */
#define OTHER_TESTS(X)                                                          \
    X(divisibleby, jcmp_equal(r, jnum_binary(r, JOP_MOD, v, other), jv_int(0))) \
    X(sameas, jcmp_same(r, v, other))                                           \
    X(in, jcmp_in(r, v, other))                                                 \
    X(eq, jcmp_equal(r, v, other))                                              \
    X(ne, !jcmp_equal(r, v, other))                                             \
    X(lt, jcmp_less(r, v, other))                                               \
    X(le, jcmp_less_equal(r, v, other))                                         \
    X(gt, jcmp_less(r, other, v))                                               \
    X(ge, jcmp_less_equal(r, other, v))

static bool in_table(struct jrun *r, struct jv name, const struct jfunc *find(const struct jstr *))
{
    jcmp_need_hashable(r, name);
    return name.kind == JV_STR && find(name.u.s) != NULL;
}

#define X(name, expression)                                                    \
    static struct jv test_##name(struct jrun *r, struct jv v, struct jargs *a) \
    {                                                                          \
        jcall_bind(r, a, "", 0, NULL);                                         \
        return jv_bool(expression);                                            \
    }
PLAIN_TESTS(X)
#undef X

#define X(name, expression)                                                    \
    static struct jv test_##name(struct jrun *r, struct jv v, struct jargs *a) \
    {                                                                          \
        struct jv other;                                                       \
        jcall_bind(r, a, "other", 1, &other);                                  \
        return jv_bool(expression);                                            \
    }
OTHER_TESTS(X)
#undef X

static const struct jfunc tests[] = {
#define X(name, expression) {#name, test_##name},
    PLAIN_TESTS(X) OTHER_TESTS(X)
#undef X
        {"==", test_eq},
    {"equalto", test_eq},
    {"!=", test_ne},
    {"<", test_lt},
    {"lessthan", test_lt},
    {"<=", test_le},
    {">", test_gt},
    {"greaterthan", test_gt},
    {">=", test_ge}};

const struct jfunc *jtest_find(const struct jstr *name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (strlen(tests[i].name) == name->n && memcmp(tests[i].name, name->p, name->n) == 0)
            return &tests[i];
    return NULL;
}
