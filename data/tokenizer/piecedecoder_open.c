/* Reading decoders. */
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/piecedecoder.h"

enum status piecedecoder_add(struct piecedecoder *d, enum piecedecoder_kind kind, struct fault *f)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 4;
        struct piecedecoder_step *p = realloc(d->steps, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, "the decoder", cap * sizeof *p);
        d->steps = p;
        d->cap = cap;
    }
    d->steps[d->n++] = (struct piecedecoder_step){.kind = kind};
    return ST_OK;
}

void piecedecoder_close(struct piecedecoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        text_free(&d->steps[i].pattern);
        text_free(&d->steps[i].text);
    }
    free(d->steps);
    *d = (struct piecedecoder){0};
}

static enum status character_read(struct text *to, const struct json *v, const char *key,
                                  const char *where, struct fault *f)
{
    const char *s = json_string(json_get(v, key));
    size_t one = 0;
    if (s && *s)
        utf8_next(s, strlen(s), &one);
    if (!one || one != strlen(s))
        return fault_set(f, ST_FORMAT, "%s: %s of the decoder %s is not one character", where, key,
                         json_string(json_get(v, "type")));
    return text_adds(to, s, f);
}

static enum status replace_read(struct piecedecoder_step *step, const struct json *v,
                                const char *where, struct fault *f)
{
    const char *s, *regex, *content = json_string(json_get(v, "content"));
    if (normalizer_pattern(&s, &regex, v, "the decoder Replace", where, f) != ST_OK)
        return f->code;
    if (regex)
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: the decoder Replace with the regex %.80s is not supported", where,
                         regex);
    if (!content)
        return fault_set(f, ST_FORMAT, "%s: the decoder Replace has no string content", where);
    if (text_adds(&step->pattern, s, f) != ST_OK)
        return f->code;
    return text_adds(&step->text, content, f);
}

static enum status strip_read(struct piecedecoder_step *step, const struct json *v,
                              const char *where, struct fault *f)
{
    int64_t start, stop;
    if (character_read(&step->pattern, v, "content", where, f) != ST_OK ||
        json_need_int(&start, v, "start", 0, INT32_MAX, where, f) != ST_OK ||
        json_need_int(&stop, v, "stop", 0, INT32_MAX, where, f) != ST_OK)
        return f->code;
    step->start = (size_t)start;
    step->stop = (size_t)stop;
    return ST_OK;
}

static enum status metaspace_read(struct piecedecoder_step *step, const struct json *v,
                                  const char *where, struct fault *f)
{
    const char *scheme = "always";
    bool prefix = true;
    if (character_read(&step->pattern, v, "replacement", where, f) != ST_OK ||
        json_opt_string(&scheme, v, "prepend_scheme", where, f) != ST_OK ||
        json_opt_bool(&prefix, v, "add_prefix_space", where, f) != ST_OK)
        return f->code;
    bool never = strcmp(scheme, "never") == 0;
    if (!never && strcmp(scheme, "first") != 0 && strcmp(scheme, "always") != 0)
        return fault_set(f, ST_UNSUPPORTED, "%s: the prepend_scheme \"%.40s\" is not supported",
                         where, scheme);
    if (!prefix && !never)
        return fault_set(f, ST_FORMAT,
                         "%s: add_prefix_space and prepend_scheme of Metaspace contradict", where);
    step->drop = !never;
    return text_adds(&step->text, " ", f);
}

static enum status step_read(struct piecedecoder *d, const struct json *v, const char *type,
                             const char *where, struct fault *f)
{
    static const char *const names[] = {"ByteLevel", "ByteFallback", "Fuse",
                                        "Replace",   "Strip",        "Metaspace"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(type, names[i]) != 0)
            continue;
        if (piecedecoder_add(d, (enum piecedecoder_kind)i, f) != ST_OK)
            return f->code;
        struct piecedecoder_step *step = &d->steps[d->n - 1];
        switch (step->kind) {
        case DECODE_REPLACE: return replace_read(step, v, where, f);
        case DECODE_STRIP: return strip_read(step, v, where, f);
        case DECODE_METASPACE: return metaspace_read(step, v, where, f);
        default: return ST_OK;
        }
    }
    return fault_set(f, ST_UNSUPPORTED, "%s: the decoder \"%.60s\" is not supported", where, type);
}

/* Recursion is bounded by the depth that the JSON reader allows. */
static enum status any_read(struct piecedecoder *d, const struct json *v, const char *where,
                            struct fault *f)
{
    const char *type = json_string(json_get(v, "type"));
    if (!type)
        return fault_set(f, ST_FORMAT, "%s: a decoder has no type", where);
    if (strcmp(type, "Sequence") != 0)
        return step_read(d, v, type, where, f);
    const struct json *list = json_get(v, "decoders");
    if (json_kind(list) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: a decoder Sequence has no decoders", where);
    for (const struct json *m = json_first(list); m; m = json_next(m))
        if (any_read(d, m, where, f) != ST_OK)
            return f->code;
    return ST_OK;
}

static enum status growth_check(const struct piecedecoder *d, const char *where, struct fault *f)
{
    size_t growth = 1;
    for (size_t i = 0; i < d->n && growth <= NORMALIZER_GROWTH; i++)
        if (d->steps[i].kind == DECODE_REPLACE)
            growth *= normalizer_growth(&d->steps[i].pattern, &d->steps[i].text);
    if (growth <= NORMALIZER_GROWTH)
        return ST_OK;
    return fault_set(
        f, ST_UNSUPPORTED,
        "%s: decoders that can make a text more than %d times longer are not supported", where,
        NORMALIZER_GROWTH);
}

enum status piecedecoder_open(struct piecedecoder *d, const struct json *v, const char *where,
                              struct fault *f)
{
    *d = (struct piecedecoder){.joins_by_space = json_kind(v) == JSON_NULL};
    enum status st = d->joins_by_space ? ST_OK : any_read(d, v, where, f);
    if (st == ST_OK)
        st = growth_check(d, where, f);
    if (st != ST_OK)
        piecedecoder_close(d);
    return st;
}
