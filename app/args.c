#include "app/args.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Levenshtein distance of two short words, ignoring what is past 63 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(a), m = strlen(b);
    n = n > 63 ? 63 : n;
    m = m > 63 ? 63 : m;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            best = up + 1 < best ? up + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = up;
        }
    }
    return row[m];
}

const char *args_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* Compares a flag's or a key's name with an option's, taking _ for -. */
static bool same_name(const char *option, const char *word, size_t n)
{
    if (!option || strlen(option) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (option[i] != word[i] && !(option[i] == '-' && word[i] == '_'))
            return false;
    return true;
}

void *args_value(const struct command_line *c, const struct option *o)
{
    return (char *)c->into + o->at;
}

static const struct option *find(const struct command_line *c, const char *word, size_t n)
{
    assert(c->count <= OPTIONS_MAX);
    for (size_t i = 0; i < c->count; i++)
        if (same_name(c->options[i].name, word, n) || same_name(c->options[i].alias, word, n))
            return &c->options[i];
    return NULL;
}

static enum status unknown(const struct command_line *c, const char *what, const char *word,
                           const char *where, struct fault *f)
{
    const char *names[OPTIONS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        names[n++] = c->options[i].name;
    char dashed[64];
    snprintf(dashed, sizeof dashed, "%s", word + strspn(word, "-"));
    for (char *p = dashed; *p; p++)
        *p = *p == '_' ? '-' : *p;
    const char *near = args_nearest(dashed, names, n);
    fault_set(f, ST_USAGE, "%s%sunknown %s %.60s", where ? where : "", where ? ": " : "", what,
              word);
    if (near && where) {
        char key[64];
        snprintf(key, sizeof key, "%s", near);
        for (char *p = key; *p; p++)
            *p = *p == '-' ? '_' : *p;
        return fault_remedy(f, "did you mean %s?", key);
    }
    return near ? fault_remedy(f, "did you mean --%s?", near)
                : fault_remedy(f, "--help lists what there is");
}

static enum status unparsable(const struct option *o, const char *text, struct fault *f)
{
    static const char *const want[] = {"true or false", "a whole number", "a number", "a text",
                                       "one of"};
    fault_set(f, ST_USAGE, "--%s: \"%.60s\" is not %s%s%s", o->name, text, want[o->kind],
              o->choices ? " " : "", o->choices ? o->choices : "");
    return fault_remedy(f, "%s", o->help);
}

static enum status check_range(const struct option *o, double v, struct fault *f)
{
    if (o->min == o->max || (v >= o->min && v <= o->max))
        return ST_OK;
    fault_set(f, ST_RANGE, "--%s %g is not between %g and %g", o->name, v, o->min, o->max);
    return fault_remedy(f, "%s", o->help);
}

static enum status set_int(int64_t *to, const struct option *o, int64_t v, struct fault *f)
{
    enum status s = check_range(o, (double)v, f);
    if (s == ST_OK)
        *to = v;
    return s;
}

static enum status set_real(double *to, const struct option *o, double v, struct fault *f)
{
    enum status s = check_range(o, v, f);
    if (s == ST_OK)
        *to = v;
    return s;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = choices; n > 0 && p; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == '\0'))
            return true;
    }
    return false;
}

static enum status set_text(void *to, const struct option *o, const char *text, struct fault *f)
{
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case OPT_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return unparsable(o, text, f);
        *(bool *)to = text[0] == 't';
        return ST_OK;
    case OPT_INT: {
        long long v = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0 || text[0] == ' ')
            return unparsable(o, text, f);
        return set_int(to, o, v, f);
    }
    case OPT_REAL: {
        double v = strtod(text, &end);
        if (end == text || *end != '\0' || !isfinite(v) || text[0] == ' ')
            return unparsable(o, text, f);
        return set_real(to, o, v, f);
    }
    case OPT_CHOICE:
        if (!is_choice(o->choices, text))
            return unparsable(o, text, f);
        break;
    case OPT_STRING: break;
    }
    *(const char **)to = text;
    return ST_OK;
}

static enum status set_json(void *to, const struct option *o, const struct json *v,
                            const char *where, struct fault *f)
{
    int64_t i;
    enum json_kind k = json_kind(v);
    if (o->kind == OPT_BOOL && k == JSON_BOOL) {
        *(bool *)to = json_bool(v, false);
        return ST_OK;
    }
    if (o->kind == OPT_INT && json_int(v, &i))
        return set_int(to, o, i, f);
    if (o->kind == OPT_REAL && k == JSON_NUMBER)
        return set_real(to, o, json_number(v, 0), f);
    if (k == JSON_STRING && (o->kind == OPT_STRING || o->kind == OPT_CHOICE))
        return set_text(to, o, json_string(v), f);
    static const char *const want[] = {"true or false", "a whole number", "a number", "a text",
                                       "a text"};
    fault_set(f, ST_USAGE, "%s: %s must be %s", where, json_key(v), want[o->kind]);
    return fault_remedy(f, "%s", o->help);
}

