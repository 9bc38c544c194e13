/* A tensor source of random numbers: every tensor that a config needs, for benchmarks and
 * tests of a shape without a checkpoint. Matrices are uniform with deviation 0.02, norms are
 * ones (or the zeros that stand for them), biases are zero. They come from one table of a
 * prime length, so that the rows of a matrix differ and a large model is made at the speed of
 * copying. */
#ifndef MODEL_RANDOM_WEIGHTS_H
#define MODEL_RANDOM_WEIGHTS_H

#include "model/weights.h"

struct random_weights;

enum status random_weights_new(struct random_weights **out, const struct model_config *c,
                               enum dtype dtype, uint64_t seed, struct fault *f);
void random_weights_free(struct random_weights **r);

struct tensor_source weights_of_random(struct random_weights *r);

#endif
