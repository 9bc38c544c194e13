#include "data/tokenizer/postprocessor.h"

#include <string.h>

enum { SPECIALS_MAX = 1024 };

/* The ids of one special token of a template, from its special_tokens. */
static enum status special_add(struct ids *to, const struct json *specials, const struct json *item,
                               const char *where, struct fault *f)
{
    const char *name = json_string(json_get(item, "id"));
    const struct json *ids = json_get(json_get(specials, name ? name : ""), "ids");
    if (!name || json_kind(ids) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: TemplateProcessing has no ids for the token \"%.60s\"",
                         where, name ? name : "");
    for (const struct json *m = json_first(ids); m; m = json_next(m)) {
        int64_t id;
        if (!json_int(m, &id) || id < 0 || id >= INT32_MAX)
            return fault_set(f, ST_FORMAT,
                             "%s: an id of the token \"%.60s\" in TemplateProcessing "
                             "is not a usable integer",
                             where, name);
        if (to->n == SPECIALS_MAX)
            return fault_set(f, ST_RANGE,
                             "%s: TemplateProcessing adds more than %d tokens on one side", where,
                             SPECIALS_MAX);
        if (ids_add(to, (int32_t)id, f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

static enum status template_read(struct postprocessor *p, const struct json *v, const char *where,
                                 struct fault *f)
{
    const struct json *single = json_get(v, "single");
    bool text = false;
    if (p->template_seen)
        return fault_set(f, ST_UNSUPPORTED, "%s: two TemplateProcessing parts are not supported",
                         where);
    p->template_seen = true;
    if (json_kind(single) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: TemplateProcessing has no array single", where);
    for (const struct json *m = json_first(single); m; m = json_next(m)) {
        const struct json *special = json_get(m, "SpecialToken");
        const char *sequence = json_string(json_get(json_get(m, "Sequence"), "id"));
        if (special) {
            if (special_add(text ? &p->after : &p->before, json_get(v, "special_tokens"), special,
                            where, f) != ST_OK)
                return f->code;
            continue;
        }
        if (text || !sequence || strcmp(sequence, "A") != 0)
            break;
        text = true;
        if (!json_next(m))
            return ST_OK;
    }
    const struct json *last = json_first(single);
    while (last && json_next(last))
        last = json_next(last);
    if (text && json_get(last, "SpecialToken"))
        return ST_OK;
    return fault_set(f, ST_UNSUPPORTED,
                     "%s: TemplateProcessing whose single is not special tokens around one text A "
                     "is not supported",
                     where);
}

/* Recursion is bounded by the depth that the JSON reader allows. */
static enum status any_read(struct postprocessor *p, const struct json *v, const char *where,
                            struct fault *f)
{
    const char *type = json_string(json_get(v, "type"));
    if (json_kind(v) == JSON_NULL)
        return ST_OK;
    if (!type)
        return fault_set(f, ST_FORMAT, "%s: a post-processor has no type", where);
    if (strcmp(type, "ByteLevel") == 0)
        return ST_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return template_read(p, v, where, f);
    if (strcmp(type, "Sequence") != 0)
        return fault_set(f, ST_UNSUPPORTED, "%s: the post-processor \"%.60s\" is not supported",
                         where, type);
    const struct json *list = json_get(v, "processors");
    if (json_kind(list) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: a post-processor Sequence has no processors", where);
    for (const struct json *m = json_first(list); m; m = json_next(m))
        if (any_read(p, m, where, f) != ST_OK)
            return f->code;
    return ST_OK;
}

enum status postprocessor_open(struct postprocessor *p, const struct json *v, const char *where,
                               struct fault *f)
{
    *p = (struct postprocessor){0};
    enum status st = any_read(p, v, where, f);
    if (st != ST_OK)
        postprocessor_close(p);
    return st;
}

void postprocessor_close(struct postprocessor *p)
{
    ids_free(&p->before);
    ids_free(&p->after);
    *p = (struct postprocessor){0};
}
