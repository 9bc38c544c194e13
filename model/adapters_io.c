/* Adapters from and to PEFT's folders; the files are data/adapter's, the meaning of names is
 * here. */
#include <stdlib.h>
#include <string.h>

#include "data/adapter.h"
#include "model/adapters.h"

static enum status check_part(struct module *mod, const struct adapter_part *p,
                              const struct model_config *c, const char *dir, struct fault *f)
{
    if (!module_find(mod, c, p->module)) {
        fault_set(f, ST_FORMAT, "%s: the adapter of %s belongs to another model", dir, p->module);
        return fault_remedy(f, "the base is a %s model of %d layers, which has no such layer",
                            c->family, c->layers);
    }
    if (p->in != mod->in || p->out != mod->out) {
        fault_set(f, ST_FORMAT,
                  "%s: the adapter of %s is for a [%d, %d] matrix, the model's is "
                  "[%d, %d]",
                  dir, p->module, p->out, p->in, mod->out, mod->in);
        return fault_remedy(f, "take the base that the adapter was trained on");
    }
    return ST_OK;
}

static void take_values(struct adapters *a, const struct adapter_entry *e,
                        const struct adapter_part *p)
{
    memcpy(a->data + e->a, p->a, (size_t)e->rank * (size_t)e->mod.in * sizeof *p->a);
    memcpy(a->data + e->b, p->b, (size_t)e->mod.out * (size_t)e->rank * sizeof *p->b);
}

static const struct adapter_part *part_of(const struct adapters *a, const struct adapter_entry *e,
                                          const struct adapter *file)
{
    for (size_t i = 0; i < file->n; i++)
        if (family_same(a->family, e->mod.name, file->p[i].module))
            return &file->p[i];
    return NULL;
}

/* Two names of one module: the later would silently win. */
static enum status check_twice(const struct adapters *a, const struct adapter_entry *e,
                               const char *dir, struct fault *f)
{
    if (adapters_at(a, e->mod.layer, (int)e->mod.slot) < a->count - 1)
        return fault_set(f, ST_FORMAT, "%s holds two adapters of %s", dir, e->mod.name);
    return ST_OK;
}

static enum status plan_file(struct adapters *a, const struct adapter *file,
                             const struct model_config *c, const char *dir, struct fault *f)
{
    if (file->n == 0)
        return fault_set(f, ST_FORMAT, "%s holds no adapters", dir);
    a->p = calloc(file->n, sizeof *a->p);
    if (!a->p)
        return fault_nomem(f, "the list of adapters", file->n * sizeof *a->p);
    for (size_t i = 0; i < file->n; i++) {
        struct adapter_entry *e = &a->p[a->count++];
        if (check_part(&e->mod, &file->p[i], c, dir, f) != ST_OK ||
            check_twice(a, e, dir, f) != ST_OK)
            return f->code;
        e->rank = file->p[i].rank;
        e->alpha = file->p[i].alpha;
        e->scale = file->p[i].scale;
    }
    for (size_t i = 0; i < file->target_count; i++)
        if (adapters_add_target(a, file->targets[i], strlen(file->targets[i]), f) != ST_OK)
            return f->code;
    return adapters_lay_out(a, f);
}

enum status adapters_load(struct adapters **out, const struct model_config *c, const char *dir,
                          struct fault *f)
{
    struct adapter *file = NULL;
    struct adapters *a = NULL;
    if (adapter_open(&file, dir, f) != ST_OK)
        return f->code;
    a = calloc(1, sizeof *a);
    if (!a) {
        fault_nomem(f, "the adapters", sizeof *a);
        goto fail;
    }
    a->family = family_find(c->family);
    a->rank = file->rank;
    a->alpha = file->alpha;
    a->dropout = file->dropout;
    a->use_rslora = file->use_rslora;
    a->fan_in_fan_out = c->conv1d;
    a->target_is_regex = file->target_is_regex;
    if (plan_file(a, file, c, dir, f) != ST_OK)
        goto fail;
    for (int i = 0; i < a->count; i++)
        take_values(a, &a->p[i], part_of(a, &a->p[i], file));
    adapter_close(&file);
    *out = a;
    return ST_OK;
fail:
    adapter_close(&file);
    adapters_free(&a);
    return f->code;
}

static enum status same_plan(const struct adapters *a, const struct adapter *file, const char *dir,
                             struct fault *f)
{
    for (int i = 0; i < a->count; i++) {
        const struct adapter_entry *e = &a->p[i];
        const struct adapter_part *p = part_of(a, e, file);
        if (!p)
            return fault_set(f, ST_FORMAT, "%s has no adapter of %s, which this run trains", dir,
                             e->mod.name);
        if (p->rank != e->rank || p->in != e->mod.in || p->out != e->mod.out)
            return fault_set(f, ST_FORMAT,
                             "%s: the adapter of %s has rank %d for [%d, %d]; this run has rank %d "
                             "for [%d, %d]",
                             dir, e->mod.name, p->rank, p->out, p->in, e->rank, e->mod.out,
                             e->mod.in);
    }
    for (size_t i = 0; i < file->n; i++) {
        bool found = false;
        for (int j = 0; j < a->count && !found; j++)
            found = family_same(a->family, a->p[j].mod.name, file->p[i].module);
        if (!found)
            return fault_set(f, ST_FORMAT, "%s has an adapter of %s, which this run does not train",
                             dir, file->p[i].module);
    }
    return ST_OK;
}

enum status adapters_init_from(struct adapters *a, const char *dir, struct fault *f)
{
    struct adapter *file = NULL;
    if (adapter_open(&file, dir, f) != ST_OK)
        return f->code;
    enum status code = same_plan(a, file, dir, f);
    for (int i = 0; code == ST_OK && i < a->count; i++)
        take_values(a, &a->p[i], part_of(a, &a->p[i], file));
    if (code != ST_OK)
        fault_remedy(f, "give the same rank and target_modules as the adapter was made with");
    adapter_close(&file);
    return code;
}

enum status adapters_save(const struct adapters *a, const char *dir, const char *base_name,
                          struct fault *f)
{
    struct adapter_part *parts = calloc((size_t)a->count, sizeof *parts);
    if (!parts)
        return fault_nomem(f, "the list of adapters", (size_t)a->count * sizeof *parts);
    for (int i = 0; i < a->count; i++) {
        const struct adapter_entry *e = &a->p[i];
        parts[i] = (struct adapter_part){.module = e->mod.name,
                                         .rank = e->rank,
                                         .in = e->mod.in,
                                         .out = e->mod.out,
                                         .alpha = e->alpha,
                                         .scale = e->scale,
                                         .a = a->data + e->a,
                                         .b = a->data + e->b};
    }
    struct adapter file = {.base_name = base_name,
                           .rank = a->rank,
                           .alpha = a->alpha,
                           .dropout = a->dropout,
                           .use_rslora = a->use_rslora,
                           .fan_in_fan_out = a->fan_in_fan_out,
                           .targets = (const char *const *)a->targets,
                           .target_count = a->target_count,
                           .target_is_regex = a->target_is_regex,
                           .p = parts,
                           .n = (size_t)a->count};
    enum status code = adapter_write(dir, &file, f);
    free(parts);
    return code;
}
