/* What the tokenizers library knows about code points, from tables that a script reads off the
 * library itself, because each part of it follows another Unicode version.
 *
 *     unsigned c = unicode_class(0x41);          // category and flags in one byte
 *     if (UNICODE_IS(c, UNICODE_LETTER)) ...
 *     unicode_normalize(&out, NULL, s, n, true, f);    // NFC */
#ifndef DATA_TOKENIZER_UNICODE_H
#define DATA_TOKENIZER_UNICODE_H

#include <stdbool.h>

#include "data/text.h"
#include "data/tokenizer/unicode_tables.h"
#include "kernels/status.h"

/* The order is that of CATEGORIES in scripts/make_unicode.py. */
/* clang-format off */
#define UNICODE_CATEGORIES(X)                                                        \
    X(Cn) X(Lu) X(Ll) X(Lt) X(Lm) X(Lo) X(Mn) X(Mc) X(Me) X(Nd) X(Nl) X(No) X(Pc)    \
    X(Pd) X(Ps) X(Pe) X(Pi) X(Pf) X(Po) X(Sm) X(Sc) X(Sk) X(So) X(Zs) X(Zl) X(Zp)    \
    X(Cc) X(Cf) X(Co)
/* clang-format on */

enum unicode_category {
#define X(name) UNICODE_##name,
    UNICODE_CATEGORIES(X)
#undef X
};

enum unicode_flags {
    UNICODE_CATEGORY = 31, /* mask of the category */
    UNICODE_NUMERIC = 32,  /* Rust's char::is_numeric: Digits */
    UNICODE_WORD = 64,     /* the regex crate's word characters: single_word */
    UNICODE_NORMAL = 128,  /* NFC or NFD may change a text with it */
};

/* Sets of categories as bit masks, to be tested against a class. */
#define UNICODE_BIT(name) (1u << UNICODE_##name)
#define UNICODE_LETTER \
    (UNICODE_BIT(Lu) | UNICODE_BIT(Ll) | UNICODE_BIT(Lt) | UNICODE_BIT(Lm) | UNICODE_BIT(Lo))
#define UNICODE_MARK (UNICODE_BIT(Mn) | UNICODE_BIT(Mc) | UNICODE_BIT(Me))
#define UNICODE_PUNCTUATION                                                                    \
    (UNICODE_BIT(Pc) | UNICODE_BIT(Pd) | UNICODE_BIT(Ps) | UNICODE_BIT(Pe) | UNICODE_BIT(Pi) | \
     UNICODE_BIT(Pf) | UNICODE_BIT(Po))
#define UNICODE_SYMBOL         (UNICODE_BIT(Sm) | UNICODE_BIT(Sc) | UNICODE_BIT(Sk) | UNICODE_BIT(So))
#define UNICODE_NUMBER         (UNICODE_BIT(Nd) | UNICODE_BIT(Nl) | UNICODE_BIT(No))
#define UNICODE_IS(class, set) ((set) >> ((class) & UNICODE_CATEGORY) & 1u)

/* Category and flags of a code point; anything above U+10FFFF is unassigned. */
static inline unsigned unicode_class(uint32_t c)
{
    if (c >= UNICODE_NEAR) {
        if (c < UNICODE_TAGS || c >= UNICODE_TAGS_END)
            return c >= 0xF0000 && c <= 0x10FFFF && (c & 0xFFFF) < 0xFFFE ? UNICODE_Co : 0;
        c -= UNICODE_TAGS - UNICODE_NEAR;
    }
    unsigned block = unicode_index[c >> UNICODE_SHIFT];
    return unicode_blocks[block << UNICODE_SHIFT | (c & ((1u << UNICODE_SHIFT) - 1))];
}

/* White_Space: what every engine inside the library means by \s and is_whitespace. */
static inline bool unicode_space(uint32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* What the pre-tokenizer Punctuation cuts at. */
bool unicode_punctuation(uint32_t c);

/* The set of the categories that \p{name} means ("L", "Lu", ...); 0 if unknown. */
uint32_t unicode_set(const char *name, size_t n);

/* Appends the canonical composition (NFC) or decomposition (NFD) of valid UTF-8; linear time. takes,
 * if not NULL, gets for each code point of the result how many of s it stands for, as the library
 * counts them: 0 for one that shares what the one before it stands for. */
enum status unicode_normalize(struct text *out, struct ids *takes, const char *s, size_t n,
                              bool compose, struct fault *f);

#endif
