/* A token stream cut into scored windows: the ways in which people measure perplexity.
 *
 *     struct windows w;
 *     windows_plan(&w, WINDOWS_STRIDE, tokens.n, ctx, stride, f);
 *     for (size_t i = 0; i < w.count; i++) {
 *         struct span s = windows_at(&w, i);     // inputs [s.at, s.at + s.n), scored from s.first on
 *         …
 *     }
 *
 * Position p of the inputs predicts token p + 1; a window scores its positions first … n-1.
 *   blocks    windows of ctx inputs at multiples of ctx: each token but the stream's first is scored
 *             exactly once.
 *   stride    the sliding window of transformers' documentation ("Perplexity of fixed-length models"):
 *             windows of ctx tokens every `stride`; tokens that an earlier window scored are context.
 *   llamacpp  llama-perplexity: whole chunks of ctx tokens, the second half scored; token 0 of each
 *             chunk is replaced by BOS where the tokenizer adds one. Needs 2 ctx tokens. */
#ifndef DATA_WINDOWS_H
#define DATA_WINDOWS_H

#include <stddef.h>

#include "kernels/status.h"

enum windows_mode { WINDOWS_BLOCKS, WINDOWS_STRIDE, WINDOWS_LLAMACPP };

struct windows {
    enum windows_mode mode;
    size_t tokens, ctx, stride, count;
};

struct span {
    size_t at, n, first;
    size_t tokens; /* of the window, its last one among them where that is only predicted */
};

/* ST_RANGE if there are too few tokens to score any, or ctx or stride do not fit. */
enum status windows_plan(struct windows *w, enum windows_mode mode, size_t tokens, size_t ctx,
                         size_t stride, struct fault *f);
struct span windows_at(const struct windows *w, size_t i);

#endif
