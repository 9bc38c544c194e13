/* Pre-tokenizers: where a text is cut into the words that the model sees one by one.
 *
 *     pretokenizer_open(&p, json_get(root, "pre_tokenizer"), false, "tokenizer.json", f);
 *     struct pretokenizer_run run = {.p = &p, .emit = word, .steps = splitregex_steps(n)};
 *     pretokenizer_run(&run, &piece, f);                // calls word() for each word, in order
 *     pretokenizer_run_close(&run);
 *     pretokenizer_close(&p);
 *
 * ByteLevel hands on plain bytes when it is the last part: the model knows the alphabet. */
#ifndef DATA_TOKENIZER_PRETOKENIZER_H
#define DATA_TOKENIZER_PRETOKENIZER_H

#include "data/json.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/scan.h"
#include "data/tokenizer/splitregex.h"

enum { PRETOKENIZER_STEPS = 16 }; /* at most; Sequences are flattened */

enum pretokenizer_match {
    MATCH_SCAN,    /* a scanner that matches everywhere */
    MATCH_REGEX,   /* any other pattern */
    MATCH_LITERAL, /* a string */
    MATCH_NUMERIC, /* one character that Rust calls numeric */
    MATCH_SPACE,   /* one character of white space */
    MATCH_MARK,    /* one character of punctuation */
};

enum pretokenizer_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
};

enum pretokenizer_prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };

struct pretokenizer_step {
    bool splits; /* else the piece goes on whole */
    enum pretokenizer_match match;
    enum pretokenizer_behavior behavior;
    bool invert;
    scan_fn *scan;
    struct splitregex *regex;
    struct text literal; /* also the replacement of Metaspace */
    bool metaspace;      /* replace ' ' by the literal first */
    enum pretokenizer_prepend prepend;
    struct text prefix; /* what prepend puts before a piece that does not start with it */
    bool alphabet;      /* writes bytes as characters of ByteLevel's alphabet */
};

struct pretokenizer {
    struct pretokenizer_step steps[PRETOKENIZER_STEPS];
    size_t n;
    bool byte_level;
};

typedef enum status pretokenizer_emit(void *context, const struct normalized *word,
                                      struct fault *f);

struct pretokenizer_run {
    const struct pretokenizer *p;
    pretokenizer_emit *emit;
    void *context;
    uint64_t steps; /* left for patterns and rewriting: splitregex_steps of the text */
    struct rewritten buffers[PRETOKENIZER_STEPS]; /* one per step */
};

/* null is no step at all. Parts and patterns that are not known: ST_UNSUPPORTED. rewritten: there is
 * a normalizer. */
enum status pretokenizer_open(struct pretokenizer *p, const struct json *v, bool rewritten,
                              const char *where, struct fault *f);

/* The two that vocab.json and merges.txt need: ByteLevel with its own regex, or Split by another
 * one and then ByteLevel. */
enum status pretokenizer_open_byte_level(struct pretokenizer *p, const char *regex,
                                         bool prefix_space, struct fault *f);
void pretokenizer_close(struct pretokenizer *p);

enum status pretokenizer_run(struct pretokenizer_run *run, const struct normalized *piece,
                             struct fault *f);
void pretokenizer_run_close(struct pretokenizer_run *run);

#endif
