#include "data/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/json_impl.h"
#include "data/json_scan.h"

static const double INT_LIMIT = 9007199254740992.0; /* 2^53 */

/* ---- parsing ----------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the keys of a large object, so that a hostile one costs n log n. */
static enum status check_keys(const cJSON *object, const char *where, struct fault *f)
{
    enum status s = ST_OK;
    size_t n = 0;
    for (const cJSON *m = object->child; m; m = m->next)
        n++;
    if (n < 2)
        return ST_OK;
    char **keys = malloc(n * sizeof *keys);
    if (!keys)
        return fault_nomem(f, where, n * sizeof *keys);
    size_t k = 0;
    for (const cJSON *m = object->child; m; m = m->next)
        keys[k++] = m->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (k = 1; k < n && s == ST_OK; k++)
        if (strcmp(keys[k - 1], keys[k]) == 0)
            s = fault_set(f, ST_FORMAT, "%s: the key \"%.80s\" stands twice in one object", where,
                          keys[k]);
    free(keys);
    return s;
}

struct walk {
    const struct ids *floats;
    size_t next; /* in floats */
    int32_t numbers;
    const char *where;
};

/* Checks what the grammar cannot say, and marks floats; cJSON keeps the order of the document.
 * The scan bounded the depth. */
static enum status finish(cJSON *v, struct walk *w, struct fault *f)
{
    v->valueint = 0;
    if (cJSON_IsNumber(v)) {
        if (!isfinite(v->valuedouble))
            return fault_set(f, ST_FORMAT, "%s: a number is too large for a double", w->where);
        if (w->next < w->floats->n && w->floats->p[w->next] == w->numbers) {
            v->valueint = MARK_FLOAT;
            w->next++;
        }
        w->numbers++;
    }
    for (cJSON *m = v->child; m; m = m->next)
        if (finish(m, w, f) != ST_OK)
            return f->code;
    return cJSON_IsObject(v) ? check_keys(v, w->where, f) : ST_OK;
}

enum status json_parse(struct json_doc **out, const char *bytes, size_t n, const char *where,
                       struct fault *f)
{
    struct ids floats = {0};
    struct json_doc *doc = NULL;
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        n -= 3;
    }
    if (json_scan(&floats, bytes, n, where, f) != ST_OK)
        goto fail;
    doc = calloc(1, sizeof *doc);
    if (doc)
        doc->root = cJSON_ParseWithLength(bytes, n);
    if (!doc || !doc->root) {
        fault_nomem(f, where, n);
        goto fail;
    }
    struct walk w = {.floats = &floats, .where = where};
    if (finish(doc->root, &w, f) != ST_OK)
        goto fail;
    ids_free(&floats);
    *out = doc;
    return ST_OK;
fail:
    ids_free(&floats);
    json_close(&doc);
    return f->code;
}

void json_close(struct json_doc **doc)
{
    if (!*doc)
        return;
    cJSON_Delete((*doc)->root);
    free(*doc);
    *doc = NULL;
}

const struct json *json_root(const struct json_doc *doc)
{
    return doc ? (const struct json *)doc->root : NULL;
}

/* ---- reading ----------------------------------------------------------------------------- */

enum json_kind json_kind(const struct json *v)
{
    switch (v ? node(v)->type & 0xFF : cJSON_NULL) {
    case cJSON_False:
    case cJSON_True: return JSON_BOOL;
    case cJSON_Number: return JSON_NUMBER;
    case cJSON_String: return JSON_STRING;
    case cJSON_Array: return JSON_ARRAY;
    case cJSON_Object: return JSON_OBJECT;
    default: return JSON_NULL;
    }
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (json_kind(object) != JSON_OBJECT)
        return NULL;
    for (const cJSON *m = node(object)->child; m; m = m->next)
        if (strcmp(m->string, key) == 0)
            return (const struct json *)m;
    return NULL;
}

size_t json_count(const struct json *v)
{
    size_t n = 0;
    for (const struct json *m = json_first(v); m; m = json_next(m))
        n++;
    return n;
}

const struct json *json_first(const struct json *v)
{
    return v ? (const struct json *)node(v)->child : NULL;
}

