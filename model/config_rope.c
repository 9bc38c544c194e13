/* Rotary position embedding in config.json, as transformers 4 writes it (rope_theta,
 * rope_scaling) and as 5 does (rope_parameters, which may hold one object per layer type). */
#include <string.h>

#include "model/config_impl.h"

static const struct {
    const char *name;
    enum rope_kind kind;
} kinds[] = {{"default", ROPE_DEFAULT}, {"linear", ROPE_LINEAR}, {"dynamic", ROPE_DYNAMIC},
             {"llama3", ROPE_LLAMA3},   {"yarn", ROPE_YARN},     {"longrope", ROPE_LONGROPE}};

/* Of ropes in three directions, and of Phi-3's with experts. */
static const char *const foreign[] = {"mrope_section", "short_mscale", "long_mscale"};

static enum status number(const struct config_reader *r, double *out, const struct json *o,
                          const char *key, double min, double max)
{
    return json_opt_number(out, o, key, min, max, CONFIG_JSON, r->f);
}

static enum status read_kind(const struct config_reader *r, struct rope_config *rope,
                             const struct json *o)
{
    const char *name = NULL;
    rope->kind = ROPE_DEFAULT;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (json_kind(json_get(o, foreign[i])) != JSON_NULL)
            return fault_set(r->f, ST_UNSUPPORTED,
                             "config.json: %s of the rope parameters is not supported for %s",
                             foreign[i], r->c->family);
    if (json_opt_string(&name, o, "type", CONFIG_JSON, r->f) != ST_OK ||
        json_opt_string(&name, o, "rope_type", CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    if (!name)
        return ST_OK;
    if (r->family->longrope_only && (strcmp(name, "su") == 0 || strcmp(name, "yarn") == 0))
        name = "longrope";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool known = !r->family->longrope_only || kinds[i].kind == ROPE_DEFAULT ||
                     kinds[i].kind == ROPE_LONGROPE;
        if (known && strcmp(kinds[i].name, name) == 0) {
            rope->kind = kinds[i].kind;
            return ST_OK;
        }
    }
    return fault_set(r->f, ST_UNSUPPORTED,
                     "config.json: rope_type \"%.40s\" is not supported for %s", name,
                     r->c->family);
}

static enum status read_factors(const struct config_reader *r, float *to, const struct json *o,
                                const char *key, int count)
{
    const struct json *list = json_get(o, key);
    int i = 0;
    if (json_kind(list) != JSON_ARRAY || json_count(list) != (size_t)count)
        return fault_set(r->f, ST_FORMAT, "config.json: %s is not a list of %d numbers", key,
                         count);
    for (const struct json *v = json_first(list); v; v = json_next(v), i++) {
        double x = json_number(v, 0);
        if (!(x >= 1e-6 && x <= 1e9))
            return fault_set(r->f, ST_FORMAT, "config.json: %s[%d] is not a positive number", key,
                             i);
        to[i] = (float)x;
    }
    return ST_OK;
}

/* original_max_position_embeddings: in the object, or beside the other keys, which rules; else
 * what the class says (Phi-3), else the maximum. */
static enum status read_original(const struct config_reader *r, struct rope_config *rope,
                                 const struct json *o)
{
    const char *key = "original_max_position_embeddings";
    int64_t v = r->c->max_positions;
    if (json_opt_int(&v, o, key, 1, CONFIG_POSITIONS_MAX, CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    if (r->family->absent.original_max > 0)
        v = r->family->absent.original_max;
    if (json_opt_int(&v, r->root, key, 1, CONFIG_POSITIONS_MAX, CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    rope->original_max = (int)v;
    return ST_OK;
}

static enum status read_llama3(const struct config_reader *r, struct rope_config *rope,
                               const struct json *o)
{
    if (number(r, &rope->low_freq_factor, o, "low_freq_factor", 1e-6, 1e6) != ST_OK ||
        number(r, &rope->high_freq_factor, o, "high_freq_factor", 1e-6, 1e6) != ST_OK)
        return r->f->code;
    if (rope->low_freq_factor == 0 || rope->high_freq_factor == 0)
        return fault_set(r->f, ST_FORMAT, "config.json: %s is missing from the llama3 rope",
                         rope->low_freq_factor == 0 ? "low_freq_factor" : "high_freq_factor");
    if (rope->high_freq_factor <= rope->low_freq_factor)
        return fault_set(r->f, ST_FORMAT,
                         "config.json: high_freq_factor is not above low_freq_factor");
    return read_original(r, rope, o);
}

static enum status read_yarn(const struct config_reader *r, struct rope_config *rope,
                             const struct json *o)
{
    rope->truncate = true;
    if (number(r, &rope->beta_fast, o, "beta_fast", 1e-6, 1e6) != ST_OK ||
        number(r, &rope->beta_slow, o, "beta_slow", 1e-6, 1e6) != ST_OK ||
        number(r, &rope->mscale, o, "mscale", 0, 1e6) != ST_OK ||
        number(r, &rope->mscale_all_dim, o, "mscale_all_dim", 0, 1e6) != ST_OK ||
        number(r, &rope->attention_factor, o, "attention_factor", 1e-6, 1e6) != ST_OK ||
        json_opt_bool(&rope->truncate, o, "truncate", CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    if (rope->theta <= 1.0)
        return fault_set(r->f, ST_FORMAT, "config.json: rope_theta is not above 1");
    return read_original(r, rope, o);
}

static enum status read_longrope(const struct config_reader *r, struct rope_config *rope,
                                 const struct json *o)
{
    rope->factors = r->c->rot_dim / 2;
    if (read_factors(r, rope->short_factor, o, "short_factor", rope->factors) != ST_OK ||
        read_factors(r, rope->long_factor, o, "long_factor", rope->factors) != ST_OK ||
        number(r, &rope->attention_factor, o, "attention_factor", 1e-6, 1e6) != ST_OK ||
        read_original(r, rope, o) != ST_OK)
        return r->f->code;
    if (rope->original_max < 2)
        return fault_set(r->f, ST_FORMAT,
                         "config.json: original_max_position_embeddings is below 2");
    return ST_OK;
}

/* The fields of one rope object; theta is what rules when the object has none. */
static enum status read_one(const struct config_reader *r, struct rope_config *rope,
                            const struct json *o, double theta)
{
    rope->theta = theta;
    if (json_kind(o) != JSON_NULL && json_kind(o) != JSON_OBJECT)
        return fault_set(r->f, ST_FORMAT, "config.json: the rope parameters are not an object");
    if (read_kind(r, rope, o) != ST_OK ||
        number(r, &rope->theta, o, "rope_theta", 1e-3, 1e15) != ST_OK ||
        number(r, &rope->factor, o, "factor", 1e-3, 1e6) != ST_OK)
        return r->f->code;
    bool scaled = rope->kind == ROPE_LINEAR || rope->kind == ROPE_DYNAMIC ||
                  rope->kind == ROPE_LLAMA3 || rope->kind == ROPE_YARN;
    if (scaled && rope->factor == 0)
        return fault_set(r->f, ST_FORMAT,
                         "config.json: factor is missing from the rope parameters");
    rope->original_max = r->c->max_positions;
    switch (rope->kind) {
    case ROPE_LLAMA3: return read_llama3(r, rope, o);
    case ROPE_YARN: return read_yarn(r, rope, o);
    case ROPE_LONGROPE: return read_longrope(r, rope, o);
    case ROPE_DYNAMIC:
        if (r->c->rot_dim <= 2)
            return fault_set(r->f, ST_FORMAT,
                             "config.json: head_dim is too small for dynamic rope");
        return ST_OK;
    case ROPE_NONE:
    case ROPE_DEFAULT:
    case ROPE_LINEAR: break;
    }
    return ST_OK;
}

static enum status read_rot_dim(const struct config_reader *r, const struct json *o)
{
    struct model_config *c = r->c;
    double part = 1;
    if (number(r, &part, r->root, "partial_rotary_factor", 1e-6, 1) != ST_OK ||
        number(r, &part, o, "partial_rotary_factor", 1e-6, 1) != ST_OK)
        return r->f->code;
    if (part != 1 && !r->family->partial_rotary)
        return fault_set(r->f, ST_UNSUPPORTED,
                         "config.json: partial_rotary_factor is not supported for %s", c->family);
    c->rot_dim = (int)(c->head_dim * part);
    if (c->rot_dim < 2 || c->rot_dim % 2 != 0 || c->rot_dim / 2 > ROPE_DIMS_MAX)
        return fault_set(
            r->f, ST_FORMAT,
            "config.json: %d rotary dimensions in a head_dim of %d: not an even number "
            "from 2 to %d",
            c->rot_dim, c->head_dim, 2 * ROPE_DIMS_MAX);
    return ST_OK;
}

/* The scaled kinds reach further than max_position_embeddings says. */
static void extend_positions(struct model_config *c)
{
    const struct rope_config *rope = &c->rope[0];
    double reach = c->max_positions;
    if (rope->kind == ROPE_DYNAMIC || rope->kind == ROPE_YARN)
        reach = rope->original_max * rope->factor;
    if (reach > c->max_positions)
        c->max_positions = reach < 1 << 28 ? (int)reach : 1 << 28;
}

static bool by_layer_types(const struct json *o)
{
    return json_get(o, "full_attention") || json_get(o, "sliding_attention");
}

/* The objects of full and of sliding layers, which are one but for Gemma 3. */
static enum status find_ropes(const struct config_reader *r, const struct json **full,
                              const struct json **local)
{
    const struct json *scaling = json_get(r->root, "rope_scaling");
    const struct json *o = json_get(r->root, "rope_parameters");
    bool nested = by_layer_types(o);
    bool two = r->family->absent.theta_local > 0, scaled = json_kind(scaling) != JSON_NULL;
    if (json_kind(scaling) == JSON_OBJECT && !json_first(scaling))
        scaled = false; /* an empty one is none */
    *full = scaled ? scaling : o;
    *local = NULL;
    if (by_layer_types(scaling))
        return fault_set(r->f, ST_UNSUPPORTED,
                         "config.json: rope_scaling by layer types is not supported");
    if (json_kind(o) == JSON_NULL)
        return ST_OK;
    if (nested != two)
        return fault_set(r->f, ST_UNSUPPORTED,
                         "config.json: rope_parameters %s layer types are not supported for %s",
                         nested ? "by" : "without", r->c->family);
    if (nested && scaled)
        return fault_set(r->f, ST_UNSUPPORTED,
                         "config.json: rope_scaling beside rope_parameters is not supported");
    if (nested) {
        *full = json_get(o, "full_attention");
        *local = json_get(o, "sliding_attention");
    }
    return ST_OK;
}

enum status config_read_rope(const struct config_reader *r, const bool *sliding)
{
    struct model_config *c = r->c;
    const struct family_defaults *d = &r->family->absent;
    const struct json *o = NULL, *local = NULL;
    double theta = d->theta, theta_local = d->theta_local;
    if (c->learned_positions) {
        for (int i = 0; i < c->layers; i++)
            c->layer[i].rope = -1;
        return ST_OK;
    }
    if (find_ropes(r, &o, &local) != ST_OK || read_rot_dim(r, o) != ST_OK ||
        number(r, &theta, r->root, "rope_theta", 1e-3, 1e15) != ST_OK ||
        (theta_local > 0 &&
         number(r, &theta_local, r->root, "rope_local_base_freq", 1e-3, 1e15) != ST_OK) ||
        read_one(r, &c->rope[0], o, theta) != ST_OK ||
        read_one(r, &c->rope[1], local, theta_local > 0 ? theta_local : theta) != ST_OK)
        return r->f->code;
    bool two = theta_local > 0;
    for (int i = 0; i < c->layers; i++)
        if (c->layer[i].rope >= 0)
            c->layer[i].rope = two && sliding[i] ? 1 : 0;
    extend_positions(c);
    return ST_OK;
}
