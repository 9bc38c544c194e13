/* JSON through one strict wrapper around cJSON.
 *
 *     struct json_doc *doc;
 *     if (json_parse(&doc, bytes, n, "config.json", f) != ST_OK) return f->code;
 *     const struct json *root = json_root(doc);
 *     int64_t hidden;
 *     if (json_need_int(&hidden, root, "hidden_size", 1, 1 << 20, "config.json", f) != ST_OK) ...
 *     json_close(&doc);
 *
 * Stricter than cJSON: the bytes are valid UTF-8, hold no \u0000 and nothing after the value;
 * nesting is bounded (JSON_DEPTH_MAX); a key that stands twice in one object is refused; look-ups
 * are case-sensitive; integers are those with |x| < 2^53 and no fraction. NaN and Infinity (which
 * Python writes) are refused, and so are numbers of more than 60 characters. A byte order mark
 * before the value is passed over. `where` names the source in every message. */
#ifndef DATA_JSON_H
#define DATA_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/text.h"
#include "kernels/status.h"

struct json;     /* a value inside a document: borrowed, lives as long as the document */
struct json_doc; /* owns its values */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum { JSON_DEPTH_MAX = 128 };

enum status json_parse(struct json_doc **out, const char *bytes, size_t n, const char *where,
                       struct fault *f);
void json_close(struct json_doc **doc);
const struct json *json_root(const struct json_doc *doc);

/* A NULL value is accepted by every reader below and behaves as an absent one. */
enum json_kind json_kind(const struct json *v);                          /* JSON_NULL for NULL */
const struct json *json_get(const struct json *object, const char *key); /* NULL if absent */
size_t json_count(const struct json *v);                 /* elements or members; O(n) */
const struct json *json_first(const struct json *v);     /* first element or member, or NULL */
const struct json *json_next(const struct json *v);      /* its next sibling, or NULL */
const char *json_key(const struct json *member);         /* the member's key; NULL in arrays */
const char *json_string(const struct json *v);           /* NULL unless a string */
bool json_bool(const struct json *v, bool absent);       /* absent unless a boolean */
double json_number(const struct json *v, double absent); /* absent unless a number */
bool json_int(const struct json *v, int64_t *out);       /* false unless an integer as above */
bool json_is_float(const struct json *v); /* a number written with a fraction or an exponent */

/* Members that must be there, with a message that names where and key; ST_FORMAT otherwise.
 * The opt forms leave *out as it is when the key is absent or null. */
enum status json_need_int(int64_t *out, const struct json *object, const char *key, int64_t min,
                          int64_t max, const char *where, struct fault *f);
enum status json_opt_int(int64_t *out, const struct json *object, const char *key, int64_t min,
                         int64_t max, const char *where, struct fault *f);
enum status json_opt_number(double *out, const struct json *object, const char *key, double min,
                            double max, const char *where, struct fault *f);
enum status json_opt_bool(bool *out, const struct json *object, const char *key, const char *where,
                          struct fault *f);
enum status json_opt_string(const char **out, const struct json *object, const char *key,
                            const char *where, struct fault *f); /* borrowed from the document */

/* Building. A value under construction is owned by its parent once added; json_new_* return NULL
 * when memory is short, and adding NULL is remembered: json_print then gives ST_NOMEM. */
struct json_doc *json_new_object(void);
struct json_doc *json_new_array(void);
struct json *json_edit(struct json_doc *doc);                   /* its root, to add to */
struct json *json_add_object(struct json *to, const char *key); /* key NULL when `to` is an array */
struct json *json_add_array(struct json *to, const char *key);
void json_add_string(struct json *to, const char *key, const char *value); /* NULL gives null */
void json_add_number(struct json *to, const char *key, double value); /* not finite gives null */
void json_add_int(struct json *to, const char *key, int64_t value);
void json_add_bool(struct json *to, const char *key, bool value);
void json_add_null(struct json *to, const char *key);
void json_add_copy(struct json *to, const char *key, const struct json *value); /* deep copy */

/* Appends the document's text as Python's json.dumps(ensure_ascii=False) would write it: one line
 * with ", " and ": ", or indent=2. Numbers are printed with the fewest digits that read back the
 * same double; integers have no exponent; a parsed 20.0 stays 20.0, an added one becomes 20. On
 * failure `to` is as it was. */
enum status json_print(struct text *to, const struct json_doc *doc, bool indented, struct fault *f);
enum status json_print_value(struct text *to, const struct json *v, bool indented, struct fault *f);

enum status json_print_string(struct text *to, const char *s, struct fault *f); /* with quotes */

/* ST_NOMEM if something that was added to v, or within it, was lost for want of memory: before v is
 * read instead of printed. */
enum status json_whole(const struct json *v, struct fault *f);

#endif
