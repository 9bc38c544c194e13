#include "model/modules.h"

#include <stdio.h>
#include <string.h>

int qkv_columns(const struct model_config *c)
{
    return (c->heads + 2 * c->kv_heads) * c->head_dim;
}

struct site_dims site_dims(const struct model_config *c, enum site site)
{
    int heads = c->heads * c->head_dim, gated = c->act == KACT_GELU ? 1 : 2;
    switch (site) {
    case SITE_QKV: return (struct site_dims){c->hidden, qkv_columns(c), c->qkv_bias};
    case SITE_O: return (struct site_dims){heads, c->hidden, c->o_bias};
    case SITE_GATE_UP: return (struct site_dims){c->hidden, gated * c->inter, c->mlp_bias};
    default: return (struct site_dims){c->inter, c->hidden, c->mlp_bias};
    }
}

static enum site site_of(enum module_slot slot)
{
    switch (slot) {
    case MODULE_Q:
    case MODULE_K:
    case MODULE_V: return SITE_QKV;
    case MODULE_O: return SITE_O;
    case MODULE_GATE:
    case MODULE_UP: return SITE_GATE_UP;
    default: return SITE_DOWN;
    }
}

/* The module's range of its site's columns. */
static void place(struct module *m, const struct model_config *c)
{
    int q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    bool whole = (m->site == SITE_QKV && c->fused_qkv) ||
                 (m->site == SITE_GATE_UP && (c->fused_gate_up || c->act == KACT_GELU));
    if (whole)
        return;
    switch (m->slot) {
    case MODULE_Q: m->out = q; break;
    case MODULE_K:
        m->col = q;
        m->out = kv;
        break;
    case MODULE_V:
        m->col = q + kv;
        m->out = kv;
        break;
    case MODULE_GATE: m->out = c->inter; break;
    case MODULE_UP:
        m->col = c->inter;
        m->out = c->inter;
        break;
    default: break;
    }
}

/* The layer's prefix with its number, then the name. */
static void join(char to[MODULE_NAME_MAX], const char *layer_format, int layer, const char *name)
{
    const char *mark = strstr(layer_format, "%d");
    snprintf(to, MODULE_NAME_MAX, "%.*s%d%s%s", (int)(mark - layer_format), layer_format, layer,
             mark + 2, name);
}

bool module_get(struct module *out, const struct model_config *c, int layer, int slot)
{
    const struct family *fam = family_find(c->family);
    const char *name = fam ? fam->linear[slot] : NULL;
    if (!name)
        return false;
    *out = (struct module){.layer = layer, .slot = (enum module_slot)slot};
    out->site = site_of(out->slot);
    struct site_dims d = site_dims(c, out->site);
    out->in = d.in;
    out->out = d.out;
    out->bias = d.bias;
    place(out, c);
    join(out->name, fam->layer, layer, name);
    return true;
}

bool module_find(struct module *out, const struct model_config *c, const char *name)
{
    const struct family *fam = family_find(c->family);
    for (int layer = 0; layer < c->layers; layer++)
        for (int slot = 0; slot < MODULE_SLOTS; slot++)
            if (module_get(out, c, layer, slot) && family_same(fam, out->name, name))
                return true;
    return false;
}

const char *norm_name(char to[MODULE_NAME_MAX], const struct model_config *c, int layer,
                      enum norm_slot slot)
{
    const struct family *fam = family_find(c->family);
    if (!fam || !fam->norm[slot])
        return NULL;
    join(to, fam->layer, layer, fam->norm[slot]);
    return to;
}
