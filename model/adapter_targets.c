#include "model/adapter_targets.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "data/text.h"
#include "model/modules.h"

enum { TARGETS_MAX = 4096, MATCH_LIMIT = 1000000 };

struct adapter_targets {
    bool all;
    char **name; /* a list */
    size_t count;
    pcre2_code *code; /* an expression */
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

static bool plain(const char *text)
{
    static const char *const set = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_., ";
    return text[strspn(text, set)] == '\0';
}

static bool named(const char *module, const char *target)
{
    size_t n = strlen(module), m = strlen(target);
    if (n < m || strcmp(module + n - m, target) != 0)
        return false;
    return n == m || module[n - m - 1] == '.';
}

/* ---- messages ------------------------------------------------------------------------------ */

/* "q_proj, k_proj, …": the last part of each slot's name. */
static void known_names(char *to, size_t size, const struct model_config *c)
{
    const struct family *fam = family_find(c->family);
    size_t at = 0;
    to[0] = '\0';
    for (int slot = 0; fam && slot < MODULE_SLOTS; slot++) {
        if (!fam->linear[slot])
            continue;
        const char *dot = strrchr(fam->linear[slot], '.');
        const char *leaf = dot ? dot + 1 : fam->linear[slot];
        size_t n = strlen(leaf);
        if (at + n + 3 > size)
            return;
        if (at > 0) {
            memcpy(to + at, ", ", 2);
            at += 2;
        }
        memcpy(to + at, leaf, n + 1);
        at += n;
    }
}

static enum status unknown(const struct model_config *c, const char *name, struct fault *f)
{
    char known[200];
    known_names(known, sizeof known, c);
    fault_set(f, ST_USAGE, "target_modules: no linear layer of a %s model is called \"%.60s\"",
              c->family, name);
    return fault_remedy(f, "known are %s, or all-linear", known);
}

static enum status frozen(const char *what, struct fault *f)
{
    fault_set(f, ST_USAGE, "target_modules: %s cannot take an adapter here", what);
    return fault_remedy(f, "leave it out: all-linear is every linear layer but the output head");
}

/* ---- lists --------------------------------------------------------------------------------- */

static bool any_module(const struct adapter_targets *t, const char *one,
                       const struct model_config *c)
{
    struct module mod;
    for (int layer = 0; layer < c->layers; layer++) {
        for (int slot = 0; slot < MODULE_SLOTS; slot++) {
            if (!module_get(&mod, c, layer, slot))
                continue;
            if (one ? named(mod.name, one) : adapter_targets_match(t, mod.name))
                return true;
        }
    }
    return false;
}

static enum status add_name(struct adapter_targets *t, const char *p, size_t n,
                            const struct model_config *c, struct fault *f)
{
    const struct family *fam = family_find(c->family);
    char *copy = t->count < TARGETS_MAX ? strndup(p, n) : NULL;
    char **grown = copy ? realloc(t->name, (t->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return fault_nomem(f, "the names of target_modules", n);
    }
    t->name = grown;
    t->name[t->count++] = copy;
    if (named("lm_head", copy))
        return frozen("lm_head", f);
    if (fam && named(fam->embed, copy))
        return frozen(copy, f);
    return any_module(t, copy, c) ? ST_OK : unknown(c, copy, f);
}

static enum status open_list(struct adapter_targets *t, const char *text,
                             const struct model_config *c, struct fault *f)
{
    while (*text) {
        text += strspn(text, ", ");
        size_t n = strcspn(text, ", ");
        if (n > 0 && add_name(t, text, n, c, f) != ST_OK)
            return f->code;
        text += n;
    }
    return t->count > 0 ? ST_OK : unknown(c, "", f);
}

/* ---- expressions --------------------------------------------------------------------------- */

static bool full_match(const struct adapter_targets *t, const char *text)
{
    return pcre2_match(t->code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, t->match,
                       t->limits) >= 0;
}

static enum status open_regex(struct adapter_targets *t, const char *text,
                              const struct model_config *c, struct fault *f)
{
    const struct family *fam = family_find(c->family);
    int error;
    PCRE2_SIZE at;
    t->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &error, &at, NULL);
    if (!t->code && error == PCRE2_ERROR_HEAP_FAILED)
        return fault_nomem(f, "a regular expression", strlen(text));
    if (!t->code) {
        unsigned char why[120] = "";
        pcre2_get_error_message(error, why, sizeof why);
        fault_set(f, ST_USAGE, "target_modules: \"%.80s\" is not a regular expression: %s at %zu",
                  text, (const char *)why, (size_t)at);
        return fault_remedy(f, "give all-linear, names with commas between, or an expression that "
                               "matches whole module names");
    }
    t->match = pcre2_match_data_create_from_pattern(t->code, NULL);
    t->limits = pcre2_match_context_create(NULL);
    if (!t->match || !t->limits)
        return fault_nomem(f, "a regular expression", 0);
    pcre2_set_match_limit(t->limits, MATCH_LIMIT);
    if (full_match(t, "lm_head"))
        return frozen("lm_head", f);
    if (fam && full_match(t, fam->embed))
        return frozen(fam->embed, f);
    return any_module(t, NULL, c) ? ST_OK : unknown(c, text, f);
}

/* ---- open, match, close -------------------------------------------------------------------- */

enum status adapter_targets_open(struct adapter_targets **out, const char *text,
                                 const struct model_config *c, struct fault *f)
{
    struct adapter_targets *t = calloc(1, sizeof *t);
    enum status code = ST_OK;
    if (!t)
        return fault_nomem(f, "target_modules", sizeof *t);
    if (strcmp(text, "all-linear") == 0)
        t->all = true;
    else if (plain(text))
        code = open_list(t, text, c, f);
    else
        code = open_regex(t, text, c, f);
    if (code != ST_OK) {
        adapter_targets_close(&t);
        return code;
    }
    *out = t;
    return ST_OK;
}

void adapter_targets_close(struct adapter_targets **tp)
{
    struct adapter_targets *t = *tp;
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        free(t->name[i]);
    free(t->name);
    pcre2_match_context_free(t->limits);
    pcre2_match_data_free(t->match);
    pcre2_code_free(t->code);
    free(t);
    *tp = NULL;
}

bool adapter_targets_match(const struct adapter_targets *t, const char *module)
{
    if (t->all)
        return true;
    if (t->code)
        return full_match(t, module);
    for (size_t i = 0; i < t->count; i++)
        if (named(module, t->name[i]))
            return true;
    return false;
}

bool adapter_targets_all(const struct adapter_targets *t)
{
    return t->all;
}

bool adapter_targets_regex(const struct adapter_targets *t)
{
    return t->code != NULL;
}

const char *adapter_targets_name(const struct adapter_targets *t, size_t i)
{
    return i < t->count ? t->name[i] : NULL;
}
