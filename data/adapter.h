/* PEFT's LoRA adapter folders: adapter_config.json + adapter_model.safetensors.
 *
 *     struct adapter *a = NULL;
 *     if (adapter_open(&a, "run", f) != ST_OK) return f->code;
 *     for (size_t i = 0; i < a->n; i++)
 *         use(a->p[i].module, a->p[i].a, a->p[i].b, a->p[i].scale);
 *     adapter_close(&a);
 *
 * The same struct is written: fill one in (its pointers may point anywhere) and call adapter_write.
 * What wick cannot apply exactly is refused by name, never dropped: DoRA, biases, modules_to_save,
 * embedding adapters, other PEFT types, adapters whose base weights were changed (PiSSA...). */
#ifndef DATA_ADAPTER_H
#define DATA_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/text.h"
#include "kernels/status.h"

/* y += scale * B (A x). scale = alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
struct adapter_part {
    const char *module; /* "model.layers.0.self_attn.q_proj" */
    int rank, in, out;
    double alpha;
    float scale;
    const float *a; /* [rank, in]  */
    const float *b; /* [out, rank] */
};

struct adapter {
    const char *base_name; /* base_model_name_or_path; NULL if the config has none */
    int rank;              /* r: what modules without a pattern have */
    double alpha;
    double dropout;
    bool use_rslora;
    bool fan_in_fan_out;
    const char *const *targets; /* target_modules: names, or one regex when target_is_regex */
    size_t target_count;
    bool target_is_regex;
    const struct adapter_part *p; /* in the order of their PEFT keys */
    size_t n;
};

/* dir is an adapter folder. ST_FORMAT and ST_UNSUPPORTED name the file and the key or tensor. */
enum status adapter_open(struct adapter **out, const char *dir, struct fault *f);
void adapter_close(struct adapter **a); /* only one that adapter_open made */

/* Writes both files into dir, which is made if absent, each whole or not at all; the weights first.
 * Parts whose rank or alpha differs from a->rank and a->alpha go to rank_pattern and alpha_pattern.
 * Scale is not written: it follows from alpha, rank and use_rslora. Values that are not finite are
 * refused (ST_NUMERIC). Equal adapters give equal bytes: keys are sorted, values F32. */
enum status adapter_write(const char *dir, const struct adapter *a, struct fault *f);

/* Checks one adapter_config.json in memory, as adapter_open does before it looks at the weights. */
enum status adapter_check_config(const char *bytes, size_t n, const char *where, struct fault *f);

#endif
