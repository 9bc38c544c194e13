/* The set of adapters as model/ sees it: which matrices, where in the flat array, with what
 * scale. Callers outside model/ need model.h alone.
 *
 * The flat array holds A [rank, in] then B [out, rank] of each matrix, matrices sorted by
 * their PEFT keys as strings, so that its order is that of the tensors in
 * adapter_model.safetensors. */
#ifndef MODEL_ADAPTERS_H
#define MODEL_ADAPTERS_H

#include "kernels/lora_linear/lora_linear.h"
#include "model/model.h"
#include "model/modules.h"

struct adapter_entry {
    struct module mod;
    int rank;
    double alpha;
    float scale;
    size_t a, b; /* where A and B start */
};

struct adapters {
    const struct family *family; /* knows the names that other files have for its modules */
    int rank;                    /* of the spec: what modules without a pattern have */
    double alpha, dropout;
    bool use_rslora, target_is_regex, fan_in_fan_out;
    char **targets; /* target_modules as they are saved */
    size_t target_count;
    int count;
    struct adapter_entry *p; /* sorted */
    size_t values;
    float *data; /* [values] */
};

/* PEFT's key of one of the two tensors: "base_model.model.….lora_A.weight". which: 'A' or 'B'. */
enum { ADAPTER_KEY_MAX = MODULE_NAME_MAX + 48 };
void adapter_key(char to[ADAPTER_KEY_MAX], const struct adapter_entry *e, char which);

/* The entry of a module's slot in a layer, or -1. */
int adapters_at(const struct adapters *a, int layer, int slot);

/* Sorts the entries, gives each its place and makes the flat array (zeros). Frees nothing. */
enum status adapters_lay_out(struct adapters *a, struct fault *f);

/* Appends a copy of one name to a->targets. */
enum status adapters_add_target(struct adapters *a, const char *name, size_t length,
                                struct fault *f);

#endif
