/* A template's source as tokens.
 *
 *     struct jtokens t = jlex(r, source, n);
 *
 * Data tokens already have the effect of trim_blocks, lstrip_blocks, -, + and raw. */
#ifndef DATA_JINJA_JLEX_H
#define DATA_JINJA_JLEX_H

#include "data/jinja/jrun.h"

enum jtok {
    JT_DATA,
    JT_BLOCK_BEGIN,
    JT_BLOCK_END,
    JT_VAR_BEGIN,
    JT_VAR_END,
    JT_NAME,
    JT_STRING,
    JT_INT,
    JT_FLOAT,
    JT_ADD,
    JT_SUB,
    JT_DIV,
    JT_FLOORDIV,
    JT_MUL,
    JT_MOD,
    JT_POW,
    JT_TILDE,
    JT_LBRACKET,
    JT_RBRACKET,
    JT_LPAREN,
    JT_RPAREN,
    JT_LBRACE,
    JT_RBRACE,
    JT_EQ,
    JT_NE,
    JT_GT,
    JT_GE,
    JT_LT,
    JT_LE,
    JT_ASSIGN,
    JT_DOT,
    JT_COLON,
    JT_PIPE,
    JT_COMMA,
    JT_SEMICOLON,
    JT_EOF
};

struct jtoken {
    enum jtok kind;
    int line;
    struct jv v; /* data, names and strings: a string; numbers */
};

struct jtokens {
    struct jtoken *p;
    size_t n, cap;
};

struct jtokens jlex(struct jrun *r, const char *source, size_t n);

/* The value of a string literal's inside, of a number literal. */
struct jv jlex_unescape(struct jrun *r, const char *p, size_t n);
struct jv jlex_int(struct jrun *r, const char *p, size_t n);
struct jv jlex_float(struct jrun *r, const char *p, size_t n);

#endif
