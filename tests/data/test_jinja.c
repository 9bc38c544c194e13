/* The Jinja engine against jinja2's results (tests/fixtures/data/jinja.json, made by
 * scripts/make_jinja_fixtures.py), and against templates that want too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "data/jinja/jfilter.h"
#include "data/jinja/jinja.h"
#include "data/jinja/jrun.h"
#include "tests/data/scratch.h"
#include "tests/data/short_memory.h"

enum { NOW = 1721000000 }; /* as in the script */

static void set_vars(struct jrun *r, const void *user)
{
    const struct json *vars = user;
    for (const struct json *e = json_first(vars); e; e = json_next(e))
        jrun_set(r, json_key(e), jjson_value(r, e));
}

static enum status render(const char *source, const struct json *vars, struct text *out,
                          struct fault *f)
{
    struct jinja *t = NULL;
    struct jinja_input in = {set_vars, vars, NOW};
    enum status s = jinja_parse(&t, source, strlen(source), "test.jinja", f);
    if (s == ST_OK)
        s = jinja_render(t, &in, out, NULL, f);
    if (t)
        jinja_free(&t);
    return s;
}

static void test_as_jinja2(void **state)
{
    (void)state;
    struct fault f = {0};
    struct json_doc *doc = NULL;
    size_t n, cases = 0, bad = 0;
    unsigned char *bytes = scratch_read("tests/fixtures/data/jinja.json", &n);
    assert_int_equal(json_parse(&doc, (char *)bytes, n, "jinja.json", &f), ST_OK);
    const struct json *vars = json_get(json_root(doc), "variables");
    const struct json *list = json_get(json_root(doc), "cases");
    for (const struct json *e = json_first(list); e; e = json_next(e), cases++) {
        const char *source = json_string(json_first(e));
        const char *want = json_string(json_next(json_first(e)));
        struct text out = {0};
        enum status s = render(source, vars, &out, &f);
        const char *got = s != ST_OK ? NULL : out.p ? out.p : "";
        if ((want == NULL) != (got == NULL) || (want && strcmp(want, got) != 0)) {
            print_error("%s\n  want %s\n  got  %s (%s)\n", source, want ? want : "a refusal",
                        got ? got : "a refusal", s != ST_OK ? f.text : "");
            bad++;
        }
        if (s != ST_OK &&
            (out.n > 0 || f.code != s || strncmp(f.text, "test.jinja: line ", 17) != 0))
            fail_msg("%s: a fault that says %s", source, f.text);
        text_free(&out);
    }
    assert_true(cases > 1000);
    assert_int_equal(bad, 0);
    json_close(&doc);
    free(bytes);
}

static void expect(const char *source, enum status want, const char *words)
{
    struct fault f = {0};
    struct text out = {0};
    clock_t start = clock();
    enum status s = render(source, NULL, &out, &f);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (s != want || (words && !strstr(f.text, words)))
        fail_msg("%.60s: status %d, %s", source, (int)s, f.text);
    if (s != ST_OK && f.remedy[0] == '\0')
        fail_msg("%.60s: no remedy", source);
    assert_true(seconds < (short_memory_works ? 5 : 50));
    text_free(&out);
}

static void test_too_much(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns=namespace(s='x') %}{% for i in range(99) %}{% set ns.s=ns.s+ns.s %}{% endfor %}",
        "{% set ns=namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s=ns.s*2 %}{% endfor %}",
        "{{ 'x' * 999999999999 }}",
        "{{ [1] * 999999999999 }}",
        "{{ ('x' * 70000000) }}",
        "{{ range(100001) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'|center(99999999999) }}",
        "{{ 'x'.zfill(99999999999) }}",
        "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% set ns=namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l=[ns.l] %}{% endfor %}"
        "{{ ns.l }}",
        "{% set ns=namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l=[ns.l] %}{% endfor %}"
        "{{ ns.l|tojson }}",
        "{% set ns=namespace(l=1) %}{% for i in range(40) %}{% set ns.l=[ns.l,ns.l] %}{% endfor %}"
        "{{ ns.l }}",
        "{% set ns=namespace(l=()) %}{% for i in range(40) %}{% set ns.l=(ns.l,ns.l) %}{% endfor %}"
        "{{ {ns.l: 1} }}",
        "{% set ns=namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l=ns.l|map('string') %}"
        "{% endfor %}{{ ns.l|list }}",
        "{% set ns=namespace() %}{% set ns.a=ns %}{{ ns }}",
        "{% for i in range(9999) %}{{ ('a'*9999).find('a'*5000 ~ 'b') }}{% endfor %}",
        "{% for d in range(99999)|map('float')|list|tojson|list %}{% endfor %}",
        "{{ ([1]*3000)|tojson(indent=1000000)|length }}",
        "{{ ([1]*3000)|tojson(separators=('x'*1000000, ':'))|length }}",
        "{{ ('a ' * 1000).replace(' ', '\\n')|indent(1000000)|length }}",
        "{{ [1]|batch(100000000, 0)|list }}",
        "{{ [1]|slice(100000000, 0)|list }}",
        "{{ (['a']*99999)|join('x'*100000) }}",
        "{{ 'x'|format ~ '{:>1000000000}'.format(1) }}",
        "{{ ('x'*70000000) ~ ('y'*70000000) ~ ('z'*70000000) }}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        expect(sources[i], ST_RANGE, "test.jinja: line 1: ");
}

