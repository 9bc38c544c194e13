/* Case mappings that make several code points of one ("ß".upper() is "SS"), by code point. */
#ifndef DATA_JINJA_JCASE_H
#define DATA_JINJA_JCASE_H

#include <stddef.h>
#include <stdint.h>

struct jcase {
    uint32_t c, upper[3], title[3]; /* padded with zeros */
};

extern const struct jcase jcase_table[];
extern const size_t jcase_count;

#endif
