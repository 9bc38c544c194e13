#include "data/tokenizer/scan.h"

#include <string.h>

#include "data/tokenizer/unicode.h"

/* The pattern of GPT-2, and that of Llama 3 with the three ways to cut numbers. */
#define WORDS_GPT2 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SUFFIX "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL   "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORDS_LLAMA3(numbers) \
    SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" TAIL
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(numbers, suffix)                                                                    \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*" suffix "|" numbers "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" TAIL

enum {
    LETTERS = UNICODE_LETTER,
    NUMBERS = UNICODE_NUMBER,
    UPPERS = UNICODE_BIT(Lu) | UNICODE_BIT(Lt) | UNICODE_BIT(Lm) | UNICODE_BIT(Lo) | UNICODE_MARK,
    LOWERS = UNICODE_BIT(Ll) | UNICODE_BIT(Lm) | UNICODE_BIT(Lo) | UNICODE_MARK,
};

/* The code point at i; *next is behind it. ASCII stays inline. */
static inline uint32_t point_at(const char *s, size_t n, size_t i, size_t *next)
{
    if ((unsigned char)s[i] < 0x80) {
        *next = i + 1;
        return (unsigned char)s[i];
    }
    *next = i;
    return utf8_next(s, n, next);
}

/* End of the run of code points of a set, from i on. */
static inline size_t run_end(const char *s, size_t n, size_t i, uint32_t set)
{
    size_t next;
    while (i < n && UNICODE_IS(unicode_class(point_at(s, n, i, &next)), set))
        i = next;
    return i;
}

/* End of the run of [^\s\p{L}\p{N}]. */
static inline size_t other_end(const char *s, size_t n, size_t i)
{
    for (size_t next; i < n; i = next) {
        uint32_t c = point_at(s, n, i, &next);
        if (unicode_space(c) || UNICODE_IS(unicode_class(c), LETTERS | NUMBERS))
            break;
    }
    return i;
}

static inline size_t bytes_end(const char *s, size_t n, size_t i, const char *bytes)
{
    while (i < n && s[i] && strchr(bytes, s[i]))
        i++;
    return i;
}

