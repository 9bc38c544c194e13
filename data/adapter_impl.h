/* adapter_config.json in memory, for the adapter files and the fuzzer. */
#ifndef DATA_ADAPTER_IMPL_H
#define DATA_ADAPTER_IMPL_H

#include "data/adapter.h"
#include "data/json.h"

/* An entry of rank_pattern or alpha_pattern: a regular expression for the end of a name. */
struct adapter_pattern {
    const char *key;
    double value;
    void *code; /* a compiled pcre2 pattern */
};

struct adapter_patterns {
    struct adapter_pattern *p;
    size_t n;
};

/* Strings belong to doc. */
struct adapter_config {
    struct json_doc *doc;
    const char *base_name;
    int64_t rank;
    double alpha, dropout;
    bool use_rslora, fan_in_fan_out;
    const char **targets;
    size_t target_count;
    bool target_is_regex;
    struct adapter_patterns ranks, alphas;
};

enum status adapter_config_parse(struct adapter_config *out, const char *bytes, size_t n,
                                 const char *where, struct fault *f);
void adapter_config_free(struct adapter_config *c);

enum status adapter_patterns_read(struct adapter_patterns *out, const struct json *v,
                                  const char *key, double min, double max, const char *where,
                                  struct fault *f);
void adapter_patterns_free(struct adapter_patterns *p);

/* *value is changed to that of the first pattern that fits the module, as in PEFT. */
enum status adapter_patterns_apply(double *value, const struct adapter_patterns *p,
                                   const char *module, const char *where, struct fault *f);

/* alpha / rank, or alpha / sqrt(rank). */
float adapter_scale(double alpha, int rank, bool use_rslora);

#endif
