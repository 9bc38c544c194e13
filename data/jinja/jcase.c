#include "data/jinja/jcase.h"

#include <utf8proc.h>

#include "data/jinja/jstr.h"

static utf8proc_category_t category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

bool jstr_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool jstr_is_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

bool jstr_is_printable(uint32_t c)
{
    if (c < 0x7F)
        return c >= 0x20;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

bool jstr_is_letter(uint32_t c)
{
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool jstr_is_name_start(uint32_t c)
{
    return c == '_' || jstr_is_letter(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool jstr_is_name_part(uint32_t c)
{
    utf8proc_category_t k = category(c);
    return jstr_is_name_start(c) || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC ||
           k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_PC;
}

/* Other_Uppercase and Other_Lowercase are circled letters, Roman numerals, modifier letters and the
 * like. */
bool jstr_is_upper(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216F) ||
           (c >= 0x24B6 && c <= 0x24CF) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

bool jstr_is_lower(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA ||
           (c >= 0x2B0 && c <= 0x2B8) || c == 0x2C0 || c == 0x2C1 || (c >= 0x2E0 && c <= 0x2E4) ||
           c == 0x345 || c == 0x37A || (c >= 0x1D2C && c <= 0x1D6A) || c == 0x1D78 ||
           (c >= 0x1D9B && c <= 0x1DBF) || c == 0x2071 || c == 0x207F ||
           (c >= 0x2090 && c <= 0x209C) || (c >= 0x2170 && c <= 0x217F) ||
           (c >= 0x24D0 && c <= 0x24E9) || c == 0x2C7C || c == 0x2C7D || c == 0xA69C ||
           c == 0xA69D || c == 0xA770 || c == 0xA7F8 || c == 0xA7F9 ||
           (c >= 0xAB5C && c <= 0xAB5F) || c == 0x10780 || (c >= 0x10783 && c <= 0x10785) ||
           (c >= 0x10787 && c <= 0x107B0) || (c >= 0x107B2 && c <= 0x107BA);
}

bool jstr_is_cased(uint32_t c)
{
    return jstr_is_upper(c) || jstr_is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

bool jstr_is_decimal(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_ND;
}

bool jstr_is_alnum(uint32_t c)
{
    utf8proc_category_t k = category(c);
    return jstr_is_letter(c) || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL ||
           k == UTF8PROC_CATEGORY_NO;
}

bool jstr_all_cased(struct jrun *r, const struct jstr *s, bool upper)
{
    bool any = false;
    jrun_spend_letters(r, s->n);
    for (size_t i = 0; i < s->n;) {
        uint32_t c = jstr_next(s, &i);
        bool cased = jstr_is_cased(c);
        if (cased && !(upper ? jstr_is_upper(c) : jstr_is_lower(c)))
            return false;
        any |= cased;
    }
    return any;
}

static bool case_ignorable(uint32_t c)
{
    switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default:
        return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x387 || c == 0x55F ||
               c == 0x5F4 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027 ||
               c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 || c == 0xFF0E ||
               c == 0xFF1A;
    }
}

/* A capital sigma is final if a cased letter stands before it and none after, not counting what
 * is case-ignorable. at is the byte after the sigma. */
static bool final_sigma(struct jrun *r, const struct jstr *s, size_t at)
{
    size_t i = at;
    jstr_prev(s, &i);
    bool before = false;
    while (i > 0) {
        jrun_spend(r, 1);
        uint32_t c = jstr_prev(s, &i);
        if (case_ignorable(c))
            continue;
        before = jstr_is_cased(c);
        break;
    }
    for (i = at; before && i < s->n;) {
        jrun_spend(r, 1);
        uint32_t c = jstr_next(s, &i);
        if (!case_ignorable(c))
            return !jstr_is_cased(c);
    }
    return before;
}

static const struct jcase *special(uint32_t c)
{
    size_t lo = 0, hi = jcase_count;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (jcase_table[mid].c == c)
            return &jcase_table[mid];
        if (jcase_table[mid].c < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

void jstr_add_case(struct jrun *r, struct jbuf *b, enum jstr_case how, uint32_t c,
                   const struct jstr *s, size_t at)
{
    utf8proc_int32_t k = (utf8proc_int32_t)c;
    if (how == JSTR_LOWER) {
        if (c == 0x130) {
            jbuf_addc(r, b, 'i');
            jbuf_addc(r, b, 0x307);
        } else if (c == 0x3A3 && final_sigma(r, s, at)) {
            jbuf_addc(r, b, 0x3C2);
        } else {
            jbuf_addc(r, b, (uint32_t)utf8proc_tolower(k));
        }
        return;
    }
    const struct jcase *x = c < 0xDF ? NULL : special(c);
    if (!x) {
        jbuf_addc(r, b, (uint32_t)(how == JSTR_UPPER ? utf8proc_toupper(k) : utf8proc_totitle(k)));
        return;
    }
    const uint32_t *to = how == JSTR_UPPER ? x->upper : x->title;
    for (int i = 0; i < 3 && to[i]; i++)
        jbuf_addc(r, b, to[i]);
}

/* Runs of ASCII are mapped as they are copied: what templates change the case of is mostly that. */
static size_t add_ascii(struct jrun *r, struct jbuf *b, enum jstr_case how, const struct jstr *s,
                        size_t from, size_t to)
{
    size_t end = from, at = b->n;
    while (end < to && (unsigned char)s->p[end] < 0x80)
        end++;
    jbuf_add(r, b, s->p + from, end - from);
    for (; at < b->n; at++) {
        char c = b->p[at];
        if (how == JSTR_LOWER ? c >= 'A' && c <= 'Z' : c >= 'a' && c <= 'z')
            b->p[at] = (char)(c ^ 32);
    }
    return end;
}

void jstr_add_cased(struct jrun *r, struct jbuf *b, enum jstr_case how, const struct jstr *s,
                    size_t from, size_t to)
{
    while ((from = add_ascii(r, b, how, s, from, to)) < to) {
        jrun_spend(r, 1);
        uint32_t c = jstr_next(s, &from);
        jstr_add_case(r, b, how, c, s, from);
    }
}

struct jv jstr_cased(struct jrun *r, enum jstr_case how, struct jstr *s)
{
    struct jbuf b = {0};
    jstr_add_cased(r, &b, how, s, 0, s->n);
    return jstr_like(r, s, jbuf_str(r, &b));
}