const struct json *json_next(const struct json *v)
{
    return v ? (const struct json *)node(v)->next : NULL;
}

const char *json_key(const struct json *member)
{
    return member ? node(member)->string : NULL;
}

const char *json_string(const struct json *v)
{
    return json_kind(v) == JSON_STRING ? node(v)->valuestring : NULL;
}

bool json_bool(const struct json *v, bool absent)
{
    return json_kind(v) == JSON_BOOL ? (node(v)->type & 0xFF) == cJSON_True : absent;
}

double json_number(const struct json *v, double absent)
{
    return json_kind(v) == JSON_NUMBER ? node(v)->valuedouble : absent;
}

bool json_is_float(const struct json *v)
{
    return json_kind(v) == JSON_NUMBER && node(v)->valueint == MARK_FLOAT;
}

bool json_int(const struct json *v, int64_t *out)
{
    double x = json_number(v, 0.5);
    if (!(fabs(x) < INT_LIMIT) || x != floor(x))
        return false;
    *out = (int64_t)x;
    return true;
}

/* ---- members with a message ---------------------------------------------------------------- */

/* What stands there instead, short enough for a message. */
static const char *describe(char *to, size_t size, const struct json *v)
{
    static const char *const kinds[] = {"null",     "a boolean", "a number",
                                        "a string", "an array",  "an object"};
    if (json_kind(v) == JSON_NUMBER)
        snprintf(to, size, "%.17g", json_number(v, 0));
    else if (json_kind(v) == JSON_STRING)
        snprintf(to, size, "\"%.40s\"", json_string(v));
    else
        snprintf(to, size, "%s", kinds[json_kind(v)]);
    return to;
}

static bool absent(const struct json *object, const char *key)
{
    return json_kind(json_get(object, key)) == JSON_NULL;
}

enum status json_need_int(int64_t *out, const struct json *object, const char *key, int64_t min,
                          int64_t max, const char *where, struct fault *f)
{
    if (absent(object, key))
        return fault_set(f, ST_FORMAT, "%s: the key \"%s\" is missing", where, key);
    return json_opt_int(out, object, key, min, max, where, f);
}

enum status json_opt_int(int64_t *out, const struct json *object, const char *key, int64_t min,
                         int64_t max, const char *where, struct fault *f)
{
    const struct json *v = json_get(object, key);
    char got[64];
    int64_t x;
    if (absent(object, key))
        return ST_OK;
    if (!json_int(v, &x) || x < min || x > max)
        return fault_set(f, ST_FORMAT, "%s: \"%s\" must be an integer from %lld to %lld, not %s",
                         where, key, (long long)min, (long long)max, describe(got, sizeof got, v));
    *out = x;
    return ST_OK;
}

enum status json_opt_number(double *out, const struct json *object, const char *key, double min,
                            double max, const char *where, struct fault *f)
{
    const struct json *v = json_get(object, key);
    char got[64];
    if (absent(object, key))
        return ST_OK;
    double x = json_number(v, NAN);
    if (!(x >= min && x <= max))
        return fault_set(f, ST_FORMAT, "%s: \"%s\" must be a number from %g to %g, not %s", where,
                         key, min, max, describe(got, sizeof got, v));
    *out = x;
    return ST_OK;
}

enum status json_opt_bool(bool *out, const struct json *object, const char *key, const char *where,
                          struct fault *f)
{
    const struct json *v = json_get(object, key);
    char got[64];
    if (absent(object, key))
        return ST_OK;
    if (json_kind(v) != JSON_BOOL)
        return fault_set(f, ST_FORMAT, "%s: \"%s\" must be true or false, not %s", where, key,
                         describe(got, sizeof got, v));
    *out = json_bool(v, false);
    return ST_OK;
}

enum status json_opt_string(const char **out, const struct json *object, const char *key,
                            const char *where, struct fault *f)
{
    const struct json *v = json_get(object, key);
    char got[64];
    if (absent(object, key))
        return ST_OK;
    if (json_kind(v) != JSON_STRING)
        return fault_set(f, ST_FORMAT, "%s: \"%s\" must be a string, not %s", where, key,
                         describe(got, sizeof got, v));
    *out = json_string(v);
    return ST_OK;
}
