/* Decoders: from the pieces of ids back to a text.
 *
 *     piecedecoder_open(&d, json_get(root, "decoder"), "tokenizer.json", f);
 *     struct pieces pieces = {0};
 *     pieces_add(&pieces, "▁a", 4, f); ...
 *     piecedecoder_run(&d, &pieces, out, f);
 *     pieces_free(&pieces);
 *     piecedecoder_close(&d); */
#ifndef DATA_TOKENIZER_PIECEDECODER_H
#define DATA_TOKENIZER_PIECEDECODER_H

#include "data/json.h"
#include "data/text.h"
#include "kernels/status.h"

/* A list of strings, end to end. */
struct pieces {
    struct text bytes;
    size_t *ends;
    size_t n, cap;
};

enum status pieces_add(struct pieces *p, const char *s, size_t n, struct fault *f);
void pieces_free(struct pieces *p);

enum piecedecoder_kind {
    DECODE_BYTE_LEVEL,
    DECODE_BYTE_FALLBACK,
    DECODE_FUSE,
    DECODE_REPLACE,   /* pattern by text */
    DECODE_STRIP,     /* at most start and stop times the character `pattern` */
    DECODE_METASPACE, /* pattern, a character; drop: of the first piece it vanishes */
};

struct piecedecoder_step {
    enum piecedecoder_kind kind;
    struct text pattern, text;
    size_t start, stop;
    bool drop;
};

struct piecedecoder {
    struct piecedecoder_step *steps;
    size_t n, cap;
    bool joins_by_space; /* there is no decoder at all: pieces are joined by spaces */
};

/* null and Sequences included; what is not above is ST_UNSUPPORTED. */
enum status piecedecoder_open(struct piecedecoder *d, const struct json *v, const char *where,
                              struct fault *f);
enum status piecedecoder_add(struct piecedecoder *d, enum piecedecoder_kind kind, struct fault *f);
void piecedecoder_close(struct piecedecoder *d);

/* Appends the text of the pieces, which are used up. */
enum status piecedecoder_run(const struct piecedecoder *d, struct pieces *pieces, struct text *out,
                             struct fault *f);

#endif
