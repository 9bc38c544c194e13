/* The sizes that config.json gives, by the keys of each family. */
#include "model/config_impl.h"

enum { DIM_MAX = 1 << 20, INTER_MAX = 1 << 22, HEADS_MAX = 4096, HEAD_DIM_MAX = 1024 };

static enum status need_int(const struct config_reader *r, int *out, const char *key, int max)
{
    int64_t v;
    if (json_need_int(&v, r->root, key, 1, max, CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    *out = (int)v;
    return ST_OK;
}

/* A size of GPT-2 under its key, or under the one that other families give it. 0: there is none. */
static enum status size_gpt2(const struct config_reader *r, int *out, const char *key,
                             const char *other, int max)
{
    int a = 0, b = 0;
    if (config_int(r, &a, key, 1, max) != ST_OK || config_int(r, &b, other, 1, max) != ST_OK)
        return r->f->code;
    if (a > 0 && b > 0 && a != b)
        return fault_set(r->f, ST_FORMAT, "config.json: %s %d and %s %d are one size, and differ",
                         key, a, other, b);
    *out = a > 0 ? a : b;
    return ST_OK;
}

static enum status read_sizes_gpt2(const struct config_reader *r)
{
    struct model_config *c = r->c;
    const struct {
        int *to;
        const char *key, *other;
        int max;
    } sizes[] = {{&c->hidden, "n_embd", "hidden_size", DIM_MAX},
                 {&c->layers, "n_layer", "num_hidden_layers", LAYERS_MAX},
                 {&c->heads, "n_head", "num_attention_heads", HEADS_MAX}};
    int positions;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (size_gpt2(r, sizes[i].to, sizes[i].key, sizes[i].other, sizes[i].max) != ST_OK ||
            (*sizes[i].to == 0 && need_int(r, sizes[i].to, sizes[i].key, sizes[i].max) != ST_OK))
            return r->f->code;
    }
    if (need_int(r, &c->vocab, "vocab_size", CONFIG_VOCAB_MAX) != ST_OK)
        return r->f->code;
    c->inter = 4 * c->hidden;
    c->kv_heads = c->heads;
    c->max_positions = r->family->absent.max_positions;
    if (config_int(r, &c->inter, "n_inner", 1, INTER_MAX) != ST_OK ||
        config_int(r, &c->max_positions, "n_ctx", 1, CONFIG_POSITIONS_MAX) != ST_OK ||
        size_gpt2(r, &positions, "n_positions", "max_position_embeddings", CONFIG_POSITIONS_MAX) !=
            ST_OK)
        return r->f->code;
    if (positions > 0)
        c->max_positions = positions;
    return ST_OK;
}

static enum status read_sizes_llama(const struct config_reader *r)
{
    struct model_config *c = r->c;
    const struct family_defaults *d = &r->family->absent;
    const struct {
        int *to;
        const char *key;
        int absent, max;
    } sizes[] = {{&c->hidden, "hidden_size", d->hidden, DIM_MAX},
                 {&c->inter, "intermediate_size", d->inter, INTER_MAX},
                 {&c->layers, "num_hidden_layers", d->layers, LAYERS_MAX},
                 {&c->heads, "num_attention_heads", d->heads, HEADS_MAX},
                 {&c->vocab, "vocab_size", d->vocab, CONFIG_VOCAB_MAX}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *sizes[i].to = sizes[i].absent;
        if (sizes[i].absent > 0 && !json_get(r->root, sizes[i].key))
            continue;
        if (need_int(r, sizes[i].to, sizes[i].key, sizes[i].max) != ST_OK)
            return r->f->code;
    }
    bool absent = !json_get(r->root, "num_key_value_heads"); /* null: as many as heads */
    c->kv_heads = absent && d->kv_heads > 0 ? d->kv_heads : c->heads;
    c->head_dim = d->head_dim;
    c->max_positions = d->max_positions;
    if (config_int(r, &c->kv_heads, "num_key_value_heads", 1, HEADS_MAX) != ST_OK ||
        config_int(r, &c->head_dim, "head_dim", 1, HEAD_DIM_MAX) != ST_OK ||
        config_int(r, &c->max_positions, "max_position_embeddings", 1, CONFIG_POSITIONS_MAX) !=
            ST_OK)
        return r->f->code;
    return ST_OK;
}

enum status config_read_sizes(const struct config_reader *r)
{
    struct model_config *c = r->c;
    bool gpt2 = r->family->gpt2_keys;
    if ((gpt2 ? read_sizes_gpt2(r) : read_sizes_llama(r)) != ST_OK)
        return r->f->code;
    if (c->head_dim == 0) {
        if (c->hidden % c->heads != 0)
            return fault_set(r->f, ST_FORMAT, "config.json: %s %d is not a multiple of %s %d",
                             gpt2 ? "n_embd" : "hidden_size", c->hidden,
                             gpt2 ? "n_head" : "num_attention_heads", c->heads);
        c->head_dim = c->hidden / c->heads;
    }
    if (c->heads % c->kv_heads != 0)
        return fault_set(r->f, ST_FORMAT,
                         "config.json: num_attention_heads %d is not a multiple of "
                         "num_key_value_heads %d",
                         c->heads, c->kv_heads);
    if ((int64_t)c->heads * c->head_dim > DIM_MAX || c->head_dim > HEAD_DIM_MAX)
        return fault_set(r->f, ST_FORMAT,
                         "config.json: head_dim %d with %d attention heads is too large",
                         c->head_dim, c->heads);
    return ST_OK;
}
