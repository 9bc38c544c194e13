/* Shared by the config*.c files only: a config.json being read. */
#ifndef MODEL_CONFIG_IMPL_H
#define MODEL_CONFIG_IMPL_H

#include "data/json.h"
#include "model/config.h"
#include "model/family.h"

#define CONFIG_JSON "config.json"

struct config_reader {
    const struct json *root;  /* what describes the text model */
    const struct json *outer; /* the whole file: root, or what root is nested in */
    const struct family *family;
    struct model_config *c;
    struct fault *f;
};

enum { CONFIG_POSITIONS_MAX = 1 << 28, CONFIG_VOCAB_MAX = 1 << 24 };

/* An integer key that may be absent (or null): *out is then as it was. */
enum status config_int(const struct config_reader *r, int *out, const char *key, int min, int max);

/* A switch that may be absent: *out is then as it was. null is no. */
enum status config_bool(const struct config_reader *r, bool *out, const char *key);

/* ST_UNSUPPORTED names the first key that asks for what is not computed. */
enum status config_refuse(const struct config_reader *r);

/* Fills hidden, inter, layers, heads, kv_heads, head_dim, vocab and max_positions. */
enum status config_read_sizes(const struct config_reader *r);

/* After sizes: fills each layer's window, and rope with 0 or -1. sliding[i] = whether
 * config.json calls layer i sliding (even where no window is given). */
enum status config_read_layers(const struct config_reader *r, bool *sliding);

/* After sizes, positions and layer windows: fills rope[], rot_dim and each layer's rope.
 * sliding[i] says which layers config.json calls sliding. */
enum status config_read_rope(const struct config_reader *r, const bool *sliding);

#endif
