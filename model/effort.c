#include "model/effort.h"

#include "model/adapters.h"

struct parts {
    double matrices, attention, adapters, head;
};

/* Pairs of a query and a key that it sees. */
static double pairs(int tokens, int window)
{
    double n = tokens, w = window > 0 && window < tokens ? window : n;
    return w * (w + 1) / 2 + (n - w) * w;
}

/* Forward through layers from `first` on; two operations for each number of a matrix. */
static struct parts layers_from(const struct model_config *c, const struct adapters *a, int first,
                                int tokens)
{
    struct parts p = {0};
    for (int layer = first; layer < c->layers; layer++) {
        for (int site = 0; site < SITES; site++) {
            struct site_dims d = site_dims(c, (enum site)site);
            p.matrices += 2.0 * d.in * d.out * tokens;
        }
        p.attention += 4.0 * c->heads * c->head_dim * pairs(tokens, c->layer[layer].window);
    }
    for (int i = 0; a && i < a->count; i++) {
        const struct adapter_entry *e = &a->p[i];
        if (e->mod.layer >= first)
            p.adapters += 2.0 * e->rank * ((double)e->mod.in + e->mod.out) * tokens;
    }
    return p;
}

double effort_forward(const struct model_config *c, const struct adapters *a, int tokens,
                      int targets)
{
    struct parts p = layers_from(c, a, 0, tokens);
    return p.matrices + p.attention + p.adapters + 2.0 * c->vocab * c->hidden * targets;
}

/* Backward: the gradient of a matrix's input and none of the matrix; of attention the scores again
 * and four products for two; of an adapter its own and its input's. Checkpoints: forward again. */
double effort_training(const struct model_config *c, const struct adapters *a, bool grad_checkpoint,
                       int tokens, int targets)
{
    int first = c->layers;
    for (int i = 0; a && i < a->count; i++)
        first = a->p[i].mod.layer < first ? a->p[i].mod.layer : first;
    struct parts p = layers_from(c, a, first, tokens);
    double back = p.matrices + 2.5 * p.attention + 2 * p.adapters;
    if (grad_checkpoint)
        back += p.matrices + p.attention + p.adapters;
    return effort_forward(c, a, tokens, targets) + back + 2.0 * c->vocab * c->hidden * targets;
}
