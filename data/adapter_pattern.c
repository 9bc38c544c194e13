#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "data/adapter_impl.h"

enum { KEY_LEN_MAX = 1000, MATCH_LIMIT = 100000, HEAP_LIMIT_KIB = 4096 };

/* PEFT matches (.*\.)?(KEY)$ from the start of the module's name. */
static enum status compile(struct adapter_pattern *p, const char *in, const char *where,
                           struct fault *f)
{
    struct text t = {0};
    int error = 0;
    size_t at = 0;
    if (strlen(p->key) > KEY_LEN_MAX)
        return fault_set(f, ST_FORMAT, "%s: a key of %s has more than %d bytes", where, in,
                         KEY_LEN_MAX);
    if (text_addf(&t, f, "(.*\\.)?(%s)$", p->key) != ST_OK)
        return f->code;
    p->code =
        pcre2_compile((PCRE2_SPTR)t.p, t.n, PCRE2_ANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &error, &at, NULL);
    text_free(&t);
    if (p->code)
        return ST_OK;
    if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
        return fault_nomem(f, in, strlen(p->key));
    fault_set(f, ST_FORMAT, "%s: the key \"%.100s\" of %s is not a valid regular expression", where,
              p->key, in);
    return fault_remedy(f, "correct the key, or remove it");
}

enum status adapter_patterns_read(struct adapter_patterns *out, const struct json *v,
                                  const char *key, double min, double max, const char *where,
                                  struct fault *f)
{
    if (json_kind(v) == JSON_NULL)
        return ST_OK;
    if (json_kind(v) != JSON_OBJECT)
        return fault_set(f, ST_FORMAT, "%s: \"%s\" must be an object", where, key);
    out->p = calloc(json_count(v) + 1, sizeof *out->p);
    if (!out->p)
        return fault_nomem(f, key, json_count(v) * sizeof *out->p);
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        struct adapter_pattern *p = &out->p[out->n++];
        *p = (struct adapter_pattern){.key = json_key(m), .value = json_number(m, min - 1)};
        if (!(p->value >= min && p->value <= max))
            return fault_set(f, ST_FORMAT, "%s: \"%.100s\" in %s must be a number from %g to %g",
                             where, p->key, key, min, max);
        if (compile(p, key, where, f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

void adapter_patterns_free(struct adapter_patterns *p)
{
    for (size_t i = 0; i < p->n; i++)
        pcre2_code_free(p->p[i].code);
    free(p->p);
    *p = (struct adapter_patterns){0};
}

enum status adapter_patterns_apply(double *value, const struct adapter_patterns *p,
                                   const char *module, const char *where, struct fault *f)
{
    if (p->n == 0)
        return ST_OK;
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    enum status s = ST_OK;
    if (!limits || !data)
        s = fault_nomem(f, module, sizeof *p);
    else
        pcre2_set_match_limit(limits, MATCH_LIMIT);
    if (s == ST_OK)
        pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
    for (size_t i = 0; i < p->n && s == ST_OK; i++) {
        int r = pcre2_match(p->p[i].code, (PCRE2_SPTR)module, strlen(module), 0, 0, data, limits);
        if (r >= 0) {
            *value = p->p[i].value;
            break;
        }
        if (r == PCRE2_ERROR_NOMEMORY)
            s = fault_nomem(f, module, HEAP_LIMIT_KIB * 1024);
        else if (r != PCRE2_ERROR_NOMATCH)
            s = fault_set(f, ST_UNSUPPORTED, "%s: the pattern \"%.100s\" is too costly to match",
                          where, p->p[i].key);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return s;
}
