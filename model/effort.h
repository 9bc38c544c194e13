/* How much there is to compute, in floating-point operations: so that what was measured on some rows
 * tells how long others take, and what some layers took how long all of them do.
 *
 *     double measured = effort_training(&c, a, false, tokens, targets);      // of a document
 *     …
 *     seconds = total / measured * measured_seconds; */
#ifndef MODEL_EFFORT_H
#define MODEL_EFFORT_H

#include "model/model.h"

/* A document of so many tokens, of which so many predict a target. Products with matrices, of
 * attention (a causal half, or a window) and of adapters; what is done element by element goes with
 * them. a: which layers backward goes through, and what adapters cost; NULL: none. */
double effort_forward(const struct model_config *c, const struct adapters *a, int tokens,
                      int targets);
double effort_training(const struct model_config *c, const struct adapters *a, bool grad_checkpoint,
                       int tokens, int targets);

#endif