/* 's|'t|'re|'ve|'m|'ll|'d at i; 0 if none is there. Without case, U+017F counts as an s. */
static size_t contraction(const char *s, size_t n, size_t i, bool any_case)
{
    if (i + 1 >= n || s[i] != '\'')
        return 0;
    unsigned char fold = any_case ? 0x20 : 0, a = (unsigned char)s[i + 1] | fold;
    unsigned char b = i + 2 < n ? (unsigned char)s[i + 2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return i + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return i + 3;
    if (any_case && i + 2 < n && memcmp(s + i + 1, "\xC5\xBF", 2) == 0)
        return i + 3;
    return 0;
}

/* \s+(?!\S)|\s+ , before it \s*[\r\n]+ where the pattern has it. White space is at i. */
static size_t space_end(const char *s, size_t n, size_t i, bool lines)
{
    size_t end = i, last = i, line = 0, next;
    for (; end < n; end = next) {
        uint32_t c = point_at(s, n, end, &next);
        if (!unicode_space(c))
            break;
        if (c == '\r' || c == '\n')
            line = next;
        last = end;
    }
    if (lines && line > 0)
        return line;
    /* What follows a run that is not at the end takes its last space along. */
    return end == n || last == i ? end : last;
}

size_t scan_gpt2(const char *s, size_t n, size_t at)
{
    size_t end = contraction(s, n, at, false), from = at, next;
    if (end)
        return end;
    if (s[at] == ' ' && at + 1 < n)
        from = at + 1;
    uint32_t c = point_at(s, n, from, &next);
    if (unicode_space(c))
        return space_end(s, n, at, false);
    unsigned class = unicode_class(c);
    if (UNICODE_IS(class, LETTERS))
        return run_end(s, n, next, LETTERS);
    if (UNICODE_IS(class, NUMBERS))
        return run_end(s, n, next, NUMBERS);
    return other_end(s, n, next);
}

/* The alternatives behind the words: numbers (at most `digits` together), other characters with
 * the bytes of `trail` after them, white space. */
static size_t rest_end(const char *s, size_t n, size_t at, int digits, const char *trail)
{
    size_t next, after;
    uint32_t c = point_at(s, n, at, &next);
    if (UNICODE_IS(unicode_class(c), NUMBERS)) {
        while (--digits > 0 && next < n &&
               UNICODE_IS(unicode_class(point_at(s, n, next, &after)), NUMBERS))
            next = after;
        return next;
    }
    size_t from = s[at] == ' ' ? at + 1 : at, end = other_end(s, n, from);
    if (end > from)
        return bytes_end(s, n, end, trail);
    return space_end(s, n, at, true);
}

static inline size_t llama3_end(const char *s, size_t n, size_t at, int digits)
{
    size_t end = contraction(s, n, at, true), next;
    if (end)
        return end;
    uint32_t c = point_at(s, n, at, &next);
    unsigned class = unicode_class(c);
    if (UNICODE_IS(class, LETTERS))
        return run_end(s, n, next, LETTERS);
    if (c != '\r' && c != '\n' && !UNICODE_IS(class, NUMBERS)) {
        end = run_end(s, n, next, LETTERS);
        if (end > next)
            return end;
    }
    return rest_end(s, n, at, digits, "\r\n");
}

static size_t scan_llama3(const char *s, size_t n, size_t at)
{
    return llama3_end(s, n, at, 3);
}

static size_t scan_qwen2(const char *s, size_t n, size_t at)
{
    return llama3_end(s, n, at, 1);
}

/* UPPER*LOWER+ from i; 0 if it does not match. Where no lower-case letter follows the run of
 * UPPER, the engine gives back characters until one of both sets can be the LOWER. */
static size_t lower_word(const char *s, size_t n, size_t i)
{
    size_t both = 0, next;
    for (; i < n; i = next) {
        unsigned class = unicode_class(point_at(s, n, i, &next));
        if (!UNICODE_IS(class, UPPERS))
            break;
        if (UNICODE_IS(class, LOWERS))
            both = next;
    }
    size_t end = run_end(s, n, i, LOWERS);
    return end > i ? end : both;
}

/* UPPER+LOWER* from i; 0 if it does not match. */
static size_t upper_word(const char *s, size_t n, size_t i)
{
    size_t end = run_end(s, n, i, UPPERS);
    return end > i ? run_end(s, n, end, LOWERS) : 0;
}

static size_t cased_end(const char *s, size_t n, size_t at, int digits, bool suffix)
{
    size_t next, end = 0;
    uint32_t c = point_at(s, n, at, &next);
    unsigned class = unicode_class(c);
    bool prefix = c != '\r' && c != '\n' && !UNICODE_IS(class, LETTERS | NUMBERS);
    if (prefix)
        end = lower_word(s, n, next);
    if (!end)
        end = lower_word(s, n, at);
    if (!end && prefix)
        end = upper_word(s, n, next);
    if (!end)
        end = upper_word(s, n, at);
    if (!end)
        return rest_end(s, n, at, digits, "\r\n/");
    size_t more = suffix ? contraction(s, n, end, true) : 0;
    return more ? more : end;
}

static size_t scan_tekken(const char *s, size_t n, size_t at)
{
    return cased_end(s, n, at, 1, false);
}

static size_t scan_o200k(const char *s, size_t n, size_t at)
{
    return cased_end(s, n, at, 3, true);
}

scan_fn *scan_for(const char *regex)
{
    static const struct {
        const char *regex;
        scan_fn *scan;
    } known[] = {
        {WORDS_GPT2, scan_gpt2},
        {WORDS_LLAMA3("\\p{N}{1,3}"), scan_llama3},
        {WORDS_LLAMA3("\\p{N}"), scan_qwen2},
        {CASED("\\p{N}", ""), scan_tekken},
        {CASED("\\p{N}{1,3}", SUFFIX "?"), scan_o200k},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(regex, known[i].regex) == 0)
            return known[i].scan;
    return NULL;
}