/* The flag `word` that stands at argv[i]; *used is how many words it took. */
static enum status take_flag(struct command_line *c, const char *word, int argc, char **argv, int i,
                             int *used, struct fault *f)
{
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : strlen(word);
    const struct option *o = memchr(word, '_', n) ? NULL : find(c, word, n);
    *used = 1;
    if (!o) {
        char flag[64];
        snprintf(flag, sizeof flag, "--%.*s", (int)(n < 60 ? n : 60), word);
        return unknown(c, "flag", flag, NULL, f);
    }
    void *to = args_value(c, o);
    c->given[o - c->options] = true;
    if (eq)
        return set_text(to, o, eq + 1, f);
    if (o->kind == OPT_BOOL && (i + 1 >= argc || (strcmp(argv[i + 1], "true") != 0 &&
                                                  strcmp(argv[i + 1], "false") != 0))) {
        *(bool *)to = true;
        return ST_OK;
    }
    if (i + 1 >= argc) {
        fault_set(f, ST_USAGE, "--%s needs a value", o->name);
        return fault_remedy(f, "%s", o->help);
    }
    *used = 2;
    return set_text(to, o, argv[i + 1], f);
}

/* Whether what follows belongs to it. */
static bool takes_value(const struct command_line *c, const char *word)
{
    const struct option *o =
        strncmp(word, "--", 2) == 0 ? find(c, word + 2, strlen(word + 2)) : NULL;
    return o && o->kind != OPT_BOOL;
}

enum status args_parse(struct command_line *c, int argc, char **argv, struct fault *f)
{
    int at = 0;
    for (int i = 0; i < argc; i++)
        if ((strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) &&
            (i == 0 || !takes_value(c, argv[i - 1]))) {
            c->help = true;
            return ST_OK;
        }
    for (int i = 0, used; i < argc; i += used) {
        enum status s = ST_OK;
        used = 1;
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
            s = take_flag(c, argv[i] + 2, argc, argv, i, &used, f);
        } else if (strcmp(argv[i], "-o") == 0) {
            s = take_flag(c, "output", argc, argv, i, &used, f);
        } else if (at < POSITIONAL_MAX && c->positional[at].to) {
            *c->positional[at++].to = argv[i];
        } else {
            fault_set(f, ST_USAGE, "unexpected argument \"%.60s\"", argv[i]);
            s = fault_remedy(f, "usage: %s", c->usage);
        }
        if (s != ST_OK)
            return s;
    }
    if (at < POSITIONAL_MAX && c->positional[at].to && c->positional[at].required) {
        fault_set(f, ST_USAGE, "%s is missing", c->positional[at].name);
        return fault_remedy(f, "usage: %s", c->usage);
    }
    return ST_OK;
}

enum status args_config(struct command_line *c, const struct json *object, const char *where,
                        struct fault *f)
{
    if (json_kind(object) != JSON_OBJECT) {
        fault_set(f, ST_USAGE, "%s is not a JSON object of settings", where);
        return fault_remedy(f, "its keys are train's flags, with _ for -");
    }
    bool flag[OPTIONS_MAX];
    memcpy(flag, c->given, sizeof flag);
    for (const struct json *v = json_first(object); v; v = json_next(v)) {
        const char *key = json_key(v);
        const struct option *o = strchr(key, '-') ? NULL : find(c, key, strlen(key));
        if (c->passed_over && strcmp(key, c->passed_over) == 0)
            continue;
        if (!o)
            return unknown(c, "key", key, where, f);
        const struct option *other = o->instead ? find(c, o->instead, strlen(o->instead)) : NULL;
        bool *given = &c->given[o - c->options];
        if (*given || (other && flag[other - c->options]) || json_kind(v) == JSON_NULL)
            continue;
        enum status s = set_json(args_value(c, o), o, v, where, f);
        if (s != ST_OK)
            return s;
        *given = true;
    }
    return ST_OK;
}

static void print_default(const struct option *o, const void *value)
{
    const char *s;
    switch (o->kind) {
    case OPT_BOOL: printf(" (%s)", *(const bool *)value ? "true" : "false"); break;
    case OPT_INT:
        if (*(const int64_t *)value != 0)
            printf(" (%lld)", (long long)*(const int64_t *)value);
        break;
    case OPT_REAL:
        if (*(const double *)value != 0)
            printf(" (%g)", *(const double *)value);
        break;
    default:
        s = *(const char *const *)value;
        if (s && *s)
            printf(" (%s)", s);
    }
}

void args_help(const struct command_line *c)
{
    printf("usage: %s\n\n%s\n\n", c->usage, c->about);
    for (size_t i = 0; i < c->count; i++) {
        const struct option *o = &c->options[i];
        char left[96];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->arg || o->choices ? " " : "",
                 o->arg       ? o->arg
                 : o->choices ? o->choices
                              : "");
        if (strlen(left) > 30)
            printf("  %s\n%34s%s", left, "", o->help);
        else
            printf("  %-32s%s", left, o->help);
        print_default(o, args_value(c, o));
        printf("\n");
    }
}
