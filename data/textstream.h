/* A text of any length as tokens, a piece at a time: the tokens that the whole of it has, though
 * only some megabytes of it are ever held.
 *
 *     struct textstream *s = NULL;
 *     struct ids ids = {0};
 *     bool more = true;
 *     enum status st = textstream_open(&s, l, tokenizer, "a.txt", 0, f);
 *     while (st == ST_OK && more) {
 *         st = textstream_next(s, &ids, &more, f);            // appends some
 *         …                                                   // use them, set n to 0
 *     }
 *     textstream_close(&s);
 *
 * Windows of the text that overlap are tokenized by themselves, and so is what two have in common.
 * Where all three have the same tokens over a long stretch the windows are joined: by there what a
 * token is no longer depends on where they were cut. Windows that agree nowhere (a megabyte of one
 * letter) become one that is larger; one of more than TEXTSTREAM_LONGEST bytes is cut where it
 * ends. */
#ifndef DATA_TEXTSTREAM_H
#define DATA_TEXTSTREAM_H

#include <stdbool.h>

#include "data/lines.h"
#include "data/tokenizer.h"

struct textstream;

enum { TEXTSTREAM_LONGEST = 1 << 26 };

/* Of what is left in l; all are borrowed, path names the text in messages. window: bytes; 0 for what
 * is right but in tests. */
enum status textstream_open(struct textstream **out, struct lines *l, const struct tokenizer *t,
                            const char *path, size_t window, struct fault *f);
void textstream_close(struct textstream **s);

/* Appends ids, with the post-processor's before the first and after the last; *more is false with
 * the last of them. */
enum status textstream_next(struct textstream *s, struct ids *ids, bool *more, struct fault *f);

#endif