/* Work that a single step of the template may hide: each of these, for each of 99999 rounds. */
static void test_too_long(void **state)
{
    (void)state;
    static const char *const rounds[] = {
        "{% if a.startswith(b) %}{% endif %}",
        "{% if a.endswith((b, b)) %}{% endif %}",
        "{% set q = a.removeprefix(b) %}",
        "{% if a is sameas b %}{% endif %}",
        "{% if a in b %}{% endif %}",
        "{% if a.isalnum() and a is lower %}{% endif %}",
        "{% if a.count(b) %}{% endif %}",
        "{% set q = a.rfind(c) %}",
        "{% set q = a.rsplit(c) %}",
        "{% set q = a.rsplit(none, 1) %}",
        "{% set q = a|wordcount %}",
        "{% set q = a|trim('y') ~ a|lower %}",
        "{% if {a: 1}[b] %}{% endif %}",
        "{% if {1: a} == {1: b} %}{% endif %}",
        "{% set q = dict(**{a: 1}) %}{% if q[b] %}{% endif %}",
        "{% set q = ('{' ~ a ~ '}').format(**{b: 1}) %}",
        "{% set q = [{}]|map(attribute=a)|list %}",
        "{% if l == m %}{% endif %}",
        "{% if [l] == [m] or (l, 1) < (m, 2) %}{% endif %}",
        "{% if b in n %}{% endif %}",
        "{% set q = 1.7976931348623157e308|round(3) ~ 1.1|tojson %}",
    };
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        struct text t = {0};
        struct fault f = {0};
        assert_int_equal(
            text_addf(&t, &f,
                      "{%% set a = 'x' * 400000 %%}{%% set b = 'x' * 400000 %%}"
                      "{%% set c = 'x' * 200000 ~ 'y' %%}{%% set l = [none] * 50000 %%}"
                      "{%% set m = [none] * 50000 %%}{%% set n = ['x' * 399999 ~ 'y'] * 9 %%}"
                      "{%% for i in range(99999) %%}%s{%% endfor %%}",
                      rounds[i]),
            ST_OK);
        expect(t.p, ST_RANGE, "test.jinja: line 1: ");
        text_free(&t);
    }
}

/* The bounds are there so that a template cannot take the machine's memory either. */
static void test_memory(void **state)
{
    (void)state;
    struct rusage u;
    if (!short_memory_works) /* a sanitizer's own memory counts too */
        skip();
    expect("{% set ns=namespace(l=[]) %}{% for i in range(300) %}"
           "{% set ns.l=ns.l + ['x'*1000000] %}{% endfor %}",
           ST_RANGE, "MiB");
    expect("{{ 'x' * (2**26 - 9) }}", ST_OK, NULL);
    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    assert_true(u.ru_maxrss < 256 * 1024);
}

