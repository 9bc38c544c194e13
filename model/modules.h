/* The linear layers of a model, one by one, and how they stand together.
 *
 *     struct module mod;
 *     for (int layer = 0; layer < c->layers; layer++)
 *         for (int slot = 0; slot < MODULE_SLOTS; slot++)
 *             if (module_get(&mod, c, layer, slot))
 *                 …mod.name is "model.layers.0.self_attn.q_proj", W is [mod.out, mod.in]
 *
 * Layers that share their input are one site: q|k|v, o, gate|up, down. A site is one frozen
 * matrix on the device, and each of its modules owns a range of its output columns. */
#ifndef MODEL_MODULES_H
#define MODEL_MODULES_H

#include <stdbool.h>
#include <stddef.h>

#include "model/config.h"
#include "model/family.h"

enum { MODULE_NAME_MAX = 96 };

enum site { SITE_QKV, SITE_O, SITE_GATE_UP, SITE_DOWN, SITES };

struct module {
    char name[MODULE_NAME_MAX]; /* as PEFT names it */
    int layer;
    enum module_slot slot;
    enum site site;
    int col;     /* its first output column in the site */
    int out, in; /* of W [out, in] */
    bool bias;
};

/* False where the family has no such module of its own. */
bool module_get(struct module *out, const struct model_config *c, int layer, int slot);

/* Finds a module by name, or by another that files use for it (family_alias); false if the model
 * has none of that name. */
bool module_find(struct module *out, const struct model_config *c, const char *name);

struct site_dims {
    int in, out;
    bool bias;
};
struct site_dims site_dims(const struct model_config *c, enum site site);

/* The name of a norm, without ".weight"; NULL where the family has none. Writes into `to`. */
const char *norm_name(char to[MODULE_NAME_MAX], const struct model_config *c, int layer,
                      enum norm_slot slot);

/* Columns of the joined q|k|v rows. */
int qkv_columns(const struct model_config *c);

#endif
