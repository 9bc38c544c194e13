/* Strings as Python has them: code points, Unicode white space, full case mappings.
 *
 * Byte offsets and code point counts are never mixed: functions that return or take code points say
 * so in their name (`at`, `count`). */
#ifndef DATA_JINJA_JSTR_H
#define DATA_JINJA_JSTR_H

#include "data/jinja/jrun.h"

size_t jstr_count(struct jrun *r, struct jstr *s);                /* len(s) */
size_t jstr_offset(struct jrun *r, struct jstr *s, size_t count); /* byte of a code point */
uint32_t jstr_next(const struct jstr *s, size_t *i);              /* needs *i < s->n */
uint32_t jstr_prev(const struct jstr *s, size_t *i);              /* needs *i > 0 */
struct jv jstr_part(struct jrun *r, const struct jstr *s, size_t from, size_t to); /* bytes */
/* Offset of the first (or last) occurrence at or after `from` that ends by `to`, or SIZE_MAX. */
size_t jstr_find(struct jrun *r, const struct jstr *s, const struct jstr *what, size_t from,
                 size_t to);
size_t jstr_rfind(struct jrun *r, const struct jstr *s, const struct jstr *what, size_t from,
                  size_t to);
bool jstr_is_space(uint32_t c);
bool jstr_is_line_end(uint32_t c); /* for splitlines */
bool jstr_is_printable(uint32_t c);
bool jstr_is_letter(uint32_t c);
bool jstr_is_name_start(uint32_t c);
bool jstr_is_name_part(uint32_t c);

enum jstr_case { JSTR_UPPER, JSTR_LOWER, JSTR_TITLE };
/* Appends the full mapping of c; s and at (the byte after c) decide about a final sigma. */
void jstr_add_case(struct jrun *r, struct jbuf *b, enum jstr_case how, uint32_t c,
                   const struct jstr *s, size_t at);
void jstr_add_cased(struct jrun *r, struct jbuf *b, enum jstr_case how, const struct jstr *s,
                    size_t from, size_t to);
struct jv jstr_cased(struct jrun *r, enum jstr_case how, struct jstr *s);
bool jstr_is_upper(uint32_t c);
bool jstr_is_lower(uint32_t c);
bool jstr_is_cased(uint32_t c);
bool jstr_is_decimal(uint32_t c);
bool jstr_is_alnum(uint32_t c);
/* str.isupper, str.islower: no cased letter is otherwise, and there is one. */
bool jstr_all_cased(struct jrun *r, const struct jstr *s, bool upper);

struct jv jstr_strip(struct jrun *r, struct jstr *s, const struct jstr *chars, bool left,
                     bool right); /* chars NULL: white space */
struct jv jstr_replace(struct jrun *r, struct jstr *s, struct jstr *old, struct jstr *new,
                       int64_t count);
struct jv jstr_repeat(struct jrun *r, struct jstr *s, int64_t n);
struct jv jstr_concat(struct jrun *r, struct jv a, struct jv b); /* escapes for Markup */
struct jv jstr_escape(struct jrun *r, struct jv v);              /* markupsafe.escape(v) */
struct jv jstr_markup(struct jrun *r, struct jv s);              /* the same text, marked safe */
struct jv jstr_like(struct jrun *r, const struct jstr *s, struct jv out); /* marked if s is */

#endif
