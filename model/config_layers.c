/* What config.json says of single layers: sliding windows, and layers without rope. */
#include <string.h>

#include "model/config_impl.h"

static enum status read_layer_types(const struct config_reader *r, bool *sliding, bool *found)
{
    const struct json *types = json_get(r->root, "layer_types");
    int i = 0;
    if (json_kind(types) == JSON_NULL)
        return ST_OK;
    if (json_kind(types) != JSON_ARRAY || json_count(types) != (size_t)r->c->layers)
        return fault_set(r->f, ST_FORMAT, "config.json: layer_types is not a list of %d names",
                         r->c->layers);
    for (const struct json *t = json_first(types); t; t = json_next(t), i++) {
        const char *name = json_string(t);
        if (!name)
            return fault_set(r->f, ST_FORMAT, "config.json: layer_types[%d] is not a name", i);
        sliding[i] = strcmp(name, "sliding_attention") == 0;
        if (!sliding[i] && strcmp(name, "full_attention") != 0)
            return fault_set(r->f, ST_UNSUPPORTED,
                             "config.json: layer_types[%d] \"%.40s\" is not supported", i, name);
    }
    *found = true;
    return ST_OK;
}

/* Which layers slide when there is no layer_types; which have rope is known. */
static enum status default_types(const struct config_reader *r, bool *sliding)
{
    struct model_config *c = r->c;
    int first = 28, pattern = 6;
    if (config_int(r, &first, "max_window_layers", 0, 1 << 20) != ST_OK ||
        config_int(r, &pattern, "sliding_window_pattern", 1, 1 << 20) != ST_OK)
        return r->f->code;
    for (int i = 0; i < c->layers; i++) {
        switch (r->family->window) {
        case WINDOW_NONE: break;
        case WINDOW_ALL: sliding[i] = true; break;
        case WINDOW_QWEN: sliding[i] = i >= first; break;
        case WINDOW_ALTERNATE: sliding[i] = i % 2 == 0; break;
        case WINDOW_PATTERN: sliding[i] = (i + 1) % pattern != 0; break;
        case WINDOW_NO_ROPE: sliding[i] = c->layer[i].rope < 0; break;
        }
    }
    return ST_OK;
}

/* Whether the kinds of layers and the window (0: none; -1: of no use) say the same. Where the class takes no
 * layer_types (found: they are given), these must say what it does without. */
static enum status check_windows(const struct config_reader *r, const bool *sliding, bool found,
                                 int window)
{
    enum window_rule rule = r->family->window;
    bool always = rule == WINDOW_ALTERNATE || rule == WINDOW_PATTERN;
    for (int i = 0; i < r->c->layers; i++) {
        if (found && ((rule == WINDOW_NONE && sliding[i]) ||
                      (rule == WINDOW_ALL && sliding[i] != (window > 0))))
            return fault_set(r->f, ST_UNSUPPORTED,
                             "config.json: layer_types[%d] \"%s\" is not supported for %s with %s "
                             "sliding_window",
                             i, sliding[i] ? "sliding_attention" : "full_attention", r->c->family,
                             window > 0 ? "a" : "no");
        if (sliding[i] && window < 0) {
            fault_set(r->f, ST_UNSUPPORTED, "config.json: a sliding_window that is not above 0");
            return fault_remedy(r->f, "write null if layers are to see everything before them");
        }
        if (sliding[i] && window == 0 && (found || always))
            return fault_set(r->f, ST_UNSUPPORTED,
                             "config.json: layer %d slides, but no sliding_window is in use", i);
    }
    return ST_OK;
}

static enum status read_windows(const struct config_reader *r, bool *sliding)
{
    enum window_rule rule = r->family->window;
    bool found = false, use = rule != WINDOW_QWEN && rule != WINDOW_NO_ROPE && rule != WINDOW_NONE;
    int window = json_get(r->root, "sliding_window") ? 0 : r->family->absent.window;
    if ((rule != WINDOW_NONE && config_int(r, &window, "sliding_window", -CONFIG_POSITIONS_MAX,
                                           CONFIG_POSITIONS_MAX) != ST_OK) ||
        ((rule == WINDOW_QWEN || rule == WINDOW_NO_ROPE) &&
         config_bool(r, &use, "use_sliding_window") != ST_OK) ||
        read_layer_types(r, sliding, &found) != ST_OK ||
        (!found && default_types(r, sliding) != ST_OK))
        return r->f->code;
    if (window <= 0 && json_kind(json_get(r->root, "sliding_window")) != JSON_NULL)
        window = -1;
    if (!use)
        window = 0;
    if (check_windows(r, sliding, found, window) != ST_OK)
        return r->f->code;
    for (int i = 0; i < r->c->layers; i++)
        r->c->layer[i].window = sliding[i] && window > 0 ? window : 0;
    return ST_OK;
}

static enum status read_no_rope(const struct config_reader *r)
{
    struct model_config *c = r->c;
    const struct json *list = json_get(r->root, "no_rope_layers"), *v;
    int interval = 4, i = 0;
    if (!r->family->no_rope)
        return ST_OK;
    if (config_int(r, &interval, "no_rope_layer_interval", 1, 1 << 20) != ST_OK)
        return r->f->code;
    for (i = 0; i < c->layers; i++)
        c->layer[i].rope = (i + 1) % interval != 0 ? 0 : -1;
    if (json_kind(list) == JSON_NULL)
        return ST_OK;
    if (json_kind(list) != JSON_ARRAY || json_count(list) < (size_t)c->layers)
        return fault_set(r->f, ST_FORMAT, "config.json: no_rope_layers is not a list of %d numbers",
                         c->layers);
    for (i = 0, v = json_first(list); i < c->layers; i++, v = json_next(v)) {
        int64_t on;
        if (!json_int(v, &on) || on < 0 || on > 1)
            return fault_set(r->f, ST_FORMAT, "config.json: no_rope_layers[%d] is not 0 or 1", i);
        c->layer[i].rope = on ? 0 : -1;
    }
    return ST_OK;
}

enum status config_read_layers(const struct config_reader *r, bool *sliding)
{
    return read_no_rope(r) == ST_OK ? read_windows(r, sliding) : r->f->code;
}
