/* The arrays that scripts/make_unicode.py writes; unicode.c alone reads them. */
#ifndef DATA_TOKENIZER_UNICODE_TABLES_H
#define DATA_TOKENIZER_UNICODE_TABLES_H

#include <stdint.h>

enum {
    UNICODE_SHIFT = 5,
    UNICODE_NEAR = 0x40000, /* the tables hold the code points below it ... */
    UNICODE_TAGS = 0xE0000, /* ... and those of [TAGS, TAGS_END) after them */
    UNICODE_TAGS_END = 0xE1000,
    UNICODE_MARKS = 334,
    UNICODE_ODD = 41,
    UNICODE_DECOMPOSE = 2060,
    UNICODE_COMPOSE = 940,
};

/* Two stages: unicode_blocks[unicode_index[c >> SHIFT] << SHIFT | c & mask] has the category in
 * its low five bits, then the flags of enum unicode_flags. */
extern const uint16_t unicode_index[8320];
extern const uint8_t unicode_blocks[20416];

/* Pairs: first code point of a run of marks; (length - 1) << 8 | rank of the combining class. */
extern const uint32_t unicode_marks[2 * UNICODE_MARKS];

/* Pairs: code point; (offset in the pool) << 3 | length of its full decomposition. */
extern const uint32_t unicode_decompose[2 * UNICODE_DECOMPOSE];
extern const uint32_t unicode_decompose_pool[2946];

/* Triples, sorted: first, second, and what they compose to. */
extern const uint32_t unicode_compose[3 * UNICODE_COMPOSE];

/* Pairs: first and last code point of a run on which the pre-tokenizer Punctuation disagrees with
 * the categories. */
extern const uint32_t unicode_odd[2 * UNICODE_ODD];

#endif
