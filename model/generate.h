/* Text from a model: tokens drawn one by one with the key/value cache.
 *
 *     struct generate_options o = {.max_tokens = 100, .temperature = 0.7, .top_p = 0.9, .seed = 1};
 *     o.stop = c->eos; o.stop_count = c->eos_count;
 *     struct generate_result r;
 *     generate(m, prompt, n, &o, print_token, ctx, &r, f);
 *
 * The model was opened with keys_max >= n + max_tokens. temperature 0 takes the largest logit
 * (the lowest id of equals) and is deterministic; else logits are divided by it, cut to the
 * top_k largest (0: all) and then to the smallest set whose probability reaches top_p (1, or
 * 0: all), as transformers' warpers do in that order, and drawn from with Philox keyed by
 * (seed, position): equal seeds give equal text. The token function is told of each new token,
 * the stopping one included, and may end the text by any status but ST_OK, which generate then
 * returns. Where longrope changes its factors (beyond the original context) the text so far is
 * read again. */
#ifndef MODEL_GENERATE_H
#define MODEL_GENERATE_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

struct generate_options {
    int max_tokens;
    double temperature, top_p;
    int top_k;
    uint64_t seed;
    const int *stop; /* ids that end the text */
    int stop_count;
};

struct generate_result {
    int count;    /* new tokens, the stopping one included */
    bool stopped; /* by a stop id; else by max_tokens */
};

typedef enum status generate_token_fn(void *ctx, int32_t id, struct fault *f);

enum status generate(struct model *m, const int32_t *prompt, int n,
                     const struct generate_options *o, generate_token_fn *token, void *ctx,
                     struct generate_result *result, struct fault *f);

/* One draw from logits [vocab] for position `at`; order [vocab] is room. */
int32_t generate_sample(const float *logits, int32_t *order, int vocab,
                        const struct generate_options *o, int at);

#endif
