/* The proof of a merge: logits of a base with its adapter beside it against those of what was
 * written.
 *
 *     struct proof p = {0};
 *     proof_choose(&p, &session, NULL, f);      // before anything is written: it may refuse
 *     … write output …
 *     proof_open(&p, output, f);                // before session_device: app/session.h says why
 *     proof_run(&p, &session, f);
 *     … p.max_logit_diff …
 *     proof_close(&p); */
#ifndef APP_PROOF_H
#define APP_PROOF_H

#include "app/session.h"
#include "data/safetensors.h"

struct proof {
    struct ids probe;          /* what logits are compared over */
    struct base *base;         /* what was written, opened again: a base file, */
    struct safetensors *files; /* or a folder; one of them is NULL */
    const char *output;
    double max_logit_diff;
};

/* The first row of data, or without it 64 fixed ids spread over the vocabulary. */
enum status proof_choose(struct proof *p, const struct session *s, const char *data,
                         struct fault *f);
enum status proof_open(struct proof *p, const char *output, struct fault *f);
/* s has a device, and no model: one at a time stands in memory. ST_NUMERIC if logits of either are
 * not finite. */
enum status proof_run(struct proof *p, struct session *s, struct fault *f);
void proof_close(struct proof *p); /* safe on a zeroed one */

#endif
