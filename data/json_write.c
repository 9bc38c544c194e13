#include "data/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/json_impl.h"

/* ---- building ------------------------------------------------------------------------------ */

static struct json_doc *doc_new(cJSON *root)
{
    struct json_doc *doc = calloc(1, sizeof *doc);
    if (doc && root) {
        root->valueint = 0;
        doc->root = root;
        return doc;
    }
    cJSON_Delete(root);
    free(doc);
    return NULL;
}

struct json_doc *json_new_object(void)
{
    return doc_new(cJSON_CreateObject());
}

struct json_doc *json_new_array(void)
{
    return doc_new(cJSON_CreateArray());
}

struct json *json_edit(struct json_doc *doc)
{
    return doc ? (struct json *)doc->root : NULL;
}

/* Takes item, which may be NULL; a loss is marked on the parent. Returns the item that was added,
 * or NULL. */
static struct json *add(struct json *to, const char *key, cJSON *item)
{
    cJSON *parent = (cJSON *)to;
    bool added = false;
    if (parent && item)
        added = key ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item);
    if (added)
        return (struct json *)item;
    cJSON_Delete(item);
    if (parent)
        parent->valueint = MARK_LOST;
    return NULL;
}

struct json *json_add_object(struct json *to, const char *key)
{
    return add(to, key, cJSON_CreateObject());
}

struct json *json_add_array(struct json *to, const char *key)
{
    return add(to, key, cJSON_CreateArray());
}

void json_add_string(struct json *to, const char *key, const char *value)
{
    add(to, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

static cJSON *number(double value)
{
    cJSON *item = isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull();
    if (item)
        item->valueint = 0;
    return item;
}

void json_add_number(struct json *to, const char *key, double value)
{
    add(to, key, number(value));
}

void json_add_int(struct json *to, const char *key, int64_t value)
{
    add(to, key, number((double)value));
}

void json_add_bool(struct json *to, const char *key, bool value)
{
    add(to, key, cJSON_CreateBool(value));
}

void json_add_null(struct json *to, const char *key)
{
    add(to, key, cJSON_CreateNull());
}

void json_add_copy(struct json *to, const char *key, const struct json *value)
{
    if (value)
        add(to, key, cJSON_Duplicate(node(value), true));
    else
        json_add_null(to, key);
}

/* ---- printing ------------------------------------------------------------------------------ */

struct print {
    struct text *to;
    bool indented;
    int depth;
};

static enum status newline(const struct print *p, struct fault *f)
{
    static const char blanks[] = "                                ";
    if (text_add(p->to, "\n", 1, f) != ST_OK)
        return f->code;
    for (int left = 2 * p->depth; left > 0; left -= 32)
        if (text_add(p->to, blanks, left < 32 ? (size_t)left : 32, f) != ST_OK)
            return f->code;
    return ST_OK;
}

/* Escapes what Python's json.dumps(ensure_ascii=False) escapes. */
enum status json_print_string(struct text *to, const char *s, struct fault *f)
{
    static const char named[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    if (text_add(to, "\"", 1, f) != ST_OK)
        return f->code;
    while (*s) {
        size_t plain = 0;
        while ((unsigned char)s[plain] >= 0x20 && s[plain] != '"' && s[plain] != '\\')
            plain++;
        if (text_add(to, s, plain, f) != ST_OK)
            return f->code;
        s += plain;
        if (!*s)
            break;
        const char *at = strchr(named, *s);
        enum status st = at ? text_addf(to, f, "\\%c", letter[at - named])
                            : text_addf(to, f, "\\u%04x", (unsigned)*s);
        if (st != ST_OK)
            return st;
        s++;
    }
    return text_add(to, "\"", 1, f);
}

/* The fewest digits that read back as x. Below DBL_MIN a double has fewer than 15 good digits, so
 * there the search starts at one; elsewhere %g drops the zeros that 15 digits may end in. */
static int digits_of(double x)
{
    char s[40];
    int digits = fabs(x) < DBL_MIN || fabs(x) >= 1e16 ? 1 : 15;
    for (; digits < 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x)
            break;
    }
    return digits;
}

/* A float looks as Python's repr would make it, an integer has no point and no exponent. */
static enum status print_number(struct text *to, double x, bool is_float, struct fault *f)
{
    bool whole = x == floor(x);
    if (whole && fabs(x) < (is_float ? 1e16 : 1e59))
        return text_addf(to, f, is_float ? "%.1f" : "%.0f", x);
    if (fabs(x) >= 1e16)
        return text_addf(to, f, "%.*e", digits_of(x) - 1, x);
    return text_addf(to, f, "%.*g", digits_of(x), x);
}

static enum status print_value(struct print *p, const cJSON *v, struct fault *f);

static enum status print_members(struct print *p, const cJSON *v, struct fault *f)
{
    p->depth++;
    for (const cJSON *m = v->child; m; m = m->next) {
        if (m != v->child && text_adds(p->to, p->indented ? "," : ", ", f) != ST_OK)
            return f->code;
        if (p->indented && newline(p, f) != ST_OK)
            return f->code;
        if (cJSON_IsObject(v) && (json_print_string(p->to, m->string, f) != ST_OK ||
                                  text_add(p->to, ": ", 2, f) != ST_OK))
            return f->code;
        if (print_value(p, m, f) != ST_OK)
            return f->code;
    }
    p->depth--;
    return p->indented && v->child ? newline(p, f) : ST_OK;
}

static enum status print_value(struct print *p, const cJSON *v, struct fault *f)
{
    switch (v->type & 0xFF) {
    case cJSON_False: return text_add(p->to, "false", 5, f);
    case cJSON_True: return text_add(p->to, "true", 4, f);
    case cJSON_Number: return print_number(p->to, v->valuedouble, v->valueint == MARK_FLOAT, f);
    case cJSON_String: return json_print_string(p->to, v->valuestring, f);
    case cJSON_Array:
    case cJSON_Object: break;
    default: return text_add(p->to, "null", 4, f);
    }
    if (v->valueint == MARK_LOST)
        return fault_nomem(f, "a JSON document", sizeof *v);
    bool object = cJSON_IsObject(v);
    if (text_add(p->to, object ? "{" : "[", 1, f) != ST_OK || print_members(p, v, f) != ST_OK)
        return f->code;
    return text_add(p->to, object ? "}" : "]", 1, f);
}

enum status json_print_value(struct text *to, const struct json *v, bool indented, struct fault *f)
{
    struct print p = {.to = to, .indented = indented};
    size_t before = to->n;
    enum status s = v ? print_value(&p, node(v), f) : text_add(to, "null", 4, f);
    if (s != ST_OK && to->p) {
        to->n = before;
        to->p[before] = '\0';
    }
    return s;
}

enum status json_print(struct text *to, const struct json_doc *doc, bool indented, struct fault *f)
{
    if (!doc)
        return fault_nomem(f, "a JSON document", sizeof *doc);
    return json_print_value(to, json_root(doc), indented, f);
}

enum status json_whole(const struct json *v, struct fault *f)
{
    if (json_kind(v) != JSON_ARRAY && json_kind(v) != JSON_OBJECT)
        return ST_OK;
    if (node(v)->valueint == MARK_LOST)
        return fault_nomem(f, "a JSON document", sizeof *node(v));
    for (const struct json *e = json_first(v); e; e = json_next(e))
        if (json_whole(e, f) != ST_OK)
            return f->code;
    return ST_OK;
}
