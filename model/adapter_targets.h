/* target_modules with PEFT's meaning.
 *
 *     struct adapter_targets *t;
 *     adapter_targets_open(&t, "q_proj,v_proj", c, f);
 *     bool yes = adapter_targets_match(t, "model.layers.0.self_attn.q_proj");
 *     adapter_targets_close(&t);
 *
 * "all-linear" is every linear layer but the output head. A list of plain names (letters,
 * digits, _ and dots, with commas) takes a module whose full name it is, or whose name ends
 * with "." and it. All else is a regular expression that must match the whole name. */
#ifndef MODEL_ADAPTER_TARGETS_H
#define MODEL_ADAPTER_TARGETS_H

#include "model/config.h"

struct adapter_targets;

/* ST_USAGE: a name that no module of c has (the fault lists the known ones), the output head
 * or the embedding by name, an expression that does not compile or matches nothing. */
enum status adapter_targets_open(struct adapter_targets **out, const char *text,
                                 const struct model_config *c, struct fault *f);
void adapter_targets_close(struct adapter_targets **t);

bool adapter_targets_match(const struct adapter_targets *t, const char *module);
bool adapter_targets_all(const struct adapter_targets *t);   /* "all-linear" */
bool adapter_targets_regex(const struct adapter_targets *t); /* an expression */

/* The names of a list, one after the other from i = 0; NULL at its end. */
const char *adapter_targets_name(const struct adapter_targets *t, size_t i);

#endif