static void test_too_deep(void **state)
{
    (void)state;
    static const char *const pieces[] = {"(", "[", "{", "-", "not ", "1+", "x[", "1 if 0 else "};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct text t = {0};
        struct fault f = {0};
        text_adds(&t, "{{ ", &f);
        for (int k = 0; k < 20000; k++)
            text_adds(&t, pieces[i], &f);
        text_adds(&t, "1 }}", &f);
        expect(t.p, ST_RANGE, "deep");
        text_free(&t);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    expect("a\n{{ raise_exception('the roles must alternate') }}", ST_FORMAT,
           "test.jinja: line 2: the roles must alternate");
    expect("{{ x.y }}", ST_FORMAT, "'x' is undefined");
    expect("{{ {}.a.b }}", ST_FORMAT, "'dict object' has no attribute 'a'");
    expect("{{ [].append(1) }}", ST_FORMAT, "unsafe");
    expect("{{ ''.__class__.__mro__ }}", ST_FORMAT, "unsafe");
    expect("{% include 'x' %}", ST_UNSUPPORTED, "include");
    expect("{{ 9223372036854775807 + 1 }}", ST_UNSUPPORTED, "64 bits");
    expect("{{ 99999999999999999999 }}", ST_UNSUPPORTED, "64 bits");
    expect("{{ range(0, 9223372036854775807, 5000000000000000000)[:] }}", ST_UNSUPPORTED,
           "64 bits");
    expect("{{ range(-9000000000000000000, 9000000000000000000, 9000000000000000000)[::-1] }}",
           ST_UNSUPPORTED, "64 bits");
    expect("{{ range(9)[::9223372036854775807][::2] }}", ST_UNSUPPORTED, "64 bits");
    expect("{{ (-9223372036854775807)|round(-1) }}", ST_UNSUPPORTED, "64 bits");
    expect("{{ 9223372036854775807|round(-19) }}", ST_UNSUPPORTED, "64 bits");
    expect("{% for x in [1] recursive %}{% endfor %}", ST_UNSUPPORTED, "recursive");
    expect("\n\n{% if %}", ST_FORMAT, "line 3");
}

static void test_source(void **state)
{
    (void)state;
    struct fault f = {0};
    struct jinja *t = NULL;
    assert_int_equal(jinja_parse(&t, "a\xC3", 2, "bad.jinja", &f), ST_FORMAT);
    assert_non_null(strstr(f.text, "bad.jinja"));
    assert_null(t);
    char *big = calloc(1, JINJA_SOURCE_MAX + 1);
    assert_int_equal(jinja_parse(&t, big, JINJA_SOURCE_MAX + 1, "big.jinja", &f), ST_RANGE);
    free(big);
    assert_int_equal(jinja_parse(&t, "", 0, "empty.jinja", &f), ST_OK);
    assert_false(jinja_has_generation(t));
    jinja_free(&t);
    assert_null(t);
    jinja_free(&t);
}

/* The output is appended, and is as it was when a rendering fails. */
static void test_output(void **state)
{
    (void)state;
    struct fault f = {0};
    struct text out = {0};
    assert_int_equal(text_adds(&out, "before ", &f), ST_OK);
    assert_int_equal(render("{{ 1 }}{{ x.y }}", NULL, &out, &f), ST_FORMAT);
    assert_string_equal(out.p, "before ");
    assert_int_equal(render("{{ 1 }}", NULL, &out, &f), ST_OK);
    assert_string_equal(out.p, "before 1");
    text_free(&out);
}

static void test_short_memory(void **state)
{
    (void)state;
    if (!short_memory_works)
        skip();
    static const char source[] = "{% macro m(a) %}{{ a }}{% endmacro %}{% generation %}"
                                 "{{ m('x' * 200000)|length }}{% endgeneration %}";
    bool reached = true;
    for (long n = 1; reached; n++) {
        struct fault f = {0};
        struct text out = {0};
        struct chat_spans spans = {0};
        struct jinja *t = NULL;
        struct jinja_input in = {set_vars, NULL, NOW};
        short_memory_after(n);
        enum status s = jinja_parse(&t, source, strlen(source), "test", &f);
        if (s == ST_OK)
            s = jinja_render(t, &in, &out, &spans, &f);
        reached = short_memory_end();
        assert_int_equal(s, reached ? ST_NOMEM : ST_OK);
        if (reached)
            assert_true(out.n == 0 && spans.n == 0);
        else
            assert_string_equal(out.p, "200000");
        jinja_free(&t);
        text_free(&out);
        chat_spans_free(&spans);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_jinja2),    cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_too_deep),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_source),       cmocka_unit_test(test_output),
        cmocka_unit_test(test_short_memory), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_memory),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests_name("jinja", tests, NULL, NULL);
}
