/* Rotary tables: what a config's rope says about angles, computed as transformers does it.
 *
 *     float inv[ROPE_DIMS_MAX], factor;
 *     int choice = rotary_choice(&c->rope[0], longest);
 *     factor = rotary_frequencies(inv, c, 0, choice);
 *     rotary_tables(cos, sin, inv, factor, positions, c->rot_dim / 2);
 *
 * Frequencies are f32 as in transformers' modeling_rope_utils; an angle is the f32 product of
 * position and frequency, so that tables agree to the last bit but one however far the
 * position is. */
#ifndef MODEL_ROTARY_H
#define MODEL_ROTARY_H

#include "model/config.h"

/* Dynamic and longrope tables depend on the longest document of the batch: two batches with
 * the same choice have the same tables. 0 is the table of short ones (and the only one of the
 * other kinds). */
int rotary_choice(const struct rope_config *rope, int longest);

/* inv [rot_dim/2] = of c->rope[which]; returns the factor on cosines and sines. */
float rotary_frequencies(float *inv, const struct model_config *c, int which, int choice);

/* cosines, sines [positions, half] = */
void rotary_tables(float *cosines, float *sines, const float *inv, float factor, int positions,
                   int half);

#endif
